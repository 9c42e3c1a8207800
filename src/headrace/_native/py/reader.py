"""Bytes that have been read and not been taken yet: the hot side of reading.

Twin of `c/reader.c`. A method answers at once from the buffer, or calls the method
of the subclass that can: first the one that makes a single attempt without waiting,
then the coroutine that waits. It imports no layer: what it stands on is the subclass.
"""

from __future__ import annotations

import io
import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from headrace._native.py.buffer import Buffer
from headrace._stats import counters
from headrace._typing import WAIT, Wait

#: What a read after a jump fetches at first, in bytes; doubled while reads follow on
#: one another. A page, and the block size of most file systems: builtin open() takes
#: that as its buffer before 3.14.
AHEAD_AFTER_JUMP = 4 * 1024

#: An exhausted iterator: no line can be handed out without looking.
NO_LINES: Iterator[Any] = iter([])


class Reader(Buffer):
    """A buffer, a position in it, and lines that are cut already.

    The fast paths are shut by values, not by checks: `_limit` is -1 and `_lines`
    is empty while an operation holds the file's turn, and when it is closed.
    """

    #: Whole lines from `_pos` on, and the iterator that hands them out.
    _batch: Sequence[bytes] = ()
    _lines: Iterator[bytes] = NO_LINES

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
        if type(size) is int:
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

    # -- What the subclass uses -----------------------------------------------

    def _try_read(self, size: int | None, /) -> bytes | Wait:
        """Read as `read` does, if that can be answered from the buffer; else WAIT."""
        if type(size) is int:
            pos = self._pos
            end = pos + size
            if pos <= end <= self._limit:
                self._pos = end
                counters.buffer_hits += 1
                return self._data[pos:end]
        return WAIT

    def _cut_lines(self, window: int, /) -> bool:
        """Let the whole lines of the next *window* bytes be handed out; False if none.

        There may be no cut lines left from before.
        """
        pos = self._pos
        end = self._data.rfind(b"\n", pos, pos + window) + 1
        if not end:
            return False
        piece = self._data[pos:end]
        lines = piece.splitlines(True)
        if len(lines) != piece.count(b"\n"):
            # A lone b"\r" is no line end in a binary file.
            lines = io.BytesIO(piece).readlines()
        self._batch = lines
        self._lines = iter(lines)
        self._has_lines = True
        return True

    def _next_line(self) -> bytes:
        """Return the next of the lines that were cut."""
        return next(self._lines)

    def _settle_lines(self) -> None:
        """Shut the fast paths, and bring the position behind what was handed out."""
        self._limit = -1
        batch = self._batch
        if batch:
            left = operator.length_hint(self._lines)
            used = len(batch) - left
            self._pos += sum(map(len, batch[:used]))
            counters.buffer_hits += used
            self._batch = ()
            self._lines = NO_LINES
            self._has_lines = False

    def _open_reads(self, window: int, /) -> None:
        """Let reads of *window* bytes be answered, unless lines are handed out."""
        if not self._has_lines:
            self._limit = min(len(self._data), self._pos + window)

    if TYPE_CHECKING:
        # What the subclass offers: one attempt without waiting, and the coroutine.
        def _read_now(self, size: int | None) -> bytes | Wait: ...
        async def _read_wait(self, size: int | None) -> bytes: ...
        def _readline_now(self, size: int | None) -> bytes | Wait: ...
        async def _readline_wait(self, size: int | None) -> bytes: ...
