"""What can be done with an open descriptor: now, if that cannot wait, or by the engine.

The buffered layer and `AsyncFileIO` stand on these methods. None of them takes a turn
or checks that the file is open: the caller has one, and has checked.
"""

from __future__ import annotations

import errno
import operator
import os
import stat
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any

from headrace import _native
from headrace._native import OPERATIONS_PER_LOOK
from headrace._stats import counters
from headrace._typing import WAIT, ReadableBuffer, Wait
from headrace.engine import (
    UNKNOWN,
    Device,
    Lane,
    Shield,
    Status,
    budget,
    current_engine,
    limits,
)
from headrace.files import _calls
from headrace.files._behind import WriteBehind
from headrace.files._jobs import SETTLE_PAUSE_S, DescriptorJobs
from headrace.files._mode import Mode
from headrace.files._turns import Turns

#: Beyond this, the kernel is asked whether the file system has such an offset.
_SAFE_OFFSET = 1 << 40  # bytes


class FileDescriptor(DescriptorJobs):
    """A descriptor, its kind, and its position."""

    def __init__(
        self,
        fd: int,
        name: Any,
        mode: Mode,
        status: Status | os.stat_result,
        device: Device = UNKNOWN,
        *,
        closefd: bool = True,
        adopted: bool = False,
        executor: Executor | None = None,
    ) -> None:
        self._fd = fd
        self.name = name
        self.closefd = closefd
        self.closed = False
        self._mode = mode
        self.can_read = mode.reading
        self.can_write = mode.writing
        self._device = device
        regular = stat.S_ISREG(status.st_mode)
        self._special = not regular and not stat.S_ISBLK(status.st_mode)
        #: The position, or -1 where the kernel's own is used.
        self._position = 0 if regular and not adopted and not mode.appending else -1
        #: What the file's size was when last seen: only ever a hint.
        self._size = status.st_size if regular else 0
        self._inline_limit = limits.core
        self._inline = regular and mode.reading and device.nowait
        self._closes = regular and device.local and not mode.writing
        self.take_over(executor)

    def take_over(self, executor: Executor | None) -> None:
        """Complete what the core has opened, where it did without `__init__`."""
        self._turns = Turns()
        if budget.strict:
            # There, the core asks before each read.
            self._credit = 0
        if executor is not None:
            self._executor = executor

    #: What is being written while its writer goes on; then `_late` is its job.
    _behind: WriteBehind | None = None
    #: The error of one that failed, until somebody writes, flushes or closes.
    _failure: OSError | None = None
    #: Whether a special file has positions; None until somebody asks.
    _seekable: bool | None = None

    @property
    def can_seek(self) -> bool:
        """Whether the file has positions; asks the kernel once."""
        if not self._special:
            return True
        if self._seekable is None:
            try:
                os.lseek(self._fd, 0, os.SEEK_CUR)
                self._seekable = True
            except OSError:
                self._seekable = False
        return self._seekable

    # -- Now, or WAIT ---------------------------------------------------------

    def try_read(self, size: int) -> bytes | Wait:
        """Read up to *size* bytes if that is possible without waiting.

        Returns:
            The bytes, none at the end of the file; or WAIT.
        """
        if not self._inline or size > limits.inline or not self._may_read():
            return WAIT
        if not size:
            return b""
        position = self._position
        try:
            data = _native.read_at(self._fd, size, position)
        except OSError as error:
            self._refused(error)
            return WAIT
        if data:
            counters.inline_calls += 1
            if position >= 0:
                self._position = position + len(data)
            return data
        if data is None:
            return WAIT
        counters.inline_calls += 1
        return data if self._at_end() else WAIT

    def _may_read(self) -> bool:
        """Tell whether an inline read may be made: in order, and in the budget."""
        if self._owed or self._late is not None:
            return False
        self._credit -= 1
        if self._credit < 0:
            if budget.spend(OPERATIONS_PER_LOOK + 1):
                return False
            self._credit = 0 if budget.strict else OPERATIONS_PER_LOOK
        return True

    def try_read_to_end(self) -> bytes | Wait:
        """Read all that is left if that is possible without waiting; or WAIT."""
        if not self._inline or self._position < 0 or not self._may_read():
            return WAIT
        # One byte more than is left: a short answer is then the end of the file.
        left = self._size - self._position
        if left <= 0:
            left = self._current_size() - self._position
        left = max(left, 0)
        if left >= limits.inline:
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
        if not self._inline or len(target) > limits.inline or self._position < 0:
            return WAIT
        if not self._may_read():
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
        if self._behind is not None and self._position >= 0:
            return self._position + self._behind.size
        if self._late is not None or self._owed:
            return WAIT
        if self._position >= 0:
            return self._position
        return os.lseek(self._fd, 0, os.SEEK_CUR)

    # -- By the engine --------------------------------------------------------

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
        await self.settle()
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
        await self.settle()
        if self._special:
            pieces: list[bytes] = []
            try:
                while data := await self.fetch(_calls.FIRST_PIECE):
                    pieces.append(data)
            except BaseException:
                # What came so far is not to be had again.
                self._stash = b"".join(pieces) + self._stash
                raise
            return b"".join(pieces)
        if self._position < 0:
            return await self._read_owned(_calls.read_to_end, self._fd, -1, self._size)
        left = self._size - self._position
        data = await self._run(_calls.read_to_end, self._fd, self._position, left)
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
        await self.settle()
        if self._special:
            await self._store_special(data, wrote)
            return
        await self._write(wrote, _calls.write_all, data)

    async def _write(
        self,
        wrote: Callable[[int], object],
        call: Callable[..., tuple[int, OSError | None]],
        data: ReadableBuffer,
        *args: Any,
    ) -> None:
        """Have *call* write all of *data* at the position."""
        with Shield():
            count, error = await self._run(
                call, self._fd, data, self._position, *args, on_cancel="finish"
            )
            self._moved(count)
            wrote(count)
        if error is not None:
            raise self._named(error)

    @property
    def unwritten(self) -> bool:
        """Whether something that was accepted is still on its way."""
        waiting = self._behind is not None or self._failure is not None
        return waiting or bool(self._owed)

    @property
    def writes_behind(self) -> bool:
        """Whether `store_behind` is of use: not where a write may wait for ever."""
        plain = not self._special and self._executor is None
        return plain and current_engine().overlaps

    async def store_behind(
        self, pieces: tuple[bytes, ...], give_back: Callable[[bytes], object]
    ) -> None:
        """Begin to write all of *pieces* at the position; does not wait for the end.

        Waits for the write before this one.

        Args:
            pieces: What to write, one behind the other.
            give_back: Given what did not reach the file, before the error is raised
                by the next operation.

        Raises:
            OSError: Of the write before this one; nothing of *pieces* is written then.
        """
        await self.settle()
        engine = current_engine()
        job = engine.submit(
            self._job(_calls.write_pieces), self._fd, pieces, self._position, keep=self
        )
        self._behind = WriteBehind(engine, job, pieces, give_back)
        self._late = job

    async def _settle_behind(self, behind: WriteBehind) -> None:
        await behind.wait(self._wait_for)
        self._end_behind(behind)

    def _end_behind(self, behind: WriteBehind) -> None:
        """Take note of what a write behind has done; raises its error."""
        if self._behind is not behind:
            return
        self._behind = self._late = None
        count = 0
        error: BaseException | None = None
        try:
            count, error = behind.outcome()
        except BaseException as failure:  # noqa: BLE001 - raised below, if anything
            error = failure
        self._moved(count)
        if count < behind.size:
            behind.give_back(behind.rest(count))
        if error is not None:
            raise self._named(error) if isinstance(error, OSError) else error

    def keep_unwritten(self) -> None:
        """Have what a write behind leaves owed: who gave it is not there any more."""
        if self._behind is not None:
            self._behind.give_back = self.owe_first

    def owe_first(self, data: bytes) -> None:
        """Have *data* written before what is owed already."""
        self._owed = data + self._owed

    async def resize(self, size: int) -> int:
        """Truncate or extend the file to *size* bytes; returns *size*."""
        await self.settle()
        size = operator.index(size)
        with Shield():
            await self._run(os.ftruncate, self._fd, size, on_cancel="finish")
        self._size = size
        return size

    async def store_to_disk(self, data_only: bool) -> None:
        """fsync(2) or fdatasync(2)."""
        await self.settle()
        with Shield():
            call = _calls.sync_call(data_only)
            await self._run(call, self._fd, on_cancel="finish")

    async def store_and_sync(
        self, data: ReadableBuffer, wrote: Callable[[int], object], data_only: bool
    ) -> None:
        """Do `store` and `store_to_disk`, in one job where it cannot wait long."""
        if self._special:
            await self.store(data, wrote)
            await self.store_to_disk(data_only)
            return
        await self.settle()
        await self._write(wrote, _calls.write_and_sync, data, data_only)

    async def move(self, offset: int, whence: int) -> int:
        """Seek where that may wait (to the end on a server, SEEK_DATA, ...)."""
        await self.settle()
        position = self.try_seek(offset, whence)
        if position is not WAIT:
            return position
        if whence == os.SEEK_CUR and self._position >= 0:
            offset, whence = offset + self._position, os.SEEK_SET
        moved = await self._run(os.lseek, self._fd, offset, whence)
        self._stash = b""
        if self._position >= 0:
            self._position = moved
        return moved

    async def place(self) -> int:
        """Return the position, after what is under way has come back."""
        position = self.try_tell()
        if position is WAIT:
            await self.settle(raising=False)
            position = self.try_tell()
            assert position is not WAIT
        return position

    async def shut(self, data: ReadableBuffer, wrote: Callable[[int], object]) -> None:
        """Write *data* and close the descriptor, in one job; closes whatever happens.

        Called inside a `Shield`.
        """
        try:
            if self.unwritten or self._late is not None:
                await self.settle()
            if len(data) and (self._special or not self.closefd):
                await self.store(data, wrote)
                data = b""
        except BaseException:
            # An error, or a cancellation while nobody reads the pipe.
            await self._shut_descriptor()
            raise
        if not data:
            await self._shut_descriptor()
            return
        if self._in_flight:
            await self._wait_for_calls()
        self.closed = True
        error = await self._run(
            _calls.write_and_close, self._fd, data, self._position, on_cancel="finish"
        )
        if error is not None:
            raise self._named(error)
        wrote(len(data))

    async def _shut_descriptor(self) -> None:
        await self._wait_for_calls()
        if self.closed:
            return
        if self.close_inline():
            return
        self.closed = True
        if self.closefd:
            await self._run(os.close, self._fd, on_cancel="finish")

    # -- Pipes, terminals, sockets, devices -----------------------------------

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
                    await engine.sleep(SETTLE_PAUSE_S)

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

    async def settle(self, *, raising: bool = True) -> None:
        """Carry through what earlier operations left: cancelled reads, owed bytes.

        The error of a write behind is raised by the first that is *raising*.
        """
        if self._behind is not None:
            try:
                await self._settle_behind(self._behind)
            except OSError as error:
                self._failure = error
        elif self._late is not None:
            await self._collect_late(self.put_back)
        if self._failure is not None and raising:
            failure, self._failure = self._failure, None
            try:
                raise failure
            finally:
                # The traceback holds this frame, and so the error: break the cycle.
                del failure
        if self._owed:
            await self._pay()

    async def _pay(self) -> None:
        """Write what is owed; what does not reach the file stays owed."""
        owed, self._owed = self._owed, b""
        done = 0

        def wrote(count: int) -> None:
            nonlocal done
            done += count

        try:
            await self.store(owed, wrote)
        finally:
            self._owed = owed[done:] + self._owed

    def put_back(self, data: bytes) -> None:
        """Undo a read that nobody waited for."""
        if not data:
            return
        if self._position >= 0:
            self._position -= len(data)
        elif self.can_seek:
            os.lseek(self._fd, -len(data), os.SEEK_CUR)
        else:
            self._stash += data

    # -- Closing, without waiting ---------------------------------------------

    def write_blocking(self, data: bytes) -> None:
        """Write synchronously what is owed and *data*; see `close_blocking`."""
        behind = self._behind
        if behind is not None:
            self.keep_unwritten()
            behind.wait_blocking()
            with suppress(OSError):
                # What is left is written below, or the error raised there.
                self._end_behind(behind)
        data, self._owed = self._owed + data, b""
        count, error = _calls.write_all(self._fd, data, self._position)
        self._moved(count)
        if error is not None:
            raise self._named(error)

    def _close_descriptor(self) -> None:
        self.closed = True
        if self.closefd:
            try:
                os.close(self._fd)
            except OSError as error:
                raise self._named(error) from None

    def close_inline(self) -> bool:
        """Close the file if that cannot wait; tell whether it is closed."""
        if not self._closes_inline():
            return False
        if not self.closefd:
            self.closed = True
            return True
        self.closed = True
        try:
            # The last close of a deleted file frees its blocks, which takes its time.
            self.closed = _native.close_linked(self._fd)
        except OSError as error:
            raise self._named(error) from None
        return self.closed

    def _closes_inline(self) -> bool:
        """Tell whether close(2) cannot wait: only read, on a local file system."""
        if self._in_flight or self._late is not None:
            return False
        if not self.closefd:
            return not self._owed
        return self._closes

    # -- Helpers --------------------------------------------------------------

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
        if error.errno == errno.EBADF:
            # Somebody closed it. Not again by the engine: what that opens for itself
            # may get the number.
            raise self._named(error)
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
