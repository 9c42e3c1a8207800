"""An open descriptor: what is done now, what by the engine, and what is learned."""

from __future__ import annotations

import errno
import os
import select
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncFileIO, _native
from headrace._settings import INLINE_LIMIT
from headrace._stats import stats
from headrace._typing import WAIT
from headrace.engine import budget, limits
from headrace.files import _calls
from tests import tasks
from tests.fakes import RunningJob, SteppedEngine, begun, turns
from tests.files.support import fast, is_open, raw_file, raw_over, slow, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="inline calls, pipes")

CONTENTS = bytes(range(256)) * 16  # 4 KiB


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(CONTENTS)
    return made


@pytest.fixture(autouse=True)
def full_budget() -> None:
    budget.renew()


class Kernel:
    """Inline reads that are answered as the test says."""

    def __init__(self) -> None:
        self.answers: list[bytes | int | None] = []
        """For each read in turn: bytes, an errno, or None for "would wait"."""
        self.calls = 0

    def read_at(self, fd: int, size: int, offset: int) -> bytes | None:
        self.calls += 1
        answer = self.answers.pop(0) if self.answers else -1
        if answer == -1:
            if offset < 0:
                return os.read(fd, size)
            return os.pread(fd, size, offset)
        if isinstance(answer, int):
            raise OSError(answer, os.strerror(answer))
        return answer


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(_native, "read_at", made.read_at)
    return made


# -- Inline reads, and what they teach --


@pytest.mark.asyncio_only("under Trio, an attempt is only made inside an operation")
async def test_cached_read_is_made_without_a_job(
    path: Path, kernel: Kernel, engine: SteppedEngine
) -> None:
    async with raw_file(path) as file:
        assert file.try_read(10) == CONTENTS[:10]
        assert file.try_read(10) == CONTENTS[10:20]
        assert not engine.waiting


@pytest.mark.asyncio_only("under Trio, an attempt is only made inside an operation")
async def test_inline_read_is_counted(path: Path, kernel: Kernel) -> None:
    async with raw_file(path) as file:
        before = stats()
        file.try_read(10)
        assert (stats() - before).inline_calls == 1


async def test_read_that_would_wait_goes_to_the_engine(
    path: Path, kernel: Kernel
) -> None:
    kernel.answers = [None]
    async with raw_file(path) as file:
        assert await file.read(10) == CONTENTS[:10]
        assert await file.read(10) == CONTENTS[10:20]
    assert kernel.calls == 2


async def test_descriptor_that_somebody_closed_is_not_read_by_the_engine(
    path: Path, kernel: Kernel
) -> None:
    """What the engine opens for itself may have got the number."""
    kernel.answers = [errno.EBADF]
    async with raw_file(path) as file:
        with pytest.raises(OSError, match="Bad file descriptor") as caught:
            await file.read(10)
    assert (caught.value.errno, caught.value.filename) == (errno.EBADF, file.name)


@pytest.mark.parametrize("number", [errno.EIO, errno.EPERM])
async def test_odd_error_of_an_inline_read_is_left_to_the_engine(
    number: int, path: Path, kernel: Kernel
) -> None:
    """Scylladb met EIO from preadv2(RWF_NOWAIT) where a plain read succeeds."""
    kernel.answers = [number]
    async with raw_file(path) as file:
        assert await file.read(10) == CONTENTS[:10]
        assert await file.read(10) == CONTENTS[10:20]
    assert kernel.calls == 2


async def test_unsupported_inline_reads_are_remembered_for_the_device(
    path: Path, kernel: Kernel
) -> None:
    kernel.answers = [errno.EOPNOTSUPP]
    device = fast()
    async with raw_file(path, device=device) as file:
        assert await file.read(10) == CONTENTS[:10]
        assert await file.read(10) == CONTENTS[10:20]
    assert (kernel.calls, device.nowait) == (1, False)
    async with raw_file(path, device=device) as another:
        assert await another.read(10) == CONTENTS[:10]
    assert kernel.calls == 1


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS])
async def test_refused_inline_reads_are_remembered_for_the_file(
    number: int, path: Path, kernel: Kernel
) -> None:
    kernel.answers = [number]
    device = fast()
    async with raw_file(path, device=device) as file:
        assert await file.read(10) == CONTENTS[:10]
        assert await file.read(10) == CONTENTS[10:20]
    assert (kernel.calls, device.nowait) == (1, True)


