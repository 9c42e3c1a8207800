"""Stand-ins that a test can step: the engine's threads, and a raw file.

`SteppedEngine` stands in the place of the worker threads: a job runs when the test
says so, so that every order of "it ran", "it was cancelled" and "it was delivered"
can be made. `ScriptedRaw` stands in the place of a raw file under a buffer: the test
says which read would wait, which comes short, and which write fails.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, TypeVar

import pytest

from headrace._errors import closed_file, os_error
from headrace._typing import WAIT, Wait
from headrace.engine import UNKNOWN, Device, Job, budget, current_engine
from headrace.files._turns import Turns
from tests import tasks

T = TypeVar("T")


# -- The engine -----------------------------------------------------------------


class SteppedEngine:
    """The threads of the engine: nothing runs before the test calls `run_one()`."""

    def __init__(self) -> None:
        self.waiting: deque[Callable[[], object]] = deque()
        """Jobs that have been submitted and not been run, oldest first."""

    @classmethod
    def install(cls, monkeypatch: pytest.MonkeyPatch) -> SteppedEngine:
        """Put a new one in the place of the threads of both lanes."""
        stepped = cls()
        for user in ("engine._threads", "files._oneshot"):
            monkeypatch.setattr(f"headrace.{user}.workers", lambda lane: stepped)
        # Native threads cannot be stepped.
        only_python(monkeypatch)
        return stepped

    def submit(self, job: Callable[[], object]) -> None:
        """Take *job*, as a pool does."""
        self.waiting.append(job)

    def run_one(self) -> None:
        """Run the oldest job from start to end, in this thread."""
        self.waiting.popleft()()

    def run_all(self) -> None:
        """Run what is waiting, and what comes meanwhile."""
        while self.waiting:
            self.run_one()

    async def carry(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Await *work*, running its jobs as they come; returns what it returns."""
        task = await begun(work)
        while not task.done():
            self.run_all()
            await tasks.sleep(0)
        return task.result()


def only_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each job call its Python function, where a test has changed something."""
    monkeypatch.setattr("headrace.engine._described._table", {})


class RunningJob:
    """A job that a worker has begun and not ended, until the test says `finish()`.

    Args:
        job: What an engine has submitted.
        called: Whether its call has been made; else it is about to be.
    """

    def __init__(self, job: Callable[[], object], *, called: bool = False) -> None:
        assert isinstance(job, Job)
        call = job._func
        assert call is not None
        self._go = threading.Event()
        inside = threading.Event()

        def wait() -> None:
            inside.set()
            assert self._go.wait(10)

        def held(*args: Any) -> Any:
            if not called:
                wait()
                return call(*args)
            result = call(*args)
            wait()
            return result

        job._func = held
        self._thread = threading.Thread(target=job)
        self._thread.start()
        assert inside.wait(10)

    def finish(self) -> None:
        """Let the call be made and the job end."""
        self._go.set()
        self._thread.join()


async def begun(work: Coroutine[Any, Any, Any]) -> Any:
    """Start *work* as a task, and return when it waits for something, or has ended."""
    task = tasks.start(work)
    await turns(1)
    return task


async def turns(count: int = 5) -> None:
    """Let the loop turn *count* times: enough for what is ready to be done."""
    for _ in range(count):
        await tasks.sleep(0)


def nothing_inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all files that are opened from now on go by the engine, in all they do."""
    slow = Device(local=False, nowait=False)
    monkeypatch.setattr("headrace.engine._inline._root", UNKNOWN)
    for user in ("_opening", "_oneshot"):
        monkeypatch.setattr(f"headrace.files.{user}.device_of", lambda fd, status: slow)
        monkeypatch.setattr(f"headrace.files.{user}.known_device", lambda status: slow)


# -- A raw file -----------------------------------------------------------------


