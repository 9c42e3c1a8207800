"""What `stat` and its kin answer from the kernel's caches, without a thread.

Each attempt has the arguments of the function that it stands for and answers WAIT
where only that function can: its errors, odd arguments, what is not cached.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import TYPE_CHECKING, Any

from headrace._typing import WAIT, FileDescriptorOrPath, Wait
from headrace.engine import budget, current_engine, status_of
from headrace.fs._offload import as_twin_of, learning_twin

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = [
    "exists_now",
    "field_now",
    "isdir_now",
    "isfile_now",
    "islink_now",
    "lexists_now",
    "lstat_now",
    "stat",
    "stat_now",
]


def stat_now(
    path: FileDescriptorOrPath,
    *,
    dir_fd: int | None = None,
    follow_symlinks: bool = True,
) -> os.stat_result | Wait:
    """`os.stat`, from the caches; raises FileNotFoundError if they know that."""
    if dir_fd is not None:
        return WAIT
    if not isinstance(path, (str, bytes)):
        if not isinstance(path, os.PathLike):
            return WAIT
        path = os.fspath(path)
    found = status_of(path, follow_symlinks)
    return WAIT if found is None else found


def lstat_now(
    path: FileDescriptorOrPath, *, dir_fd: int | None = None
) -> os.stat_result | Wait:
    """`os.lstat`, from the caches; raises FileNotFoundError if they know that."""
    return stat_now(path, dir_fd=dir_fd, follow_symlinks=False)


_stat_job = learning_twin(os.stat)


@as_twin_of(os.stat)
async def stat(
    path: FileDescriptorOrPath,
    *,
    dir_fd: int | None = None,
    follow_symlinks: bool = True,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> os.stat_result:
    # What `cached_first` makes, written out: this one is called the most.
    if executor is None:
        if budget.spend():
            await current_engine().checkpoint()
        if dir_fd is None and (path.__class__ is str or path.__class__ is bytes):
            name: Any = path
            found: Any = status_of(name, follow_symlinks)
            if found is not None:
                return found  # type: ignore[no-any-return]
        else:
            found = stat_now(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
            if found is not WAIT:
                return found  # type: ignore[no-any-return]
    return await _stat_job(
        path,
        dir_fd=dir_fd,
        follow_symlinks=follow_symlinks,
        loop=loop,
        executor=executor,
    )


def exists_now(path: FileDescriptorOrPath) -> bool | Wait:
    """`os.path.exists`, from the caches."""
    return _kind_now(path, lambda mode: True)


def isfile_now(path: FileDescriptorOrPath) -> bool | Wait:
    """`os.path.isfile`, from the caches."""
    return _kind_now(path, S_ISREG)


def isdir_now(s: FileDescriptorOrPath) -> bool | Wait:
    """`os.path.isdir`, from the caches."""
    return _kind_now(s, S_ISDIR)


def islink_now(path: FileDescriptorOrPath) -> bool | Wait:
    """`os.path.islink`, from the caches."""
    return _kind_now(path, S_ISLNK, follow_symlinks=False)


def lexists_now(path: FileDescriptorOrPath) -> bool | Wait:
    """`os.path.lexists`, from the caches."""
    return _kind_now(path, lambda mode: True, follow_symlinks=False)


def _kind_now(
    path: FileDescriptorOrPath,
    is_kind: Callable[[int], bool],
    *,
    follow_symlinks: bool = True,
) -> bool | Wait:
    try:
        found = stat_now(path, follow_symlinks=follow_symlinks)
    except FileNotFoundError:
        return False
    return WAIT if found is WAIT else is_kind(found.st_mode)


def field_now(field: str) -> Callable[[FileDescriptorOrPath], Any]:
    """Return the attempt that answers one field of `os.stat`: a size, a time."""

    def attempt(filename: FileDescriptorOrPath) -> Any:
        found = stat_now(filename)
        return WAIT if found is WAIT else getattr(found, field)

    return attempt
