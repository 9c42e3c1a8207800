"""Asynchronous iterators that are fed in batches: one hop for many items.

`BatchIterator` is the asynchronous side; a `Source` is what worker threads read.
`Listing` (a directory) is one, `Produced` (any blocking iterator) another.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor
from time import monotonic
from typing import Any, Final, Generic, Protocol, TypeVar

from headrace._native import Batch
from headrace._typing import WAIT
from headrace.engine import Shield, budget, current_engine
from headrace.fs._closing import ClosingIterator

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

    Only `batches` and `exhausted` are for the loop's thread.
    """

    batches: deque[list[S]]
    """What was read and nobody has taken; each list has its last item first."""
    exhausted: bool

    def read(self) -> None:
        """Add to `batches`, set `exhausted`, or both."""

    def close(self) -> None:
        """Let go of what it holds; nothing is left to hand out."""


class Produced(Generic[S]):
    """What a blocking iterator yields, read in batches by worker threads.

    Making one makes the iterator and reads the first batch. The lock keeps a late
    `read` and a `close` apart, as generators cannot run in two threads.
    """

    __slots__ = ("_error", "_iterator", "_lock", "batches", "exhausted")

    def __init__(self, make: Callable[[], Iterator[S]]) -> None:
        self.batches: deque[list[S]] = deque()
        self.exhausted = False
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._iterator = make()
        self.read()

    def read(self) -> None:
        """Add a batch to `batches`, or set `exhausted`.

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
            if late is not None and not self.batches:
                self.exhausted = True
                self._error = None
                raise late

    def _read_batch(self) -> None:
        deadline = monotonic() + BATCH_TIME_S
        found: list[S] = []
        try:
            for item in self._iterator:
                found.append(item)
                if len(found) == BATCH_ITEMS or monotonic() >= deadline:
                    return
            self.exhausted = True
        finally:
            if found:
                found.reverse()
                self.batches.append(found)

    def close(self) -> None:
        """Close the iterator; nothing is left to hand out."""
        with self._lock:
            close = getattr(self._iterator, "close", None)
            if close is not None:
                close()
            self.exhausted = True
            self.batches.clear()


class BatchIterator(Batch[T], ClosingIterator[T], Generic[S, T]):
    """An asynchronous iterator over what a `Source` reads in worker threads.

    `async for` takes the items as they come. Awaited, it gives the list of them
    all. It is closed at the end, on an error, by `aclose()`, at the end of `async
    with`, or when it is dropped after a `break`.

    Cancellation: takes effect at once; a batch that comes late is not lost.
    """

    __slots__ = ("__weakref__", "_closed", "_executor", "_name", "_open", "_source")

    def __init__(
        self,
        name: str,
        open_source: Callable[[], Source[S]],
        convert: Callable[[S], T] | None,
        executor: Executor | None = None,
    ) -> None:
        super().__init__()
        self._name = name
        self._open: Callable[[], Source[S]] = open_source
        self._convert = convert
        self._executor = executor
        self._source: Source[S] | None = None
        self._closed = False

    # -- Iterating ----------------------------------------------------------------
    # The core hands out what is there, and asks these in between.

    def _next_now(self) -> Any:
        if self._items and not budget.spend(OPERATIONS_OF_A_LOOK):
            self._credit = ITEMS_PER_LOOK
            return self._take()
        return WAIT

    async def _next_wait(self) -> T:
        if self._items:
            await current_engine().checkpoint()
        while not self._items:
            await self._fetch()
        self._credit = ITEMS_PER_LOOK
        return self._take()

    async def _fetch(self) -> None:
        """Take the next batch, unless another task has done so meanwhile."""
        if self._closed:
            raise StopAsyncIteration
        source = self._source or await self._begin()
        if not (source.batches or source.exhausted):
            # A batch that comes after a cancellation waits in the source.
            await current_engine().run(source.read, executor=self._executor)
        if self._items:
            return
        if source.batches:
            self._items = source.batches.popleft()
        elif source.exhausted:
            if budget.due:
                await current_engine().checkpoint()
            raise StopAsyncIteration

    async def _begin(self) -> Source[S]:
        source = await current_engine().run(
            self._open, discard=_close, executor=self._executor
        )
        if self._source is not None:
            # Another task was first: an iterator reads from one source.
            await current_engine().run(source.close, on_cancel="finish")
            return self._source
        self._source = source
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

    def __repr__(self) -> str:
        return f"<{self._name}: an asynchronous iterator>"


def _close(source: Source[Any]) -> None:
    source.close()
