"""`AsyncBufferedReader`, `AsyncBufferedWriter`, `AsyncBufferedRandom`.

They stand on a raw file (`_raw.py`) and know nothing of text. Every operation is an
*attempt*, a plain function that changes state only when it succeeds and else
returns WAIT; and a driver, `_exclusive`, that takes the file's turn and alternates
attempts and fetches. So a cancelled operation loses nothing, and one that can be
answered without waiting takes no turn and makes no coroutine of its own.
"""

from __future__ import annotations

import io
import mmap
import operator
import os
import warnings
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, NoReturn, TypeVar

from headrace._errors import (
    UnsupportedOperation,
    closed_file,
    unclosed_warning,
    use_async_for,
    use_async_with,
)
from headrace._native import NO_LINES, Reader, Writer
from headrace._stats import counters
from headrace._typing import WAIT, ReadableBuffer, Wait, WriteableBuffer
from headrace.engine import WINDOW, WINDOW_OPERATIONS, Shield, budget
from headrace.files._chunks import Chunks
from headrace.files._live import holds_data
from headrace.files._raw import AsyncFileIO
from headrace.files._turns import Turns

T = TypeVar("T")

DEFAULT_BUFFER_SIZE = 64 * 1024  # bytes

#: What a read after a jump fetches at first; doubled while reads follow on one
#: another. CPython's buffer before 3.14.
_AHEAD_AFTER_JUMP = 8 * 1024  # bytes
#: How far a sequential reader that waits for the disk lets the engine read ahead.
_AHEAD_LIMIT = 1024 * 1024  # bytes
#: What a writer holds by default: a hop costs as much as a thousand small writes.
WRITE_BUFFER_SIZE = 128 * 1024  # bytes


