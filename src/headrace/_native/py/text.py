"""Decoded text that has not been taken, and text not handed on: the hot side of both.

Twin of `c/text.c`. As in `reader.py` and `writer.py`, a method answers at once or
calls the method of the subclass that can: first the attempt that does not wait, then
the coroutine that does. It imports no layer, and knows no codec.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, cast

from headrace._native.py.lines import last_line_end, split_lines
from headrace._native.py.reader import NO_LINES
from headrace._stats import counters
from headrace._typing import WAIT, Wait

#: Not looked up in the text, it refuses what is no str, which need not be asked then.
_is_ascii = str.isascii


class Text:
    """Text, a position in it, lines that are cut already; and bytes that were accepted.

    The fast paths are shut by values, not by checks: `_lines` is empty and `_limit`
    and `_room` are -1 while an operation holds the file's turn, when the file is
    closed or detached, and wherever more than the fast path does has to be done.
    """

    # All that the subclass keeps has a slot as well, for its dict to stay empty: a
    # method of an object with a dict of that size is slow to look up in 3.13.
    __slots__ = (
        "_ahead",
        "_appends",
        "_base",
        "_batch",
        "_batch_end",
        "_buffer",
        "_counted",
        "_decoded",
        "_decoder",
        "_encoder",
        "_encoding",
        "_errors",
        "_fetch_size",
        "_has_lines",
        "_held",
        "_limit",
        "_line_end",
        "_lines",
        "_most_held",
        "_newline",
        "_opened",
        "_pile",
        "_pos",
        "_push",
        "_ratio",
        "_remembered",
        "_room",
        "_searched",
        "_seekable",
        "_segments",
        "_text",
        "_turns",
        "_utf8",
        "_want",
        "_window",
        "line_buffering",
        "mode",
        "write_through",
    )

    def __init__(self) -> None:
        super().__init__()
        #: Decoded text.
        self._text = ""
        #: Where in `_text` the next character is. The lines that were handed out
        #: since they were cut are not counted yet.
        self._pos: int = 0
        #: How far into `_text` a read may be answered without looking; or -1.
        self._limit = -1
        #: Whether lines are handed out; then these whole lines, up to this index, by
        #: this iterator; and how many of them `_pos` is behind.
        self._has_lines = False
        self._batch: Sequence[str] = ()
        self._batch_end = 0
        self._lines: Iterator[str] = NO_LINES
        self._counted = 0
        #: Accepted text: as it is where it is ASCII, for its bytes are the same; else
        #: encoded.
        self._pile: list[str | bytes] = []
        self._push = self._pile.append
        #: How many bytes of it a write may add without looking; or -1.
        self._room = -1
        #: Whether text that is not ASCII is encoded by `str.encode()`.
        self._utf8 = False

    async def read(self, size: int | None = -1, /) -> str:
        """Read *size* characters, fewer only at the end; all if None or negative.

        Returns:
            The text; ``""`` is the end of the file.

        Raises:
            ValueError: The file is closed.
            UnsupportedOperation: The file is not open for reading.
            UnicodeDecodeError: The bytes are no text in this encoding.
            OSError: As the kernel reports it, with the file name.

        Cancellation: nothing is lost; what was fetched stays decoded, and the
        position has not moved.
        """
        if isinstance(size, int):
            pos = self._pos
            end = pos + size
            if pos <= end <= self._limit:
                self._pos = end
                counters.buffer_hits += 1
                return self._text[pos:end]
        found = self._read_now(size)
        return await self._read_wait(size) if found is WAIT else found

    async def readline(self, size: int = -1, /) -> str:
        """Read to the next line end or the end of the file, at most *size* characters.

        Returns:
            The line with its end; ``""`` is the end of the file.

        Raises, cancellation: as `read`.
        """
        if size == -1:
            for line in self._lines:
                return line
        found = self._readline_now(size)
        return await self._readline_wait(size) if found is WAIT else found

    async def __anext__(self) -> str:
        for line in self._lines:
            return line
        found = self._readline_now(-1)
        if found is WAIT:
            found = await self._readline_wait(-1)
        if not found:
            raise StopAsyncIteration
        return found

    async def write(self, text: str, /) -> int:
        """Write *text*: into memory, and on towards the file when enough has come.

        Returns:
            The number of characters of *text*.

        Raises:
            TypeError: *text* is not a str.
            ValueError: The file is closed.
            UnsupportedOperation: The file is not open for writing.
            UnicodeEncodeError: *text* cannot be encoded; nothing of it is written.
            OSError: Of writing text that was accepted before. What did not reach
                the file is tried again by the next flush; *text* was not taken,
                unless it is larger than the buffer, or the file is line-buffered
                or written through.

        Cancellation: all of *text* has been taken, or nothing.
        """
        try:
            if _is_ascii(text):
                count = len(text)
                room = self._room - count
                if room >= 0:
                    self._room = room
                    self._push(text)
                    return count
            elif self._utf8 and self._room >= 0:
                data = text.encode()
                room = self._room - len(data)
                if room >= 0:
                    self._room = room
                    self._push(data)
                    return len(text)
        except TypeError:
            pass  # No str: the attempt below says so.
        taken = self._write_now(text)
        return await self._write_wait(text) if taken is WAIT else taken

    async def close(self) -> None:
        """Write what is buffered and close the file; closing twice does nothing.

        Raises:
            OSError: Of the last write. The file is closed all the same.

        Cancellation: the file is written and closed first.
        """
        if self._close_now() is WAIT:
            await self._close_wait()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._close_now() is WAIT:
            await self._close_wait()

    # -- What the subclass uses -----------------------------------------------

    def _put(self, piece: str | bytes, /) -> None:
        """Accept bytes, or a str of ASCII, whatever room there is."""
        self._push(piece)

    def _piled(self) -> bytes:
        """Return all that was accepted, in one piece."""
        pieces = self._pile
        counters.buffer_hits += len(pieces)
        try:
            # Most files have no other pieces; one that is bytes is found out here.
            data = "".join(cast(list[str], pieces)).encode("ascii")
        except TypeError:
            data = b"".join([p if isinstance(p, bytes) else p.encode() for p in pieces])
        # In place: `_push` is bound to this list.
        pieces[:] = [data]
        return data

    def _clear_pile(self) -> None:
        """Forget what was accepted."""
        self._pile.clear()

    def _cut_lines(self, window: int, newline: str | None, /) -> bool:
        """Let the whole lines of the next *window* characters be handed out.

        There may be no lines left from before.

        Returns:
            Whether there are any; a line that is longer is not among them.
        """
        pos = self._pos
        end = last_line_end(self._text, pos, pos + window, newline)
        if end < 0:
            return False
        self._batch = split_lines(self._text[pos:end], newline)
        self._batch_end = end
        self._lines = iter(self._batch)
        self._counted = 0
        self._has_lines = True
        self._limit = -1
        return True

    def _next_line(self) -> str:
        """Return the next of the lines that were cut."""
        return next(self._lines)

    def _count_lines(self) -> None:
        """Bring the position behind the lines that were handed out."""
        done = len(self._batch) - operator.length_hint(self._lines)
        self._pos += sum(map(len, self._batch[self._counted : done]))
        counters.buffer_hits += done - self._counted
        self._counted = done

    def _settle_lines(self) -> bool:
        """Hand out no more lines, and count those that were; True if any were left."""
        left = operator.length_hint(self._lines) > 0
        if left:
            self._count_lines()
        elif self._has_lines:
            counters.buffer_hits += len(self._batch) - self._counted
            self._pos = self._batch_end
        self._batch = ()
        self._lines = NO_LINES
        self._has_lines = False
        return left

    def __del__(self) -> None:
        # (__init__ may have failed before there was anything to close.)
        if hasattr(self, "_buffer"):
            self._dropped()

    if TYPE_CHECKING:
        # What the subclass offers: one attempt without waiting, and the coroutine.
        def _read_now(self, size: int | None) -> str | Wait: ...
        async def _read_wait(self, size: int | None) -> str: ...
        def _readline_now(self, size: int) -> str | Wait: ...
        async def _readline_wait(self, size: int) -> str: ...
        def _write_now(self, text: str) -> int | Wait: ...
        async def _write_wait(self, text: str) -> int: ...
        def _dropped(self) -> None: ...
        def _close_now(self) -> Wait | None: ...
        async def _close_wait(self) -> None: ...
