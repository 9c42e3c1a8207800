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

from headrace import _native
from headrace._platform import (
    O_CLOEXEC,
    O_NONBLOCK,
    O_PATH,
    inline_reads,
    is_android,
)
from headrace._stats import counters

#: A larger copy keeps the loop waiting: 64 KiB takes 3 µs, 1 MiB 50-100 µs.
DEFAULT_INLINE_LIMIT = 256 * 1024  # bytes


def _limit_from_environment() -> int:
    text = os.environ.get("HEADRACE_INLINE_LIMIT", "")
    limit = int(text) if text.isdecimal() else DEFAULT_INLINE_LIMIT
    return min(limit, DEFAULT_INLINE_LIMIT)


#: The longest inline read, in bytes; 0 turns everything inline off.
INLINE_LIMIT = _limit_from_environment()

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


@dataclass(slots=True)
class Device:
    """What is known of the file system behind one st_dev."""

    local: bool
    """Open, fstat and close of a file there wait for no server."""
    nowait: bool
    """Reads with RWF_NOWAIT have not been refused there yet."""
    file_system: str = "unknown"


#: For descriptors whose device has not been looked at: nothing is inline.
UNKNOWN = Device(local=False, nowait=False)

_devices: dict[int, Device] = {}


def device_of(fd: int, status: os.stat_result) -> Device:
    """Return what is known of the device that the open *fd* is on; looks if need be.

    May wait on a network file system: call it from a worker.
    """
    device = _devices.get(status.st_dev)
    if device is None:
        kind = _native.file_system_type(fd)
        name = _LOCAL_FILE_SYSTEMS.get(kind)
        device = Device(
            local=name is not None and INLINE_LIMIT > 0,
            nowait=not inline_reads() and INLINE_LIMIT > 0,
            file_system=name or f"{kind:#x}",
        )
        _devices[status.st_dev] = device
    _learn_root()
    return device


# -- Opening without waiting -----------------------------------------------

_READ_FLAGS = os.O_RDONLY | O_CLOEXEC | O_NONBLOCK
_PROBE_FLAGS = O_PATH | O_CLOEXEC

#: The file system of the root mount; None until the first worker has looked.
_root: Device | None = None


def _learn_root() -> None:
    """Look once at the file system that absolute paths start on; in a worker."""
    global _root
    if _root is not None:
        return
    _root = UNKNOWN
    if not O_PATH or not INLINE_LIMIT or is_android():
        return
    fd = os.open("/", _PROBE_FLAGS)
    try:
        _root = device_of(fd, os.fstat(fd))
    finally:
        os.close(fd)


def open_for_reading(path: str | bytes) -> tuple[int, os.stat_result, Device] | None:
    """Open *path* for reading without waiting.

    Only where the kernel has the whole lookup cached (openat2(2), RESOLVE_CACHED,
    Linux 5.12) and the file is on a local file system. That is known beforehand
    for a path that stays on the root mount (RESOLVE_NO_XDEV); elsewhere an O_PATH
    descriptor, whose opening calls no file system, tells the device first.

    Returns:
        Descriptor, status and device; the descriptor has O_NONBLOCK set, which a
        regular file ignores. None if it would wait, or cannot be told.

    Raises:
        FileNotFoundError: The kernel knows that there is no such file.
    """
    root = _root
    if root is None or not root.local:
        return None
    name = os.fsencode(path)
    if b"\0" in name:
        return None
    absolute = name.startswith(b"/")
    if not absolute:
        try:
            name = os.getcwdb() + b"/" + name
        except OSError:
            return None
    counters.inline_calls += 1
    fd = _native.open_cached(name, _READ_FLAGS, _native.RESOLVE_NO_XDEV)
    if fd in (-errno.EXDEV, -errno.EAGAIN):
        # EAGAIN: not cached, or a mount in the way. A walk that may not wait cannot
        # tell the two apart (fs/namei.c, __follow_mount_rcu); EXDEV comes from others.
        return _open_elsewhere(name)
    if fd < 0:
        if fd == -errno.ENOENT and absolute:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if fd in (-errno.ENOSYS, -errno.EPERM, -errno.EINVAL):
            _give_up_opening(fd)
        return None
    status = os.fstat(fd)
    return fd, status, _devices.get(status.st_dev) or _adopt(status, root)


def _open_elsewhere(name: bytes) -> tuple[int, os.stat_result, Device] | None:
    """Open a cached path that leaves the root mount, if its device is known local."""
    probe = _native.open_cached(name, _PROBE_FLAGS)
    if probe < 0:
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
    fd = _native.open_cached(name, _READ_FLAGS)
    return None if fd < 0 else (fd, os.fstat(fd), device)


def _adopt(status: os.stat_result, root: Device) -> Device:
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
