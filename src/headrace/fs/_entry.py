"""An entry of a directory listing: its type is known, its status is a coroutine.

Made in worker threads, where what only the kernel can tell of a symbolic link is
asked beforehand: no plain method of an entry makes a system call (on Windows,
`inode()` does).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, AnyStr, Final

from headrace._native import Entry
from headrace._typing import WAIT
from headrace.engine import budget, current_engine
from headrace.fs._look import stat_now

__all__ = ["DirEntry", "LinkEntry", "look_at_links"]


class DirEntry(Entry[AnyStr]):
    """An entry of a directory, as `headrace.os.scandir()` gives it.

    It is an `os.DirEntry` whose `stat()` is a coroutine. The methods that tell its
    type are plain: they answer from what the kernel said when the directory was
    read. Of a symbolic link, what it pointed to then was looked at as well.
    """

    __slots__ = ()

    def inode(self) -> int:
        """Return the inode number."""
        return self._entry.inode()

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a directory, or a symbolic link to one."""
        return self._entry.is_dir(follow_symlinks=follow_symlinks)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a regular file, or a symbolic link to one."""
        return self._entry.is_file(follow_symlinks=follow_symlinks)

    def is_symlink(self) -> bool:
        """Tell whether it is a symbolic link, broken ones included."""
        return self._entry.is_symlink()

    def is_junction(self) -> bool:
        """Tell whether it is a junction; there are some on Windows only."""
        is_junction: Callable[[], bool] | None = getattr(
            self._entry, "is_junction", None
        )
        return is_junction is not None and is_junction()

    async def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return the status of the entry, as `os.DirEntry.stat` does.

        The first result is kept. Answered at once where the kernel has the path
        cached, else a job in a worker thread; a cancellation is raised at once.

        Raises:
            OSError: As the kernel reports it.
        """
        slot = "_stat" if follow_symlinks else "_lstat"
        found: os.stat_result | None = getattr(self, slot, None)
        if found is None:
            found = await self._look(follow_symlinks)
            setattr(self, slot, found)
        return found

    async def _look(self, follow_symlinks: bool) -> os.stat_result:
        entry = self._entry
        # In the listing of a descriptor the path is a bare name, relative to that.
        if entry.path != entry.name:
            if budget.spend():
                await current_engine().checkpoint()
            seen = stat_now(entry.path, follow_symlinks=follow_symlinks)
            if seen is not WAIT:
                return seen
        return await current_engine().run(
            partial(entry.stat, follow_symlinks=follow_symlinks)
        )

    def __fspath__(self) -> AnyStr:
        return self._entry.path

    def __repr__(self) -> str:
        return f"<DirEntry {self._entry.name!r}>"


class LinkEntry(DirEntry[AnyStr]):
    """A symbolic link, and what it pointed to when the directory was read."""

    __slots__ = ("_target_is_dir", "_target_is_file")

    def __init__(self, entry: os.DirEntry[AnyStr], /) -> None:
        self._entry: os.DirEntry[AnyStr] = entry
        self._target_is_dir = _told(entry.is_dir)
        self._target_is_file = _told(entry.is_file)

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return follow_symlinks and _tell(self._target_is_dir)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return follow_symlinks and _tell(self._target_is_file)


def _told(look: Callable[[], bool]) -> bool | OSError:
    """Return what *look* says, or its error, which is for who asks."""
    try:
        return look()
    except OSError as error:
        # Kept without the frames that it came through.
        return error.with_traceback(None)


def _tell(told: bool | OSError) -> bool:
    if isinstance(told, OSError):
        raise told
    return told


_os: Final[Any] = os  # The class there is generic, which says nothing here.
_is_symlink: Final[Callable[[Any], bool]] = _os.DirEntry.is_symlink


def look_at_links(entries: list[Any]) -> list[Any]:
    """Put entries that know their targets in the place of symbolic links.

    For worker threads. Where the file system gave no types, `is_symlink()` is what
    asks for them. The others are wrapped as they are handed out: objects that pile up
    cost the garbage collector more time than they take to make.

    Args:
        entries: Of `os.scandir`.

    Returns:
        Instances of `os.DirEntry` and of `DirEntry`.
    """
    try:
        if not any(map(_is_symlink, entries)):
            return entries
    except OSError:
        pass
    return [LinkEntry(entry) if _is_link(entry) else entry for entry in entries]


def _is_link(entry: Any) -> bool:
    try:
        return _is_symlink(entry)
    except OSError:
        return False  # Where lstat(2) fails, the entry says so when it is asked.
