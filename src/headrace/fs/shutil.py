"""`shutil`, asynchronous: copying, moving and removing files and trees.

The functions with their arguments, those of the newest Python on every one; what they
do is in `_copy.py`, `_copytree.py` and `_rmtree.py`. What takes one blocking call, or
cannot be divided, is a twin of the function of `shutil`.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable
from shutil import (
    Error,
    ExecError,
    ReadError,
    RegistryError,
    SameFileError,
    SpecialFileError,
    get_archive_formats,
    get_terminal_size,
    get_unpack_formats,
    ignore_patterns,
    register_archive_format,
    register_unpack_format,
    unregister_archive_format,
    unregister_unpack_format,
)
from typing import Any, Final, Literal, TypeVar, cast

from headrace._typing import StrOrBytesPath, StrPath
from headrace.engine import current_engine
from headrace.fs._copy import ALL, DATA, MODE, Copying, copy_file, same_file
from headrace.fs._copyfileobj import copy_files
from headrace.fs._copytree import TreeOptions, copy_tree
from headrace.fs._offload import offload, offload_change
from headrace.fs._rmtree import SAFE, remove_tree
from headrace.fs._steps import Progress, Tally, in_steps, is_async

__all__ = [
    "COPY_BUFSIZE",
    "Error",
    "ExecError",
    "ReadError",
    "RegistryError",
    "SameFileError",
    "SpecialFileError",
    "chown",
    "copy",
    "copy2",
    "copyfile",
    "copyfileobj",
    "copymode",
    "copystat",
    "copytree",
    "disk_usage",
    "get_archive_formats",
    "get_terminal_size",
    "get_unpack_formats",
    "ignore_patterns",
    "make_archive",
    "move",
    "register_archive_format",
    "register_unpack_format",
    "rmtree",
    "unpack_archive",
    "unregister_archive_format",
    "unregister_unpack_format",
    "which",
]

PathT = TypeVar("PathT", bound=StrOrBytesPath)

#: The bytes that `copyfileobj` reads at a time if it is not told otherwise.
COPY_BUFSIZE: Final = 256 * 1024

chown = offload_change(shutil.chown)
copymode = offload_change(shutil.copymode)
copystat = offload_change(shutil.copystat)
disk_usage = offload(shutil.disk_usage)
make_archive = offload_change(shutil.make_archive)
unpack_archive = offload_change(shutil.unpack_archive)
which = offload(shutil.which)

# -- Files -----------------------------------------------------------------------


async def copyfileobj(
    fsrc: Any, fdst: Any, length: int = 0, *, progress: Progress | None = None
) -> None:
    """Copy what is left of one file object to another, as `shutil.copyfileobj` does.

    Args:
        fsrc: A file open for reading: one of headrace, or any other object with
            `read`. A blocking one is read in a worker thread.
        fdst: A file open for writing, of either kind.
        length: Bytes (or characters) that are read at a time; 256 Ki if it is 0, and
            all at once if it is negative.
        progress: Called on the loop with what has been copied and the total, which
            is the same: it is not known beforehand.

    Cancellation: takes effect between two pieces; the one that was read last may be
        in neither of the files.
    """
    await copy_files(fsrc, fdst, length or COPY_BUFSIZE, progress)


async def copyfile(
    src: StrOrBytesPath,
    dst: PathT,
    *,
    follow_symlinks: bool = True,
    progress: Progress | None = None,
) -> PathT:
    """Copy the data of a file, as `shutil.copyfile` does; returns *dst*.

    Where the file system can, both files then share their data (reflink); else the
    kernel copies it (copy_file_range(2), sendfile(2)), 16 MiB at a time.

    Args:
        src: A file, or an entry of `scandir()`.
        dst: The file to write; not a directory.
        follow_symlinks: If false, a symbolic link is copied as one.
        progress: Called on the loop with the bytes copied and the total, some
            fifty times a second and at the end; awaited if it is a coroutine function.

    Raises:
        SameFileError: Both are the same file.
        SpecialFileError: One is a FIFO.
        OSError: As the kernel reports it.

    Cancellation: takes effect between two pieces. *dst* is left as far as it was
        written; nothing stays open.
    """
    copied: PathT = await _copy(DATA, src, dst, follow_symlinks, progress)
    return copied


async def copy(
    src: StrOrBytesPath,
    dst: Any,
    *,
    follow_symlinks: bool = True,
    progress: Progress | None = None,
) -> Any:
    """Copy data and permissions, as `shutil.copy` does; returns where they are.

    Args:
        src: See `copyfile`.
        dst: A file, or a directory to copy into.
        follow_symlinks: See `copyfile`.
        progress: See `copyfile`.

    Cancellation: as for `copyfile`.
    """
    return await _copy(MODE, src, dst, follow_symlinks, progress)


async def copy2(
    src: StrOrBytesPath,
    dst: Any,
    *,
    follow_symlinks: bool = True,
    progress: Progress | None = None,
) -> Any:
    """Copy data and metadata, as `shutil.copy2` does; returns where they are.

    Args:
        src: See `copyfile`.
        dst: A file, or a directory to copy into.
        follow_symlinks: See `copyfile`.
        progress: See `copyfile`.

    Cancellation: as for `copyfile`.
    """
    return await _copy(ALL, src, dst, follow_symlinks, progress)


async def _copy(
    copying: Copying,
    source: Any,
    target: Any,
    follow_symlinks: bool,
    progress: Progress | None,
) -> Any:
    tally = Tally(progress)
    work = copy_file(copying, _plain(source), target, follow_symlinks, tally)
    return await in_steps(work, tally)


def _plain(path: Any) -> Any:
    """Return what blocking functions take: of an entry, the one of `os` behind it."""
    return getattr(path, "_entry", path)


# -- Trees -----------------------------------------------------------------------

_OURS: Final[dict[object, Copying]] = {
    copy2: ALL,
    copy: MODE,
    copyfile: DATA,
    shutil.copy2: ALL,
    shutil.copy: MODE,
    shutil.copyfile: DATA,
}


async def copytree(
    src: StrPath,
    dst: StrPath,
    symlinks: bool = False,
    ignore: Callable[[str, list[str]], Iterable[str]]
    | Callable[..., Any]
    | None = None,
    copy_function: Callable[[Any, Any], Any] = copy2,
    ignore_dangling_symlinks: bool = False,
    dirs_exist_ok: bool = False,
    *,
    progress: Progress | None = None,
) -> Any:
    """Copy a directory and all below it, as `shutil.copytree` does; returns *dst*.

    Args:
        src: The directory.
        dst: Where it is to be; made with the directories above it.
        symlinks: Copy symbolic links as links, and not what they point to.
        ignore: Called with a directory and the names in it; returns those to leave
            out. See `ignore_patterns`.
        copy_function: Copies a file; like *ignore* it runs in a worker thread, or on
            the loop if it is a coroutine function.
        ignore_dangling_symlinks: Leave out links that lead nowhere.
        dirs_exist_ok: Directories may be there already.
        progress: See `copyfile`. The total grows as directories are read; it stays 0
            if *copy_function* is not one of this module.

    Raises:
        Error: With a list of (source, destination, reason) of all that failed.
        OSError: *src* cannot be read, or *dst* cannot be made.

    Cancellation: takes effect between two entries, or two pieces of a large file.
        What has been copied is left; nothing stays open.
    Cost: jobs of 20 ms, two at a time, each of them many files.
    """
    options = TreeOptions(
        symlinks,
        ignore,
        copy_function,
        _OURS.get(copy_function),
        ignore_dangling_symlinks,
        dirs_exist_ok,
    )
    await copy_tree(src, dst, options, progress)
    return dst


async def rmtree(
    path: StrOrBytesPath,
    ignore_errors: bool = False,
    onerror: Callable[[Callable[..., Any], str, Any], object] | None = None,
    *,
    onexc: Callable[[Callable[..., Any], str, BaseException], object] | None = None,
    dir_fd: int | None = None,
) -> None:
    """Remove a directory and all below it, as `shutil.rmtree` does.

    Each directory is opened in the one above and never by its path again, so that a
    symbolic link put in its place leads nowhere (`rmtree.avoids_symlink_attacks`).

    Args:
        path: The directory; not a symbolic link.
        ignore_errors: Go on silently.
        onerror: As *onexc*, with what `sys.exc_info()` returns; the older form.
        onexc: Called with a function of `os`, a path and the error, and goes on when
            it returns; in a worker thread, or on the loop if it is a coroutine
            function.
        dir_fd: A descriptor of the directory that *path* is relative to.

    Raises:
        OSError: The first error, if neither function is given.

    Cancellation: takes effect between two entries; nothing stays open.
    Cost: jobs of 20 ms, each of them many entries.
    """
    sys.audit("shutil.rmtree", path, dir_fd)
    if SAFE:
        handler = _handler(ignore_errors, onerror, onexc)
        await in_steps(remove_tree(path, handler, dir_fd))
        return
    keywords: dict[str, Any] = {} if dir_fd is None else {"dir_fd": dir_fd}
    handler = _handler(ignore_errors, onerror, onexc)
    if handler is not None:
        keywords["onerror"] = _by_info(handler)
    await _rmtree(path, **keywords)


_rmtree: Final[Callable[..., Any]] = offload_change(shutil.rmtree)
setattr(rmtree, "avoids_symlink_attacks", SAFE)  # noqa: B010 - a function has none


Handler = Callable[[Callable[..., Any], str, BaseException], object]


def _handler(ignore_errors: bool, onerror: Any, onexc: Any) -> Handler | None:
    if ignore_errors:
        return _ignore
    if onexc is not None or onerror is None:
        handler: Handler | None = onexc
        return handler

    # What a coroutine function gives is awaited by who asked.
    def call(func: Callable[..., Any], path: str, error: BaseException) -> object:
        answer: object = onerror(func, path, (type(error), error, error.__traceback__))
        return answer

    if not is_async(onerror):
        return call

    async def call_later(
        func: Callable[..., Any], path: str, error: BaseException
    ) -> None:
        await onerror(func, path, (type(error), error, error.__traceback__))

    return call_later


def _ignore(func: Callable[..., Any], path: str, error: BaseException) -> None:
    """Go on."""


def _by_info(handler: Handler) -> Callable[..., object]:
    """Return *handler* in the form of `onerror`."""

    def onerror(func: Callable[..., Any], path: str, info: Any) -> object:
        return handler(func, path, info[1])

    return onerror


# -- Moving ----------------------------------------------------------------------


async def move(
    src: StrPath,
    dst: StrPath,
    copy_function: Callable[[Any, Any], Any] = copy2,
    *,
    progress: Progress | None = None,
) -> Any:
    """Move a file or a directory, as `shutil.move` does; returns where it is.

    Args:
        src: The file or directory.
        dst: Its new path, or a directory to move it into.
        copy_function: See `copytree`; used where it cannot be renamed.
        progress: See `copyfile`; called where it is copied.

    Raises:
        Error: The destination is there, or inside *src*; or see `copytree`.
        OSError: As the kernel reports it.

    Cancellation: a rename is finished first. While it is copied, as for `copytree`:
        *src* is then still there. Once it is being removed, the copy is complete.
    """
    sys.audit("shutil.move", src, dst)
    target, kind = await current_engine().run(_rename, src, dst, on_cancel="finish")
    if kind == "directory":
        await copytree(src, target, True, None, copy_function, progress=progress)
        await rmtree(src)
    elif kind == "file":
        if copy_function in _OURS:
            await _copy(_OURS[copy_function], src, target, True, progress)
        elif is_async(copy_function):
            await copy_function(src, target)
        else:
            await offload_change(copy_function)(src, target)
        await current_engine().run(os.unlink, src, on_cancel="finish")
    return target


def _rename(source: Any, target: Any) -> tuple[Any, Literal["", "file", "directory"]]:
    """Move by renaming; else tell what has to be copied, and where to."""
    real_target: Any = target
    if os.path.isdir(target):
        if same_file(source, target) and not os.path.islink(source):
            # Perhaps another case of the same name, where case does not matter.
            os.rename(source, target)
            return None, ""
        real_target = _inside(target, source)
        if os.path.exists(real_target):
            raise Error(f"Destination path '{real_target}' already exists")
    try:
        os.rename(source, real_target)
    except OSError:
        if os.path.islink(source):
            os.symlink(os.readlink(source), real_target)
            os.unlink(source)
            return real_target, ""
        if not os.path.isdir(source):
            return real_target, "file"
        _check_directory(source, target)
        return real_target, "directory"
    return real_target, ""


def _inside(folder: Any, path: Any) -> Any:
    """Return the path in *folder* with the last name of *path*."""
    separators = os.path.sep + (os.path.altsep or "")
    name: str = cast("str", os.fspath(path)).rstrip(separators)
    return os.path.join(folder, os.path.basename(name))


def _check_directory(source: Any, target: Any) -> None:
    """Refuse to move a directory into itself, or one that could not be removed."""
    above = os.path.join(os.path.abspath(source), "")
    if os.path.join(os.path.abspath(target), "").startswith(above):
        raise Error(f"Cannot move a directory '{source}' into itself '{target}'.")
    if sys.platform == "darwin":
        frozen = os.stat(source).st_flags
        locked = not os.access(source, os.W_OK) and os.listdir(source)
        if locked or frozen in _FROZEN:
            raise PermissionError(
                f"Cannot move the non-empty directory '{source}': "
                f"Lacking write permission to '{source}'."
            )


_FROZEN: Final = {0x00000002, 0x00020000}
"""UF_IMMUTABLE and SF_IMMUTABLE, chflags(2)."""