class _Buffered:
    """What readers and writers have in common: facts, positions, closing."""

    raw: AsyncFileIO

    # A reader has no pending data and a writer no read-ahead: the operations that
    # all share see empty ones.
    _data = b""
    _pos = 0
    _held = 0

    def __init__(self, raw: AsyncFileIO, buffer_size: int) -> None:
        super().__init__()
        if buffer_size <= 0:
            raise ValueError("invalid buffer size")
        self.raw = raw
        self._buffer_size = buffer_size
        self._turns = Turns()
        #: Bytes that the last attempt, having answered WAIT, lacks.
        self._want = 0
        self._detached = False

    # -- Facts --------------------------------------------------------------------

    @property
    def name(self) -> Any:
        """The file's name or descriptor, as it was given."""
        return self._base.name

    @property
    def mode(self) -> str:
        """The mode, as `io` gives it for buffered files: "rb", "rb+", "wb", ..."""
        return self._base.mode

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._base.closed

    @property
    def can_read(self) -> bool:
        """Whether the file was opened for reading; no coroutine."""
        return self._base.can_read

    @property
    def can_write(self) -> bool:
        """Whether the file was opened for writing; no coroutine."""
        return self._base.can_write

    @property
    def can_seek(self) -> bool:
        """Whether the file has positions; no coroutine."""
        return self._base.can_seek

    @property
    def _base(self) -> AsyncFileIO:
        if self._detached:
            raise ValueError("raw stream has been detached")
        return self.raw

    def fileno(self) -> int:
        """Return the file descriptor; ValueError if the file is closed."""
        return self._base.fileno()

    async def isatty(self) -> bool:
        """Tell whether the file is a terminal."""
        return await self._base.isatty()

    async def readable(self) -> bool:
        """Tell whether the file was opened for reading."""
        return await self._base.readable()

    async def writable(self) -> bool:
        """Tell whether the file was opened for writing."""
        return await self._base.writable()

    async def seekable(self) -> bool:
        """Tell whether the file supports random access."""
        return await self._base.seekable()

    def __repr__(self) -> str:
        kind = f"headrace.{type(self).__name__}"
        return f"<{kind}>" if self._detached else f"<{kind} name={self.name!r}>"

    # -- The turn ---------------------------------------------------------------------

    async def _exclusive(self, attempt: Callable[..., T | Wait], *args: Any) -> T:
        """Take the turn and repeat *attempt* until it does not answer WAIT."""
        async with self._turns:
            self._freeze()
            try:
                if self._held:
                    await self._drain()
                eof = False
                while (result := attempt(*args, eof)) is WAIT:
                    if not await self.raw.breathe():
                        eof = not await self._fill()
                return result
            finally:
                self._thaw()

    def _freeze(self) -> None:
        """Shut the fast paths and bring positions up to date: the turn is taken."""
        self._settle_lines()
        self._settle_writes()

    def _thaw(self) -> None:
        """Open the fast paths again, unless somebody else has the turn next."""
        if not self._turns.contended:
            self._arm()

    def _arm(self) -> None:
        """Let the fast paths answer as far as the buffer allows."""

    def _settle_lines(self) -> None:
        """Bring the position behind the lines that were handed out."""

    def _settle_writes(self) -> None:
        """Bring the count of pending bytes up to date."""

    async def _fill(self) -> int:
        """Fetch more; returns how many bytes came, 0 at the end of the file."""
        return 0

    async def _drain(self) -> None:
        """Write the pending bytes to the raw file."""

    def _pending_bytes(self) -> bytes:
        """Return what has been accepted and not been written."""
        return b""

    def _drop_pending(self) -> None:
        """Forget what has not been written."""

    def _wrote(self, count: int) -> None:
        """Take note that *count* pending bytes are in the file."""

    def _drop_ahead(self) -> None:
        """Forget what was read ahead; the raw position is no longer behind it."""
        self._data = b""
        self._pos = 0

    @property
    def _ready(self) -> bool:
        """Whether an attempt may be made without taking the turn."""
        return not self._turns.held

    # -- Positions ------------------------------------------------------------------------

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
        if whence not in _WHENCES:
            raise ValueError(f"whence value {whence} unsupported")
        self._check_open("seek of closed file")
        if not self.can_seek:
            raise UnsupportedOperation("File or stream is not seekable.")
        offset = operator.index(offset)
        if self._ready:
            position = self._attempt_seek(offset, whence)
            self._arm()
            if position is not WAIT:
                return position
        async with self._turns:
            self._freeze()
            try:
                await self._drain()
                position = self._attempt_seek(offset, whence)
                if position is WAIT:
                    position = await self._move(offset, whence)
                return position
            finally:
                self._thaw()

    def _attempt_seek(self, offset: int, whence: int) -> int | Wait:
        self._freeze()
        if self._held:
            return WAIT
        place = self.raw.try_tell()
        if place is WAIT:
            return WAIT
        if whence == os.SEEK_CUR:
            offset += place - (len(self._data) - self._pos)
            whence = os.SEEK_SET
        if whence == os.SEEK_SET:
            inside = offset - (place - len(self._data))
            if 0 <= inside <= len(self._data) and self._data:
                self._pos = inside
                return offset
        position = self.raw.try_seek(offset, whence)
        if position is not WAIT:
            self._jumped()
        return position

    def _jumped(self) -> None:
        """Take note that what is read next does not follow on what was."""
        self._drop_ahead()

    async def _move(self, offset: int, whence: int) -> int:
        if whence == os.SEEK_CUR:
            offset -= len(self._data) - self._pos
        position = await self.raw.move(offset, whence)
        self._jumped()
        return position

    async def tell(self) -> int:
        """Return the position in bytes; makes no system call for regular files."""
        self._base._check_open()
        if self._ready:
            position = self.try_tell()
            if position is not WAIT:
                return position
        async with self._turns:
            self._freeze()
            try:
                place = await self.raw.place()
                return place - (len(self._data) - self._pos) + self._held
            finally:
                self._thaw()

    def try_tell(self) -> int | Wait:
        """Return the position if that is possible without waiting; or WAIT."""
        self._freeze()
        place = self.raw.try_tell()
        self._arm()
        if place is WAIT:
            return WAIT
        return place - (len(self._data) - self._pos) + self._held

    async def truncate(self, size: int | None = None, /) -> int:
        """Resize the file to *size* bytes, by default to the position.

        Returns:
            The new size. The position does not move.

        Raises:
            ValueError: The file is closed.
            UnsupportedOperation: The file is not open for writing.
            OSError: As ftruncate(2) reports it.

        Cancellation: a resizing that has begun is carried out first.
        """
        self._check_open("truncate of closed file")
        if not self.can_write:
            raise UnsupportedOperation("truncate")
        async with self._turns:
            self._freeze()
            try:
                await self._drain()
                if size is None:
                    place = await self.raw.place()
                    size = place - (len(self._data) - self._pos)
                size = await self.raw.resize(size)
                self._forget_ahead()
                return size
            finally:
                self._thaw()

    def _forget_ahead(self) -> None:
        """Drop what was read ahead, and move the raw position to where it began."""
        ahead = len(self._data) - self._pos
        if ahead and self.raw.try_seek(-ahead, os.SEEK_CUR) is WAIT:
            return
        self._drop_ahead()

    # -- At an offset -----------------------------------------------------------------------

    async def pread(self, size: int, offset: int, /) -> bytes:
        """Read up to *size* bytes at byte *offset*; the file position does not move.

        Sees what was written through this object. See `AsyncFileIO.pread`.
        """
        await self._write_out()
        return await self._base.pread(size, offset)

    async def pwrite(self, data: ReadableBuffer, offset: int, /) -> int:
        """Write all of *data* at byte *offset*; the file position does not move.

        Goes to the kernel at once, after what the buffer holds. See
        `AsyncFileIO.pwrite`.
        """
        await self._write_out()
        try:
            return await self._base.pwrite(data, offset)
        finally:
            if self._ready:
                self._freeze()
                self._forget_ahead()
                self._arm()

    async def _write_out(self) -> None:
        """Write what is pending, so that calls that name an offset see it."""
        self._base._check_open()
        if self._ready:
            self._settle_writes()
            if not self._held:
                self._arm()
                return
        if self.can_write:
            await self.flush()

    async def mmap(
        self, length: int = 0, *, access: int = mmap.ACCESS_READ, offset: int = 0
    ) -> mmap.mmap:
        """Map the file into memory, off the loop; see `AsyncFileIO.mmap`."""
        await self._write_out()
        return await self._base.mmap(length, access=access, offset=offset)

    # -- Flushing -----------------------------------------------------------------------------

    async def flush(self) -> None:
        """Hand what is buffered to the kernel: other processes then see it.

        Raises:
            ValueError: The file is closed.
            OSError: As the kernel reports it; what did not reach the file stays in
                the buffer, and the next flush tries again.

        Cancellation: a write that has begun is carried out first.
        """
        if self.closed:
            closed_file(
                "flush of closed file"
                if self.can_write
                else "I/O operation on closed file."
            )
        if self._ready:
            self._settle_writes()
            if not self._held:
                self._arm()
                return
        async with self._turns:
            self._freeze()
            try:
                await self._drain()
            finally:
                self._thaw()

    async def sync(self, *, data_only: bool = False) -> None:
        """Flush, then have the kernel write the file to its storage: fsync(2).

        Args:
            data_only: Leave out metadata that reading does not need: fdatasync(2).

        Raises:
            OSError: As fsync(2) reports it: data may then be lost, and a later
                success does not say that it is not.
        """
        self._base._check_open()
        async with self._turns:
            self._freeze()
            try:
                await self._drain()
                await self.raw.store_to_disk(data_only)
            finally:
                self._thaw()

    # -- Closing --------------------------------------------------------------------------------

    async def close(self) -> None:
        """Write what is buffered and close the file; closing twice does nothing.

        Raises:
            OSError: Of the last write. The file is closed all the same.

        Cancellation: the file is written and closed first.
        """
        raw = self._base
        if raw.closed:
            return
        if not self._turns.held:
            self._freeze()
            if not self._held and raw._closes_inline() and not raw._turns.held:
                raw._close_descriptor()
                self._drop_ahead()
                return
        with Shield():
            async with self._turns:
                if raw.closed:
                    return
                self._freeze()
                try:
                    await raw.shut(self._pending_bytes(), self._wrote)
                finally:
                    self._drop_ahead()
                    self._drop_pending()

    async def aclose(self) -> None:
        """Close the file: the name that anyio and Trio use for `close`."""
        await self.close()

    def close_now(self) -> None:
        """Write what is buffered and close, synchronously: for `__del__` and exit."""
        if self._detached or self.raw.closed:
            return
        self._freeze()
        try:
            if self._held:
                self.raw.write_now(self._pending_bytes())
        finally:
            self._drop_pending()
            self.raw.close_now()

    def detach(self) -> AsyncFileIO:
        """Separate the raw file from this buffer and return it.

        What the buffer holds is written by the raw file before anything else that
        it does, for this method cannot wait.

        Raises:
            ValueError: The file is closed or detached.
            RuntimeError: Another operation is under way.
        """
        raw = self._base
        if raw.closed:
            closed_file(
                "flush of closed file"
                if self.can_write
                else "I/O operation on closed file."
            )
        if self._turns.held:
            raise RuntimeError("detach() while another operation is under way")
        self._freeze()
        raw.owe(self._pending_bytes())
        self._drop_pending()
        self._detached = True
        return raw

    # -- Context and mistakes -------------------------------------------------------------

    async def __aenter__(self: Self) -> Self:
        if self.closed:
            closed_file()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __enter__(self) -> NoReturn:
        use_async_with("this file")

    def __exit__(self, *exc_info: object) -> None:
        """Never reached: `__enter__` raises."""

    def __iter__(self) -> NoReturn:
        use_async_for("this file")

    def __del__(self) -> None:
        raw = getattr(self, "raw", None)
        if raw is None or self._detached or raw.closed:
            return
        if raw.closefd:
            warnings.warn(
                unclosed_warning(self), ResourceWarning, stacklevel=2, source=self
            )
        self.close_now()

    def _check_open(self, text: str) -> None:
        if self.closed:
            closed_file(text)


