"""D14, D17, D18: cancelled reads lose nothing, cancelled writes do not half-apply.

And nobody else's memory or descriptor is touched afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace
from tests import tasks
from tests.faults.support import is_open, saturated, turns

CONTENT = bytes(range(256)) * 400


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(CONTENT)
    return made


async def cancelled(task: Any) -> bool:
    """Cancel *task*; tell whether it had to be."""
    task.cancel()
    try:
        await task
    except tasks.Cancelled:
        return True
    return False


READS = [
    ("read", 10), ("read", -1), ("read1", 10), ("readline", -1), ("peek", 1),
    ("readinto", 10), ("read", 90_000),
]  # fmt: skip


# -- Reads --


@pytest.mark.usefixtures("uncached")
@pytest.mark.parametrize(("name", "size"), READS)
@pytest.mark.parametrize("buffering", [-1, 0, 16])
async def test_cancelled_reads_do_not_move_the_position(
    path: Path, name: str, size: int, buffering: int
) -> None:
    if buffering == 0 and name in ("read1", "peek"):
        pytest.skip("raw files have no such method")
    async with headrace.open(path, "rb", buffering=buffering) as file:
        argument = bytearray(size) if name == "readinto" else size
        async with saturated() as release:
            for _ in range(100):
                task = tasks.start(getattr(file, name)(argument))
                await turns(2)
                assert await cancelled(task)
            assert await file.tell() == 0
            release()
        assert await file.read() == CONTENT


@pytest.mark.usefixtures("uncached")
async def test_cancelled_text_reads_do_not_move_the_position(path: Path) -> None:
    path.write_text("first line\nsecond line\n")
    async with headrace.open(path) as file:
        async with saturated() as release:
            for number in range(100):
                call = file.readline if number % 2 else file.read
                assert await cancelled(tasks.start(calling(call, 3)))
            release()
        assert await file.tell() == 0
        assert await file.readlines() == ["first line\n", "second line\n"]


@pytest.mark.parametrize("inline", [0, 1, 8])
@pytest.mark.parametrize("name", ["readline", "readlines"])
async def test_cancelled_raw_read_gives_back_what_it_had(
    path: Path, uncached: Callable[[int], None], name: str, inline: int
) -> None:
    async with headrace.open(path, "rb", buffering=0) as file:
        async with saturated() as release:
            uncached(inline)
            task = tasks.start(getattr(file, name)())
            await turns(3)
            assert await cancelled(task)
            release()
        assert await file.tell() == 0
        assert await file.read() == CONTENT


async def calling(call: Callable[..., Any], *args: Any) -> Any:
    return await call(*args)


@pytest.mark.usefixtures("uncached")
async def test_reads_cancelled_while_the_worker_reads_lose_nothing(path: Path) -> None:
    got = b""
    async with headrace.open(path, "rb", buffering=64) as file:
        delay = 0
        while len(got) < len(CONTENT):
            task = tasks.start(file.read(997))
            await turns(delay % 12)
            delay += 1
            if not await cancelled(task):
                got += task.result()
                if not task.result():
                    break
            else:
                assert await file.tell() == len(got)
    assert got == CONTENT


async def test_cancelled_read_of_a_pipe_loses_nothing() -> None:
    reader, writer = os.pipe()
    try:
        async with headrace.open(reader, "rb") as file:
            for ticks in range(30):
                task = tasks.start(file.read(6))
                await turns(ticks % 7)
                # Sometimes the bytes come just before the cancellation.
                os.write(writer, b"%06d" % ticks)
                await turns(ticks % 5)
                if await cancelled(task):
                    got = await tasks.wait_for(file.read(6), 10)
                else:
                    got = task.result()
                assert got == b"%06d" % ticks
    finally:
        os.close(writer)


async def test_cancelled_lines_of_a_pipe_are_not_lost() -> None:
    reader, writer = os.pipe()
    try:
        async with headrace.open(reader, "r") as file:
            os.write(writer, b"half a li")
            task = tasks.start(calling(file.readline))
            await tasks.sleep(0.02)
            assert await cancelled(task)
            os.write(writer, b"ne\nanother\n")
            assert await tasks.wait_for(file.readline(), 10) == "half a line\n"
            assert await tasks.wait_for(file.readline(), 10) == "another\n"
    finally:
        os.close(writer)


@pytest.mark.usefixtures("uncached")
@settings(max_examples=30, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["read", "readline", "seek", "read1", "next"]),
            st.integers(0, 3000),
            st.none() | st.integers(0, 8),
        ),
        max_size=25,
    ),
    buffering=st.sampled_from([-1, 16, 700]),
)
async def test_position_is_what_the_finished_reads_say(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, int, int | None]],
    buffering: int,
) -> None:
    path = tmp_path_factory.getbasetemp() / "property"
    path.write_bytes(CONTENT)
    position = 0
    async with headrace.open(path, "rb", buffering=buffering) as file:
        for name, argument, ticks in steps:
            method = getattr(file, "__anext__" if name == "next" else name)
            arguments = () if name in ("next", "readline") else (argument,)
            task = tasks.start(calling(method, *arguments))
            if ticks is None:
                await tasks.wait([task])
            else:
                await turns(ticks)
            try:
                if not await cancelled(task):
                    if name == "seek":
                        position = argument
                    else:
                        data = task.result()
                        end = position + len(data)
                        assert data == CONTENT[position:end]
                        position = end
            except StopAsyncIteration:
                assert position >= len(CONTENT)
            if name == "seek" and tasks.on_trio() and await file.tell() == argument:
                # Made, although its task was cancelled before it went on.
                position = argument
            assert await file.tell() == position


# -- Writes --


@pytest.mark.parametrize("buffering", [-1, 0, 100])
async def test_write_cancelled_in_the_queue_is_all_or_nothing(
    tmp_path: Path, buffering: int
) -> None:
    path = tmp_path / "file"
    data = b"x" * 300_000
    async with headrace.open(path, "wb", buffering=buffering) as file:
        async with saturated() as release:
            task = tasks.start(file.write(data))
            await turns(3)
            task.cancel()
            await turns(3)
            release()
            await tasks.wait([task])
        position = await file.tell()
    assert position in (0, len(data))
    assert path.read_bytes() == data[:position]


async def test_write_cancelled_while_the_worker_writes_is_finished(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    data = bytes(range(256)) * 80_000
    halves = 0
    for ticks in range(20):
        async with headrace.open(path, "wb", buffering=0) as file:
            task = tasks.start(file.write(data))
            await turns(ticks)
            task.cancel()
            await tasks.wait([task])
            position = await file.tell()
            assert position in (0, len(data))
            halves += position > 0
        assert path.read_bytes() == data[:position]
    assert halves


async def test_cancelled_truncate_is_done_or_not(path: Path) -> None:
    for ticks in range(10):
        path.write_bytes(CONTENT)
        async with headrace.open(path, "r+b") as file:
            task = tasks.start(file.truncate(10))
            await turns(ticks)
            await cancelled(task)
            size = path.stat().st_size
            assert size in (10, len(CONTENT))
        assert path.stat().st_size == size, "truncated after it was cancelled"


async def test_cancelled_positional_write_is_done_or_not(path: Path) -> None:
    data = b"x" * 50_000
    for ticks in range(10):
        path.write_bytes(CONTENT)
        async with headrace.open(path, "r+b") as file:
            task = tasks.start(file.pwrite(data, 7))
            await turns(ticks)
            await cancelled(task)
            now = path.read_bytes()
            assert now[7 : 7 + len(data)] in (data, CONTENT[7 : 7 + len(data)])
        assert path.read_bytes() == now, "written after it was cancelled"


@pytest.mark.parametrize("name", ["write_bytes", "append_bytes"])
async def test_cancelled_one_shot_is_done_or_not(path: Path, name: str) -> None:
    data = b"x" * 50_000
    whole = {CONTENT, data, CONTENT + data}
    for ticks in range(10):
        path.write_bytes(CONTENT)
        task = tasks.start(getattr(headrace, name)(path, data))
        await turns(ticks)
        await cancelled(task)
        now = path.read_bytes()
        assert now in whole
        assert path.read_bytes() == now


# -- D17: the number of a closed descriptor is given to another file --


@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("how", ["write", "flush", "pwrite", "truncate"])
async def test_queued_operation_never_touches_the_next_file_of_that_number(
    tmp_path: Path, buffering: int, how: str
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    second.write_bytes(b"untouched")
    file: Any = await headrace.open(first, "wb", buffering=buffering)
    fd = file.fileno()
    if how == "flush" and buffering:
        await file.write(b"from the buffer")
    async with saturated() as release:
        task = tasks.start(
            {
                "write": lambda: file.write(b"x" * 300_000),
                "flush": file.flush,
                "pwrite": lambda: file.pwrite(b"x" * 100, 0),
                "truncate": lambda: file.truncate(5),
            }[how]()
        )
        await turns(3)
        task.cancel()
        await turns(3)
        closing = tasks.start(file.close())
        await turns(3)
        if closing.done():
            # Closed while jobs were queued: one of them must not find our file.
            other = os.open(second, os.O_RDWR)
            assert other == fd
        else:
            other = -1
        release()
        await tasks.wait([task])
        await closing
        if other < 0:
            other = os.open(second, os.O_RDWR)
    try:
        assert not is_open(fd) or other == fd
        # Every job that was queued before this one has been taken up by now.
        async with saturated():
            pass
        assert second.read_bytes() == b"untouched"
        assert os.lseek(other, 0, os.SEEK_CUR) == 0
    finally:
        os.close(other)


async def test_queued_read_never_reads_the_next_file_of_that_number(
    path: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second"
    second.write_bytes(b"secret" * 100_000)
    file = await headrace.open(path, "rb", buffering=0)
    fd = file.fileno()
    async with saturated() as release:
        target = bytearray(300_000)
        task = tasks.start(file.readinto(target))
        await turns(3)
        task.cancel()
        await turns(3)
        closing = tasks.start(file.close())
        await turns(3)
        other = os.open(second, os.O_RDONLY) if closing.done() else -1
        release()
        await tasks.wait([task])
        await closing
    async with saturated():
        pass
    if other >= 0:
        assert os.lseek(other, 0, os.SEEK_CUR) == 0
        os.close(other)
    assert b"secret" not in target
    assert not is_open(fd)


# -- D18: memory that is being read into --


@pytest.mark.usefixtures("uncached")
@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("size", [10, 300_000])
async def test_buffer_being_read_into_cannot_be_resized(
    path: Path, buffering: int, size: int
) -> None:
    path.write_bytes(CONTENT * 10)
    target = bytearray(size)
    async with headrace.open(path, "rb", buffering=buffering) as file:
        async with saturated() as release:
            task = tasks.start(file.readinto(target))
            await turns(3)
            with pytest.raises(BufferError):
                target.extend(b"more")
            release()
            assert await task == size
        assert target == (CONTENT * 10)[:size]
        target.extend(b"more")


@pytest.mark.usefixtures("uncached")
@pytest.mark.parametrize("buffering", [-1, 0])
async def test_buffer_of_a_cancelled_read_is_left_alone_or_still_pinned(
    path: Path, buffering: int
) -> None:
    path.write_bytes(CONTENT * 10)
    async with headrace.open(path, "rb", buffering=buffering) as file:
        for ticks in range(15):
            target = bytearray(300_000)
            task = tasks.start(file.readinto(target))
            await turns(ticks)
            if await cancelled(task):
                try:
                    target.extend(b"more")
                except BufferError:
                    continue  # Whoever still writes into it holds it.
                before = bytes(target)
                async with saturated():
                    pass
                assert bytes(target) == before


async def test_data_being_written_may_be_changed_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "file"
    data = bytearray(b"before")
    async with headrace.open(path, "wb") as file:
        await file.write(data)
        data[:] = b"after!"
        await file.write(memoryview(data))
        data.clear()
    assert path.read_bytes() == b"beforeafter!"


async def test_data_of_a_write_that_waits_cannot_be_resized(tmp_path: Path) -> None:
    path = tmp_path / "file"
    data = bytearray(b"x" * 300_000)
    async with headrace.open(path, "wb", buffering=0) as file:
        async with saturated() as release:
            task = tasks.start(file.write(data))
            await turns(3)
            with pytest.raises(BufferError):
                data.clear()
            release()
            assert await task == 300_000
    assert path.read_bytes() == bytes(data)


async def test_short_reads_are_trimmed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"short")
    target = bytearray(b"?" * 20)
    async with headrace.open(path, "rb", buffering=0) as file:
        assert await file.pread(1_000_000, 0) == b"short"
        assert await file.read(1_000_000) == b"short"
        await file.seek(0)
        assert await file.readinto(target) == 5
    assert target == b"short" + b"?" * 15
