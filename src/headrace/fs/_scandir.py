"""Directory listings in batches: one hop for hundreds of entries, not for each.

`Listing` is what worker threads do, `ScandirIterator` the asynchronous side of it.
"""

from __future__ import annotations

import inspect
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor
from functools import partial
from itertools import islice
from time import monotonic
from typing import (
    TYPE_CHECKING,
    Any,
    AnyStr,
    ClassVar,
    Final,
    Generic,
    Protocol,
    Self,
    cast,
    overload,
)

from headrace.fs._batches import BatchIterator
from headrace.fs._entry import DirEntry, look_at_links

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["ScandirIterator", "scandir"]

BATCH_ENTRIES: Final = 2048
"""Most entries of one batch: they take 1-2 ms to read, some twenty times a hop."""

BATCH_TIME_S: Final = 0.003
"""After this time a batch is handed out as it is, so that a slow directory (a cold
disk, a network) shows its first entries early. Arbitrary."""

ENTRIES_PER_LOOK: Final = 256
"""Entries between two looks at the clock."""


class _Scan(Protocol[AnyStr]):
    """What `os.scandir` returns; its class has no public name."""

    def __iter__(self) -> Iterator[os.DirEntry[AnyStr]]: ...
    def __next__(self) -> os.DirEntry[AnyStr]: ...
    def close(self) -> None: ...


class Listing(Generic[AnyStr]):
    """An open directory, and the entries that have been read ahead of the user.

    Making one opens the directory and reads the first batch. All but `batches` and
    `exhausted` is for worker threads; the lock keeps a late `read` and a `close`
    apart, since neither may meet the other inside readdir(3).

    Args:
        path: A directory, or a descriptor of one.
        look: Whether to look at what symbolic links point to: those entries are then
            instances of `LinkEntry`.
    """

    __slots__ = ("_error", "_lock", "_look", "_scan", "batches", "exhausted")

    def __init__(self, path: Any, look: bool = False) -> None:
        self._look = look
        #: What nobody has taken; each list has its last entry first.
        self.batches: deque[list[os.DirEntry[AnyStr]]] = deque()
        self.exhausted = False
        self._error: OSError | None = None
        self._lock = threading.Lock()
        self._scan: _Scan[Any] = os.scandir(path)
        self.read()

    def read(self) -> None:
        """Add to `batches`, set `exhausted`, or both.

        Raises:
            OSError: Of readdir(3), once the entries before it have been handed out.
        """
        with self._lock:
            if self._error is None:
                try:
                    self._read_batch()
                except OSError as error:
                    self._error = error
            late = self._error
            if late is not None and not self.batches:
                self._scan.close()
                self.exhausted = True
                self._error = None
                raise late

    def _read_batch(self) -> None:
        deadline = monotonic() + BATCH_TIME_S
        found: list[os.DirEntry[Any]] = []
        try:
            while len(found) < BATCH_ENTRIES:
                before = len(found)
                # What came before an error is kept.
                found.extend(islice(self._scan, ENTRIES_PER_LOOK))
                if len(found) - before < ENTRIES_PER_LOOK:
                    self._scan.close()
                    self.exhausted = True
                    return
                if monotonic() >= deadline:
                    return
        finally:
            if found:
                if self._look:
                    found = look_at_links(found)
                found.reverse()
                # At once: the loop takes it from there whenever it likes.
                self.batches.append(found)

    def close(self) -> None:
        """Close the directory; nothing is left to hand out."""
        with self._lock:
            self._scan.close()
            self.exhausted = True
            self.batches.clear()

    def __del__(self) -> None:
        # An early `break` ends here. closedir(3) waits for nothing.
        scan: _Scan[Any] | None = getattr(self, "_scan", None)
        if scan is not None:
            scan.close()


class ScandirIterator(
    BatchIterator["os.DirEntry[AnyStr]", DirEntry[AnyStr]], Generic[AnyStr]
):
    """The entries of a directory, as `DirEntry` objects, in the kernel's order.

    Awaitable, an asynchronous iterator and an asynchronous context manager: it is
    opened by `await`, `async with` or the first step of `async for`, whichever
    comes first. It is closed at the end, on an error, by `aclose()`, at the end of
    `async with`, or when it is dropped after a `break`.

    An entry knows its name and type (`is_dir()`, `is_file()`, `is_symlink()`)
    without a system call; its `stat()` is a coroutine.
    """

    __slots__ = ("_path",)

    _looks: ClassVar[bool] = True

    def __init__(self, path: Any = None, *, executor: Executor | None = None) -> None:
        # As the source of an iterator of either kind of names.
        make = cast("Callable[..., Any]", Listing)
        source = partial(make, path, self._looks)
        super().__init__("headrace.os.scandir()", source, DirEntry, executor)
        self._path = path

    async def _opened(self) -> Self:
        if self._source is None and not self._closed:
            await self._begin()
        return self

    def __await__(self) -> Generator[Any, Any, Self]:  # type: ignore[override]
        # Not a list: awaited, the one of aiofiles gives what can be iterated.
        return self._opened().__await__()

    async def __aenter__(self) -> Self:
        return await self._opened()

    def __repr__(self) -> str:
        return f"<headrace.os.scandir of {self._path!r}>"


# -- The function -----------------------------------------------------------------


@overload
def scandir(
    path: int | None = None,
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> ScandirIterator[str]: ...
@overload
def scandir(
    path: AnyStr | os.PathLike[AnyStr],
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> ScandirIterator[AnyStr]: ...
def scandir(
    path: Any = None,
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> ScandirIterator[Any]:
    """Return the entries of the directory *path*, read in batches off the loop.

    ```python
    async for entry in os.scandir("."):
        print(entry.name, entry.is_dir())
    ```

    Args:
        path: A directory, or a descriptor of one; None is the current directory.
        loop: Ignored; the running loop waits.
        executor: Runs the jobs instead of headrace's threads.

    Returns:
        An asynchronous iterator of `DirEntry`, to be used in `async for`,
        `async with` or `await`. Until then nothing is opened.

    Raises:
        OSError: When opened or iterated, as `os.scandir` reports it.

    Cancellation: takes effect at once; a batch that comes late is not lost.
    Cost: one job for 2048 entries, or for what is there after 3 ms.
    """
    del loop
    return ScandirIterator(path, executor=executor)


vars(scandir)["__signature__"] = inspect.signature(os.scandir)
