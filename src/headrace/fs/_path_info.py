"""`Path.info`: what is known of a file's type, and is not asked for twice."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import Final

__all__ = ["AsyncPathInfo"]

#: Asks for a status: the argument is `follow_symlinks`.
Look = Callable[[bool], Awaitable[os.stat_result]]


class AsyncPathInfo:
    """The type of a file, as `pathlib.types.PathInfo` tells it, by coroutines.

    What the kernel gave with a directory's entry is answered at once. Otherwise the
    first question is one `stat`, and its answer is kept: it may be out of date.

    All are coroutines, so that one way of asking serves every path. Plain methods
    could only answer where the type is known already, and would have to stop the loop
    or raise elsewhere: whether a path came from a listing, and whether it is a
    symbolic link there, would decide which. For the same reason this is no
    `pathlib.types.PathInfo`: code that takes one would find each coroutine true.
    """

    __slots__ = ("_entry", "_look", "_modes", "_path")

    def __init__(
        self, path: str, look: Look, entry: os.DirEntry[str] | None = None
    ) -> None:
        self._path = path
        self._look = look
        self._entry = entry
        #: By `follow_symlinks`: the mode, 0 for a file that is not there.
        self._modes: dict[bool, int] = {}

    async def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether there is such a file."""
        if self._entry is not None and not follow_symlinks:
            return True
        return bool(await self._mode(follow_symlinks))

    async def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a directory."""
        entry = self._entry
        if entry is not None and not (follow_symlinks and entry.is_symlink()):
            return entry.is_dir(follow_symlinks=False)
        return S_ISDIR(await self._mode(follow_symlinks))

    async def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a regular file."""
        entry = self._entry
        if entry is not None and not (follow_symlinks and entry.is_symlink()):
            return entry.is_file(follow_symlinks=False)
        return S_ISREG(await self._mode(follow_symlinks))

    async def is_symlink(self) -> bool:
        """Tell whether it is a symbolic link."""
        if self._entry is not None:
            return self._entry.is_symlink()
        return S_ISLNK(await self._mode(False))

    async def _mode(self, follow_symlinks: bool) -> int:
        mode = self._modes.get(follow_symlinks)
        if mode is None:
            try:
                mode = (await self._look(follow_symlinks)).st_mode
            except (OSError, ValueError):
                mode = _ABSENT
            self._modes[follow_symlinks] = mode
        return mode

    def __repr__(self) -> str:
        return f"<AsyncPathInfo of {self._path!r}>"


_ABSENT: Final = 0
