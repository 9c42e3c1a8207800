"""What buffered files have in common: facts, the turn, positions, flushing, closing.

Every operation is an *attempt*, a plain function that changes state only when it
succeeds and else returns WAIT; and a driver, `_exclusive`, that takes the file's turn
and alternates attempts and fetches. So a cancelled operation loses nothing, and one
that can be answered without waiting takes no turn and makes no coroutine of its own.
"""

from __future__ import annotations

import mmap
import operator
import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn, SupportsIndex, TypeVar

from headrace._errors import (
    UnsupportedOperation,
    closed_file,
    unclosed_warning,
    use_async_for,
    use_async_with,
)
from headrace._native import Buffer
from headrace._typing import WAIT, ReadableBuffer, Wait
from headrace.engine import (
    Limiter,
    Shield,
    budget,
    current_engine,
    running_loop_key,
)
from headrace.files._raw import AsyncFileIO
from headrace.files._sync_view import SyncView

T = TypeVar("T")


class _Detached:
    """What stands in the place of a raw file that was taken away."""

    def __getattr__(self, name: str) -> NoReturn:
        raise ValueError("raw stream has been detached")


_DETACHED: Any = _Detached()


class Buffered(Buffer):
    """What readers and writers have in common: facts, positions, closing."""

    raw: AsyncFileIO

    # -- Facts ----------------------------------------------------------------

    @property
    def name(self) -> Any:
        """The file's name or descriptor, as it was given."""
        return self.raw.name

    @property
    def mode(self) -> str:
        """The mode, as `io` gives it for buffered files: "rb", "rb+", "wb", ..."""
        return self.raw.mode

    @property
    def limiter(self) -> Limiter | None:
        """The limiter whose tokens its jobs wait for, if there is one."""
        return self.raw.limiter

    @property
    def wrapped(self) -> SyncView:
        """A synchronous file over the same descriptor; see `AsyncFileIO.wrapped`."""
        return self.raw.wrapped

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self.raw.closed

    @property
    def can_read(self) -> bool:
        """Whether the file was opened for reading; no coroutine."""
        return self.raw.can_read

    @property
    def can_write(self) -> bool:
        """Whether the file was opened for writing; no coroutine."""
        return self.raw.can_write

    @property
    def can_seek(self) -> bool:
        """Whether the file has positions; no coroutine."""
        return self.raw.can_seek

    def fileno(self) -> int:
        """Return the file descriptor; ValueError if the file is closed."""
        return self.raw.fileno()

    async def isatty(self) -> bool:
        """Tell whether the file is a terminal."""
        return await self.raw.isatty()

    async def readable(self) -> bool:
        """Tell whether the file was opened for reading."""
        # (io asks whether the file is open only where the answer would be yes.)
        return self.can_read and await self.raw.readable()

    async def writable(self) -> bool:
        """Tell whether the file was opened for writing."""
        return self.can_write and await self.raw.writable()

    async def seekable(self) -> bool:
        """Tell whether the file supports random access."""
        return await self.raw.seekable()

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def __repr__(self) -> str:
        kind = f"headrace.{type(self).__name__}"
        return f"<{kind}>" if self.raw is _DETACHED else f"<{kind} name={self.name!r}>"

    # -- The turn -------------------------------------------------------------

    #: Whether a pwrite() changed what whoever has the turn may have read ahead.
    _outdated = False

    async def _exclusive(self, attempt: Callable[..., T | Wait], *args: Any) -> T:
        """Take the turn and repeat *attempt* until it does not answer WAIT."""
        async with self._turns:
            self.raw._check_open()
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

    def _thaw(self) -> None:
        """Open the fast paths again, unless somebody else has the turn next."""
        if self._outdated:
            self._outdated = False
            self._freeze()
            self._forget_ahead()
        if not self._turns.contended:
            self._arm()

    def _arm(self) -> None:
        """Let the fast paths answer as far as the buffer allows."""

    async def _fill(self) -> int:
        """Fetch more; returns how many bytes came, 0 at the end of the file."""
        return 0

    async def _drain(self) -> None:
        """Write the pending bytes to the raw file."""

    async def _drain_to_disk(self, data_only: bool) -> None:
        """Write the pending bytes, and have the file on its storage."""
        await self.raw.store_to_disk(data_only)

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

    # -- Positions ------------------------------------------------------------

    def _seek_now(self, offset: int, whence: int = os.SEEK_SET) -> int | Wait:
        if whence not in _WHENCES:
            raise ValueError(f"whence value {whence} unsupported")
        self._check_open("seek of closed file")
        if not self.can_seek:
            raise UnsupportedOperation("File or stream is not seekable.")
        offset = operator.index(offset)
        if not self._ready or budget.spend():
            return WAIT
        position = self._attempt_seek(offset, whence)
        self._arm()
        return position

    async def _seek_wait(self, offset: int, whence: int = os.SEEK_SET) -> int:
        offset = operator.index(offset)
        async with self._turns:
            self.raw._check_open()
            self._freeze()
            try:
                await self.raw.breathe()
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
        self.raw._check_open()
        if self._ready and not budget.spend():
            position = self.try_tell()
            if position is not WAIT:
                return position
        async with self._turns:
            self.raw._check_open()
            self._freeze()
            try:
                await self.raw.breathe()
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
            self.raw._check_open()
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

    # -- At an offset ---------------------------------------------------------

    async def pread(self, size: int, offset: int, /) -> bytes:
        """Read up to *size* bytes at byte *offset*; the file position does not move.

        Sees what was written through this object. See `AsyncFileIO.pread`.
        """
        await self._write_out()
        return await self.raw.pread(size, offset)

    async def pwrite(self, data: ReadableBuffer, offset: int, /) -> int:
        """Write all of *data* at byte *offset*; the file position does not move.

        Goes to the kernel at once, after what the buffer holds. See
        `AsyncFileIO.pwrite`.
        """
        await self._write_out()
        try:
            return await self.raw.pwrite(data, offset)
        finally:
            if self._ready:
                self._freeze()
                self._forget_ahead()
                self._arm()
            else:
                self._outdated = True

    async def _write_out(self) -> None:
        """Write what is pending, so that calls that name an offset see it."""
        self.raw._check_open()
        if self._ready:
            self._freeze()
            self._arm()
        # (Who holds the turn has brought the count up to date.)
        if self._held or self.raw.unwritten:
            await self.flush()

    async def mmap(
        self, length: int = 0, *, access: int = mmap.ACCESS_READ, offset: int = 0
    ) -> mmap.mmap:
        """Map the file into memory, off the loop; see `AsyncFileIO.mmap`."""
        await self._write_out()
        return await self.raw.mmap(length, access=access, offset=offset)

    # -- Flushing -------------------------------------------------------------

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
        if self._ready and not budget.spend():
            self._freeze()
            self._arm()
            if not (self._held or self.raw.unwritten):
                return
        async with self._turns:
            self.raw._check_open()
            self._freeze()
            try:
                await self.raw.breathe()
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
        self.raw._check_open()
        async with self._turns:
            self.raw._check_open()
            self._freeze()
            try:
                await self._drain_to_disk(data_only)
            finally:
                self._thaw()

    # -- Closing --------------------------------------------------------------

    def _close_now(self) -> Wait | None:
        raw = self.raw
        if self._turns.held or budget.due:
            return WAIT
        if raw.closed or self._close_inline():
            return None
        if running_loop_key() is None:
            # The loop has ended: nobody is kept waiting.
            self.close_blocking()
            return None
        return WAIT

    async def _close_wait(self) -> None:
        due = budget.due and not self._turns.held
        if due and (self.raw.closed or self._close_inline()):
            await current_engine().checkpoint()
            return
        with Shield():
            async with self._turns:
                # Another task may have closed it while this one waited.
                if not self.closed:
                    await self._shut()
        if budget.due:
            await current_engine().host.check()

    def _close_inline(self) -> bool:
        """Close the file if that cannot wait; tell whether it is closed."""
        self._freeze()
        if self._held or not self.raw.close_inline():
            return False
        self._drop_ahead()
        return True

    async def _shut(self) -> None:
        self._freeze()
        try:
            if self.raw.unwritten:
                with suppress(OSError):
                    await self.raw.settle()
                # What it left is tried once more.
            await self.raw.shut(self._pending_bytes(), self._wrote)
        finally:
            self._drop_ahead()
            self._drop_pending()

    async def aclose(self) -> None:
        """Close the file: the name that anyio and Trio use for `close`."""
        await self.close()

    def close_blocking(self) -> None:
        """Write what is buffered and close, synchronously: for `__del__` and exit."""
        if self.raw is _DETACHED or self.raw.closed:
            return
        self._freeze()
        try:
            if self._held:
                self.raw.write_blocking(self._pending_bytes())
        finally:
            self._drop_pending()
            self.raw.close_blocking()

    def detach(self) -> AsyncFileIO:
        """Separate the raw file from this buffer and return it.

        What the buffer holds is written by the raw file before anything else that
        it does, for this method cannot wait.

        Raises:
            ValueError: The file is closed or detached.
            RuntimeError: Another operation is under way.
        """
        raw = self.raw
        if raw.closed:
            closed_file(
                "flush of closed file"
                if self.can_write
                else "I/O operation on closed file."
            )
        if self._turns.held:
            raise RuntimeError("detach() while another operation is under way")
        self._freeze()
        raw.keep_unwritten()
        raw.owe(self._pending_bytes())
        self._drop_pending()
        self.raw = _DETACHED
        raw.layers = 0
        return raw

    # -- Context and mistakes -------------------------------------------------

    async def __aenter__(self: Self) -> Self:
        if self.closed:
            closed_file()
        return self

    def __enter__(self) -> NoReturn:
        use_async_with("this file")

    def __exit__(self, *exc_info: object) -> None:
        """Never reached: `__enter__` raises."""

    def __iter__(self) -> NoReturn:
        use_async_for("this file")

    def _dropped(self) -> None:
        raw = self.raw
        if raw is _DETACHED or raw.closed or raw.layers > 1:
            return
        try:
            if raw.closefd:
                warnings.warn(
                    unclosed_warning(self), ResourceWarning, stacklevel=2, source=self
                )
        finally:
            # Also where warnings are errors.
            self.close_blocking()

    def _check_open(self, text: str) -> None:
        if self.closed:
            closed_file(text)


Self = TypeVar("Self", bound=Buffered)

_WHENCES = {
    value
    for name in ("SEEK_SET", "SEEK_CUR", "SEEK_END", "SEEK_DATA", "SEEK_HOLE")
    if (value := getattr(os, name, None)) is not None
}
