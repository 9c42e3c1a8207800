"""`AsyncFileIO`: a descriptor and its position rules.

Stands on the engine alone; knows neither buffering nor text. The buffered layer
uses the methods under "For the layer above", which take no turn: the caller has
one of its own.
"""

from __future__ import annotations

import errno
import mmap
import operator
import os
import stat
import warnings
from collections.abc import Callable
from concurrent.futures import Executor
from types import TracebackType
from typing import Any, NoReturn, TypeVar

from headrace import _native
from headrace._errors import (
    UnsupportedOperation,
    closed_file,
    unclosed_warning,
    use_async_for,
    use_async_with,
)
from headrace._platform import IS_LINUX
from headrace._stats import counters
from headrace._typing import WAIT, ReadableBuffer, Wait, WriteableBuffer
from headrace.engine import (
    INLINE_LIMIT,
    UNKNOWN,
    Device,
    Job,
    Lane,
    Shield,
    budget,
    current_engine,
)
from headrace.files import _calls
from headrace.files._chunks import Chunks
from headrace.files._mode import Mode
from headrace.files._turns import Turns

T = TypeVar("T")

#: Beyond this, the kernel is asked whether the file system has such an offset.
_SAFE_OFFSET = 1 << 40  # bytes

#: How often an operation looks whether an earlier, cancelled one is over.
_SETTLE_PAUSE_S = 0.001


