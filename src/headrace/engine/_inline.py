"""Policy of the inline way: what may be done on the event loop's own thread.

An operation is inline only where the kernel promises not to wait. What that takes
is found out once and remembered per device: the type of its file system, and
whether it has reads with RWF_NOWAIT.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

from headrace import _native
from headrace._platform import (
    O_CLOEXEC,
    O_NOFOLLOW,
    O_PATH,
    inline_reads,
    is_android,
)
from headrace._settings import Settings, on_change, settings
from headrace._stats import counters

R = TypeVar("R", bound=_native.Raw)


class Limits:
    """What may be done inline; found out when it is first asked for."""

    __slots__ = ("core", "inline")

    inline: int
    """The longest inline read, in bytes; 0 turns everything inline off."""
    core: int
    """The longest that the C core makes without asking Python."""

    def __getattr__(self, name: str) -> int:
        # Only until they are set.
        if name not in ("core", "inline"):
            raise AttributeError(name)
        self.core = self.inline = settings().inline_limit
        return self.inline


limits = Limits()

# f_type of file systems whose open, fstat and close wait for nothing but local
# caches: <linux/magic.h> and statfs(2). Not here: NFS, SMB, FUSE, 9p, ...
_LOCAL_FILE_SYSTEMS = {
    0xEF53: "ext",
    0x58465342: "xfs",
    0x9123683E: "btrfs",
    0x01021994: "tmpfs",
    0x858458F6: "ramfs",
    0x794C7630: "overlay",
    0xF2F52010: "f2fs",
    0x73717368: "squashfs",
    0xE0F5E1E2: "erofs",
    0xCA451A4E: "bcachefs",
    0x2FC12FC1: "zfs",
    0x4D44: "fat",
    0x2011BAB0: "exfat",
    0x7366746E: "ntfs",
    0x9660: "isofs",
}


# Where a buffered write through io_uring is made at once, or waits without a thread.
# Measured on images on loop devices, Linux 6.18: of 300 writes of 4 KiB XFS made 297 in
# the submitting call (12 µs), of 64 KiB 293; ext4, btrfs and tmpfs none: they hand each
# to a kernel thread (25-50 µs), where a worker of ours does as well.
_ASYNC_WRITES = frozenset({"xfs"})


@dataclass(slots=True)
class Device:
    """What is known of the file system behind one st_dev."""

    local: bool
    """Open, fstat and close of a file there wait for no server."""
    nowait: bool
    """Reads with RWF_NOWAIT have not been refused there yet."""
    file_system: str = "unknown"
    ring: bool = True
    """io_uring has not refused its files yet."""

    @property
    def async_writes(self) -> bool:
        """Whether io_uring's buffered writes need no kernel thread there."""
        return self.file_system in _ASYNC_WRITES


#: For descriptors whose device has not been looked at: nothing is inline.
UNKNOWN = Device(local=False, nowait=False)

_devices: dict[int, Device] = {}


def device_of(fd: int, status: Status | os.stat_result) -> Device:
    """Return what is known of the device that the open *fd* is on; looks if need be.

    May wait on a network file system: call it from a worker.
    """
    device = _devices.get(status.st_dev)
    if device is None:
        kind = _native.file_system_type(fd)
        name = _LOCAL_FILE_SYSTEMS.get(kind)
        device = Device(
            local=name is not None and limits.inline > 0,
            nowait=not inline_reads() and limits.inline > 0,
            file_system=name or f"{kind:#x}",
        )
        _devices[status.st_dev] = device
    learn_root()
    return device


def known_device(status: Status | os.stat_result) -> Device | None:
    """Return what is known of the device of an open file, without looking."""
    # Nothing, as long as it is not known whether paths can be opened inline.
    return _devices.get(status.st_dev) if _root is not None else None


def known_devices() -> dict[int, Device]:
    """Return what is known of each device that files were opened on, by st_dev."""
    return dict(_devices)


