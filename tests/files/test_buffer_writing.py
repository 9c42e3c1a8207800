"""The writing side of a buffer: what is taken, when it is written, what is left."""

from __future__ import annotations

import array
import ctypes
import errno
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncBufferedRandom, AsyncBufferedWriter
from headrace import open as open_file
from headrace._stats import stats
from headrace.engine import budget
from headrace.files._buffer_writing import STREAM_BUFFER_SIZE, WRITE_BUFFER_SIZE
from tests import tasks
from tests.fakes import ScriptedRaw, SteppedEngine, begun, turns
from tests.files.support import raw_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pwrite")


def over(raw: ScriptedRaw, size: int = 8) -> AsyncBufferedWriter:
    raw.can_read = False
    fake: Any = raw
    return AsyncBufferedWriter(fake, size)


def both_over(raw: ScriptedRaw, size: int = 8) -> AsyncBufferedRandom:
    fake: Any = raw
    return AsyncBufferedRandom(fake, size)


@pytest.fixture(autouse=True)
def full_budget() -> None:
    budget.renew()


# -- What is taken, and when it is written --


async def test_write_that_fits_is_kept() -> None:
    raw = ScriptedRaw()
    file = over(raw)
    assert [await file.write(b"abc"), await file.write(b"defgh")] == [3, 5]
    assert raw.calls == []


async def test_write_that_does_not_fit_any_more_writes_what_came_before() -> None:
    raw = ScriptedRaw()
    file = over(raw)
    await file.write(b"abcdef")
    assert await file.write(b"ghi") == 3
    assert raw.data == b"abcdef"
    await file.close()
    assert raw.data == b"abcdefghi"


async def test_write_larger_than_the_buffer_is_written_at_once() -> None:
    raw = ScriptedRaw()
    file = over(raw)
    await file.write(b"ab")
    assert await file.write(b"0123456789") == 10
    assert raw.data == b"ab0123456789"
    assert raw.calls == ["store", "store"]
    await file.close()


async def test_write_of_just_the_buffers_size_is_kept() -> None:
    raw = ScriptedRaw()
    file = over(raw)
    await file.write(b"01234567")
    assert raw.calls == []
    await file.close()
    assert raw.data == b"01234567"


async def test_write_of_nothing_is_nothing() -> None:
    raw = ScriptedRaw()
    file = over(raw)
    assert [await file.write(b""), await file.write(bytearray())] == [0, 0]
    await file.close()
    assert raw.calls == []


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"01234567", id="bytes"),
        pytest.param(bytearray(b"01234567"), id="bytearray"),
        pytest.param(memoryview(b"..01234567..")[2:10], id="part"),
        pytest.param(array.array("h", b"01234567"), id="array"),
        pytest.param(ctypes.create_string_buffer(b"01234567", 8), id="ctypes"),
        pytest.param(memoryview(b"01234567").cast("B", (2, 4)), id="two-dimensions"),
    ],
)
@pytest.mark.parametrize("size", [4, 8, 64], ids=lambda size: f"buffer-{size}")
async def test_anything_bytes_like_is_written(size: int, data: Any) -> None:
    raw = ScriptedRaw()
    file = over(raw, size)
    assert await file.write(data) == 8
    await file.close()
    assert raw.data == b"01234567"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param("text", TypeError, id="str"),
        pytest.param(5, TypeError, id="int"),
        pytest.param(None, TypeError, id="none"),
        pytest.param(memoryview(b"01234567")[::2], BufferError, id="gaps"),
    ],
)
@pytest.mark.parametrize("busy", [False, True], ids=["free", "busy"])
async def test_anything_else_is_refused(
    busy: bool, data: Any, error: type[Exception]
) -> None:
    raw = ScriptedRaw()
    file = over(raw)
    first = await begun(file.write(b"0123456789")) if busy else None
    with pytest.raises(error):
        await file.write(data)
    if first is not None:
        await first
    await file.close()
    assert raw.data == (b"0123456789" if busy else b"")


async def test_data_may_be_changed_once_it_was_taken() -> None:
    raw = ScriptedRaw()
    file = over(raw)
    data = bytearray(b"kept")
    await file.write(data)
    data[:] = b"lost"
    data.clear()
    await file.close()
    assert raw.data == b"kept"


async def test_data_that_waits_cannot_be_resized() -> None:
    raw = ScriptedRaw()
    file = over(raw)
    data = bytearray(b"0123456789")
    writing = await begun(file.write(data))
    with pytest.raises(BufferError):
        data.clear()
    await writing
    data.clear()
    await file.close()