Self = TypeVar("Self", bound=_Buffered)

_WHENCES = {
    value
    for name in ("SEEK_SET", "SEEK_CUR", "SEEK_END", "SEEK_DATA", "SEEK_HOLE")
    if (value := getattr(os, name, None)) is not None
}


class _Reading(_Buffered, Reader):
    """The reading side of a buffered file."""

    def __init__(self, raw: AsyncFileIO, buffer_size: int) -> None:
        super().__init__(raw, buffer_size)
        #: What the next inline read takes at least, and the next job.
        self._ahead = buffer_size
        self._cold_ahead = buffer_size

    # -- Reading --------------------------------------------------------------------

    def _read_now(self, size: int | None) -> bytes | Wait:
        if size is not None:
            size = operator.index(size)
            if size < -1:
                raise ValueError("read length must be non-negative or -1")
        self._check_readable("read")
        if not self._ready:
            return WAIT
        data = self._attempt_read(size)
        self._arm()
        return data

    async def _read_wait(self, size: int | None) -> bytes:
        if size is None or size < 0:
            return await self._exclusive(self._attempt_read_then_end)
        return await self._exclusive(self._attempt_read, size)

    def _attempt_read(self, size: int | None, eof: bool = False) -> bytes | Wait:
        self._freeze()
        if self._held or budget.spend():
            return WAIT
        if size is None or size < 0:
            return self._attempt_read_to_end()
        have = len(self._data) - self._pos
        while size > have and not eof:
            lacking = size - have
            direct = not have and lacking >= self._ahead
            chunk = self.raw.try_read(lacking if direct else max(lacking, self._ahead))
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

    def try_read1(self, size: int) -> bytes | Wait:
        """`read1`, if that is possible without waiting; or WAIT."""
        if not self._ready:
            return WAIT
        data = self._attempt_read1(size)
        self._arm()
        return data

    def _attempt_read1(self, size: int, eof: bool = False) -> bytes | Wait:
        self._freeze()
        if self._held:
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
        with memoryview(buffer) as view, view.cast("B") as target:
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
        if self._held:
            return WAIT
        if self._pos == len(self._data) and not eof:
            chunk = self.raw.try_read(self._ahead)
            if chunk is WAIT:
                self._want = 1
                return WAIT
            self._feed(chunk)
        return self._data[self._pos :]

    # -- Lines ------------------------------------------------------------------------

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
        if size < 0 and self._cut_lines():
            return next(self._lines)
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
            if not seen and size < 0 and self._cut_lines():
                return next(self._lines)

    def _cut_lines(self) -> bool:
        """Cut the next window of whole lines; False if there is not one in it."""
        pos = self._pos
        end = self._data.rfind(b"\n", pos, pos + WINDOW) + 1
        if not end:
            return False
        piece = self._data[pos:end]
        lines = piece.splitlines(True)
        if len(lines) != piece.count(b"\n"):
            # A lone b"\r" is no line end in a binary file.
            lines = io.BytesIO(piece).readlines()
        self._batch = lines
        self._lines = iter(lines)
        return True

    def _settle_lines(self) -> None:
        batch = self._batch
        self._limit = -1
        if batch:
            left = operator.length_hint(self._lines)
            used = len(batch) - left
            self._pos += sum(map(len, batch[:used]))
            counters.buffer_hits += used
            self._batch = ()
            self._lines = NO_LINES

    def _arm(self) -> None:
        if not self._batch and not self.raw.closed:
            if self._pos + WINDOW < len(self._data):
                self._limit = self._pos + WINDOW
            else:
                self._limit = len(self._data)
        super()._arm()

    def _drop_ahead(self) -> None:
        super()._drop_ahead()
        self._limit = -1

    def _jumped(self) -> None:
        super()._jumped()
        self._ahead = min(self._buffer_size, _AHEAD_AFTER_JUMP)
        self._cold_ahead = self._ahead

    async def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        """Read lines to the end, or until they have *hint* bytes together."""
        self._check_open("I/O operation on closed file.")
        limit = -1 if hint is None else operator.index(hint)
        if limit <= 0:
            return io.BytesIO(await self.read()).readlines()
        lines: list[bytes] = []
        total = 0
        while total < limit and (line := await self.readline()):
            lines.append(line)
            total += len(line)
        return lines

    def __aiter__(self: SelfReading) -> SelfReading:
        if self.closed:
            closed_file()
        return self

    def chunks(self, size: int) -> Chunks[bytes]:
        """Iterate over pieces of exactly *size* bytes; the last may be shorter."""
        return Chunks(self.read, size)

    def _check_readable(self, what: str, operation: str | None = None) -> None:
        if self.closed:
            closed_file(f"{what} of closed file")
        if not self.can_read:
            raise UnsupportedOperation(operation or what)