def _look_again(chosen: Settings) -> None:
    """Forget what the limit before this one decided."""
    global _root
    if chosen.inline_limit != limits.inline:
        limits.core = limits.inline = chosen.inline_limit
        _devices.clear()
        _root = None


on_change(_look_again)


# -- Opening without waiting -----------------------------------------------


class Status(NamedTuple):
    """What is needed of fstat(2), by the names of `os.stat_result`."""

    st_dev: int
    st_mode: int
    st_nlink: int
    st_size: int


_PROBE_FLAGS = O_PATH | O_CLOEXEC

#: The file system of the root mount; None until the first worker has looked.
_root: Device | None = None


def learn(path: Any) -> None:
    """Look at the device of *path*, so that the next look at it may be inline.

    In a worker: it may wait. Does nothing for what is no path, or not there.
    """
    if not O_PATH or not limits.inline:
        return
    try:
        fd = os.open(path, _PROBE_FLAGS)
    except (OSError, TypeError, ValueError):
        learn_root()
        return
    try:
        device_of(fd, os.fstat(fd))
    finally:
        os.close(fd)


def learn_root() -> None:
    """Look once at the file system that absolute paths start on; in a worker."""
    global _root
    if _root is not None:
        return
    _root = UNKNOWN
    if not O_PATH or not limits.inline or is_android():
        return
    try:
        fd = os.open("/", _PROBE_FLAGS)
    except OSError:
        # No descriptor is left (EMFILE): nothing that the caller asked for has failed,
        # and another time there may be one.
        _root = None
        return
    try:
        _root = device_of(fd, os.fstat(fd))
    finally:
        os.close(fd)


def open_for_reading(
    kind: type[R], path: str | bytes, mode: Any, flags: int
) -> R | tuple[int, Status, Device] | None:
    """Open *path* for reading without waiting.

    Only where the kernel has the whole lookup cached (openat2(2), RESOLVE_CACHED,
    Linux 5.12) and the file is on a local file system. That is known beforehand
    for a path that stays on the root mount (RESOLVE_NO_XDEV); elsewhere an O_PATH
    descriptor, whose opening calls no file system, tells the device first.

    Args:
        kind: The type of the raw file that is made of a regular file.
        path: A path.
        mode: The raw file's record of its mode.
        flags: What open(2) would be given, for the audit event.

    Returns:
        The raw file; or descriptor, status and device of what is no regular file (it
        was opened with O_NONBLOCK, so as not to wait; no audit event has been raised)
        or on a device not seen before; None if it would wait, or cannot be told.

    Raises:
        FileNotFoundError: The kernel knows that there is no such file.
    """
    root = _root
    if root is None or not root.local:
        return None
    within = _native.RESOLVE_NO_XDEV
    opened = kind._open_cached(path, mode, flags, within, _devices, limits.core)
    if opened.__class__ is kind:
        inline: Any = opened
        return inline  # type: ignore[no-any-return]
    if opened in (-errno.EXDEV, -errno.EAGAIN):
        # EAGAIN: not cached, or a mount in the way. A walk that may not wait cannot
        # tell the two apart (fs/namei.c, __follow_mount_rcu); EXDEV comes from others.
        return open_elsewhere(path)
    if isinstance(opened, int):
        _learn_from_refusal(opened, path)
        return None
    fd, *rest = cast("tuple[int, ...]", opened)
    status = Status._make(rest)
    return fd, status, _devices.get(status.st_dev) or _adopt(status, root)


def read_for_good(path: str | bytes) -> bytes | int | None:
    """Open, read whole and close the file at *path* without waiting.

    Only for a path that stays on the root mount; else as `open_for_reading`.

    Returns:
        The contents; None if it would wait, or cannot be told; or a descriptor: of a
        file that has no name any more, whose closing may wait, or of a FIFO, whose
        writer has been let in.

    Raises:
        FileNotFoundError: The kernel knows that there is no such file.
    """
    root = _root
    if root is None or not root.local or not root.nowait:
        return None
    found = _native.read_file(path, _native.RESOLVE_NO_XDEV, limits.inline)
    if found.__class__ is bytes or found >= 0:  # type: ignore[operator]
        return found
    if found == -errno.EOPNOTSUPP:
        root.nowait = False
    else:
        _learn_from_refusal(cast(int, found), path)
    return None


