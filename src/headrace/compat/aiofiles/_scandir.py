"""aiofiles' `scandir()`, whose result is iterated and closed without `await`."""

from __future__ import annotations

import os
from asyncio import AbstractEventLoop
from concurrent.futures import Executor
from types import TracebackType
from typing import Any, AnyStr, Self, overload

from headrace.fs._scandir import ScandirIterator

__all__ = ["SyncScandirIterator", "scandir"]


class SyncScandirIterator(ScandirIterator[AnyStr]):
    """The entries of a directory, to be iterated with `for` or `async for`.

    Accident of aiofiles: `for` blocks the event loop where a further batch has to be
    read. A small directory is read as a whole when it is opened. And its entries are
    those of `os`, whose `stat()` blocks.
    """

    _looks = False

    def __init__(self, path: Any = None, *, executor: Executor | None = None) -> None:
        super().__init__(path, executor=executor)
        self._convert = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> os.DirEntry[AnyStr]:
        listing = self._source
        while not self._items:
            if listing is None or self._closed:
                raise StopIteration
            if listing.batches:
                self._items = listing.batches.popleft()
            elif listing.exhausted:
                raise StopIteration
            else:
                listing.read()
        entry: Any = self._take()
        return entry  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the directory; iteration then ends."""
        self._closed = True
        self._items.clear()
        if self._source is not None:
            self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@overload
async def scandir(
    path: int | None = None,
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> SyncScandirIterator[str]: ...
@overload
async def scandir(
    path: AnyStr | os.PathLike[AnyStr],
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> SyncScandirIterator[AnyStr]: ...
async def scandir(
    path: Any = None,
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> SyncScandirIterator[Any]:
    """Open the directory *path* and read its first entries; see `headrace.os.scandir`.

    Args:
        path: A directory, or a descriptor of one; None is the current directory.
        loop: Ignored; the running loop waits.
        executor: Runs the jobs instead of headrace's threads.
    """
    del loop
    entries: SyncScandirIterator[Any] = SyncScandirIterator(path, executor=executor)
    return await entries
