"""A small file copied to a new one.

Twin of `c/copy.c`, which does it in one call without the GIL: between two of the many
calls that it takes, a thread that copies files one after another has to take the GIL
again, and the event loop waits for its turn.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

_READ_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
)
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)


def copy_new(source: bytes, target: bytes, limit: int, metadata: int, /) -> int:
    """Copy a regular file to a new file. Blocks.

    Args:
        source: A path; not of a symbolic link.
        target: A path where there is nothing yet.
        limit: Most bytes.
        metadata: What is copied besides the data: 0 nothing, 1 the permissions, 2 the
            times as well. Then a file with extended attributes is refused.

    Returns:
        The number of bytes; or -errno, and the other way of copying has to find out
        what to do: EAGAIN for what is not copied here, ENOSYS for a platform that has
        nothing to copy so. The target may then be there, not yet complete.
    """
    if sys.platform != "linux":
        return -errno.ENOSYS
    try:
        reader = os.open(source, _READ_FLAGS)
        try:
            return _copy_open(reader, target, limit, metadata)
        finally:
            os.close(reader)
    except OSError as error:
        return -(error.errno or errno.EAGAIN)


if sys.platform == "linux":

    def _copy_open(reader: int, target: bytes, limit: int, metadata: int) -> int:
        seen = os.fstat(reader)
        size = seen.st_size
        if not stat.S_ISREG(seen.st_mode) or size > limit:
            return -errno.EAGAIN
        if metadata > 1 and _has_attributes(reader):
            return -errno.EAGAIN
        # One byte more than there should be: a longer read says that it has grown.
        data = os.read(reader, size + 1)
        if len(data) != size:
            return -errno.EAGAIN
        writer = os.open(target, _CREATE_FLAGS, 0o666)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(writer, left) :]
            if metadata > 1:
                os.utime(writer, ns=(seen.st_atime_ns, seen.st_mtime_ns))
            if metadata > 0:
                os.chmod(writer, stat.S_IMODE(seen.st_mode))
        finally:
            os.close(writer)
        return size

    def _has_attributes(fd: int) -> bool:
        try:
            return bool(os.listxattr(fd))
        except OSError:
            return False  # There are none here.
