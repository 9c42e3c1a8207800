"""One system call that the kernel promises not to wait in.

Twin of `c/inline.c`. Knows descriptors, offsets and paths; no files, no policy.
Each call touches nothing but its arguments and a buffer of its own thread.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
import sys
import threading
from collections.abc import Callable
from typing import Any

from headrace._stats import counters

RWF_NOWAIT: int = getattr(os, "RWF_NOWAIT", 0)

#: Longest read that `read_at` is made for: a copy of this size takes some 20 µs.
SCRATCH_SIZE = 256 * 1024 + 1  # bytes

# Missing on Windows and macOS < 11, where `_platform.inline_reads` says so.
_preadv: Callable[..., int] = getattr(os, "preadv", None)  # type: ignore[assignment]

# openat2(2), Linux 5.6; one number on every architecture but alpha.
_SYS_OPENAT2 = 437
_AT_FDCWD = -100
RESOLVE_NO_XDEV = 0x01  # EXDEV rather than cross into another mount
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
RESOLVE_CACHED = 0x20  # Linux 5.12: EAGAIN rather than wait for a lookup


class _Scratch(threading.local):
    """Where inline reads land before they become `bytes`: each thread has its own.

    One buffer for each power of two, made when first needed. A read of just that
    size goes into the whole of it, which is 2 µs cheaper for 64 KiB than a part of
    a larger one.
    """

    def __init__(self) -> None:
        self.buffers: dict[int, bytearray] = {}

    def part(self, size: int) -> memoryview | bytearray:
        """Return *size* bytes of room."""
        rounded = max(4096, 1 << (size - 1).bit_length())
        buf = self.buffers.get(rounded)
        if buf is None:
            buf = self.buffers[rounded] = bytearray(rounded)
        return buf if rounded == size else memoryview(buf)[:size]


_scratch = _Scratch()


def read_at(fd: int, size: int, offset: int) -> bytes | None:
    """Read up to *size* bytes without waiting.

    Args:
        fd: An open descriptor.
        size: Bytes wanted, 1 to `SCRATCH_SIZE`.
        offset: Absolute byte offset, or -1 for the descriptor's own position,
            which then moves.

    Returns:
        The bytes (none at the end of the file), or None if it would wait.

    Raises:
        OSError: As preadv2(2) reports it; EOPNOTSUPP where the file system has
            no such reads.
    """
    scratch = _scratch
    buf = scratch.buffers.get(size)
    room = scratch.part(size) if buf is None else buf
    try:
        count = _preadv(fd, (room,), offset, RWF_NOWAIT)
    except BlockingIOError:
        return None
    return bytes(room) if count == size else bytes(room[:count])


def read_into_at(fd: int, buf: memoryview, offset: int) -> int:
    """Read into *buf* without waiting: `read_at`, but the count, or -1 to wait."""
    try:
        return _preadv(fd, (buf,), offset, RWF_NOWAIT)
    except BlockingIOError:
        return -1


# -- Opening ---------------------------------------------------------------


@functools.cache
def _libc() -> Any:
    """Load ctypes and the C library when first needed; None where it cannot be."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        import ctypes

        # PyDLL keeps the GIL: the calls cannot wait, and giving it away costs more.
        return ctypes.PyDLL(None, use_errno=True)
    except (ImportError, OSError):
        return None


@functools.cache
def _openat2() -> Callable[[bytes, int, int], int] | None:
    libc = _libc()
    if libc is None:
        return None
    import ctypes

    class OpenHow(ctypes.Structure):
        _fields_ = [
            ("flags", ctypes.c_uint64),
            ("mode", ctypes.c_uint64),
            ("resolve", ctypes.c_uint64),
        ]

    syscall = libc.syscall
    syscall.restype = ctypes.c_long
    syscall.argtypes = (
        ctypes.c_long,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_void_p,
        ctypes.c_size_t,
    )
    size = ctypes.sizeof(OpenHow)
    get_errno = ctypes.get_errno

    @functools.cache
    def how(flags: int, resolve: int) -> Any:
        return ctypes.byref(OpenHow(flags, 0, resolve))

    def openat2(path: bytes, flags: int, resolve: int) -> int:
        fd: int = syscall(_SYS_OPENAT2, _AT_FDCWD, path, how(flags, resolve), size)
        return fd if fd >= 0 else -get_errno()

    return openat2


def open_cached(path: bytes, flags: int, resolve: int = 0) -> int:
    """Open *path* only if every step of the lookup is in the kernel's caches.

    Args:
        path: Without a NUL byte.
        flags: For open(2), none of those that create or truncate.
        resolve: `RESOLVE_*` flags beside `RESOLVE_CACHED`.

    Returns:
        A descriptor, or the negative errno: -EAGAIN where it would wait, -ENOSYS
        where the call is not to be had.
    """
    call = _openat2()
    if call is None:
        return -errno.ENOSYS
    return call(path, flags, resolve | RESOLVE_CACHED)


_ENCODING = sys.getfilesystemencoding()
_ENCODE_ERRORS = sys.getfilesystemencodeerrors()


