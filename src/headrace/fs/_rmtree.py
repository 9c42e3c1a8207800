"""Removing a tree by descriptors of its directories: no path is resolved twice.

Generators of blocking steps (see `_steps.py`), with the errors of `shutil.rmtree`.
"""

from __future__ import annotations

import errno
import inspect
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from headrace._platform import O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK
from headrace.fs._steps import Ask, Work, give, is_async

__all__ = ["OnError", "remove_tree"]

OnError = Callable[[Callable[..., Any], str, BaseException], object] | None

#: Whether a directory can be removed by descriptors; see `rmtree` of `shutil`.
SAFE: Final[bool] = shutil.rmtree.avoids_symlink_attacks and bool(O_NOFOLLOW)

# What has vanished by itself is no error since this version.
_MAY_VANISH: Final = sys.version_info >= (3, 13)

# What is wrong with the path itself is reported, too, before this version.
_REPORTED: Final[type[Exception]] = OSError if _MAY_VANISH else Exception

_FLAGS: Final = os.O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC


def remove_tree(path: Any, onexc: OnError, dir_fd: int | None) -> Work[None]:
    """Remove the directory *path* and all below it; see `headrace.shutil.rmtree`.

    Args:
        path: A directory.
        onexc: Called with a function of `os`, a path and the error; its own errors
            end it all. None raises what comes.
        dir_fd: What *path* is relative to.
    """
    remover = _Remover(onexc)
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    try:
        yield from remover.remove_top(path, dir_fd)
    finally:
        remover.close()


class _Level:
    """A directory that is being emptied."""

    __slots__ = ("below", "fd", "name", "path")

    def __init__(self, fd: int, name: Any, path: Any) -> None:
        self.fd = fd
        self.name = name
        self.path = path
        self.below: Iterator[str] = iter(())
        """Names of the directories in it that are still to be removed."""


class _Remover:
    def __init__(self, onexc: OnError) -> None:
        self._onexc = onexc
        self._asks = onexc is not None and is_async(onexc)
        self._levels: list[_Level] = []

    def close(self) -> None:
        """Close what is open."""
        while self._levels:
            os.close(self._levels.pop().fd)

    def _report(
        self, func: Callable[..., Any], path: Any, error: Exception
    ) -> Work[None]:
        if isinstance(error, OSError) and (_MAY_VANISH or error.errno is not None):
            error.filename = path
        if self._onexc is None:
            raise error
        if self._asks:
            yield Ask(self._onexc, func, path, error)
        else:
            # In an `except` clause, as there: it may raise what it got with `raise`.
            try:
                raise error
            except Exception:  # noqa: BLE001 - it is that one
                answer = self._onexc(func, path, error)
            if inspect.isawaitable(answer):
                yield Ask(give, answer)

    # -- Going down ----------------------------------------------------------------

    def remove_top(self, path: Any, dir_fd: int | None) -> Work[None]:
        try:
            seen = os.lstat(path, dir_fd=dir_fd)
        except _REPORTED as error:
            yield from self._report(os.lstat, path, error)
            return
        if stat.S_ISLNK(seen.st_mode):
            # `shutil` opens what it leads to first, and reports that it cannot.
            try:
                os.stat(path, dir_fd=dir_fd)
            except OSError as error:
                yield from self._report(os.open, path, error)
            else:
                yield from self._refuse_link(path)
            return
        if not (yield from self._enter(path, path, dir_fd)):
            return
        while self._levels:
            yield None
            level = self._levels[-1]
            name = next(level.below, None)
            if name is not None:
                below = os.path.join(level.path, name)
                yield from self._enter(name, below, level.fd)
                continue
            yield from self._leave(dir_fd)

    def _enter(self, name: Any, path: Any, dir_fd: int | None) -> Work[bool]:
        """Open a directory and remove from it all that is none."""
        try:
            # A symbolic link is refused by the kernel, whenever it has come there.
            fd = os.open(name, _FLAGS, dir_fd=dir_fd)
        except OSError as error:
            if error.errno == errno.ELOOP:
                yield from self._refuse_link(path)
            elif not self._has_vanished(error):
                yield from self._report(os.open, path, error)
            return False
        level = _Level(fd, name, path)
        self._levels.append(level)
        try:
            with os.scandir(fd) as entries:
                found = list(entries)
        except OSError as error:
            if not self._has_vanished(error):
                yield from self._report(os.scandir, path, error)
            return True
        below: list[str] = []
        for entry in found:
            if _is_directory(entry):
                below.append(entry.name)
                continue
            try:
                os.unlink(entry.name, dir_fd=fd)
            except OSError as error:
                if not self._has_vanished(error):
                    inner = os.path.join(path, entry.name)
                    yield from self._report(os.unlink, inner, error)
            yield None
        level.below = reversed(below)
        return True

    def _leave(self, dir_fd: int | None) -> Work[None]:
        """Close an empty directory, and remove it from the one above."""
        level = self._levels.pop()
        try:
            os.close(level.fd)
        except OSError as error:
            yield from self._report(os.close, level.path, error)
        above = self._levels[-1].fd if self._levels else dir_fd
        try:
            os.rmdir(level.name, dir_fd=above)
        except OSError as error:
            if not self._has_vanished(error):
                yield from self._report(os.rmdir, level.path, error)

    def _refuse_link(self, path: Any) -> Work[None]:
        error = OSError("Cannot call rmtree on a symbolic link")
        yield from self._report(os.path.islink, path, error)

    def _has_vanished(self, error: OSError) -> bool:
        inside = bool(self._levels)
        return _MAY_VANISH and inside and isinstance(error, FileNotFoundError)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False