class ScriptedRaw:
    """A raw file in memory: what a buffered file asks of `AsyncFileIO`.

    Args:
        data: What is in the file.
        reads: For each read in turn: WAIT, or how many bytes it gives at the most.
            Behind the last, every read gives all it was asked for.
        writes: For each write in turn: how many bytes it takes before it fails with
            ENOSPC. Behind the last, every write takes all.
    """

    name = "scripted"
    mode = "rb+"
    #: There is nothing to close, and nothing to complain of if nobody does.
    closefd = False
    can_seek = True
    #: What is written is written at once.
    unwritten = False
    writes_behind = False

    async def settle(self, *, raising: bool = True) -> None:
        """Wait for nothing."""

    def keep_unwritten(self) -> None:
        """Keep nothing."""

    def __init__(
        self,
        data: bytes = b"",
        *,
        reads: Iterable[int | Wait] = (),
        writes: Iterable[int] = (),
        can_read: bool = True,
        can_write: bool = True,
    ) -> None:
        self.data = bytearray(data)
        self.position = 0
        self.closed = False
        self.can_read = can_read
        self.can_write = can_write
        self.calls: list[str] = []
        """The names of the methods that would have made a system call."""
        self.fetched: list[int] = []
        """The size of each read that the engine was asked for."""
        self._reads: Iterator[int | Wait] = iter(reads)
        self._writes: Iterator[int] = iter(writes)
        self._turns = Turns()

    # -- Now, or WAIT --

    def try_read(self, size: int) -> bytes | Wait:
        self.calls.append("try_read")
        most = next(self._reads, size)
        return WAIT if most is WAIT else self._take(min(size, most))

    def try_read_into(self, target: memoryview) -> int | Wait:
        data = self.try_read(len(target))
        if data is WAIT or not data:
            return WAIT
        target[: len(data)] = data
        return len(data)

    def try_read_to_end(self) -> bytes | Wait:
        self.calls.append("try_read_to_end")
        most = next(self._reads, None)
        return WAIT if most is not None else self._take(len(self.data))

    def try_seek(self, offset: int, whence: int) -> int | Wait:
        self.calls.append("try_seek")
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: None}[whence]
        place = offset + (len(self.data) if start is None else start)
        if place < 0:
            raise os_error(errno.EINVAL)
        self.position = place
        return place

    def try_tell(self) -> int | Wait:
        return self.position

    # -- By the engine --

    async def breathe(self) -> bool:
        spent = budget.spend(0)
        if spent:
            await current_engine().checkpoint()
        return spent

    async def fetch(self, size: int, *, full: bool = False) -> bytes:
        self.calls.append("fetch")
        self.fetched.append(size)
        await tasks.sleep(0)
        most = next(self._reads, size)
        if not full and most is not WAIT:
            size = min(size, max(most, 1))
        return self._take(size)

    async def fetch_to_end(self) -> bytes:
        self.calls.append("fetch_to_end")
        await tasks.sleep(0)
        return self._take(len(self.data))

    async def store(self, data: bytes, wrote: Callable[[int], object]) -> None:
        self.calls.append("store")
        await tasks.sleep(0)
        taken = min(next(self._writes, len(data)), len(data))
        self._put(bytes(data[:taken]))
        wrote(taken)
        if taken < len(data):
            raise os_error(errno.ENOSPC, self.name)

    async def resize(self, size: int) -> int:
        self.calls.append("resize")
        self.data[size:] = bytes(max(0, size - len(self.data)))
        return size

    async def store_to_disk(self, data_only: bool) -> None:
        self.calls.append("fdatasync" if data_only else "fsync")

    async def store_and_sync(
        self, data: bytes, wrote: Callable[[int], object], data_only: bool
    ) -> None:
        await self.store(data, wrote)
        await self.store_to_disk(data_only)

    async def move(self, offset: int, whence: int) -> int:
        position = self.try_seek(offset, whence)
        assert position is not WAIT
        return position

    async def place(self) -> int:
        return self.position

    async def shut(self, data: bytes, wrote: Callable[[int], object]) -> None:
        self.closed = True
        if data:
            await self.store(data, wrote)

    # -- Without waiting --

    def write_blocking(self, data: bytes) -> None:
        self.calls.append("write_blocking")
        self._put(data)

    def close_blocking(self) -> None:
        self.closed = True

    def owe(self, data: bytes) -> None:
        self._put(data)

    def fileno(self) -> int:
        raise OSError("a scripted file has no descriptor")

    def close_inline(self) -> bool:
        self.closed = True
        return True

    def _check_open(self) -> None:
        if self.closed:
            closed_file("I/O operation on closed file")

    # -- The bytes --

    def _take(self, size: int) -> bytes:
        data = bytes(self.data[self.position : self.position + size])
        self.position += len(data)
        return data

    def _put(self, data: bytes) -> None:
        gap = self.position - len(self.data)
        if gap > 0 and data:
            self.data += bytes(gap)
        self.data[self.position : self.position + len(data)] = data
        self.position += len(data)
