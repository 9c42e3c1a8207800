"""What came in a batch and is handed out one by one; entries of directories.

Twin of `c/batch.c`. An item that is there is given at once; the methods of the
subclass look at the time, and wait for the next batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, AnyStr, Generic, TypeVar

from headrace._typing import WAIT, Wait

T_co = TypeVar("T_co", covariant=True)


class Entry(Generic[AnyStr]):
    """An entry of a directory over that of `os`, and room for its status."""

    __slots__ = ("_entry", "_lstat", "_stat")

    _stat: os.stat_result
    _lstat: os.stat_result

    def __init__(self, entry: os.DirEntry[AnyStr], /) -> None:
        self._entry: os.DirEntry[AnyStr] = entry

    @property
    def name(self) -> AnyStr:
        """The name, relative to the directory."""
        return self._entry.name

    @property
    def path(self) -> AnyStr:
        """The path: what was given to `scandir()`, joined with the name."""
        return self._entry.path


class Batch(Generic[T_co]):
    """Items that are there, and what becomes of each as it is handed out."""

    __slots__ = ("_convert", "_credit", "_items")

    def __init__(self) -> None:
        #: What is left of the batch, the last item first.
        self._items: list[Any] = []
        #: Items that may be handed out before the time is looked at.
        self._credit = 0
        #: Makes of an item what is handed out; None leaves it as it is. An `Entry` is
        #: handed out as it is, too.
        self._convert: Callable[[Any], Any] | None = None

    async def __anext__(self) -> T_co:
        if self._credit > 0 and self._items:
            self._credit -= 1
            return self._take()
        found = self._next_now()
        return await self._next_wait() if found is WAIT else found

    def _take(self) -> T_co:
        """Return the next item of the batch.

        Raises:
            IndexError: There is none.
        """
        item = self._items.pop()
        if self._convert is None or isinstance(item, Entry):
            return item  # type: ignore[no-any-return]
        return self._convert(item)  # type: ignore[no-any-return]

    if TYPE_CHECKING:
        # What the subclass offers: one attempt without waiting, and the coroutine.
        def _next_now(self) -> T_co | Wait: ...
        async def _next_wait(self) -> T_co: ...