SelfReading = TypeVar("SelfReading", bound=_Reading)


class _Writing(_Buffered, Writer):
    """The writing side of a buffered file."""

    def __init__(self, raw: AsyncFileIO, buffer_size: int) -> None:
        super().__init__(raw, buffer_size)
        #: Pending bytes, less those that came by the fast path since `_window`.
        self._held = 0
        #: What `_room` was when the fast path was opened.
        self._window = 0
        self._remembered = False

    def _write_now(self, data: ReadableBuffer) -> int | Wait:
        if isinstance(data, str):
            raise TypeError("a bytes-like object is required, not 'str'")
        self._check_writable()
        if not self._ready:
            # Whoever waits for the turn has to be sure that it can be written.
            memoryview(data).release()
            return WAIT
        taken = self._attempt_write(data)
        self._arm()
        return taken

    def _attempt_write(self, data: ReadableBuffer) -> int | Wait:
        self._freeze()
        if budget.spend():
            return WAIT
        piece = data if data.__class__ is bytes else memoryview(data).cast("B")
        count = len(piece)
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
        with memoryview(data) as view, view.cast("B") as source:
            async with self._turns:
                self._freeze()
                try:
                    self._check_writable()
                    await self.raw.breathe()
                    await self._write_through(source)
                finally:
                    self._thaw()
            return len(source)

    async def _write_through(self, source: memoryview) -> None:
        """Take *source*; the turn is held. Writes what the buffer cannot hold."""
        if self._pos < len(self._data):
            await self._move_back()
        self._drop_ahead()
        if self._held + len(source) > self._buffer_size:
            await self._drain()
        self._add(bytes(source))
        if self._held > self._buffer_size:
            await self._drain()

    async def _move_back(self) -> None:
        await self.raw.move(-(len(self._data) - self._pos), os.SEEK_CUR)

    async def writelines(self, lines: Iterable[ReadableBuffer], /) -> None:
        """Write each of *lines*; no line ends are added."""
        self._check_open("I/O operation on closed file.")
        for line in lines:
            await self.write(line)

    async def _drain(self) -> None:
        if self._held:
            data = self._pending_bytes()
            counters.buffer_hits += len(self._pending)
            self._pending[:] = [data]
            await self.raw.store(data, self._wrote)

    def _wrote(self, count: int) -> None:
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
        if self._room >= 0:
            self._held += self._window - self._room
            self._room = -1

    def _arm(self) -> None:
        if self._pos == len(self._data) and not self.raw.closed:
            room = min(self._buffer_size - self._held, WINDOW)
            if room > 0 and self._held:
                self._room = self._window = room
        super()._arm()

    def _check_writable(self) -> None:
        if self.closed:
            closed_file("write to closed file")
        if not self.can_write:
            raise UnsupportedOperation("write")