async def test_writelines_writes_each() -> None:
    raw = ScriptedRaw()
    file = over(raw)
    await file.writelines([b"a\n", bytearray(b"b"), memoryview(b"cdefghijkl")])
    await file.close()
    assert raw.data == b"a\nbcdefghijkl"


async def test_writelines_keeps_what_came_before_an_error() -> None:
    def lines() -> Iterator[bytes]:
        yield b"one\n"
        raise ZeroDivisionError

    raw = ScriptedRaw()
    file = over(raw)
    with pytest.raises(ZeroDivisionError):
        await file.writelines(lines())
    await file.close()
    assert raw.data == b"one\n"


async def test_many_small_writes_are_few_jobs(
    tmp_path: Path, engine: SteppedEngine
) -> None:
    async with raw_file(tmp_path / "file", "wb") as raw:
        file = AsyncBufferedWriter(raw, WRITE_BUFFER_SIZE)
        before = stats()
        for _ in range(3000):
            await engine.carry(file.write(b"x" * 99))
        assert (stats() - before).engine_jobs == 3000 * 99 // WRITE_BUFFER_SIZE
        await engine.carry(file.close())
    assert (tmp_path / "file").read_bytes() == b"x" * 99 * 3000


# -- Trying --


@pytest.mark.asyncio_only("under Trio, an attempt is only made inside an operation")
async def test_try_write_takes_all_or_nothing() -> None:
    raw = ScriptedRaw()
    file = over(raw)
    assert file.try_write(b"abcdef")
    assert not file.try_write(b"ghi")
    assert file.try_write(b"gh")
    await file.close()
    assert raw.data == b"abcdefgh"


@pytest.mark.asyncio_only("under Trio, an attempt is only made inside an operation")
async def test_try_write_waits_for_its_turn() -> None:
    raw = ScriptedRaw()
    file = over(raw)
    writing = await begun(file.write(b"0123456789"))
    assert not file.try_write(b"x")
    await writing
    assert file.try_write(b"x")
    await file.close()
    assert raw.data == b"0123456789x"


# -- Failures --


async def test_failed_flush_keeps_what_was_not_written() -> None:
    raw = ScriptedRaw(writes=[2, 0])
    file = over(raw)
    await file.write(b"abcdef")
    for _ in range(2):
        with pytest.raises(OSError, match="No space") as caught:
            await file.flush()
        assert caught.value.errno == errno.ENOSPC
        assert raw.data == b"ab"
    assert await file.tell() == 6
    await file.flush()
    assert raw.data == b"abcdef"
    await file.close()


async def test_writing_goes_on_after_a_failed_flush() -> None:
    raw = ScriptedRaw(writes=[2])
    file = over(raw)
    await file.write(b"abcdef")
    with pytest.raises(OSError, match="No space"):
        await file.flush()
    await file.write(b"ghi")
    await file.close()
    assert raw.data == b"abcdefghi"


async def test_write_whose_room_cannot_be_made_takes_nothing() -> None:
    raw = ScriptedRaw(writes=[0])
    file = over(raw)
    await file.write(b"abcdef")
    with pytest.raises(OSError, match="No space"):
        await file.write(b"ghi")
    await file.close()
    assert raw.data == b"abcdef"


async def test_large_write_that_fails_keeps_its_rest_for_the_next_flush() -> None:
    raw = ScriptedRaw(writes=[4])
    file = over(raw)
    with pytest.raises(OSError, match="No space"):
        await file.write(b"0123456789")
    assert raw.data == b"0123"
    await file.flush()
    assert raw.data == b"0123456789"
    await file.close()


async def test_close_that_cannot_write_raises_and_forgets() -> None:
    raw = ScriptedRaw(writes=[1])
    file = over(raw)
    await file.write(b"abc")
    with pytest.raises(OSError, match="No space"):
        await file.close()
    assert file.closed
    await file.close()
    assert raw.data == b"a"