def absolute(path: str | bytes) -> bytes | None:
    """Return *path* as the kernel takes it, from the root on; None if it cannot be."""
    try:
        name = path.encode(_ENCODING, _ENCODE_ERRORS) if isinstance(path, str) else path
    except UnicodeEncodeError:
        return None
    # The kernel has no file of no name; made absolute it would be the directory.
    if not name or b"\0" in name:
        return None
    if name.startswith(b"/"):
        return name
    try:
        return os.getcwdb() + b"/" + name
    except OSError:
        return None


# statx(2), Linux 4.11: what is known of the file, without asking its server.
_AT_EMPTY_PATH = 0x1000
_AT_STATX_DONT_SYNC = 0x4000
_STATX_TYPE = 0x1


def open_regular(path: bytes, resolve: int) -> tuple[int, int, int, int, int]:
    """Open *path* for reading as `open_cached` does, and look at it.

    Args:
        path: Without a NUL byte.
        resolve: `RESOLVE_*` flags beside `RESOLVE_CACHED`.

    Returns:
        A descriptor or the negative errno; st_dev, st_mode, st_nlink and st_size,
        zeros where there is no descriptor. What is no regular file was opened with
        O_NONBLOCK, so as not to wait for a FIFO's writer, and stays so.
    """
    fd = open_cached(path, _READ_FLAGS, resolve)
    if fd < 0:
        return fd, 0, 0, 0, 0
    try:
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode):
            os.set_blocking(fd, True)
    except BaseException:
        os.close(fd)
        raise
    return fd, status.st_dev, status.st_mode, status.st_nlink, status.st_size


def read_file(path: str | bytes, resolve: int, limit: int) -> bytes | int:
    """Open *path* as `open_cached` does, read all of it, and close it.

    Args:
        path: A path, made absolute first.
        resolve: `RESOLVE_*` flags beside `RESOLVE_CACHED`.
        limit: The file is read if it is a regular one of fewer bytes.

    Returns:
        The contents; or, where they cannot be had without waiting, the negative
        errno: -EAGAIN, or what the kernel says. 0 or more is a descriptor for the
        caller: of a file that has no name any more, whose closing may wait; or of a
        FIFO, whose writer has been let in.
    """
    name = absolute(path)
    if name is None:
        return -errno.EAGAIN
    fd, _, mode, links, size = open_regular(name, resolve)
    if fd < 0 or not links or stat.S_ISFIFO(mode):
        return fd
    try:
        if not stat.S_ISREG(mode) or size >= limit:
            return -errno.EAGAIN
        # One byte more than there should be: a short answer is the end of the file.
        data = read_at(fd, size + 1, 0)
    except OSError as error:
        return -(error.errno or errno.EIO)
    finally:
        os.close(fd)
    if data is None or len(data) != size:
        return -errno.EAGAIN
    counters.inline_calls += 1
    return data


def status_cached(path: str | bytes, flags: int, resolve: int) -> os.stat_result | int:
    """Return stat(2) of *path*, or lstat(2), if the lookup is cached.

    Args:
        path: A path, made absolute first.
        flags: O_PATH, and O_NOFOLLOW for lstat(2).
        resolve: `RESOLVE_*` flags beside `RESOLVE_CACHED`; by them the path has to be
            kept on file systems whose fstat(2) waits for nothing.

    Returns:
        The status, or the negative errno of `open_cached`.
    """
    name = absolute(path)
    if name is None:
        return -errno.EAGAIN
    fd = open_cached(name, flags, resolve)
    if fd < 0:
        return fd
    counters.inline_calls += 1
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


def close_linked(fd: int) -> bool:
    """Close *fd* if its file still has a name; tell whether it was closed.

    Raises:
        OSError: As fstat(2) reports it, with *fd* open; or close(2), with it closed.
    """
    if not os.fstat(fd).st_nlink:
        return False
    os.close(fd)
    return True


def cached_kind(fd: int) -> tuple[int, int] | None:
    """Return the device and the mode (type and permissions) of an open file.

    Asks no server: the answer is what the kernel has in its caches.

    Returns:
        As st_dev and st_mode of stat(2), the permissions perhaps out of date; None
        where it cannot be told.
    """
    libc = _libc()
    if libc is None or not hasattr(libc, "statx"):
        return None
    import ctypes

    buf = (ctypes.c_uint32 * 64)()
    flags = _AT_EMPTY_PATH | _AT_STATX_DONT_SYNC
    if libc.statx(fd, b"", flags, _STATX_TYPE, buf) != 0:
        return None
    # struct statx: stx_mode is 16 bits at byte 28, stx_dev_major and stx_dev_minor
    # are 32 bits each at bytes 136 and 140.
    mode = ctypes.c_uint16.from_buffer(buf, 28).value
    return os.makedev(buf[34], buf[35]), mode


def file_system_type(fd: int) -> int:
    """Return fstatfs(2)'s f_type of the file system that *fd* is on; 0 if unknown.

    May wait on a network file system: call it from a worker.
    """
    libc = _libc()
    if libc is None:
        return 0
    import ctypes

    # struct statfs begins with f_type, a long (an unsigned int on s390, where the
    # value below comes out wrong and is then simply an unknown type).
    buf = (ctypes.c_long * 64)()
    return int(buf[0]) & 0xFFFFFFFF if libc.fstatfs(fd, buf) == 0 else 0
