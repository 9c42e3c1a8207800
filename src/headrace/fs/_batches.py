"""Asynchronous iterators that are fed in batches: one hop for many items.

`BatchIterator` is the asynchronous side; a `Source` is what worker threads read.
`Listing` (a directory) is one, `Produced` (any blocking iterator) another.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Executor
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, Self, TypeVar

from headrace._errors import use_async_for, use_async_with
from headrace.engine import Shield, budget, current_engine

__all__ = ["BatchIterator", "Produced", "Source"]

S = TypeVar("S")
T = TypeVar("T")

BATCH_ITEMS: Final = 1024
"""Most items of one batch; as for directory listings."""

BATCH_TIME_S: Final = 0.002
"""After this time a batch is handed out as it is. Less than the interpreter's switch
interval (5 ms), since a producer in Python holds the GIL meanwhile."""


ITEMS_PER_LOOK: Final = 256
"""Items between two looks at the clock: about half a millisecond, with what becomes of
them."""

OPERATIONS_OF_A_LOOK: Final = 16
"""What they count as: enough for the budget to look at the clock."""


class Source(Protocol[S]):
    """Something that worker threads read ahead of the user.

    Only `entries` and `exhausted` are for the loop's thread.
    """

    entries: deque[S]
    exhausted: bool

    def read(self) -> None:
        """Add a batch to `entries`, or set `exhausted`."""

    def close(self) -> None:
        """Let go of what it holds; nothing is left to hand out."""


class Produced(Generic[S]):
    """What a blocking iterator yields, read in batches by worker threads.

    Making one makes the iterator and reads the first batch. The lock keeps a late
    `read` and a `close` apart, as generators cannot run in two threads.
    """

    __slots__ = ("_error", "_iterator", "_lock", "entries", "exhausted")

    def __init__(self, make: Callable[[], Iterator[S]]) -> None:
        self.entries: deque[S] = deque()
        self.exhausted = False
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._iterator = make()
        self.read()

    def read(self) -> None:
        """Add a batch to `entries`, or set `exhausted`.

        Raises:
            BaseException: Of the iterator, once what came before it is handed out.
        """
        with self._lock:
            if self._error is None and not self.exhausted:
                try:
                    self._read_batch()
                except BaseException as error:  # noqa: BLE001 - raised in its turn
                    self._error = error
            late = self._error
            if late is not None and not self.entries:
                self.exhausted = True
                self._error = None
                raise late

    def _read_batch(self) -> None:
        deadline = monotonic() + BATCH_TIME_S
        for count, item in enumerate(self._iterator, 1):
            self.entries.append(item)
            if count == BATCH_ITEMS or monotonic() >= deadline:
                return
        self.exhausted = True

    def close(self) -> None:
        """Close the iterator; nothing is left to hand out."""
        with self._lock:
            close = getattr(self._iterator, "close", None)
            if close is not None:
                close()
            self.exhausted = True
            self.entries.clear()


class BatchIterator(AsyncIterator[T], Generic[S, T]):
    """An asynchronous iterator over what a `Source` reads in worker threads.

    `async for` takes the items as they come. Awaited, it gives the list of them
    all. It is closed at the end, on an error, by `aclose()`, at the end of `async
    with`, or when it is dropped after a `break`.

    Cancellation: takes effect at once; a batch that comes late is not lost.
    """

    __slots__ = (
        "__weakref__", "_closed", "_convert", "_executor", "_items", "_name", "_open",
        "_source", "_unseen",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        open_source: Callable[[], Source[S]],
        convert: Callable[[S], T],
        executor: Executor | None = None,
    ) -> None:
        self._name = name
        self._open: Callable[[], Source[S]] = open_source
        self._convert: Callable[[S], T] = convert
        self._executor = executor
        self._source: Source[S] | None = None
        self._closed = False
        #: Items until the next look at how long the loop has not turned.
        self._unseen = ITEMS_PER_LOOK
        # Those of the source; empty before it is opened.
        self._items: deque[S] = deque()

    # -- Iterating ----------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        self._unseen -= 1
        if self._unseen < 0:
            self._unseen = ITEMS_PER_LOOK
            if budget.spend(OPERATIONS_OF_A_LOOK):
                await current_engine().checkpoint()
        try:
            item = self._items.popleft()
        except IndexError:
            item = await self._first_of_next_batch()
        return self._convert(item)

    async def _first_of_next_batch(self) -> S:
        if self._closed:
            raise StopAsyncIteration
        source = self._source
        if source is None:
            source = await self._begin()
        # Another task may take what one batch brings, so look again after each.
        while not source.entries:
            if source.exhausted:
                if budget.due:
                    await current_engine().checkpoint()
                raise StopAsyncIteration
            await current_engine().run(source.read, executor=self._executor)
        return source.entries.popleft()

    async def _begin(self) -> Source[S]:
        source = await current_engine().run(
            self._open, discard=_close, executor=self._executor
        )
        self._source = source
        self._items = source.entries
        return source

    def __await__(self) -> Generator[Any, Any, list[T]]:
        return self._all().__await__()

    async def _all(self) -> list[T]:
        async with self:
            return [item async for item in self]

    # -- Closing ------------------------------------------------------------------

    async def aclose(self) -> None:
        """Close what is read from; iteration then ends."""
        self._closed = True
        source = self._source
        if source is not None and not source.exhausted:
            with Shield():
                await current_engine().run(source.close, on_cancel="finish")
        self._items.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{self._name}: an asynchronous iterator>"

    if not TYPE_CHECKING:  # Type checkers report these by themselves.

        def __iter__(self) -> None:
            use_async_for(self._name)

        def __enter__(self) -> None:
            use_async_with(self._name)

        def __exit__(self, *_: object) -> None:
            """Needed beside `__enter__` for `with` to reach its explanation."""


def _close(source: Source[Any]) -> None:
    source.close()