@pytest.mark.parametrize("adopted", [False, True])
async def test_nothing_read_below_the_size_is_read_again_by_the_engine(
    adopted: bool, path: Path, kernel: Kernel
) -> None:
    kernel.answers = [b""]
    async with raw_file(path, adopted=adopted) as file:
        assert await file.read(10) == CONTENTS[:10]


@pytest.mark.asyncio_only("under Trio, an attempt is only made inside an operation")
async def test_nothing_read_at_the_end_is_believed(
    path: Path, kernel: Kernel, engine: SteppedEngine
) -> None:
    async with raw_file(path) as file:
        file.try_seek(len(CONTENTS), os.SEEK_SET)
        assert file.try_read(10) == b""


@pytest.mark.asyncio_only("under Trio, an attempt is only made inside an operation")
async def test_end_that_has_moved_is_seen(path: Path, kernel: Kernel) -> None:
    async with raw_file(path) as file:
        file.try_seek(len(CONTENTS), os.SEEK_SET)
        assert file.try_read(10) == b""
        with path.open("ab") as other:
            other.write(b"more")
        assert await file.read(10) == b"more"


async def test_short_read_is_given_as_it_is(path: Path, kernel: Kernel) -> None:
    kernel.answers = [CONTENTS[:3]]
    async with raw_file(path) as file:
        assert await file.read(10) == CONTENTS[:3]
        assert await file.read(4) == CONTENTS[3:7]


async def test_short_read_of_all_is_read_again_by_the_engine(
    path: Path, kernel: Kernel
) -> None:
    kernel.answers = [CONTENTS[:3]]
    async with raw_file(path) as file:
        assert await file.readall() == CONTENTS


async def test_read_of_all_sees_what_the_file_has_grown_by(
    path: Path, kernel: Kernel
) -> None:
    async with raw_file(path) as file:
        with path.open("ab") as other:
            other.write(b"more")
        assert await file.readall() == CONTENTS + b"more"


async def test_read_of_all_of_a_file_that_has_shrunk_is_what_is_left(
    path: Path, kernel: Kernel
) -> None:
    async with raw_file(path) as file:
        os.truncate(path, 5)
        assert await file.readall() == CONTENTS[:5]


async def test_read_above_the_limit_is_not_tried_inline(
    path: Path, kernel: Kernel
) -> None:
    async with raw_file(path) as file:
        assert file.try_read(INLINE_LIMIT + 1) is WAIT
    assert kernel.calls == 0


async def test_limit_of_zero_turns_inline_reads_off(
    path: Path, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "inline", 0)
    async with raw_file(path) as file:
        assert await file.read(10) == CONTENTS[:10]
        assert await file.readall() == CONTENTS[10:]
        assert file.try_read_into(memoryview(bytearray(4))) is WAIT
    assert kernel.calls == 0


async def test_spent_budget_stops_inline_reads(
    path: Path, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "spend", lambda operations=1: True)
    async with raw_file(path) as file:
        answers = [file.try_read(1) for _ in range(20)]
    assert WAIT in answers
    first = answers.index(WAIT)
    assert answers[first:] == [WAIT] * (20 - first)
    assert kernel.calls == first


@pytest.mark.asyncio_only("under Trio, an attempt is only made inside an operation")
async def test_breathing_renews_a_spent_budget(path: Path) -> None:
    async with raw_file(path) as file:
        budget.account.operations, budget.account.turned_at = 1000, 0.0
        assert await file.breathe()
        assert not await file.breathe()


# -- Positions --


