"""Bytes that have been read and not been taken yet: the hot side of reading.

Twin of `c/reader.c`. A method answers at once from the buffer, or calls the method
of the subclass that can: first the one that makes a single attempt without waiting,
then the coroutine that waits. It imports no layer: what it stands on is the subclass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from headrace._stats import counters
from headrace._typing import WAIT, Wait

#: An exhausted iterator: no line can be handed out without looking.
NO_LINES: Iterator[Any] = iter([])


class Reader:
    """A buffer, a position in it, and lines that are cut already.

    The fast paths are shut by values, not by checks: `_limit` is -1 and `_lines`
    is empty while an operation holds the file's turn, and when it is closed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._data = b""
        #: Where in `_data` the next byte is; behind the lines that were handed out
        #: only after `_settle_lines`.
        self._pos = 0
        #: How far into `_data` a read may be answered without looking; or -1.
        self._limit = -1
        #: Whole lines from `_pos` on, and the iterator that hands them out.
        self._batch: Sequence[bytes] = ()
        self._lines: Iterator[bytes] = NO_LINES

    async def read(self, size: int | None = -1, /) -> bytes:
        """Read *size* bytes, fewer only at the end; all of them if None or negative.

        Returns:
            The bytes; none is the end of the file.

        Raises:
            ValueError: The file is closed.
            UnsupportedOperation: The file is not open for reading.
            OSError: As the kernel reports it, with the file name.

        Cancellation: nothing is lost; what was fetched stays in the buffer.
        """
        if size.__class__ is int:
            pos = self._pos
            end = pos + size
            if pos <= end <= self._limit:
                self._pos = end
                counters.buffer_hits += 1
                return self._data[pos:end]
        found = self._read_now(size)
        return await self._read_wait(size) if found is WAIT else found

    async def readline(self, size: int | None = -1, /) -> bytes:
        r"""Read until ``b"\n"`` or the end of the file, at most *size* bytes.

        Returns:
            The line with its end; ``b""`` is the end of the file.

        Raises, cancellation: as `read`.
        """
        if size == -1:
            for line in self._lines:
                return line
        found = self._readline_now(size)
        return await self._readline_wait(size) if found is WAIT else found

    async def __anext__(self) -> bytes:
        for line in self._lines:
            return line
        found = self._readline_now(-1)
        if found is WAIT:
            found = await self._readline_wait(-1)
        if not found:
            raise StopAsyncIteration
        return found

    if TYPE_CHECKING:
        # What the subclass offers: one attempt without waiting, and the coroutine.
        def _read_now(self, size: int | None) -> bytes | Wait: ...
        async def _read_wait(self, size: int | None) -> bytes: ...
        def _readline_now(self, size: int | None) -> bytes | Wait: ...
        async def _readline_wait(self, size: int | None) -> bytes: ...
