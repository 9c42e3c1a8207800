"""Directory listings in batches: one hop for hundreds of entries, not for each.

`ScandirIterator` is the asynchronous side, `Listing` what worker threads do.
"""

from __future__ import annotations

import inspect
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor
from itertools import islice
from time import monotonic
from types import TracebackType
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

from headrace._errors import use_async_for, use_async_with
from headrace.engine import Shield, budget, current_engine
from headrace.fs._entry import DirEntry, LinkEntry, look_at_links

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


_type: Final[Callable[[Any], object]] = type
_new: Final = cast("Callable[[type], Any]", object.__new__)


class _Scan(Protocol[AnyStr]):
    """What `os.scandir` returns; its class has no public name."""

    def __iter__(self) -> Iterator[os.DirEntry[AnyStr]]: ...
    def __next__(self) -> os.DirEntry[AnyStr]: ...
    def close(self) -> None: ...


class Listing(Generic[AnyStr]):
    """An open directory, and the entries that have been read ahead of the user.

    Making one opens the directory and reads the first batch. All but `entries` and
    `exhausted` is for worker threads; the lock keeps a late `read` and a `close`
    apart, since neither may meet the other inside readdir(3).

    Args:
        path: A directory, or a descriptor of one.
        look: Whether to look at what symbolic links point to: those entries are then
            instances of `LinkEntry`.
    """

    __slots__ = ("_error", "_lock", "_look", "_scan", "entries", "exhausted")

    def __init__(self, path: Any, look: bool = False) -> None:
        self._look = look
        self.entries: deque[os.DirEntry[AnyStr]] = deque()
        self.exhausted = False
        self._error: OSError | None = None
        self._lock = threading.Lock()
        self._scan: _Scan[Any] = os.scandir(path)
        self.read()

    def read(self) -> None:
        """Add a batch to `entries`, or set `exhausted`.

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
            if late is not None and not self.entries:
                self._scan.close()
                self.exhausted = True
                self._error = None
                raise late

    def _read_batch(self) -> None:
        deadline = monotonic() + BATCH_TIME_S
        count = 0
        while count < BATCH_ENTRIES:
            # Not counted in `entries`: the loop may take from there meanwhile.
            some: list[os.DirEntry[Any]] = []
            try:
                some.extend(islice(self._scan, ENTRIES_PER_LOOK))
            finally:
                self.entries.extend(look_at_links(some) if self._look else some)
            count += len(some)
            if len(some) < ENTRIES_PER_LOOK:
                self._scan.close()
                self.exhausted = True
                return
            if monotonic() >= deadline:
                return

    def close(self) -> None:
        """Close the directory; nothing is left to hand out."""
        with self._lock:
            self._scan.close()
            self.exhausted = True
            self.entries.clear()

    def __del__(self) -> None:
        # An early `break` ends here. closedir(3) waits for nothing.
        scan: _Scan[Any] | None = getattr(self, "_scan", None)
        if scan is not None:
            scan.close()


class ScandirIterator(Generic[AnyStr]):
    """The entries of a directory, as `DirEntry` objects, in the kernel's order.

    Awaitable, an asynchronous iterator and an asynchronous context manager: it is
    opened by `await`, `async with` or the first step of `async for`, whichever
    comes first. It is closed at the end, on an error, by `aclose()`, at the end of
    `async with`, or when it is dropped after a `break`.

    An entry knows its name and type (`is_dir()`, `is_file()`, `is_symlink()`)
    without a system call; its `stat()` is a coroutine.
    """

    _looks: ClassVar[bool] = True

    def __init__(self, path: Any = None, *, executor: Executor | None = None) -> None:
        self._path = path
        self._executor = executor
        self._listing: Listing[AnyStr] | None = None
        self._closed = False
        # The deque of the listing; an empty one before it is opened.
        self._entries: deque[os.DirEntry[AnyStr]] = deque()

    # -- Opening ------------------------------------------------------------------

    async def _open(self) -> Listing[AnyStr]:
        make: type[Listing[AnyStr]] = Listing
        listing = await current_engine().run(
            make, self._path, self._looks, discard=make.close, executor=self._executor
        )
        self._listing = listing
        self._entries = listing.entries
        return listing

    async def _opened(self) -> Self:
        if self._listing is None and not self._closed:
            await self._open()
        return self

    def __await__(self) -> Generator[Any, Any, Self]:
        return self._opened().__await__()

    async def __aenter__(self) -> Self:
        return await self._opened()

    # -- Iterating ----------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> DirEntry[AnyStr]:
        found: Any
        try:
            found = self._entries.popleft()
        except IndexError:
            found = await self._first_of_next_batch()
        # isinstance() costs a tenth of it all.
        if _type(found) is LinkEntry:
            return cast("DirEntry[AnyStr]", found)
        # A quarter less than to call the class.
        entry = cast("DirEntry[AnyStr]", _new(DirEntry))
        entry._entry = found
        return entry

    async def _first_of_next_batch(self) -> os.DirEntry[AnyStr]:
        if self._closed:
            raise StopAsyncIteration
        listing = self._listing or await self._open()
        # Another task may take what one batch brings, so look again after each.
        while not listing.entries:
            if listing.exhausted:
                if budget.due:
                    await current_engine().checkpoint()
                raise StopAsyncIteration
            # A batch that comes after a cancellation waits in the listing.
            await current_engine().run(listing.read, executor=self._executor)
        return listing.entries.popleft()

    # -- Closing ------------------------------------------------------------------

    async def aclose(self) -> None:
        """Close the directory; iteration then ends."""
        self._closed = True
        listing = self._listing
        if listing is not None and not listing.exhausted:
            with Shield():
                await current_engine().run(listing.close, on_cancel="finish")
        self._entries.clear()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<headrace.os.scandir of {self._path!r}>"

    if not TYPE_CHECKING:  # Type checkers report these by themselves.

        def __iter__(self) -> None:
            use_async_for("headrace.os.scandir()")

        def __enter__(self) -> None:
            use_async_with("headrace.os.scandir()")

        def __exit__(self, *_: object) -> None:
            """Needed beside `__enter__` for `with` to reach its explanation."""


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
