"""`AsyncFileIO`: the raw file, what `io.FileIO` is to builtin `open()`.

The public face of a `FileDescriptor`: arguments checked, one operation after another.
"""

from __future__ import annotations

import mmap
import operator
import os
import warnings
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, NoReturn, SupportsIndex

from headrace._errors import (
    UnsupportedOperation,
    closed_file,
    unclosed_warning,
    use_async_for,
    use_async_with,
)
from headrace._platform import IS_LINUX
from headrace._typing import WAIT, ReadableBuffer, WriteableBuffer
from headrace.engine import (
    Limiter,
    Shield,
    budget,
    current_engine,
    limiter_of,
    limits,
    running_loop_key,
)
from headrace.files import _calls
from headrace.files._chunks import Chunks
from headrace.files._descriptor import FileDescriptor
from headrace.files._sync_view import SyncView

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: Reads in a row that had to wait, after which the inline attempt is left out; and
#: how often it is made all the same. With io_uring, random cold reads with 64 in flight
#: went from 53 k a second to 72 k (ext4, 2 CPUs): each attempt starts the disk by
#: itself, and so one read at a time.
_COLD_AFTER = 8
_LOOK_AGAIN = 16


class AsyncFileIO(FileDescriptor):
    """The raw file: what `io.FileIO` is to builtin `open()`.

    Made by `headrace.open(..., buffering=0)`, and found as ``f.raw`` under the
    buffered files.

    A regular file that headrace opened is read and written by position; adopted
    descriptors, append mode and special files use the kernel's position.
    """

    _view: SyncView | None = None

    # -- Facts ----------------------------------------------------------------

    @property
    def mode(self) -> str:
        """The mode as `io.FileIO` gives it: "rb", "rb+", "wb", "ab", "xb", ..."""
        return self._mode.raw

    @property
    def limiter(self) -> Limiter | None:
        """The limiter whose tokens its jobs wait for, if there is one."""
        return limiter_of(self._executor)

    @property
    def wrapped(self) -> SyncView:
        """A synchronous file over the same descriptor, for code that wants one.

        It is unbuffered and uses the kernel's position: flush this file first, and
        seek in that one. It is closed when this one is.
        """
        if self._view is None:
            self._view = SyncView(self)
        return self._view

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

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def __repr__(self) -> str:
        if self.closed:
            return "<headrace.AsyncFileIO [closed]>"
        return (
            f"<headrace.AsyncFileIO name={self.name!r} mode={self.mode!r} "
            f"closefd={self.closefd}>"
        )

    # -- Reading --------------------------------------------------------------

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
        size = -1 if size is None else operator.index(size)
        self._check_readable()
        if size < 0:
            return await self.readall()
        async with self._turns:
            self._check_open()
            data = self.try_read(size)
            return await self.fetch(size) if data is WAIT else data

    async def readall(self) -> bytes:
        """Read from the position to the end of the file; see `read`."""
        self._check_readable()
        async with self._turns:
            self._check_open()
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
        with _calls.target_view(buffer) as target:
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
        try:
            while limit < 0 or len(line) < limit:
                byte = await self.read(1)
                line += byte
                if not byte or byte == b"\n":
                    break
        except BaseException:
            self.put_back(bytes(line))
            raise
        return bytes(line)

    async def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        """Read lines to the end, or until they have more than *hint* bytes together."""
        self._check_open()
        lines: list[bytes] = []
        total = 0
        try:
            while line := await self.readline():
                lines.append(line)
                total += len(line)
                if hint is not None and 0 < hint < total:
                    break
        except BaseException:
            self.put_back(b"".join(lines))
            raise
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
        try:
            while size and (data := await self.read(size)):
                pieces.append(data)
                size -= len(data)
        except BaseException:
            self.put_back(b"".join(pieces))
            raise
        return b"".join(pieces)

    def pread(self, size: int, offset: int, /) -> Coroutine[Any, Any, bytes]:
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
        return self._pread(size, offset)

    async def _pread_wait(self, size: int, offset: int) -> bytes:
        """`pread`, in full; `c/ring_reads.c` does the same where all is as usual."""
        size, offset = _whole(size, "size"), _whole(offset, "offset")
        self._check_readable()
        self._check_positions()
        if self.unwritten:
            await self.flush()
        if not size:
            return b""
        if self._inline and size <= limits.inline and not self._is_cold():
            if budget.spend():
                await current_engine().checkpoint()
                self._check_open()
            data = self._read_inline(size, offset)
            if data is None:
                self._misses += 1
            else:
                misses = self._misses
                # One hit does not end a long row of misses: two more are tried first.
                cold = misses > _COLD_AFTER
                self._misses = _COLD_AFTER - 2 if cold else misses // 2
                if len(data) == size or offset + len(data) >= self._current_size():
                    return data
        return await self._pread_job(size, offset)

    async def _pread_job(self, size: int, offset: int) -> bytes:
        """`pread` where the pages are not cached."""
        return await self._run(_calls.read_up_to, self._fd, size, offset)

    def _is_cold(self) -> bool:
        """Tell whether an inline `pread` is not worth its system call.

        After some that had to wait, most do; one now and then tells when that ends.
        """
        misses = self._misses
        if misses < _COLD_AFTER:
            return False
        self._misses = misses + 1
        return misses % _LOOK_AGAIN != 0

    # -- Writing --------------------------------------------------------------

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
        with _calls.source_view(data) as source:
            async with self._turns:
                self._check_open()
                await self.settle()
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
        if self._appends():
            raise UnsupportedOperation(
                "pwrite() on a file in append mode would ignore its offset"
            )
        with _calls.source_view(data) as source:
            if self.unwritten:
                await self.flush()
            with Shield():
                count, error = await self._run(
                    _calls.write_all, self._fd, source, offset, on_cancel="finish"
                )
            if error is not None:
                raise self._named(error)
        return count

    def _appends(self) -> bool:
        if self._position >= 0 or fcntl is None:
            return self._mode.appending
        # An adopted descriptor: whoever opened it may have asked for it.
        return bool(fcntl.fcntl(self._fd, fcntl.F_GETFL) & os.O_APPEND)

    async def truncate(self, size: int | None = None, /) -> int:
        """Resize the file to *size* bytes, by default to the position.

        Returns:
            The new size. The position does not move.
        """
        self._check_writable()
        async with self._turns:
            self._check_open()
            return await self.resize(await self.place() if size is None else size)

    async def flush(self) -> None:
        """Do nothing but check that the file is open: there is no buffer here."""
        if self.closed:
            closed_file()
        if self.unwritten:
            async with self._turns:
                self._check_open()
                await self.settle()
        elif budget.due:
            await current_engine().checkpoint()

    async def sync(self, *, data_only: bool = False) -> None:
        """Have the kernel write the file to its storage: fsync(2).

        Args:
            data_only: Leave out metadata that reading does not need: fdatasync(2).
        """
        self._check_open()
        async with self._turns:
            self._check_open()
            await self.store_to_disk(data_only)

    # -- Positions ------------------------------------------------------------

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
            self._check_open()
            position = self.try_seek(offset, whence)
            return await self.move(offset, whence) if position is WAIT else position

    async def tell(self) -> int:
        """Return the position in bytes."""
        self._check_open()
        async with self._turns:
            self._check_open()
            return await self.place()

    # -- Memory ---------------------------------------------------------------

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
        if self.unwritten:
            await self.flush()
        return await self._run(
            _map_populated,
            self._fd,
            length,
            access,
            offset,
            discard=operator.methodcaller("close"),
        )

    # -- Closing --------------------------------------------------------------

    async def close(self) -> None:
        """Close the descriptor; closing twice does nothing.

        Waits for calls in flight that use the descriptor.

        Cancellation: the file is closed first.
        """
        if not self._turns.held:
            if self.closed or self.close_inline():
                if budget.due:
                    await current_engine().checkpoint()
                return
            if running_loop_key() is None:
                # The loop has ended: nobody is kept waiting.
                self.close_blocking()
                return
        with Shield():
            async with self._turns:
                if not self.closed:
                    await self.shut(b"", _ignore)
        if budget.due:
            await current_engine().host.check()

    async def aclose(self) -> None:
        """Close the file: the name that anyio and Trio use for `close`."""
        await self.close()

    def close_blocking(self) -> None:
        """Close synchronously: for `__del__` and the interpreter's exit."""
        if self.closed:
            return
        try:
            self.write_blocking(b"")
        finally:
            self._close_descriptor()

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

    def _dropped(self) -> None:
        try:
            if self.closefd:
                warnings.warn(
                    unclosed_warning(self), ResourceWarning, stacklevel=2, source=self
                )
        finally:
            # Also where warnings are errors.
            self.close_blocking()

    # -- Checks ---------------------------------------------------------------
    # Each is made when a method is called, and that the file is open once more behind
    # every wait: another task may have closed it, and the number be another file's.

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
