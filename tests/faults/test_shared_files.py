"""D15, D16: one file object, or one file, used by many at once."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import headrace
from tests import tasks
from tests.faults.support import saturated, turns


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    path = tmp_path / "numbered"
    path.write_bytes(b"".join(b"%07d\n" % number for number in range(4000)))
    return path


# -- Positional reads and writes --


@pytest.mark.parametrize("buffering", [-1, 0])
async def test_concurrent_positional_reads_are_all_right(
    numbered: Path, buffering: int
) -> None:
    opening: Any = headrace.open(numbered, "rb", buffering=buffering)
    async with opening as file:

        async def check(number: int) -> None:
            assert await file.pread(8, number * 8) == b"%07d\n" % number

        await tasks.gather(*(check(number) for number in range(2000)))
        assert await file.tell() == 0


async def test_concurrent_positional_reads_by_the_engine_are_all_right(
    numbered: Path,
) -> None:
    async with headrace.open(numbered, "rb") as file:

        async def check(number: int) -> None:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            assert await file.pread(8, number * 8) == b"%07d\n" % number

        await tasks.gather(*(check(number) for number in range(2000)))


async def test_concurrent_positional_writes_are_all_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    async with headrace.open(path, "w+b") as file:
        results = await tasks.gather(
            *(file.pwrite(b"%07d\n" % n, n * 8) for n in reversed(range(2000)))
        )
        assert set(results) == {8}
        assert await file.tell() == 0
    assert path.read_bytes() == b"".join(b"%07d\n" % n for n in range(2000))


@pytest.mark.parametrize("mode", ["rb", "r+b"])
async def test_positional_reads_do_not_wait_for_a_slow_operation(
    numbered: Path, mode: str
) -> None:
    async with headrace.open(numbered, mode) as file:
        async with file._turns, tasks.timeout(2):
            assert await file.pread(8, 8) == b"0000001\n"


async def test_positional_read_sees_what_was_written(tmp_path: Path) -> None:
    async with headrace.open(tmp_path / "file", "w+b") as file:
        await file.write(b"abc")
        assert await file.pread(3, 0) == b"abc"
        await file.pwrite(b"B", 1)
        assert await file.tell() == 3
        await file.seek(0)
        assert await file.read() == b"aBc"


async def test_read_after_positional_write_sees_it(numbered: Path) -> None:
    async with headrace.open(numbered, "r+b") as file:
        assert await file.read(8) == b"0000000\n"
        await file.pwrite(b"changed", 8)
        assert await file.tell() == 8
        assert await file.readline() == b"changed\n"


@pytest.mark.parametrize(
    ("args", "error"), [((-1, 0), ValueError), ((1, -1), ValueError)]
)
async def test_positional_reads_check_their_arguments(
    numbered: Path, args: tuple[int, int], error: type[Exception]
) -> None:
    async with headrace.open(numbered, "rb") as file:
        with pytest.raises(error):
            await file.pread(*args)


async def test_text_files_have_positional_calls_in_bytes(numbered: Path) -> None:
    async with headrace.open(numbered) as file:
        assert await file.readline() == "0000000\n"
        assert await file.pread(7, 16) == b"0000002"
        assert await file.readline() == "0000001\n"


# -- Turns --


@pytest.mark.parametrize("buffering", [-1, 0, 10])
async def test_concurrent_writes_keep_their_order_and_are_not_torn(
    tmp_path: Path, buffering: int
) -> None:
    path = tmp_path / "file"
    pieces = [bytes([number % 251]) * (number % 40 + 1) for number in range(500)]
    async with headrace.open(path, "wb", buffering=buffering) as file:
        await tasks.gather(*(file.write(piece) for piece in pieces))
    assert path.read_bytes() == b"".join(pieces)


async def test_concurrent_large_writes_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "file"
    pieces = [bytes([number]) * (number * 5000 + 1) for number in range(60)]
    async with headrace.open(path, "wb") as file:
        await tasks.gather(*(file.write(piece) for piece in pieces))
    assert path.read_bytes() == b"".join(pieces)


async def test_concurrent_text_writes_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "file"
    lines = [f"line {number} {'é' * (number % 50)}\n" for number in range(500)]
    async with headrace.open(path, "w", encoding="utf-16", buffering=64) as file:
        await tasks.gather(*(file.write(line) for line in lines))
    assert path.read_text(encoding="utf-16") == "".join(lines)


@pytest.mark.parametrize("buffering", [-1, 0, 10])
async def test_concurrent_reads_take_turns(numbered: Path, buffering: int) -> None:
    opening: Any = headrace.open(numbered, "rb", buffering=buffering)
    async with opening as file:
        pieces = await tasks.gather(*(file.read(8) for _ in range(500)))
    assert pieces == [b"%07d\n" % number for number in range(500)]


async def test_concurrent_readlines_take_turns(numbered: Path) -> None:
    async with headrace.open(numbered, buffering=64) as file:
        lines = await tasks.gather(*(start(file.readline()) for _ in range(500)))
    assert lines == [f"{number:07d}\n" for number in range(500)]


async def start(awaitable: Any) -> Any:
    return await awaitable


async def test_operations_queued_behind_a_slow_one_run_in_call_order(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    async with headrace.open(path, "w+b") as file:
        async with saturated() as release:
            started = [
                tasks.start(start(call))
                for call in (
                    file.write(b"a" * 200_000),
                    file.seek(100),
                    file.write(b"b" * 100),
                    file.tell(),
                    file.truncate(150),
                    file.seek(50),
                    file.read(),
                )
            ]
            await turns(3)
            release()
            results = await tasks.gather(*started)
    content = b"a" * 100 + b"b" * 50
    assert results == [200_000, 100, 100, 200, 150, 50, content[50:]]
    assert path.read_bytes() == content


async def test_cancelled_waiter_hands_its_turn_on(tmp_path: Path) -> None:
    path = tmp_path / "file"
    async with headrace.open(path, "wb", buffering=0) as file:
        async with saturated() as release:
            started = [tasks.start(file.write(b"%d" % number)) for number in range(9)]
            await turns(3)
            for task in started[1::2]:
                task.cancel()
            await turns(2)
            release()
            results = await tasks.gather(*started, return_exceptions=True)
    assert results[::2] == [1] * 5
    assert all(isinstance(r, tasks.Cancelled) for r in results[1::2])
    assert path.read_bytes() == b"02468"


async def test_seek_and_read_of_two_tasks_do_not_interleave_inside_a_call(
    numbered: Path,
) -> None:
    async with headrace.open(numbered, "rb") as file:

        async def lines() -> list[bytes]:
            return [await file.readline() for _ in range(300)]

        both = await tasks.gather(lines(), lines())
    assert sorted(both[0] + both[1]) == [b"%07d\n" % n for n in range(600)]


# -- Append mode --

APPENDER = """
    import asyncio, sys
    import headrace

    path, name, mode = sys.argv[1:4]

    async def main():
        line = f"{name} " + name * 60 + "\\n"
        data = line.encode() if "b" in mode else line
        async with headrace.open(path, mode) as file:
            print("ready", flush=True)
            sys.stdin.readline()
            for _ in range(1000):
                await file.write(data)
                await file.flush()

    asyncio.run(main())
