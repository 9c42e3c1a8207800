"""Copying one file: as much of it by the kernel as it will do, a chunk at a time.

Generators of blocking steps (see `_steps.py`), with the checks, errors and results of
`shutil`. What they leave when they are stopped: the destination, as far as it came.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from io import FileIO
from typing import Any, Final, NamedTuple, cast

from headrace._native import copy_new
from headrace.fs._steps import Tally, Work

__all__ = [
    "ALL",
    "DATA",
    "MODE",
    "Copying",
    "copy_data",
    "copy_file",
    "is_link",
    "same_file",
]

CHUNK_SIZE: Final = 16 * 1024 * 1024
"""Bytes the kernel copies in one call: some milliseconds from the page cache."""

READ_SIZE: Final = 1024 * 1024
"""Bytes that go through user space at a time. Larger ones gain nothing: `dd`."""

SMALL_SIZE: Final = 256 * 1024
"""A file up to so many bytes is read and written whole: two system calls."""

FICLONE: Final = 0x40049409
"""ioctl_ficlone(2): let two files share their data; Linux 4.5, btrfs, XFS, ..."""

# What says that a way is not there between these two files, or on this kernel: see
# copy_file_range(2), sendfile(2) and ioctl_ficlone(2).
_NOT_THIS_WAY: Final = {
    errno.EBADF,
    errno.EINVAL,
    errno.ENOSYS,
    errno.ENOTTY,
    errno.EOPNOTSUPP,
    errno.EPERM,
    errno.ETXTBSY,
    errno.EXDEV,
    getattr(errno, "ENOTSOCK", errno.EINVAL),
}

_LINUX: Final = sys.platform == "linux"


def status(path: Any) -> os.stat_result:
    """Return the status of a path, or of an entry of a directory."""
    return path.stat() if isinstance(path, os.DirEntry) else os.stat(path)


def is_link(path: Any) -> bool:
    """Tell whether a path, or an entry of a directory, is a symbolic link."""
    if isinstance(path, os.DirEntry):
        return path.is_symlink()
    return os.path.islink(path)


# -- The data ----------------------------------------------------------------------


def copy_data(
    reader: int, writer: int, seen: os.stat_result, tally: Tally
) -> Work[int]:
    """Copy what is left of one open file to another, from their positions on.

    Args:
        reader: A descriptor open for reading.
        writer: A descriptor open for writing.
        seen: The status of the former.
        tally: Counts what is done.

    Returns:
        The number of bytes.

    Raises:
        OSError: As the kernel reports it.
    """
    size, done = seen.st_size, 0
    if 0 < size <= SMALL_SIZE and stat.S_ISREG(seen.st_mode):
        data = os.read(reader, size + 1)
        _write(writer, data)
        done = len(data)
        tally.add(done)
        if done <= size:
            return done  # What is shorter than asked for ends there.
    for way in _ways(size):
        try:
            while count := way(reader, writer):
                done += count
                tally.add(count)
                yield None
        except OSError as error:
            # All ways go on from the descriptors' own positions.
            if way is _read_write or error.errno not in _NOT_THIS_WAY:
                raise
    # The last way was to read and to write: it alone knows where the end is.
    return done


def _ways(size: int) -> Iterator[Callable[[int, int], int]]:
    """Yield the ways to copy, quickest first; each gives the bytes of one step."""
    if size > SMALL_SIZE:
        if _LINUX:
            yield _clone
        if hasattr(os, "copy_file_range"):
            yield _copy_range
        if _LINUX:
            yield _send
    yield _read_write


def _clone(reader: int, writer: int) -> int:
    """Share all data of a file, at its beginning; then both are at their ends."""
    if sys.platform == "win32" or os.lseek(writer, 0, os.SEEK_CUR):
        return 0
    if os.lseek(reader, 0, os.SEEK_CUR):
        return 0
    import fcntl

    fcntl.ioctl(writer, FICLONE, reader)
    os.lseek(reader, 0, os.SEEK_END)
    return os.lseek(writer, 0, os.SEEK_END)


def _copy_range(reader: int, writer: int) -> int:
    if sys.platform != "linux":
        return 0
    return os.copy_file_range(reader, writer, CHUNK_SIZE)


def _send(reader: int, writer: int) -> int:
    if sys.platform != "linux":
        return 0
    return os.sendfile(writer, reader, None, CHUNK_SIZE)


def _read_write(reader: int, writer: int) -> int:
    data = os.read(reader, READ_SIZE)
    _write(writer, data)
    return len(data)


def _write(writer: int, data: bytes) -> None:
    written = os.write(writer, data)
    while written < len(data):
        written += os.write(writer, memoryview(data)[written:])


# -- Files -------------------------------------------------------------------------


def same_file(source: Any, target: Any) -> bool:
    """Tell whether two paths are one file; False if one is not there."""
    try:
        return os.path.samestat(status(source), os.stat(target))
    except OSError:
        return False


def check(source: Any, target: Any) -> os.stat_result | None:
    """Refuse what cannot be copied; return the status of the source, if there is one.

    Raises:
        shutil.SameFileError, shutil.SpecialFileError: In the words of `shutil`.
    """
    found: list[os.stat_result | None] = []
    for path, look in ((source, status), (target, os.stat)):
        try:
            found.append(look(path))
        except OSError:
            found.append(None)
    before, after = found
    if before is not None and after is not None and os.path.samestat(before, after):
        raise shutil.SameFileError(f"{source!r} and {target!r} are the same file")
    for path, seen in ((source, before), (target, after)):
        if seen is not None and stat.S_ISFIFO(seen.st_mode):
            raise shutil.SpecialFileError(
                f"`{getattr(path, 'path', path)}` is a named pipe"
            )
    return before


class Copying(NamedTuple):
    """What is copied of a file, and how: `shutil.copyfile`, `copy` or `copy2`."""

    event: str
    """What is audited before the rest is copied (PEP 578)."""
    metadata: Callable[[Any, Any, bool], None] | None
    """Copies what else there is, by the paths; None for the data alone."""
    finish: Callable[[int, int, os.stat_result], None] | None
    """Does the same by the descriptors of source and destination."""
    into_directory: bool = True
    """A destination that is a directory stands for a file in it."""
    depth: int = 0
    """The same for `copy_new`."""


def copy_file(
    copying: Copying,
    source: Any,
    target: Any,
    follow_symlinks: bool,
    tally: Tally,
    announced: int | None = None,
) -> Work[Any]:
    """Copy a file as `shutil.copyfile`, `copy` or `copy2` does; return where it is.

    Args:
        copying: Which of them.
        source: A path, or an entry of a directory.
        target: A path.
        follow_symlinks: Copy what a symbolic link points to.
        tally: Counts the bytes.
        announced: The bytes that are in the tally's total for it already.
    """
    if copying.into_directory and os.path.isdir(target):
        target = cast("Any", os.path.join(target, os.path.basename(source)))
    sys.audit("shutil.copyfile", source, target)
    size = _copy_at_once(copying, source, target)
    if size >= 0:
        tally.add(size, size - (announced or 0))
        return target
    check(source, target)
    if not follow_symlinks and is_link(source):
        os.symlink(os.readlink(source), target)
        if copying.metadata is not None:
            copying.metadata(source, target, False)
        return target
    with FileIO(_name(source), "rb") as reader:
        with _create(target) as writer:
            seen = os.fstat(reader.fileno())
            if announced is None:
                tally.add(0, announced := seen.st_size)
            try:
                count = yield from copy_data(
                    reader.fileno(), writer.fileno(), seen, tally
                )
            except OSError as error:
                error.filename, error.filename2 = reader.name, writer.name
                raise
            tally.add(0, count - announced)  # It may have changed meanwhile.
            finished = _finish(copying, reader.fileno(), writer.fileno(), seen)
            if finished:
                sys.audit(copying.event, source, target)
    if not finished and copying.metadata is not None:
        copying.metadata(source, target, follow_symlinks)
    return target


def _copy_at_once(copying: Copying, entry: Any, target: Any) -> int:
    """Copy a small file to where nothing is yet, by one call without the GIL.

    Returns:
        Its size; a negative number if the other way has to be gone.
    """
    # Of a path it would have to be asked what is there.
    if entry.__class__ is not os.DirEntry or not entry.is_file(follow_symlinks=False):
        return -1
    # As the other way tells them (PEP 578), which then tells them once more.
    sys.audit("open", entry.path, "rb", os.O_RDONLY)
    sys.audit("open", target, "xb", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    source, target_name = os.fsencode(entry.path), os.fsencode(target)
    size = copy_new(source, target_name, SMALL_SIZE, copying.depth)
    if size >= 0 and copying.event:
        sys.audit(copying.event, entry, target)
    return size


def _name(path: Any) -> Any:
    """Return what shows in errors: never the object that stands for a path."""
    return path if isinstance(path, int) else cast("Any", os.fspath(path))


def _create(target: Any) -> FileIO:
    try:
        return FileIO(_name(target), "wb")
    except IsADirectoryError as error:
        if os.path.exists(target):
            raise
        raise FileNotFoundError(f"Directory does not exist: {target}") from error


def _finish(copying: Copying, reader: int, writer: int, seen: os.stat_result) -> bool:
    """Copy what else there is by the descriptors; False if that cannot be."""
    if copying.finish is None or not _BY_DESCRIPTOR:
        return False
    try:
        copying.finish(reader, writer, seen)
    except OSError:
        return False  # By the paths: with the same result, or the error that tells.
    return True


# st_flags: macOS and BSD have more to copy.
_BY_DESCRIPTOR: Final = {os.utime, os.chmod} <= os.supports_fd and not hasattr(
    os.stat_result, "st_flags"
)


def _copy_mode(reader: int, writer: int, seen: os.stat_result) -> None:
    os.chmod(writer, stat.S_IMODE(seen.st_mode))


def _copy_all(reader: int, writer: int, seen: os.stat_result) -> None:
    os.utime(writer, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    # Before the file may become one that cannot be written.
    _copy_attributes(reader, writer)
    os.chmod(writer, stat.S_IMODE(seen.st_mode))


def _copy_attributes(reader: int, writer: int) -> None:
    """Copy the extended attributes that the destination takes, as `copystat` does."""
    if sys.platform != "linux":
        return
    try:
        names = os.listxattr(reader)
    except OSError as error:
        if error.errno not in _NO_ATTRIBUTES:
            raise
        return
    for name in names:
        try:
            os.setxattr(writer, name, os.getxattr(reader, name))
        except OSError as error:
            if error.errno not in _NO_ATTRIBUTES | {errno.EPERM, errno.EACCES}:
                raise


_NO_ATTRIBUTES: Final = {
    errno.ENOTSUP,
    errno.EINVAL,
    getattr(errno, "ENODATA", errno.EINVAL),
}


def _mode_by_path(source: Any, target: Any, follow_symlinks: bool) -> None:
    shutil.copymode(source, target, follow_symlinks=follow_symlinks)


def _all_by_path(source: Any, target: Any, follow_symlinks: bool) -> None:
    shutil.copystat(source, target, follow_symlinks=follow_symlinks)


DATA: Final = Copying("", None, None, into_directory=False)
"""As `shutil.copyfile`."""

MODE: Final = Copying("shutil.copymode", _mode_by_path, _copy_mode, depth=1)
"""As `shutil.copy`."""

ALL: Final = Copying("shutil.copystat", _all_by_path, _copy_all, depth=2)
"""As `shutil.copy2`."""
