"""Bytes that have been accepted and not been written yet: the hot side of writing.

Twin of `c/writer.c`. As in `reader.py`, a method answers at once or calls the
method of the subclass that can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace._native.py.buffer import Buffer
from headrace._typing import WAIT, ReadableBuffer, Wait


class Writer(Buffer):
    """A list of pieces, and how much more may come without looking."""

    async def write(self, data: ReadableBuffer, /) -> int:
        """Write all of *data* into the buffer, and the buffer to the file when full.

        Args:
            data: A bytes-like object.

        Returns:
            The number of bytes of *data*.

        Raises:
            ValueError: The file is closed.
            UnsupportedOperation: The file is not open for writing.
            OSError: Of writing the buffer to the file. What did not reach the file
                stays in the buffer and is tried again by the next flush; *data*
                was not taken, unless it is larger than the buffer.

        Cancellation: all of *data* has been taken, or nothing.
        """
        if data.__class__ is bytes:
            count = len(data)
            room = self._room - count
            if room >= 0:
                self._room = room
                self._push(data)
                return count
        taken = self._write_now(data)
        return await self._write_wait(data) if taken is WAIT else taken

    if TYPE_CHECKING:
        # What the subclass offers: one attempt without waiting, and the coroutine.
        def _write_now(self, data: ReadableBuffer) -> int | Wait: ...
        async def _write_wait(self, data: ReadableBuffer) -> int: ...