class AsyncBufferedReader(_Reading):
    """A file opened for reading bytes: what `io.BufferedReader` is to `open()`."""

    async def write(self, data: ReadableBuffer, /) -> NoReturn:
        """Raise UnsupportedOperation: the file is not open for writing."""
        raise UnsupportedOperation("write")

    async def writelines(self, lines: Iterable[ReadableBuffer], /) -> None:
        """Raise UnsupportedOperation: the file is not open for writing."""
        self._check_open("I/O operation on closed file.")
        for _ in lines:
            raise UnsupportedOperation("write")


class AsyncBufferedWriter(_Writing):
    """A file opened for writing bytes: what `io.BufferedWriter` is to `open()`."""

    async def read(self, size: int | None = -1, /) -> NoReturn:
        """Raise UnsupportedOperation: the file is not open for reading."""
        raise UnsupportedOperation("read")

    async def read1(self, size: int = -1, /) -> NoReturn:
        """Raise UnsupportedOperation: the file is not open for reading."""
        raise UnsupportedOperation("read1")

    async def readinto(self, buffer: WriteableBuffer, /) -> NoReturn:
        """Raise UnsupportedOperation: the file is not open for reading."""
        raise UnsupportedOperation("read")

    readinto1 = readinto

    async def readline(self, size: int | None = -1, /) -> NoReturn:
        """Raise UnsupportedOperation: the file is not open for reading."""
        raise UnsupportedOperation("read")

    async def readlines(self, hint: int | None = -1, /) -> NoReturn:
        """Raise UnsupportedOperation: the file is not open for reading."""
        self._check_open("I/O operation on closed file.")
        raise UnsupportedOperation("read")

    def __aiter__(self) -> AsyncBufferedWriter:
        if self.closed:
            closed_file()
        return self

    async def __anext__(self) -> bytes:
        raise UnsupportedOperation("read")


class AsyncBufferedRandom(_Reading, _Writing):
    """A file opened for both: what `io.BufferedRandom` is to `open()`."""