@pytest.mark.parametrize("adopted", [False, True])
@pytest.mark.parametrize(
    ("offset", "whence", "position"),
    [
        pytest.param(10, os.SEEK_SET, 10, id="set"),
        pytest.param(10, os.SEEK_CUR, 15, id="forward"),
        pytest.param(-2, os.SEEK_CUR, 3, id="backward"),
        pytest.param(-1, os.SEEK_END, len(CONTENTS) - 1, id="from-the-end"),
        pytest.param(99, os.SEEK_END, len(CONTENTS) + 99, id="behind-the-end"),
    ],
)
@pytest.mark.parametrize("device", [fast, slow])
async def test_seek_moves_the_position(
    device: Callable[[], Any],
    adopted: bool,
    offset: int,
    whence: int,
    position: int,
    path: Path,
) -> None:
    async with raw_file(path, device=device(), adopted=adopted) as file:
        await file.seek(5)
        assert await file.seek(offset, whence) == position
        assert await file.tell() == position
        assert await file.read(3) == CONTENTS[position : position + 3]


@pytest.mark.parametrize("adopted", [False, True])
async def test_place_before_the_beginning_is_refused_and_nothing_moves(
    adopted: bool, path: Path
) -> None:
    async with raw_file(path, adopted=adopted) as file:
        await file.seek(5)
        for offset, whence in ((-1, 0), (-6, 1), (-len(CONTENTS) - 1, 2)):
            with pytest.raises(OSError, match="Invalid argument"):
                await file.seek(offset, whence)
        assert await file.tell() == 5


async def test_place_that_no_file_can_have_is_refused(path: Path) -> None:
    async with raw_file(path) as file:
        with pytest.raises((OSError, OverflowError)):
            await file.seek(1 << 63)
        assert await file.tell() == 0