async def test_full_disk_is_reported_where_the_data_meets_it(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    file = await open_file(full, "wb")
    await file.write(b"x")
    with pytest.raises(OSError, match="No space"):
        await file.flush()
    with pytest.raises(OSError, match="No space"):
        await file.close()
    assert file.closed


# -- Cancellations --


async def test_write_cancelled_in_the_line_takes_nothing(
    tmp_path: Path, engine: SteppedEngine
) -> None:
    path = tmp_path / "file"
    async with raw_file(path, "wb") as raw:
        file = AsyncBufferedWriter(raw, 8)
        first = await begun(file.write(b"0123456789"))
        second = await begun(file.write(b"never"))
        second.cancel()
        await tasks.wait([second])
        await engine.carry(tasks.wait_for(first, None))
        await engine.carry(file.close())
    assert path.read_bytes() == b"0123456789"


@pytest.mark.parametrize("before", [b"", b"abc"])
async def test_cancelled_write_has_taken_all_or_nothing(
    before: bytes, tmp_path: Path, engine: SteppedEngine
) -> None:
    path = tmp_path / "file"
    data = b"0123456789"
    async with raw_file(path, "wb") as raw:
        file = AsyncBufferedWriter(raw, 8)
        await engine.carry(file.write(before))
        task = await begun(file.write(data))
        task.cancel()
        await turns()
        await engine.carry(tasks.wait([task]))
        assert task.cancelled()
        await engine.carry(file.close())
    assert path.read_bytes() in (before, before + data)


async def test_writes_at_once_are_in_call_order_and_whole(
    tmp_path: Path, engine: SteppedEngine
) -> None:
    path = tmp_path / "file"
    pieces = [bytes([65 + number]) * (number + 1) for number in range(20)]
    async with raw_file(path, "wb") as raw:
        file = AsyncBufferedWriter(raw, 16)
        started = [await begun(file.write(piece)) for piece in pieces]
        for task in started:
            await engine.carry(tasks.wait_for(task, None))
        await engine.carry(file.close())
    assert path.read_bytes() == b"".join(pieces)


# -- Reading and writing --


async def test_write_goes_to_where_reading_has_come() -> None:
    raw = ScriptedRaw(b"0123456789")
    file = both_over(raw)
    assert await file.read(3) == b"012"
    await file.write(b"ab")
    assert await file.read(2) == b"56"
    await file.close()
    assert raw.data == b"012ab56789"


async def test_read_writes_what_is_pending_first() -> None:
    raw = ScriptedRaw(b"0123456789")
    file = both_over(raw)
    await file.write(b"ab")
    assert await file.read(3) == b"234"
    assert raw.data == b"ab23456789"
    await file.close()


async def test_read_whose_writing_fails_reads_nothing() -> None:
    raw = ScriptedRaw(b"0123456789", writes=[1])
    file = both_over(raw)
    await file.write(b"ab")
    with pytest.raises(OSError, match="No space"):
        await file.read(3)
    assert await file.tell() == 2
    assert await file.read(3) == b"234"
    await file.close()
    assert raw.data == b"ab23456789"


async def test_large_write_goes_to_where_reading_has_come() -> None:
    raw = ScriptedRaw(b"0123456789")
    file = both_over(raw, 4)
    await file.readline(2)
    await file.write(b"abcdefgh")
    await file.close()
    assert raw.data == b"01abcdefgh"


# -- Fairness --


async def test_tight_loop_of_writes_lets_another_task_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, turned = 0.0, 0

    def clock() -> float:
        nonlocal now
        now += 0.0005
        return now

    async def count() -> None:
        nonlocal turned
        while True:
            turned += 1
            await tasks.sleep(0)

    monkeypatch.setattr("headrace.engine._budget.monotonic", clock)
    budget.renew()
    raw = ScriptedRaw()
    file = over(raw, 1 << 30)
    task = await begun(count())
    turned = 0
    for _ in range(400):
        await file.write(bytes(4096))
    assert turned > 1
    assert raw.calls == []
    task.cancel()
    await turns(1)


async def test_stream_of_writes_takes_fewer_and_fewer_hops(tmp_path: Path) -> None:
    path = tmp_path / "file"
    piece = b"x" * (64 * 1024)
    async with open_file(path, "wb") as file:
        before = stats()
        for _ in range(256):
            await file.write(piece)
        hops = (stats() - before).hops
        # One buffer fills, and one may be on its way; all before them has arrived.
        assert path.stat().st_size >= 16 * 1024 * 1024 - 2 * STREAM_BUFFER_SIZE
    # 16 MiB: two to eight pieces at first, then sixteen.
    assert hops <= 3 + 256 // 16
    assert path.stat().st_size == 16 * 1024 * 1024


async def test_buffer_of_a_chosen_size_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    async with open_file(path, "wb", buffering=65536) as file:
        for _ in range(64):
            await file.write(b"x" * 32768)
        assert path.stat().st_size >= 64 * 32768 - 2 * 65536