def status_of(path: str | bytes, follow_symlinks: bool = True) -> os.stat_result | None:
    """Return stat(2) of *path* without waiting.

    Through an O_PATH descriptor, whose opening calls no file system; where the path
    leaves the root mount, only if its device is known local.

    Returns:
        The status; None if it would wait, or cannot be told.

    Raises:
        FileNotFoundError: The kernel knows that there is no such file.
    """
    root = _root
    if root is None or not root.local:
        return None
    flags = _PROBE_FLAGS if follow_symlinks else _PROBE_FLAGS | O_NOFOLLOW
    found = _native.status_cached(path, flags, _native.RESOLVE_NO_XDEV)
    if found.__class__ is not int:
        return cast(os.stat_result, found)
    if found in (-errno.EXDEV, -errno.EAGAIN):
        return _status_elsewhere(path, flags)
    refusal: Any = found
    _learn_from_refusal(refusal, path)
    return None


def _status_elsewhere(path: str | bytes, flags: int) -> os.stat_result | None:
    """Look at a cached path off the root mount, if its device is known local."""
    name = _native.absolute(path)
    fd = -1 if name is None else _native.open_cached(name, flags)
    if fd < 0:
        return None
    try:
        # Not fstat(2) before it is known that no server is asked.
        if not _is_local(_native.cached_kind(fd)):
            return None
        counters.inline_calls += 1
        return os.fstat(fd)
    finally:
        os.close(fd)


def _is_local(kind: tuple[int, int] | None) -> bool:
    device = _devices.get(kind[0]) if kind is not None else None
    return device is not None and device.local


def _learn_from_refusal(error: int, path: str | bytes) -> None:
    """Raise the error that says all, and remember a kernel that refuses the call."""
    if error == -errno.ENOENT and path[:1] in ("/", b"/"):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    if error in (-errno.ENOSYS, -errno.EPERM, -errno.EINVAL):
        _give_up_opening(error)


def open_elsewhere(path: str | bytes) -> tuple[int, Status, Device] | None:
    """Open a cached path that leaves the root mount, if its device is known local.

    Returns:
        Descriptor, status and device; None if it would wait, or cannot be told.
    """
    if not opens_inline():
        return None
    name = _native.absolute(path)
    probe = -1 if name is None else _native.open_cached(name, _PROBE_FLAGS)
    if name is None or probe < 0:
        return None
    try:
        # Not fstat(2), which may ask a server.
        seen = _native.cached_kind(probe)
    finally:
        os.close(probe)
    if seen is None:
        return None
    device = _devices.get(seen[0])
    if device is None or not device.local or not stat.S_ISREG(seen[1]):
        return None
    counters.inline_calls += 1
    fd, *rest = _native.open_regular(name, 0)
    return None if fd < 0 else (fd, Status._make(rest), device)


def _adopt(status: Status, root: Device) -> Device:
    """Remember a device of the root mount: overlayfs and btrfs have several."""
    device = Device(root.local, root.nowait, root.file_system)
    _devices[status.st_dev] = device
    return device


def _give_up_opening(error: int) -> None:
    """Never try again where the kernel or a seccomp filter refuses openat2(2)."""
    global _root
    # EPERM is also an ordinary answer (a file that may not be opened); only a
    # refusal for the root directory itself speaks of the call.
    if error == -errno.EPERM:
        fd = _native.open_cached(b"/", _PROBE_FLAGS, _native.RESOLVE_NO_XDEV)
        if fd >= 0:
            os.close(fd)
        if fd != error:
            return
    _root = UNKNOWN


def opens_inline() -> bool:
    """Tell whether opening for reading is inline for paths on the root mount."""
    return _root is not None and _root.local
