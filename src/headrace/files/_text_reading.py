"""The reading side of text files: from bytes to characters and lines."""

from __future__ import annotations

import operator
import sys
from typing import Any, TypeVar

from headrace._native import find_line_end, split_lines
from headrace._stats import counters
from headrace._typing import WAIT, Wait
from headrace.engine import WINDOW, WINDOW_OPERATIONS, budget
from headrace.files._chunks import Chunks
from headrace.files._codec import Segment
from headrace.files._text_base import TextBase

#: How much is fetched at once where nothing shows of it. What the buffer below fetches.
FETCH_SIZE = 64 * 1024  # bytes


class TextReading(TextBase):
    """The reading side of a text file."""

    #: How much is decoded at once. CPython's number: after a read, a write goes
    #: behind the decoded bytes; and which text comes before a decoding error is
    #: raised depends on it as well.
    _CHUNK_SIZE = 8192  # bytes

    #: Whether it has been iterated over; see `BufferedReading`.
    _iterated = False

    def __init__(self, buffer: Any) -> None:
        super().__init__(buffer)
        #: What ends a line; see `find_line_end`.
        self._newline: str | None = None
        #: Index of the first character of `_text` since the text was last dropped.
        self._base = 0
        #: `_text` has no line end before this index.
        self._searched = 0
        #: Bytes that were fetched and are not decoded yet.
        self._ahead = b""
        #: Bytes for each character in the last chunk.
        self._ratio = 0.0
        #: Bytes that the last attempt, having answered WAIT, lacks.
        self._want = 0
        #: How many are fetched at least, where that is more than a chunk.
        self._fetch_size = 0

    # -- Decoding -------------------------------------------------------------

    def _try_fill(self, lacking: int) -> bool | Wait:
        """Decode the next chunk, if it can be had without waiting.

        Args:
            lacking: Characters that are needed; 0 if that is not known.

        Returns:
            Whether there was one; at the end of the file there is none.
        """
        want = self._want = max(self._CHUNK_SIZE, int(max(self._ratio, 1.0) * lacking))
        if self._ahead:
            return self._decode_ahead()
        data = self._buffer.try_read1(max(want, self._fetch_size))
        return WAIT if data is WAIT else self._decode_fetched(data)

    async def _fill(self) -> bool:
        """Decode the next chunk; False at the end of the file."""
        want = self._want
        if want > FETCH_SIZE and self._seekable:
            # One job for all of it. Not from a pipe: where an error handler makes
            # many characters of a byte, that many bytes may never come.
            data = await self._buffer.read(want)
        else:
            data = await self._buffer.read1(max(want, self._fetch_size))
        return self._decode_fetched(data)

    def _decode_fetched(self, data: bytes) -> bool:
        """Decode *data*: in chunks, or as a whole where that makes no difference."""
        decoder = self._check_readable()
        if len(data) <= self._want:
            return self._decode(data)
        if decoder.is_plain(data):
            state = decoder.getstate()
            try:
                return self._keep(decoder.decode(data, False), data, state, plain=True)
            except UnicodeDecodeError:
                # It has left the decoder's state alone. Which chunk is to blame?
                pass
        self._ahead = data
        return self._decode_ahead()

    def _decode_ahead(self) -> bool:
        size = self._want
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return self._decode(data)

    def _decode(self, data: bytes) -> bool:
        """Decode one chunk, b"" at the end of the file."""
        decoder = self._check_readable()
        state = decoder.getstate()
        try:
            text = decoder.decode(data, not data)
        except BaseException:
            # As in `io`: the chunk that is no text, and what came before it, is gone.
            self._drop_text()
            raise
        return self._keep(text, data, state, plain=decoder.is_plain(data))

    def _keep(
        self, text: str, data: bytes, state: tuple[bytes, int], *, plain: bool
    ) -> bool:
        """Put the *text* of *data* behind the rest; False if nothing came at all."""
        self._decoded = True
        self._ratio = len(data) / len(text) if text else 0.0
        start = self._base + len(self._text)
        self._feed(text)
        if self._seekable:
            kept, flags = state
            segments = self._segments
            segments.append(
                Segment(start, flags, kept + data, len(data), plain and not flags)
            )
            while len(segments) > 1 and segments[1].start <= self._base:
                del segments[0]
        return bool(data or text)

    def _feed(self, more: str) -> None:
        pos = self._pos
        text = self._text[pos:] if pos else self._text
        # Only the local name is left, so that CPython appends in place.
        self._text = ""
        text += more
        self._text = text
        self._base += pos
        self._searched = max(self._searched - pos, 0)
        self._pos = 0

    def _drop_text(self) -> None:
        """Forget decoded text; the position is now behind it."""
        self._text = ""
        self._pos = self._base = self._searched = 0
        self._limit = -1
        self._decoded = False
        self._segments.clear()

    def _take(self, end: int) -> str:
        """Return the text up to index *end*, and move the position there."""
        text = self._text[self._pos : end]
        self._pos = end
        counters.buffer_hits += 1
        return text

    # -- Reading --------------------------------------------------------------

    def _read_now(self, size: int | None) -> str | Wait:
        size = _optional_size(size)
        self._check_readable()
        if self._turns.held:
            return WAIT
        text = self._attempt_read(size) if size >= 0 else self._attempt_read_to_end()
        self._arm()
        return text

    async def _read_wait(self, size: int | None) -> str:
        size = _optional_size(size)
        if size < 0:
            return await self._alone(self._read_to_end)
        return await self._exclusive(self._attempt_read, size)

    def _attempt_read(self, size: int, end: bool = False) -> str | Wait:
        self._freeze()
        self._check_readable()
        if budget.spend() or not self._try_drain():
            return WAIT
        while True:
            stop = self._pos + size
            lacking = stop - len(self._text)
            if lacking <= 0 or end:
                return self._take(min(stop, len(self._text)))
            more = self._try_fill(lacking)
            if more is WAIT:
                return WAIT
            end = not more

    def _attempt_read_to_end(self) -> str | Wait:
        self._freeze()
        if budget.spend() or not self._try_drain():
            return WAIT
        data = self._buffer.try_read_to_end()
        return WAIT if data is WAIT else self._decode_last(data)

    async def _read_to_end(self) -> str:
        self._check_readable()
        await self._drain()
        return self._decode_last(await self._buffer.read())

    def _decode_last(self, data: bytes) -> str:
        """Return all the text that is left; *data* is what the file had behind it."""
        decoder = self._check_readable()
        if self._ahead:
            data, self._ahead = self._ahead + data, b""
        try:
            text = decoder.decode(data, True)
        except BaseException:
            # As in `io`: what was decoded before can still be read.
            self._segments.clear()
            raise
        if self._decoded:
            if self._pos < len(self._text):
                text = self._text[self._pos :] + text
            self._drop_text()
        return text

    def chunks(self, size: int) -> Chunks[str]:
        """Iterate over pieces of exactly *size* characters; the last may be shorter."""
        return Chunks(self.read, size)

    # -- Lines ----------------------------------------------------------------

    def _readline_now(self, size: int) -> str | Wait:
        size = _size(size)
        self._check_open()
        if self._turns.held:
            return WAIT
        line = self._attempt_readline(size)
        self._arm()
        return line

    async def _readline_wait(self, size: int) -> str:
        return await self._exclusive(self._attempt_readline, _size(size))

    def _attempt_readline(self, size: int, end: bool = False) -> str | Wait:
        self._freeze()
        self._check_readable()
        if budget.spend(WINDOW_OPERATIONS) or not self._try_drain():
            return WAIT
        batches = size < 0 and (self._iterated or not budget.strict)
        while True:
            if batches and self._cut_lines(self._window, self._newline):
                self._window = WINDOW
                return self._next_line()
            stop = self._find_stop(size, end)
            if stop >= 0:
                line = self._take(stop)
                if end:
                    self._drop_text()
                return line
            more = self._try_fill(0)
            if more is WAIT:
                return WAIT
            end = not more

    def _find_stop(self, size: int, end: bool) -> int:
        """Return the index where the next line stops, or -1 if more text is needed."""
        pos, have = self._pos, len(self._text)
        stop = find_line_end(self._text, max(pos, self._searched), self._newline)
        # A "\r" at the end may be the first half of a line end.
        settled = have
        if stop < 0 and self._newline == "\r\n" and self._text.endswith("\r", pos):
            settled -= 1
        if stop < 0:
            self._searched = settled
            if end:
                stop = have
        if size >= 0 and (stop < 0 or stop > pos + size):
            # As in `io`, even a line of no size has a chunk fetched if there is none.
            stop = pos + size if end or settled >= max(pos + size, 1) else -1
        return stop

    async def readlines(self, hint: int | None = -1, /) -> list[str]:
        """Read lines to the end, or until they have more than *hint* characters.

        Cancellation: nothing is lost, as for `read`.
        """
        hint = _optional_size(hint)
        self._check_readable()
        return await self._exclusive(self._attempt_readlines, hint)

    def _attempt_readlines(self, hint: int, end: bool = False) -> list[str] | Wait:
        self._freeze()
        self._check_readable()
        if budget.spend() or not self._try_drain():
            return WAIT
        while True:
            stop = self._find_last_stop(hint)
            if stop >= 0:
                return split_lines(self._take(stop), self._newline)
            if end:
                rest = self._take(len(self._text))
                self._drop_text()
                return split_lines(rest, self._newline)
            more = self._try_fill(0)
            if more is WAIT:
                return WAIT
            end = not more

    def _find_last_stop(self, hint: int) -> int:
        """Return where the line stops that exceeds *hint*; or -1, also if that is 0."""
        beyond = self._pos + hint
        if hint <= 0 or beyond >= len(self._text):
            return -1
        # A line end may have begun one character before.
        start = max(beyond - (self._newline == "\r\n"), self._pos)
        return find_line_end(self._text, start, self._newline)

    def __aiter__(self: Self) -> Self:
        self._check_open()
        if budget.strict:
            self._iterated = True
        return self


Self = TypeVar("Self", bound=TextReading)


def _size(value: int) -> int:
    """Return *value* as an int, if it is one that a size can be."""
    number = operator.index(value)
    if not -sys.maxsize - 1 <= number <= sys.maxsize:
        raise OverflowError("Python int too large to convert to C ssize_t")
    return number


def _optional_size(value: int | None) -> int:
    """Return *value* as an int, -1 for None, if it is one that a size can be."""
    if value is None:
        return -1
    try:
        number = operator.index(value)
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"argument should be integer or None, not '{kind}'") from None
    if not -sys.maxsize - 1 <= number <= sys.maxsize:
        raise OverflowError("cannot fit 'int' into an index-sized integer")
    return number
