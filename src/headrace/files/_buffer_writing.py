"""The writing side of buffered files: what is accepted, and when it is written."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from headrace._errors import UnsupportedOperation, closed_file
from headrace._native import Writer
from headrace._stats import counters
from headrace._typing import WAIT, ReadableBuffer, Wait
from headrace.engine import WINDOW, budget
from headrace.files._buffer_base import Buffered
from headrace.files._calls import source_view
from headrace.files._live import holds_data

#: What a writer holds by default: a hop costs as much as a thousand small writes.
WRITE_BUFFER_SIZE = 128 * 1024  # bytes
#: What it grows to under a stream of large writes: one hop then carries as much. Twice
#: that is held while one half is written; half of it costs a sixth more time.
STREAM_BUFFER_SIZE = 2 * 1024 * 1024  # bytes
#: What a large write is. Arbitrary: smaller ones cost more than their share of a hop.
STREAM_PIECE = 16 * 1024  # bytes
#: Pieces that are smaller are joined before they are written: the kernel takes about as
#: long over each as over copying so much.
SMALL_PIECE = 2 * 1024  # bytes


class BufferedWriting(Buffered, Writer):
    """The writing side of a buffered file."""

    def _freeze(self) -> None:
        self._settle_writes()

    def _write_now(self, data: ReadableBuffer) -> int | Wait:
        if isinstance(data, str):
            source_view(data)  # raises the TypeError, before all others as io does
        self._check_writable()
        if not self._ready:
            # Whoever waits for the turn has to be sure that it can be written.
            source_view(data).release()
            return WAIT
        taken = self._attempt_write(data)
        self._arm()
        return taken

    def _attempt_write(self, data: ReadableBuffer) -> int | Wait:
        self._freeze()
        piece: Any = data if data.__class__ is bytes else source_view(data)
        count = len(piece)
        # The first piece in a buffer costs as little as those that the core takes; how
        # the buffer was emptied has been counted.
        if (self._held or not count or budget.strict) and budget.spend():
            return WAIT
        if self._held + count > self._buffer_size:
            return WAIT
        if self._pos < len(self._data) and not self._leave_reading():
            return WAIT
        self._drop_ahead()
        self._add(piece if piece.__class__ is bytes else bytes(piece))
        return count

    def _add(self, data: bytes) -> None:
        self._pending.append(data)
        self._held += len(data)
        if not self._remembered:
            self._remembered = True
            holds_data(self)

    def _leave_reading(self) -> bool:
        """Move the raw position back over what was read ahead, if that can be now."""
        ahead = len(self._data) - self._pos
        return self.raw.try_seek(-ahead, os.SEEK_CUR) is not WAIT

    def try_write(self, data: bytes) -> bool:
        """Take all of *data* into the buffer if it has room; tell whether it had."""
        return self._ready and self._write_now(data) is not WAIT

    async def _write_wait(self, data: ReadableBuffer) -> int:
        with source_view(data) as source:
            async with self._turns:
                self._freeze()
                try:
                    self._check_writable()
                    await self.raw.breathe()
                    await self._write_through(source, data)
                finally:
                    self._thaw()
            return len(source)

    async def _write_through(self, source: memoryview, data: ReadableBuffer) -> None:
        """Take *data*, as *source* shows it; the turn is held.

        Writes what the buffer cannot hold.
        """
        if self._pos < len(self._data):
            await self._move_back()
        self._drop_ahead()
        if self._held + len(source) > self._buffer_size:
            await self._drain_behind()
            self._grow(len(source))
        self._add(data if data.__class__ is bytes else bytes(source))
        if self._held > self._buffer_size:
            await self._drain()

    def _grow(self, piece: int) -> None:
        """Hold more from now on: the buffer is full of pieces like this one."""
        # A size that the program chose (a smaller one) is left alone.
        if (
            WRITE_BUFFER_SIZE <= self._buffer_size < STREAM_BUFFER_SIZE
            and STREAM_PIECE <= piece <= self._buffer_size
            and not self.can_read
        ):
            self._buffer_size *= 2

    async def _move_back(self) -> None:
        await self.raw.move(-(len(self._data) - self._pos), os.SEEK_CUR)

    async def writelines(self, lines: Iterable[ReadableBuffer], /) -> None:
        """Write each of *lines*; no line ends are added."""
        self._check_open("I/O operation on closed file.")
        for line in lines:
            await self.write(line)

    async def _drain(self) -> None:
        if self._held:
            await self.raw.store(self._joined(), self._wrote)
        else:
            await self.raw.settle()

    async def _drain_to_disk(self, data_only: bool) -> None:
        if self._held:
            await self.raw.store_and_sync(self._joined(), self._wrote, data_only)
        else:
            await self.raw.store_to_disk(data_only)

    def _joined(self) -> bytes:
        """Return the pending bytes, one piece from now on: they are to be written."""
        data = self._pending_bytes()
        counters.buffer_hits += len(self._pending)
        self._pending[:] = [data]
        return data

    async def _drain_behind(self) -> None:
        """Have the pending bytes written while the caller goes on.

        Raises:
            OSError: Of the write before this one; nothing has changed then, but that
                what it left is pending again.
        """
        if not self.raw.writes_behind:
            await self._drain()
        elif self._held:
            if self._held < len(self._pending) * SMALL_PIECE:
                self._pending[:] = [self._pending_bytes()]
            # Waits for the write before this one, which may put its rest in front.
            await self.raw.settle()
            counters.buffer_hits += len(self._pending)
            await self.raw.store_behind(tuple(self._pending), self._take_back)
            self._drop_pending()
        else:
            await self.raw.settle()

    def _take_back(self, rest: bytes) -> None:
        """Have *rest*, which did not reach the file, tried again before all else."""
        self._freeze()
        self._pending.insert(0, rest)
        self._held += len(rest)

    async def flush_behind(self) -> None:
        """Have what is buffered written while the caller goes on; see `flush`."""
        self._check_writable()
        async with self._turns:
            self._check_writable()
            self._freeze()
            try:
                await self.raw.breathe()
                await self._drain_behind()
            finally:
                self._thaw()

    def _wrote(self, count: int) -> None:
        if count == self._held:
            self._drop_pending()
            return
        rest = self._pending_bytes()[count:]
        self._pending[:] = [rest] if rest else []
        self._held = len(rest)

    def _pending_bytes(self) -> bytes:
        return b"".join(self._pending)

    def _drop_pending(self) -> None:
        # In place: `_push` is bound to this list.
        self._pending.clear()
        self._held = 0

    def _settle_writes(self) -> None:
        """Bring the count of pending bytes up to date."""
        if self._room >= 0:
            self._held += self._window - self._room
            self._room = -1

    def _arm(self) -> None:
        if self._pos == len(self._data) and not (self.raw.closed or budget.strict):
            room = min(self._buffer_size - self._held, WINDOW)
            if room > 0 and self._held:
                self._room = self._window = room

    def _check_writable(self) -> None:
        if self.closed:
            closed_file("write to closed file")
        if not self.can_write:
            raise UnsupportedOperation("write")
