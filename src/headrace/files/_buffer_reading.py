"""The reading side of buffered files: bytes, lines, read-ahead."""

from __future__ import annotations

import io
import operator
from collections.abc import Callable
from typing import Any, TypeVar

from headrace._errors import UnsupportedOperation, closed_file
from headrace._native import AHEAD_AFTER_JUMP, Reader
from headrace._stats import counters
from headrace._typing import WAIT, Wait, WriteableBuffer
from headrace.engine import WINDOW, WINDOW_OPERATIONS, budget
from headrace.files._buffer_base import Buffered
from headrace.files._calls import target_view
from headrace.files._chunks import Chunks
from headrace.files._raw import AsyncFileIO

DEFAULT_BUFFER_SIZE = 64 * 1024  # bytes

#: How far a sequential reader that waits for the disk lets the engine read ahead.
_AHEAD_LIMIT = 1024 * 1024  # bytes


class BufferedReading(Buffered, Reader):
    """The reading side of a buffered file."""

    #: Whether it has been iterated over. Where each operation is a checkpoint, lines
    #: are handed out in batches only then.
    _iterated = False

    def __init__(self, raw: AsyncFileIO, buffer_size: int) -> None:
        # From the first read on, the core reads inline by itself.
        Reader.__init__(self, raw, buffer_size, -1 if budget.strict else WINDOW)

    def _freeze(self) -> None:
        self._settle_lines()

    # -- Reading --------------------------------------------------------------

    def _read_now(self, size: int | None) -> bytes | Wait:
        if size.__class__ is not int and size is not None:
            size = operator.index(size)
        if size is not None and size < -1:
            raise ValueError("read length must be non-negative or -1")
        raw = self.raw
        if raw.closed or not raw.can_read:
            self._check_readable("read")
        if self._turns.held:
            return WAIT
        data = self._attempt_read(size)
        self._arm()
        return data

    async def _read_wait(self, size: int | None) -> bytes:
        if size is None or size < 0:
            return await self._exclusive(self._attempt_read_then_end)
        return await self._exclusive(self._attempt_read, size)

    def _attempt_read(self, size: int | None, eof: bool = False) -> bytes | Wait:
        if self._has_lines or self._room >= 0:
            self._freeze()
        if self._held:
            return WAIT
        if size is None or size < 0:
            return self._attempt_read_to_end()
        have = len(self._data) - self._pos
        if size <= have and budget.spend(WINDOW_OPERATIONS):
            return WAIT
        while size > have and not eof:
            ahead = self._ahead
            lacking = size - have
            direct = not have and lacking >= ahead
            chunk = self.raw.try_read(lacking if direct or lacking > ahead else ahead)
            if chunk is WAIT:
                self._want = lacking
                return WAIT
            if direct and (len(chunk) == size or not chunk):
                self._drop_ahead()
                return chunk
            eof = not chunk
            self._feed(chunk)
            have += len(chunk)
        return self._take(size)

    def _attempt_read_to_end(self) -> bytes | Wait:
        rest = self.raw.try_read_to_end()
        if rest is WAIT:
            return WAIT
        return self._take_all(rest)

    def _attempt_read_then_end(self, eof: bool) -> bytes | Wait:
        # Marks that the driver is to fetch all there is, not a buffer full.
        self._want = -1
        return self._take_all(b"") if eof else self._attempt_read_to_end()

    def _take(self, size: int) -> bytes:
        pos = self._pos
        data = self._data[pos : pos + size]
        self._pos = pos + len(data)
        counters.buffer_hits += 1
        return data

    def _take_all(self, rest: bytes) -> bytes:
        data = self._data[self._pos :] + rest if self._data else rest
        self._drop_ahead()
        return data

    def _feed(self, chunk: bytes) -> None:
        """Put *chunk* behind what has not been taken; drop what has."""
        if self._pos == len(self._data):
            self._data = chunk
        else:
            self._data = self._data[self._pos :] + chunk
        self._pos = 0
        self._ahead = min(self._ahead * 2, self._buffer_size)

    async def _fill(self) -> int:
        want, self._want = self._want, 0
        if want < 0:
            chunk = await self.raw.fetch_to_end()
            # All of it is here: the next attempt is the last.
            self._feed(chunk)
            return 0
        # The disk is waited for: what follows is fetched along, ever more of it.
        size = max(want, self._ahead, self._cold_ahead)
        chunk = await self.raw.fetch(size, full=want > self._buffer_size)
        if self._buffer_size >= DEFAULT_BUFFER_SIZE and len(chunk) == size:
            self._cold_ahead = min(size * 2, _AHEAD_LIMIT)
        self._feed(chunk)
        return len(chunk)

    async def read1(self, size: int = -1, /) -> bytes:
        """Read up to *size* bytes, with one system call at most.

        Args:
            size: Bytes wanted; negative for as many as the buffer takes.

        Returns:
            At least one byte, unless *size* is 0 or the file has ended.
        """
        size = operator.index(size)
        self._check_readable("read1", "read")
        if size < 0:
            size = self._buffer_size
        if self._ready:
            data = self._attempt_read1(size)
            self._arm()
            if data is not WAIT:
                return data
        return await self._exclusive(self._attempt_read1, size)

    def try_read_to_end(self) -> bytes | Wait:
        """Read all that is left if that is possible without waiting; or WAIT."""
        data = self._try_read(-1)
        return self._read_now(-1) if data is WAIT else data

    def try_read1(self, size: int) -> bytes | Wait:
        """`read1`, if that is possible without waiting; or WAIT."""
        if not self._ready:
            return WAIT
        data = self._attempt_read1(size)
        self._arm()
        return data

    def _attempt_read1(self, size: int, eof: bool = False) -> bytes | Wait:
        self._freeze()
        if self._held or budget.spend():
            self._want = 1
            return WAIT
        if len(self._data) > self._pos or eof or not size:
            return self._take(size)
        direct = size >= self._ahead
        chunk = self.raw.try_read(size if direct else self._ahead)
        if chunk is WAIT:
            self._want = min(size, self._buffer_size)
            return WAIT
        if direct:
            self._drop_ahead()
            return chunk
        self._feed(chunk)
        return self._take(size)

    async def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill *buffer* with bytes, short only at the end of the file.

        Args:
            buffer: A writable bytes-like object; pinned until the call is over, so
                that resizing it meanwhile raises BufferError.

        Returns:
            How many bytes were read; 0 is the end of the file.
        """
        return await self._read_into(buffer, self.read, "readinto")

    async def readinto1(self, buffer: WriteableBuffer, /) -> int:
        """Read into *buffer* with one system call at most; see `read1`."""
        return await self._read_into(buffer, self.read1, "readinto")

    async def _read_into(
        self, buffer: WriteableBuffer, read: Callable[[int], Any], what: str
    ) -> int:
        self._check_readable(what, "read")
        with target_view(buffer) as target:
            size = len(target)
            if self._ready and size >= self._ahead:
                self._freeze()
                if self._pos == len(self._data) and not self._held:
                    count = self.raw.try_read_into(target)
                    if count == size:
                        self._drop_ahead()
                        return size
                    if count is not WAIT:
                        # Cut short by an uncached page: begin again, by the book.
                        self._feed(bytes(target[:count]))
                self._arm()
            data = await read(size)
            target[: len(data)] = data
            return len(data)

    async def peek(self, size: int = 0, /) -> bytes:
        """Return bytes from the position on without moving it.

        Args:
            size: Ignored as a limit, as in `io`: what the buffer has is returned,
                and one read is made where it has nothing.
        """
        self._check_readable("peek", "peek")
        operator.index(size)
        if self._ready:
            data = self._attempt_peek()
            self._arm()
            if data is not WAIT:
                return data
        return await self._exclusive(self._attempt_peek)

    def _attempt_peek(self, eof: bool = False) -> bytes | Wait:
        self._freeze()
        if self._held or budget.spend():
            self._want = 1
            return WAIT
        if self._pos == len(self._data) and not eof:
            chunk = self.raw.try_read(self._ahead)
            if chunk is WAIT:
                self._want = 1
                return WAIT
            self._feed(chunk)
        return self._data[self._pos :]

    # -- Lines ----------------------------------------------------------------

    def _readline_now(self, size: int | None) -> bytes | Wait:
        size = -1 if size is None else operator.index(size)
        self._check_readable("readline", "read")
        if not self._ready:
            return WAIT
        line = self._attempt_readline(size)
        self._arm()
        return line

    async def _readline_wait(self, size: int | None) -> bytes:
        limit = -1 if size is None else operator.index(size)
        return await self._exclusive(self._attempt_readline, limit)

    def _attempt_readline(self, size: int, eof: bool = False) -> bytes | Wait:
        self._freeze()
        if self._held or budget.spend(WINDOW_OPERATIONS):
            self._want = 1
            return WAIT
        batches = size < 0 and (self._iterated or not budget.strict)
        if batches and self._cut_lines(WINDOW):
            return self._next_line()
        seen = 0
        while True:
            pos = self._pos
            have = len(self._data) - pos
            end = self._data.find(b"\n", pos + seen) + 1
            if end and (size < 0 or end - pos <= size):
                return self._take(end - pos)
            if 0 <= size <= have:
                return self._take(size)
            if eof:
                return self._take(have)
            seen = have
            chunk = self.raw.try_read(self._ahead)
            if chunk is WAIT:
                self._want = 1
                return WAIT
            eof = not chunk
            self._feed(chunk)
            if not seen and batches and self._cut_lines(WINDOW):
                return self._next_line()

    def _arm(self) -> None:
        if not (self.raw.closed or budget.strict):
            self._open_reads(WINDOW)

    def _drop_ahead(self) -> None:
        super()._drop_ahead()
        self._limit = -1

    def _jumped(self) -> None:
        super()._jumped()
        self._ahead = min(self._buffer_size, AHEAD_AFTER_JUMP)
        self._cold_ahead = self._ahead

    async def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        """Read lines to the end, or until they have more than *hint* bytes together."""
        self._check_open("I/O operation on closed file.")
        limit = -1 if hint is None else operator.index(hint)
        if limit <= 0:
            return io.BytesIO(await self.read()).readlines()
        lines: list[bytes] = []
        total = 0
        while total <= limit and (line := await self.readline()):
            lines.append(line)
            total += len(line)
        return lines

    def __aiter__(self: SelfReading) -> SelfReading:
        if self.closed:
            closed_file()
        if budget.strict:
            self._iterated = True
        return self

    def chunks(self, size: int) -> Chunks[bytes]:
        """Iterate over pieces of exactly *size* bytes; the last may be shorter."""
        return Chunks(self.read, size)

    def _check_readable(self, what: str, operation: str | None = None) -> None:
        if self.closed:
            closed_file(f"{what} of closed file")
        if not self.can_read:
            raise UnsupportedOperation(operation or what)


SelfReading = TypeVar("SelfReading", bound=BufferedReading)
