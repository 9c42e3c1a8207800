"""What readers and writers keep: the common base of both.

Twin of `c/buffer.c`. A file that is open for both is a reader and a writer, and in C
the two have to have one layout.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from headrace._typing import WAIT, Wait


class Buffer:
    """Bytes read and not taken, bytes accepted and not written.

    A reader has no pending bytes and a writer none read ahead: what both share sees
    empty ones.
    """

    raw: Any

    #: What was read.
    _data = b""
    #: Where in `_data` the next byte is; behind the lines that were handed out only
    #: after `_settle_lines`.
    _pos = 0
    #: How far into `_data` a read may be answered without looking; or -1.
    _limit = -1
    #: Whether lines are being handed out without looking.
    _has_lines = False
    #: What the next inline read fetches at least, and the next job.
    _ahead = 0
    _cold_ahead = 0
    _buffer_size: int = 0
    #: What was accepted, and its `append`.
    _pending: list[bytes]
    _push: Callable[[bytes], None]
    #: How many bytes a write may add without looking; -1 shuts the fast path.
    _room = -1
    #: Pending bytes, less those that came by the fast path since it was opened.
    _held = 0
    #: What `_room` was when the fast path was opened.
    _window = 0

    # Of no concern here, and kept for the subclass: the turn at this file, bytes that
    # the last attempt lacks, whether it is written at the interpreter's exit.
    _turns: Any
    _want = 0
    _remembered = False

    def __init__(self, raw: Any = None, buffer_size: int = 0, window: int = -1) -> None:
        """Stand on *raw*; reads of *window* bytes may then be answered, unless -1."""
        self._pending = []
        self._push = self._pending.append
        if raw is None:
            return
        if buffer_size <= 0:
            raise ValueError("invalid buffer size")
        self.raw = raw
        raw.layers = 1
        # One turn for both: what is done with `raw` waits for the buffer.
        self._turns = raw._turns
        self._buffer_size = self._ahead = self._cold_ahead = buffer_size
        if window >= 0:
            self._limit = 0

    async def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the position; within what is buffered at no cost.

        Args:
            offset: Bytes, relative to *whence*.
            whence: `os.SEEK_SET`, `SEEK_CUR`, `SEEK_END`, `SEEK_DATA`, `SEEK_HOLE`.

        Returns:
            The new absolute position.

        Raises:
            ValueError: The file is closed, or *whence* is none of these.
            UnsupportedOperation: The file cannot seek.
            OSError: EINVAL for a place before the beginning.
        """
        position = self._seek_now(offset, whence)
        if position is WAIT:
            return await self._seek_wait(offset, whence)
        return position

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

    def __del__(self) -> None:
        # (__init__ may have failed before there was anything to close.)
        if hasattr(self, "raw"):
            self._dropped()

    if TYPE_CHECKING:
        # What the subclass offers: one attempt without waiting, and the coroutine; and
        # what is done with a file that was not closed before it is collected.
        def _seek_now(self, offset: int, whence: int) -> int | Wait: ...
        async def _seek_wait(self, offset: int, whence: int) -> int: ...
        def _close_now(self) -> Wait | None: ...
        async def _close_wait(self) -> None: ...
        def _dropped(self) -> None: ...