async def test_own_position_makes_no_system_call(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with raw_file(path) as file:
        with monkeypatch.context() as patched:
            patched.setattr(os, "lseek", lambda *args: pytest.fail("a call of lseek"))
            await file.seek(7)
            await file.seek(1, os.SEEK_CUR)
            assert await file.tell() == 8


async def test_own_position_leaves_the_descriptors_alone(path: Path) -> None:
    async with raw_file(path, "r+b") as file:
        await file.read(10)
        await file.write(b"x")
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 0


async def test_adopted_descriptor_shares_the_kernels_position(path: Path) -> None:
    fd = os.open(path, os.O_RDWR)
    async with raw_over(fd, "r+b", adopted=True) as file:
        assert await file.read(10) == CONTENTS[:10]
        assert os.read(fd, 10) == CONTENTS[10:20]
        assert await file.tell() == 20
        await file.write(b"x")
        assert os.lseek(fd, 0, os.SEEK_CUR) == 21


async def test_appending_goes_to_the_end_wherever_it_is(path: Path) -> None:
    async with raw_file(path, "ab") as file:
        with path.open("ab") as other:
            other.write(b"other")
        await file.write(b"own")
        assert await file.tell() == len(CONTENTS) + 8
    assert path.read_bytes() == CONTENTS + b"otherown"


@pytest.mark.skipif(not hasattr(os, "SEEK_DATA"), reason="needs lseek(SEEK_DATA)")
@pytest.mark.parametrize("adopted", [False, True])
async def test_seek_to_data_and_holes(adopted: bool, tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as made:
        made.seek(1 << 20)
        made.write(b"data")
    size = path.stat().st_size
    async with raw_file(path, adopted=adopted) as file:
        try:
            place = await file.seek(0, os.SEEK_DATA)
        except OSError:
            pytest.skip("no such seeks on this file system")
        assert await file.tell() == place
        assert await file.seek(place, os.SEEK_HOLE) == size


# -- Writing --


async def test_store_tells_what_has_reached_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int, data: Any, offset: int) -> tuple[int, OSError | None]:
        os.pwrite(fd, data[:3], offset)
        return 3, OSError(errno.ENOSPC, "full")

    counts: list[int] = []
    async with raw_file(path, "r+b") as file:
        with monkeypatch.context() as full:
            full.setattr(_calls, "write_all", fail)
            with pytest.raises(OSError, match="full") as caught:
                await file.store(b"0123456789", counts.append)
        assert await file.tell() == 3
    assert (counts, caught.value.filename) == ([3], str(path))


async def test_cancelled_store_tells_what_has_reached_the_file(
    path: Path, engine: SteppedEngine
) -> None:
    counts: list[int] = []
    async with raw_file(path, "r+b") as file:
        task = await begun(file.store(b"0123", counts.append))
        task.cancel()
        await turns()
        assert counts == []
        engine.run_all()
        await tasks.wait([task])
        assert (counts, task.cancelled()) == ([4], True)
        assert await file.tell() == 4
        closing = await begun(file.close())
        engine.run_all()
        await closing


async def test_cancelled_write_has_moved_the_position(
    path: Path, engine: SteppedEngine
) -> None:
    async with raw_file(path, "r+b") as file:
        task = await begun(file.write(b"0123"))
        task.cancel()
        await turns()
        engine.run_all()
        await tasks.wait([task])
        assert task.cancelled()
        assert (await file.tell(), path.read_bytes()[:4]) == (4, b"0123")
        closing = await begun(file.close())
        engine.run_all()
        await closing


# -- What a cancelled read leaves --


@pytest.mark.parametrize("adopted", [False, True])
async def test_read_cancelled_in_the_queue_reads_nothing(
    adopted: bool, path: Path, engine: SteppedEngine
) -> None:
    async with raw_file(path, device=slow(), adopted=adopted) as file:
        task = await begun(file.read(10))
        task.cancel()
        await turns()
        assert task.cancelled()
        assert await file.tell() == 0
        assert await engine.carry(file.read(3)) == CONTENTS[:3]
        await engine.carry(file.close())


async def test_cancelled_read_at_an_own_position_moves_nothing(
    path: Path, engine: SteppedEngine
) -> None:
    async with raw_file(path, device=slow()) as file:
        task = await begun(file.read(10))
        engine.run_one()
        task.cancel()
        await tasks.wait([task])
        assert await engine.carry(file.read(3)) == CONTENTS[:3]
        await engine.carry(file.close())


async def test_cancelled_read_of_an_adopted_file_puts_the_position_back(
    path: Path, engine: SteppedEngine
) -> None:
    fd = os.open(path, os.O_RDONLY)
    async with raw_over(fd, device=slow(), adopted=True) as file:
        task = await begun(file.read(10))
        engine.run_one()
        task.cancel()
        await tasks.wait([task])
        assert task.cancelled()
        assert await file.tell() == 0
        assert os.lseek(fd, 0, os.SEEK_CUR) == 0
        await engine.carry(file.close())


class Pipe:
    """A pipe whose reading end is a raw file."""

    def __init__(self, **how: Any) -> None:
        self.fd, self.writer = os.pipe()
        self.file = raw_over(self.fd, adopted=True, **how)

    def close(self) -> None:
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


async def test_cancelled_read_of_a_pipe_keeps_its_bytes(
    pipe: Pipe, engine: SteppedEngine
) -> None:
    os.write(pipe.writer, b"0123456789")
    task = await begun(pipe.file.read(4))
    await until(lambda: engine.waiting)
    engine.run_one()
    task.cancel()
    await tasks.wait([task])
    assert task.cancelled()
    assert await engine.carry(pipe.file.read(2)) == b"01"
    assert await engine.carry(pipe.file.read(10)) == b"23"
    assert await engine.carry(pipe.file.read(10)) == b"456789"
    await engine.carry(pipe.file.close())


async def test_read_of_a_pipe_cancelled_inside_the_call_keeps_its_bytes(
    pipe: Pipe, engine: SteppedEngine
) -> None:
    os.write(pipe.writer, b"0123456789")
    task = await begun(pipe.file.read(4))
    await until(lambda: engine.waiting)
    inside = RunningJob(engine.waiting.popleft())
    task.cancel()
    await tasks.wait([task])
    inside.finish()
    assert await engine.carry(pipe.file.read(10)) == b"0123"
    assert await engine.carry(pipe.file.read(10)) == b"456789"
    await engine.carry(pipe.file.close())


async def test_read_of_an_adopted_file_cancelled_inside_the_call_moves_nothing(
    path: Path, engine: SteppedEngine
) -> None:
    fd = os.open(path, os.O_RDONLY)
    async with raw_over(fd, device=slow(), adopted=True) as file:
        task = await begun(file.read(10))
        inside = RunningJob(engine.waiting.popleft())
        task.cancel()
        await tasks.wait([task])
        inside.finish()
        assert await engine.carry(file.read(3)) == CONTENTS[:3]
        await engine.carry(file.close())


async def test_cancelled_read_to_the_end_of_a_pipe_keeps_its_bytes(pipe: Pipe) -> None:
    os.write(pipe.writer, b"first ")
    task = await begun(pipe.file.readall())
    # Read out of the pipe, and waiting for more.
    await until(lambda: not select.select([pipe.fd], [], [], 0)[0])
    await turns(20)
    task.cancel()
    await tasks.wait([task])
    os.write(pipe.writer, b"second")
    pipe.close()
    assert await pipe.file.readall() == b"first second"
    await pipe.file.close()


async def test_read_cancelled_while_nothing_comes_takes_nothing(
    pipe: Pipe, engine: SteppedEngine
) -> None:
    task = await begun(pipe.file.read(4))
    await turns()
    task.cancel()
    await tasks.wait([task])
    assert not engine.waiting
    os.write(pipe.writer, b"later")
    assert await engine.carry(pipe.file.read(10)) == b"later"
    await engine.carry(pipe.file.close())


async def test_nonblocking_pipe_whose_data_another_took_is_waited_for(
    pipe: Pipe, engine: SteppedEngine
) -> None:
    os.set_blocking(pipe.fd, False)
    os.write(pipe.writer, b"taken")
    task = await begun(pipe.file.read(10))
    await until(lambda: engine.waiting)
    os.read(pipe.fd, 10)
    engine.run_one()
    await turns()
    assert not task.done()
    os.write(pipe.writer, b"ours")
    await until(lambda: engine.waiting)
    engine.run_one()
    assert await task == b"ours"
    await engine.carry(pipe.file.close())


# -- Closing --


async def test_close_of_a_file_only_read_makes_no_job(
    path: Path, engine: SteppedEngine
) -> None:
    async with raw_file(path) as file:
        fd = file.fileno()
        await file.close()
        assert not is_open(fd)


@pytest.mark.parametrize(
    ("mode", "local"), [("rb", False), ("wb", True), ("r+b", True)]
)
async def test_close_that_might_wait_is_a_job(
    mode: str, local: bool, path: Path, engine: SteppedEngine
) -> None:
    async with raw_file(path, mode, fast() if local else slow()) as file:
        fd = file.fileno()
        task = await begun(file.close())
        assert is_open(fd)
        engine.run_one()
        await task
        assert not is_open(fd)


async def test_close_of_a_deleted_file_is_a_job(
    path: Path, engine: SteppedEngine
) -> None:
    """The last close frees its blocks."""
    async with raw_file(path) as file:
        path.unlink()
        task = await begun(file.close())
        assert len(engine.waiting) == 1
        engine.run_one()
        await task


async def test_close_leaves_a_borrowed_descriptor_open(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        file = raw_over(fd, adopted=True, closefd=False)
        await file.close()
        assert file.closed
        assert is_open(fd)
    finally:
        os.close(fd)


async def test_close_waits_for_a_read_that_nobody_waits_for(
    path: Path, engine: SteppedEngine
) -> None:
    async with raw_file(path, device=slow()) as file:
        fd = file.fileno()
        reading = await begun(file.pread(10, 0))
        held = engine.waiting.popleft()
        claimed = RunningJob(held)
        reading.cancel()
        await tasks.wait([reading])
        closing = await begun(file.close())
        await turns()
        assert not engine.waiting
        assert is_open(fd)
        claimed.finish()
        await until(lambda: engine.waiting)
        engine.run_all()
        await closing
        assert not is_open(fd)


@pytest.mark.parametrize("operation", ["pread", "pwrite", "mmap"])
async def test_close_waits_for_a_call_that_is_in_flight(
    operation: str, path: Path, engine: SteppedEngine
) -> None:
    """Else it would use whatever file gets the number next."""
    async with raw_file(path, "r+b", device=slow()) as file:
        fd = file.fileno()
        calls: dict[str, Callable[[], Any]] = {
            "pread": lambda: file.pread(10, 0),
            "pwrite": lambda: file.pwrite(b"x", 0),
            "mmap": file.mmap,
        }
        task = await begun(calls[operation]())
        claimed = RunningJob(engine.waiting.popleft())
        closing = await begun(file.close())
        await turns()
        engine.run_all()
        assert is_open(fd)
        claimed.finish()
        await tasks.wait([task])
        await until(lambda: engine.waiting)
        engine.run_all()
        await closing
        assert not is_open(fd)
        if operation == "mmap":
            task.result().close()


async def test_inline_close_waits_for_a_call_that_is_in_flight(
    path: Path, engine: SteppedEngine
) -> None:
    async with raw_file(path, device=fast()) as file:
        fd = file.fileno()
        task = await begun(file.pread(INLINE_LIMIT + 1, 0))
        claimed = RunningJob(engine.waiting.popleft())
        closing = await begun(file.close())
        await turns()
        assert is_open(fd)
        claimed.finish()
        assert await task == CONTENTS
        await until(lambda: closing.done() or engine.waiting)
        engine.run_all()
        await closing
        assert not is_open(fd)


async def test_cancelled_calls_that_are_over_do_not_pile_up(
    path: Path, engine: SteppedEngine
) -> None:
    async with raw_file(path, device=slow()) as file:
        for _ in range(5):
            task = await begun(file.pread(10, 0))
            claimed = RunningJob(engine.waiting.popleft())
            task.cancel()
            await tasks.wait([task])
            claimed.finish()
        assert len(file._in_flight or ()) == 1
        await engine.carry(file.close())


async def test_close_closes_though_cancelled(path: Path, engine: SteppedEngine) -> None:
    async with raw_file(path, "r+b") as file:
        fd = file.fileno()
        task = await begun(file.close())
        task.cancel()
        await turns()
        assert not task.done()
        engine.run_all()
        await tasks.wait([task])
        assert task.cancelled()
        assert not is_open(fd)


# -- What a detached writer left --


async def test_owed_bytes_are_written_before_anything_else(path: Path) -> None:
    async with raw_file(path, "r+b") as file:
        file.owe(b"owed")
        assert await file.tell() == 4
        assert path.read_bytes()[:4] == b"owed"


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(lambda file: file.read(1), id="read"),
        pytest.param(lambda file: file.readall(), id="readall"),
        pytest.param(lambda file: file.write(b"x"), id="write"),
        pytest.param(lambda file: file.seek(0), id="seek"),
        pytest.param(lambda file: file.truncate(9), id="truncate"),
        pytest.param(lambda file: file.flush(), id="flush"),
        pytest.param(lambda file: file.sync(), id="sync"),
        pytest.param(lambda file: file.pread(4, 0), id="pread"),
        pytest.param(lambda file: file.pwrite(b"x", 100), id="pwrite"),
        pytest.param(lambda file: closed_map(file), id="mmap"),
        pytest.param(lambda file: file.close(), id="close"),
    ],
)
async def test_every_operation_writes_what_is_owed(
    operation: Callable[[Any], Any], path: Path
) -> None:
    async with raw_file(path, "r+b") as file:
        file.owe(b"owed")
        await operation(file)
        assert path.read_bytes()[:4] == b"owed"


async def closed_map(file: AsyncFileIO) -> None:
    (await file.mmap()).close()


class Full:
    """A disk that has no room until the test makes some."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 0
        self._write_all = _calls.write_all
        monkeypatch.setattr(_calls, "write_all", self)

    def __call__(self, fd: int, data: Any, offset: int) -> tuple[int, OSError | None]:
        count, error = self._write_all(fd, data[: self.room], offset)
        self.room -= count
        if error is None and count < len(data):
            error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return count, error


async def test_owed_bytes_that_could_not_be_written_are_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Full(monkeypatch)
    async with raw_file(path, "r+b") as file:
        file.owe(b"owed")
        full.room = 1
        with pytest.raises(OSError, match="No space"):
            await file.flush()
        full.room = 100
        await file.flush()
        assert await file.tell() == 4
    assert path.read_bytes() == b"owed" + CONTENTS[4:]


async def test_close_closes_though_what_is_owed_cannot_be_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Full(monkeypatch)
    async with raw_file(path, "r+b") as file:
        fd = file.fileno()
        file.owe(b"owed")
        with pytest.raises(OSError, match="No space"):
            await file.close()
        assert file.closed
        assert not is_open(fd)