"""


@pytest.mark.parametrize("mode", ["a", "ab", "a+b"])
def test_two_processes_append_without_losing_or_tearing(
    tmp_path: Path, mode: str
) -> None:
    path = tmp_path / "file"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(APPENDER), str(path), name, mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "xy"
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.communicate("go\n", timeout=30)
            assert process.returncode == 0
    finally:
        for process in processes:
            process.kill()
            process.wait()
    lines = path.read_text().splitlines()
    assert sorted(lines) == ["x " + "x" * 60] * 1000 + ["y " + "y" * 60] * 1000


@pytest.mark.parametrize("mode", ["ab", "a+b", "a"])
async def test_positional_write_to_an_append_file_is_refused(
    numbered: Path, mode: str
) -> None:
    before = numbered.read_bytes()
    async with headrace.open(numbered, mode) as file:
        with pytest.raises(io.UnsupportedOperation):
            await file.pwrite(b"x", 0)
    assert numbered.read_bytes() == before


async def test_positional_write_to_an_adopted_append_descriptor_is_refused(
    numbered: Path,
) -> None:
    before = numbered.read_bytes()
    fd = os.open(numbered, os.O_RDWR | os.O_APPEND)
    async with headrace.open(fd, "r+b") as file:
        with pytest.raises(io.UnsupportedOperation):
            await file.pwrite(b"x", 0)
    assert numbered.read_bytes() == before


async def test_append_goes_to_the_end_whatever_the_position(numbered: Path) -> None:
    before = numbered.read_bytes()
    async with headrace.open(numbered, "a+b") as file:
        await file.seek(0)
        await file.write(b"end")
        with numbered.open("ab") as other:
            other.write(b"other")
        await file.flush()
        await file.seek(3)
        await file.write(b"last")
    assert numbered.read_bytes() == before + b"otherendlast"


async def test_adopted_descriptor_moves_for_its_other_users(numbered: Path) -> None:
    fd = os.open(numbered, os.O_RDWR)
    try:
        async with headrace.open(fd, "r+b", buffering=0, closefd=False) as file:
            assert await file.read(8) == b"0000000\n"
            assert os.lseek(fd, 0, os.SEEK_CUR) == 8
            os.lseek(fd, 16, os.SEEK_SET)
            assert await file.read(8) == b"0000002\n"
            assert await file.tell() == 24
            await file.write(b"changed")
            assert os.lseek(fd, 0, os.SEEK_CUR) == 31
    finally:
        os.close(fd)