class AsyncFileIO:
    """The raw file: what `io.FileIO` is to builtin `open()`.

    Made by `headrace.open(..., buffering=0)`, and found as ``f.raw`` under the
    buffered files.

    A regular file that headrace opened is read and written by position; adopted
    descriptors, append mode and special files use the kernel's position.
    """

    def __init__(
        self,
        fd: int,
        name: Any,
        mode: Mode,
        status: os.stat_result,
        *,
        device: Device = UNKNOWN,
        closefd: bool = True,
        adopted: bool = False,
        executor: Executor | None = None,
        stash: bytes = b"",
    ) -> None:
        self._fd = fd
        self.name = name
        self.closefd = closefd
        self.closed = False
        self._mode = mode
        self.can_read = mode.reading
        self.can_write = mode.writing
        self._device = device
        self._executor = executor
        self._turns = Turns()
        kind = stat.S_IFMT(status.st_mode)
        #: Neither a regular file nor a block device: reads and writes may wait for
        #: ever, and there is no position.
        self._special = kind not in (stat.S_IFREG, stat.S_IFBLK)
        self._seekable: bool | None = None if self._special else True
        regular = kind == stat.S_IFREG
        #: The position, or -1 where the kernel's own is used.
        self._position = 0 if regular and not adopted and not mode.appending else -1
        #: What the file's size was when last seen: only ever a hint.
        self._size = status.st_size if regular else 0
        self.blksize = getattr(status, "st_blksize", 0)
        self._inline = regular and mode.reading and device.nowait
        # What a cancelled read took from a file that cannot seek back, or the look
        # for a FIFO's writer.
        self._stash = stash
        # A cancelled read at the kernel's position that has not come back yet.
        self._late: Job | None = None
        # Cancelled calls that still use the descriptor.
        self._abandoned: list[Job] = []
        # Bytes that a detached writer left to be written first.
        self._owed = b""

    # -- Facts ----------------------------------------------------------------

    @property
    def mode(self) -> str:
        """The mode as `io.FileIO` gives it: "rb", "rb+", "wb", "ab", "xb", ..."""
        return self._mode.raw

    @property
    def can_seek(self) -> bool:
        """Whether the file has positions; asks the kernel once."""
        if self._seekable is None:
            try:
                os.lseek(self._fd, 0, os.SEEK_CUR)
                self._seekable = True
            except OSError:
                self._seekable = False
        return self._seekable

    def fileno(self) -> int:
        """Return the file descriptor.

        Raises:
            ValueError: The file is closed.
        """
        self._check_open()
        return self._fd

    async def isatty(self) -> bool:
        """Tell whether the file is a terminal."""
        self._check_open()
        return self._special and os.isatty(self._fd)

    async def readable(self) -> bool:
        """Tell whether the file was opened for reading."""
        self._check_open()
        return self.can_read

    async def writable(self) -> bool:
        """Tell whether the file was opened for writing."""
        self._check_open()
        return self.can_write

    async def seekable(self) -> bool:
        """Tell whether the file supports random access."""
        self._check_open()
        return self.can_seek

    def __repr__(self) -> str:
        if self.closed:
            return "<headrace.AsyncFileIO [closed]>"
        return (
            f"<headrace.AsyncFileIO name={self.name!r} mode={self.mode!r} "
            f"closefd={self.closefd}>"
        )

    # -- Reading ----------------------------------------------------------------

    async def read(self, size: int | None = -1, /) -> bytes:
        """Read at most *size* bytes with one system call; all of them if negative.

        Args:
            size: Bytes wanted; None or negative reads to the end of the file.

        Returns:
            The bytes; fewer than *size* is a short read, none the end of the file.

        Raises:
            ValueError: The file is closed.
            UnsupportedOperation: The file is not open for reading.
            OSError: As the kernel reports it, with the file name.

        Cancellation: the position has not moved; nothing is lost.
        """
        if size is None or size < 0:
            return await self.readall()
        self._check_readable()
        async with self._turns:
            data = self.try_read(size)
            return await self.fetch(size) if data is WAIT else data

    async def readall(self) -> bytes:
        """Read from the position to the end of the file; see `read`."""
        self._check_readable()
        async with self._turns:
            data = self.try_read_to_end()
            return await self.fetch_to_end() if data is WAIT else data

    async def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into *buffer* with one system call; see `read`.

        Args:
            buffer: A writable bytes-like object; pinned until the call is over, so
                that resizing it meanwhile raises BufferError.

        Returns:
            How many bytes were read; 0 is the end of the file.
        """
        self._check_readable()
        with memoryview(buffer) as view, view.cast("B") as target:
            data = await self.read(len(target))
            target[: len(data)] = data
        return len(data)

    async def readline(self, size: int | None = -1, /) -> bytes:
        """Read until a line end, byte by byte, as `io.RawIOBase` does.

        Slow: a system call for each byte. Buffered files are made for lines.
        """
        limit = -1 if size is None else operator.index(size)
        self._check_open()
        line = bytearray()
        while limit < 0 or len(line) < limit:
            byte = await self.read(1)
            line += byte
            if not byte or byte == b"\n":
                break
        return bytes(line)

    async def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        """Read lines to the end, or until they have *hint* bytes together."""
        self._check_open()
        lines: list[bytes] = []
        total = 0
        while line := await self.readline():
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint <= total:
                break
        return lines

    def __aiter__(self) -> AsyncFileIO:
        if self.closed:
            closed_file()
        return self

    async def __anext__(self) -> bytes:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    def chunks(self, size: int) -> Chunks[bytes]:
        """Iterate over pieces of exactly *size* bytes; the last may be shorter."""
        return Chunks(self._read_exactly, size)

    async def _read_exactly(self, size: int) -> bytes:
        pieces: list[bytes] = []
        while size and (data := await self.read(size)):
            pieces.append(data)
            size -= len(data)
        return b"".join(pieces)

    async def pread(self, size: int, offset: int, /) -> bytes:
        """Read up to *size* bytes at byte *offset*; the file position does not move.

        Takes no turn: concurrent calls run side by side and cannot disturb one
        another, because each names its own place.

        Args:
            size: Bytes wanted, 0 or more.
            offset: Absolute byte offset, 0 or more.

        Returns:
            *size* bytes, fewer only at the end of the file.

        Raises:
            ValueError: The file is closed, or an argument is negative.
            UnsupportedOperation: The file is not open for reading, or cannot seek.
            OSError: As the kernel reports it, with the file name.

        Cancellation: takes effect at once; the buffer lives until the kernel is done.
        Cost: one system call if the pages are cached (preadv2(2), RWF_NOWAIT).
        """
        size, offset = _whole(size, "size"), _whole(offset, "offset")
        self._check_readable()
        self._check_positions()
        if not size:
            return b""
        if self._inline and size <= INLINE_LIMIT:
            if budget.spend():
                await current_engine().checkpoint()
            data = self._read_inline(size, offset)
            if data is not None and (
                len(data) == size or offset + len(data) >= self._current_size()
            ):
                return data
        return await self._run(_calls.read_up_to, self._fd, size, offset)

    # -- Writing ------------------------------------------------------------------

    async def write(self, data: ReadableBuffer, /) -> int:
        """Write *data* with one system call.

        Args:
            data: A bytes-like object.

        Returns:
            How many bytes were written: the kernel may take fewer than given, as
            with `io.FileIO`. (Buffered files write all.)

        Raises:
            ValueError: The file is closed.
            UnsupportedOperation: The file is not open for writing.
            OSError: As the kernel reports it, with the file name.

        Cancellation: a write that has begun is carried out first.
        """
        self._check_writable()
        with memoryview(data) as view, view.cast("B") as source:
            async with self._turns:
                await self._settle()
                if self._special:
                    await self._wait_writable()
                with Shield():
                    count = await self._run(
                        self._write_once, source, on_cancel="finish"
                    )
                self._moved(count)
        return count

    def _write_once(self, data: memoryview) -> int:
        data = data[: _calls.MAX_TRANSFER]
        if self._position >= 0:
            return os.pwrite(self._fd, data, self._position)
        return os.write(self._fd, data)

    async def writelines(self, lines: Any, /) -> None:
        """Write each of an iterable of bytes-like objects, one `write` each."""
        self._check_open()
        for line in lines:
            await self.write(line)

    async def pwrite(self, data: ReadableBuffer, offset: int, /) -> int:
        """Write all of *data* at byte *offset*; the file position does not move.

        Takes no turn, like `pread`.

        Args:
            data: A bytes-like object.
            offset: Absolute byte offset, 0 or more.

        Returns:
            The number of bytes of *data*: short writes are continued.

        Raises:
            ValueError: The file is closed, or *offset* is negative.
            UnsupportedOperation: The file is not open for writing, cannot seek, or
                is in append mode, where Linux ignores the offset (pwrite(2), BUGS).
            OSError: As the kernel reports it, with the file name.

        Cancellation: a write that has begun is carried out first.
        """
        offset = _whole(offset, "offset")
        self._check_writable()
        self._check_positions()
        if self._mode.appending:
            raise UnsupportedOperation(
                "pwrite() on a file in append mode would ignore its offset"
            )
        with memoryview(data) as view, view.cast("B") as source:
            with Shield():
                count, error = await self._run(
                    _calls.write_all, self._fd, source, offset, on_cancel="finish"
                )
            if error is not None:
                raise self._named(error)
        return count

    async def truncate(self, size: int | None = None, /) -> int:
        """Resize the file to *size* bytes, by default to the position.

        Returns:
            The new size. The position does not move.
        """
        self._check_writable()
        async with self._turns:
            return await self.resize(await self.place() if size is None else size)

    async def flush(self) -> None:
        """Do nothing but check that the file is open: there is no buffer here."""
        if self.closed:
            closed_file()
        if self._owed:
            async with self._turns:
                await self._settle()

    async def sync(self, *, data_only: bool = False) -> None:
        """Have the kernel write the file to its storage: fsync(2).

        Args:
            data_only: Leave out metadata that reading does not need: fdatasync(2).
        """
        self._check_open()
        async with self._turns:
            await self.store_to_disk(data_only)

    # -- Positions ------------------------------------------------------------------

    async def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the position.

        Args:
            offset: Bytes, relative to *whence*.
            whence: `os.SEEK_SET`, `SEEK_CUR`, `SEEK_END`, `SEEK_DATA`, `SEEK_HOLE`.

        Returns:
            The new absolute position.

        Raises:
            OSError: ESPIPE for a pipe, EINVAL for a place before the beginning.
        """
        self._check_open()
        async with self._turns:
            position = self.try_seek(offset, whence)
            return await self.move(offset, whence) if position is WAIT else position

    async def tell(self) -> int:
        """Return the position in bytes."""
        self._check_open()
        async with self._turns:
            return await self.place()

    # -- Memory ---------------------------------------------------------------------

    async def mmap(
        self,
        length: int = 0,
        *,
        access: int = mmap.ACCESS_READ,
        offset: int = 0,
    ) -> mmap.mmap:
        """Map the file into memory and bring its pages in, off the loop.

        Args:
            length: Bytes; 0 maps the whole file.
            access: `mmap.ACCESS_READ`, `ACCESS_WRITE` or `ACCESS_COPY`.
            offset: Where the map begins, a multiple of `mmap.ALLOCATIONGRANULARITY`.

        Returns:
            The map, its pages present: touching it does not wait for the disk
            until the kernel takes pages away again.

        Raises:
            ValueError: An empty file, or an offset beyond its end.
            OSError: As mmap(2) reports it.
        """
        self._check_open()
        return await self._run(
            _map_populated,
            self._fd,
            length,
            access,
            offset,
            discard=operator.methodcaller("close"),
        )

    # -- Closing ----------------------------------------------------------------------

    async def close(self) -> None:
        """Close the descriptor; closing twice does nothing.

        Waits for calls in flight that use the descriptor.

        Cancellation: the file is closed first.
        """
        if self.closed:
            return
        if not self._turns.held and self._closes_inline():
            self._close_descriptor()
            return
        with Shield():
            async with self._turns:
                if not self.closed:
                    await self.shut(b"", _ignore)

    async def aclose(self) -> None:
        """Close the file: the name that anyio and Trio use for `close`."""
        await self.close()

    def close_now(self) -> None:
        """Close synchronously: for `__del__` and the interpreter's exit."""
        if self.closed:
            return
        try:
            self.write_now(b"")
        finally:
            self._close_descriptor()

    def write_now(self, data: bytes) -> None:
        """Write synchronously what is owed and *data*; see `close_now`."""
        data, self._owed = self._owed + data, b""
        count, error = _calls.write_all(self._fd, data, self._position)
        self._moved(count)
        if error is not None:
            raise self._named(error)

    def _close_descriptor(self) -> None:
        self.closed = True
        if self.closefd:
            os.close(self._fd)

    def _closes_inline(self) -> bool:
        """Tell whether close(2) cannot wait: only read, on a local file system."""
        if self._abandoned or self._late is not None:
            return False
        if not self.closefd:
            return not self._owed
        if self.can_write or self._special or not self._device.local:
            return False
        # The last close of a deleted file frees its blocks, which takes its time.
        return os.fstat(self._fd).st_nlink > 0

    async def __aenter__(self) -> AsyncFileIO:
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
        # __init__ may have failed before there was anything to close.
        if getattr(self, "closed", True):
            return
        if self.closefd:
            warnings.warn(
                unclosed_warning(self), ResourceWarning, stacklevel=2, source=self
            )
        self.close_now()

    # -- For the layer above: now, or WAIT ----------------------------------------------

    def try_read(self, size: int) -> bytes | Wait:
        """Read up to *size* bytes if that is possible without waiting.

        Returns:
            The bytes, none at the end of the file; or WAIT.
        """
        if self._late is not None or self._owed:
            return WAIT
        if self._stash:
            data, self._stash = self._stash[:size], self._stash[size:]
            return data
        if not self._inline or size > INLINE_LIMIT or budget.spend():
            return WAIT
        if not size:
            return b""
        data = self._read_inline(size, self._position)
        if data is None:
            return WAIT
        if data:
            if self._position >= 0:
                self._position += len(data)
            return data
        return data if self._at_end() else WAIT

    def try_read_to_end(self) -> bytes | Wait:
        """Read all that is left if that is possible without waiting; or WAIT."""
        if not self._inline or self._position < 0 or self._owed:
            return WAIT
        # One byte more than is left: a short answer is then the end of the file.
        left = self._size - self._position
        if left <= 0:
            left = self._current_size() - self._position
        left = max(left, 0)
        if left >= INLINE_LIMIT or budget.spend():
            return WAIT
        data = self._read_inline(left + 1, self._position)
        if data is None or len(data) != left:
            # It grew, shrank, or is cached in part only.
            self._size = self._current_size()
            return WAIT
        self._position += left
        return data

    def try_read_into(self, target: memoryview) -> int | Wait:
        """Read into *target* if that is possible without waiting.

        Returns:
            The count, or WAIT; never 0, which `try_read` has to tell.
        """
        if not self._inline or len(target) > INLINE_LIMIT or self._position < 0:
            return WAIT
        if self._owed or budget.spend():
            return WAIT
        try:
            count = _native.read_into_at(self._fd, target, self._position)
        except OSError as error:
            self._refused(error)
            return WAIT
        if count <= 0:
            return WAIT
        counters.inline_calls += 1
        self._position += count
        return count

    def try_seek(self, offset: int, whence: int) -> int | Wait:
        """Move the position if that is possible without waiting; or WAIT."""
        if self._late is not None or self._owed:
            return WAIT
        if self._position < 0:
            if whence not in (os.SEEK_SET, os.SEEK_CUR):
                return WAIT
            position = os.lseek(self._fd, offset, whence)
            self._stash = b""
            return position
        if whence == os.SEEK_SET:
            position = operator.index(offset)
        elif whence == os.SEEK_CUR:
            position = self._position + operator.index(offset)
        elif whence == os.SEEK_END and self._device.local:
            position = self._current_size() + operator.index(offset)
        else:
            return WAIT
        if not 0 <= position < _SAFE_OFFSET:
            os.lseek(self._fd, position, os.SEEK_SET)
        self._position = position
        return position

    def try_tell(self) -> int | Wait:
        """Return the position if that is possible without waiting; or WAIT."""
        if self._late is not None or self._owed:
            return WAIT
        if self._position >= 0:
            return self._position
        return os.lseek(self._fd, 0, os.SEEK_CUR)

    # -- For the layer above: by the engine -------------------------------------------

    async def breathe(self) -> bool:
        """Yield to the loop if the inline budget is spent; tell whether it was."""
        if not budget.spend(0):
            return False
        await current_engine().checkpoint()
        return True

    async def fetch(self, size: int, *, full: bool = False) -> bytes:
        """Read up to *size* bytes in one job; all of them, if *full*.

        Returns:
            The bytes; none is the end of the file.

        Cancellation: nothing is lost; the position has not moved.
        """
        await self._settle()
        if self._stash:
            data, self._stash = self._stash[:size], self._stash[size:]
            return data
        if self._special:
            return await self._fetch_special(size)
        call = _calls.read_up_to if full else _calls.read_once
        if self._position < 0:
            return await self._read_owned(call, self._fd, size, -1)
        data = await self._run(call, self._fd, size, self._position)
        self._position += len(data)
        return data

    async def fetch_to_end(self) -> bytes:
        """Read all that is left, in one job."""
        await self._settle()
        if self._special:
            pieces = []
            while data := await self.fetch(_calls.FIRST_PIECE):
                pieces.append(data)
            return b"".join(pieces)
        if self._position < 0:
            return await self._read_owned(_calls.read_to_end, self._fd, -1)
        data = await self._run(_calls.read_to_end, self._fd, self._position)
        self._position += len(data)
        return data

    async def store(self, data: ReadableBuffer, wrote: Callable[[int], object]) -> None:
        """Write all of *data* at the position, in one job where it cannot wait long.

        Args:
            data: What to write.
            wrote: Told of each count of bytes that has reached the file, also when
                the rest then fails or is cancelled.

        Raises:
            OSError: As the kernel reports it, with the file name.

        Cancellation: a write to a regular file is carried out first; one to a
        pipe, terminal or socket stops where it is.
        """
        await self._settle()
        if self._special:
            await self._store_special(data, wrote)
            return
        with Shield():
            count, error = await self._run(
                _calls.write_all, self._fd, data, self._position, on_cancel="finish"
            )
            self._moved(count)
            wrote(count)
        if error is not None:
            raise self._named(error)

    async def resize(self, size: int) -> int:
        """Truncate or extend the file to *size* bytes; returns *size*."""
        await self._settle()
        size = operator.index(size)
        with Shield():
            await self._run(os.ftruncate, self._fd, size, on_cancel="finish")
        self._size = size
        return size

    async def store_to_disk(self, data_only: bool) -> None:
        """fsync(2) or fdatasync(2)."""
        await self._settle()
        fdatasync = getattr(os, "fdatasync", os.fsync)
        call = fdatasync if data_only else os.fsync
        with Shield():
            await self._run(call, self._fd, on_cancel="finish")

    async def move(self, offset: int, whence: int) -> int:
        """Seek where that may wait (to the end on a server, SEEK_DATA, ...)."""
        await self._settle()
        position = self.try_seek(offset, whence)
        if position is not WAIT:
            return position
        if whence == os.SEEK_CUR and self._position >= 0:
            offset, whence = offset + self._position, os.SEEK_SET
        position = await self._run(os.lseek, self._fd, offset, whence)
        self._stash = b""
        if self._position >= 0:
            self._position = position
        return position

    async def place(self) -> int:
        """Return the position, after what is under way has come back."""
        await self._settle()
        position = self.try_tell()
        assert position is not WAIT
        return position

    async def shut(self, data: ReadableBuffer, wrote: Callable[[int], object]) -> None:
        """Write *data* and close the descriptor, in one job; closes whatever happens.

        Called inside a `Shield`.
        """
        try:
            await self._settle()
        finally:
            await self._wait_for_abandoned()
            if len(data) and (self._special or not self.closefd):
                try:
                    await self.store(data, wrote)
                    data = b""
                except BaseException:
                    # An error, or a cancellation while nobody reads the pipe.
                    await self._shut_descriptor()
                    raise
        if not len(data):
            await self._shut_descriptor()
            return
        self.closed = True
        error = await self._run(
            _calls.write_and_close, self._fd, data, self._position, on_cancel="finish"
        )
        if error is not None:
            raise self._named(error)
        wrote(len(data))

    async def _shut_descriptor(self) -> None:
        if self.closed:
            return
        if self._closes_inline():
            self._close_descriptor()
            return
        self.closed = True
        if self.closefd:
            await self._run(os.close, self._fd, on_cancel="finish")

    # -- Pipes, terminals, sockets, devices ---------------------------------------------

    async def _fetch_special(self, size: int) -> bytes:
        engine = current_engine()
        while True:
            watched = await engine.wait_readable(self._fd)
            try:
                # Not on the loop's thread even though it is ready: another process
                # may be quicker and take what was there.
                return await self._read_owned(
                    _calls.read_once,
                    self._fd,
                    size,
                    -1,
                    lane=Lane.WORK if watched else Lane.WAIT,
                )
            except BlockingIOError:
                # A descriptor in non-blocking mode, and another was quicker.
                if not watched:
                    await engine.sleep(_SETTLE_PAUSE_S)

    async def _store_special(
        self, data: ReadableBuffer, wrote: Callable[[int], object]
    ) -> None:
        # Where readiness cannot be watched (/dev/null), the write is simply made.
        with memoryview(data) as view:
            done = 0
            while done < len(view):
                watched = await self._wait_writable()
                with Shield():
                    if watched:
                        count, error = await self._run(
                            _calls.write_while_ready, self._fd, view[done:]
                        )
                    else:
                        count, error = await self._run(
                            _calls.write_all, self._fd, view[done:], -1, lane=Lane.WAIT
                        )
                    done += count
                    wrote(count)
                if error is not None:
                    raise self._named(error)

    async def _wait_writable(self) -> bool:
        return await current_engine().wait_writable(self._fd)

    # -- Jobs -----------------------------------------------------------------------------

    async def _run(
        self,
        call: Callable[..., T],
        *args: Any,
        on_cancel: Any = "abandon",
        lane: Lane = Lane.WORK,
        discard: Callable[[T], object] | None = None,
    ) -> T:
        """Run one job that uses the descriptor; its errors get the file's name."""
        engine = current_engine()
        job = engine.submit(
            self._call,
            call,
            *args,
            lane=lane,
            discard=discard,
            executor=self._executor,
        )
        try:
            result: T = await engine.outcome(job, on_cancel)
        except OSError as error:
            raise self._named(error) from None
        except BaseException:
            # Left in flight by a cancellation: closing has to wait for it. A job
            # that may wait for ever is not waited for.
            if not (job.completed or job.withdrawn) and lane is Lane.WORK:
                self._abandoned.append(job)
            raise
        return result

    def _call(self, call: Callable[..., T], *args: Any) -> T:
        # A bound method, so that the job keeps this object, and so its descriptor,
        # open until the call has come back.
        return call(*args)

    async def _read_owned(
        self, call: Callable[..., bytes], *args: Any, lane: Lane = Lane.WORK
    ) -> bytes:
        """Run a read that moves the kernel's position: its bytes may not get lost."""
        engine = current_engine()
        job = engine.submit(self._call, call, *args, lane=lane, executor=self._executor)
        try:
            data: bytes = await engine.outcome(job)
        except BlockingIOError:
            raise
        except OSError as error:
            raise self._named(error) from None
        except BaseException:
            if not job.withdrawn:
                self._late = job
            raise
        return data

    async def _settle(self) -> None:
        """Wait for what an earlier, cancelled operation left under way."""
        if self._late is not None:
            await self._wait_for(self._late)
            job, self._late = self._late, None
            if job.error is None and job.result:
                self._put_back(job.result)
        if self._owed:
            owed, self._owed = self._owed, b""
            await self.store(owed, lambda count: None)

    def _put_back(self, data: bytes) -> None:
        """Undo a read that nobody waited for."""
        if self.can_seek:
            os.lseek(self._fd, -len(data), os.SEEK_CUR)
        else:
            self._stash += data

    async def _wait_for_abandoned(self) -> None:
        for job in self._abandoned:
            await self._wait_for(job)
        self._abandoned.clear()

    async def _wait_for(self, job: Job) -> None:
        # Looks again and again, because the job may have been begun in a loop that
        # is gone; that only happens after a cancellation.
        engine = current_engine()
        while not job.completed:
            await engine.sleep(_SETTLE_PAUSE_S)

    # -- Helpers --------------------------------------------------------------------------

    def _read_inline(self, size: int, offset: int) -> bytes | None:
        try:
            data = _native.read_at(self._fd, size, offset)
        except OSError as error:
            self._refused(error)
            return None
        counters.inline_calls += 1
        return data

    def _refused(self, error: OSError) -> None:
        """Learn from an inline read that failed; the engine will make it again."""
        if error.errno in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            self._inline = False
            if error.errno == errno.EOPNOTSUPP:
                self._device.nowait = False

    def _current_size(self) -> int:
        self._size = os.fstat(self._fd).st_size
        return self._size

    def _at_end(self) -> bool:
        # Some kernels answer 0 where there is more: believe it only beyond the size.
        place = self._position
        if place < 0:
            place = os.lseek(self._fd, 0, os.SEEK_CUR)
        return place >= self._current_size()

    def _moved(self, count: int) -> None:
        if self._position >= 0:
            self._position += count

    def owe(self, data: bytes) -> None:
        """Have *data* written before anything else: what a detached writer held."""
        self._owed += data

    def _named(self, error: OSError) -> OSError:
        """Put the file's name on an error of the kernel's."""
        if error.filename is None and not isinstance(self.name, int):
            error.filename = self.name
        return error

    def _check_open(self) -> None:
        if self.closed:
            closed_file("I/O operation on closed file")

    def _check_readable(self) -> None:
        self._check_open()
        if not self.can_read:
            raise UnsupportedOperation("File not open for reading")

    def _check_writable(self) -> None:
        self._check_open()
        if not self.can_write:
            raise UnsupportedOperation("File not open for writing")

    def _check_positions(self) -> None:
        if not self.can_seek:
            raise UnsupportedOperation("File or stream is not seekable.")


def _whole(value: int, what: str) -> int:
    """Return *value* as an int that is 0 or more."""
    number = operator.index(value)
    if number < 0:
        raise ValueError(f"{what} must be 0 or more, not {number}")
    return number


def _ignore(count: int) -> None:
    """Take a count that nobody needs."""


def _map_populated(fd: int, length: int, access: int, offset: int) -> mmap.mmap:
    """Map a file and bring its pages in: a job."""
    mapped = mmap.mmap(fd, length, access=access, offset=offset)
    # MADV_POPULATE_READ, Linux 5.14, mmap has no name for it before 3.14; reading
    # a byte of each page does the same everywhere.
    if IS_LINUX:
        try:
            mapped.madvise(22)
            return mapped
        except OSError:
            mapped.madvise(mmap.MADV_WILLNEED)
    for place in range(0, len(mapped), mmap.PAGESIZE):
        mapped[place]
    return mapped
