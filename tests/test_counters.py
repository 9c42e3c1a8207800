"""D1, D2, D42: what operations cost, by headrace's own counters and not by clocks.

The files are in the page cache; each test says how many system calls on the loop's
thread (`inline_calls`), jobs and hops its operations may cost at the most.
"""

from __future__ import annotations

import math
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import headrace
from headrace import DEFAULT_BUFFER_SIZE, Stats, stats
from headrace.engine import current_engine
from tests import tasks
from tests.faults.support import passes

LINES = 100_000


@contextmanager
def counted() -> Iterator[SimpleNamespace]:
    """Give the counters of the block, when it has ended."""
    cost = SimpleNamespace()
    before = stats()
    yield cost
    vars(cost).update((stats() - before).as_dict())


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "lines"
    path.write_text("".join(f"this is line number {n}\n" for n in range(LINES)))
    return path


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page"
    path.write_bytes(os.urandom(4096))
    return path


def fills(path: Path) -> int:
    """How many reads of a buffer *path* takes, with the one that finds its end."""
    return math.ceil(path.stat().st_size / DEFAULT_BUFFER_SIZE) + 1


async def warm(path: Path) -> None:
    """Have pages, directory entries and headrace's knowledge of the device ready."""
    for _ in range(2):
        async with headrace.open(path, "rb") as file:
            await file.read()


# -- Lines --


@pytest.mark.parametrize("mode", ["r", "rb"])
@pytest.mark.parametrize("how", ["async for", "readline"])
async def test_lines_cost_a_call_for_each_buffer(
    text: Path, mode: str, how: str
) -> None:
    await warm(text)
    async with headrace.open(text, mode) as file:
        with counted() as cost:
            count = 0
            if how == "async for":
                async for _ in file:
                    count += 1
            else:
                while await file.readline():
                    count += 1
    assert count == LINES
    assert cost.inline_calls + cost.engine_jobs <= fills(text)
    assert cost.hops <= cost.engine_jobs


async def test_lines_are_counted_as_buffer_hits(text: Path) -> None:
    async with headrace.open(text, "rb") as file:
        with counted() as cost:
            async for _ in file:
                pass
    assert cost.buffer_hits >= LINES * 0.9


async def test_readlines_costs_one_hop_at_most(text: Path) -> None:
    async with headrace.open(text) as file:
        with counted() as cost:
            assert len(await file.readlines()) == LINES
    assert cost.hops <= fills(text)


# -- Reads --


async def test_cached_small_read_makes_no_hop(page: Path) -> None:
    await warm(page)
    async with headrace.open(page, "rb") as file:
        with counted() as cost:
            assert len(await file.read(4096)) == 4096
        assert (cost.engine_jobs, cost.hops) == (0, 0)
        assert cost.inline_calls <= 1


async def test_buffered_read_costs_nothing(page: Path) -> None:
    await warm(page)
    async with headrace.open(page, "rb") as file:
        await file.peek()
        with counted() as cost:
            for _ in range(64):
                assert len(await file.read(64)) == 64
            await file.seek(0)
            assert await file.tell() == 0
            assert len(await file.read(4096)) == 4096
    assert (cost.inline_calls, cost.engine_jobs, cost.hops) == (0, 0, 0)


@pytest.mark.parametrize("buffering", [-1, 0])
async def test_cached_positional_read_is_one_inline_call(
    page: Path, buffering: int
) -> None:
    await warm(page)
    opening: Any = headrace.open(page, "rb", buffering=buffering)
    async with opening as file:
        with counted() as cost:
            assert len(await file.pread(1000, 500)) == 1000
    assert (cost.inline_calls, cost.engine_jobs, cost.hops) == (1, 0, 0)


async def test_sequential_reads_of_a_buffers_size_are_one_call_each(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(DEFAULT_BUFFER_SIZE * 20))
    await warm(path)
    async with headrace.open(path, "rb") as file:
        with counted() as cost:
            for _ in range(20):
                assert len(await file.read(DEFAULT_BUFFER_SIZE)) == DEFAULT_BUFFER_SIZE
    assert cost.inline_calls + cost.engine_jobs <= 21
    assert cost.hops <= cost.engine_jobs


@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("name", ["read", "readinto", "pread"])
async def test_large_read_is_one_job(tmp_path: Path, name: str, buffering: int) -> None:
    size = 100 * 1024 * 1024
    path = tmp_path / "large"
    with path.open("wb") as sparse:
        sparse.truncate(size)
    async with headrace.open(path, "rb", buffering=buffering) as file:
        arguments: tuple[Any, ...] = {
            "read": (size,),
            "readinto": (bytearray(size),),
            "pread": (size, 0),
        }[name]
        with counted() as cost:
            got = await getattr(file, name)(*arguments)
    assert (got if isinstance(got, int) else len(got)) == size
    assert (cost.engine_jobs, cost.hops) == (1, 1)
    # A copy of that size on the loop's thread would hold it up.
    assert cost.inline_calls <= 1


async def test_reading_all_of_a_large_file_is_one_job(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as sparse:
        sparse.truncate(50 * 1024 * 1024)
    async with headrace.open(path, "rb") as file:
        with counted() as cost:
            await file.read()
    assert cost.engine_jobs <= 1
    with counted() as cost:
        await headrace.read_bytes(path)
    assert cost.engine_jobs <= 1


# -- Writes --


@pytest.mark.parametrize(("mode", "data"), [("w", "some words\n"), ("wb", b"words\n")])
async def test_small_writes_make_no_hop(tmp_path: Path, mode: str, data: Any) -> None:
    async with headrace.open(tmp_path / "file", mode) as file:
        with counted() as cost:
            for _ in range(1000):
                await file.write(data)
    assert (cost.inline_calls, cost.engine_jobs, cost.hops) == (0, 0, 0)


@pytest.mark.parametrize(("mode", "data"), [("w", "x" * 99 + "\n"), ("wb", b"x" * 100)])
async def test_many_small_writes_cost_a_job_for_each_buffer(
    tmp_path: Path, mode: str, data: Any
) -> None:
    with counted() as cost:
        async with headrace.open(tmp_path / "file", mode) as file:
            for _ in range(50_000):
                await file.write(data)
    jobs = math.ceil(5_000_000 / DEFAULT_BUFFER_SIZE) + 2
    assert cost.engine_jobs <= jobs
    assert cost.hops <= jobs


async def test_flush_and_close_are_one_job(tmp_path: Path) -> None:
    file = await headrace.open(tmp_path / "file", "w")
    await file.write("words")
    with counted() as cost:
        await file.close()
    assert cost.engine_jobs == 1
    assert cost.hops == 1


async def test_writelines_costs_as_much_as_one_write(tmp_path: Path) -> None:
    async with headrace.open(tmp_path / "file", "w") as file:
        with counted() as cost:
            await file.writelines(["line\n"] * 1000)
    assert cost.hops == 0


# -- Opening --


async def open_read_close(path: Path) -> bytes:
    async with headrace.open(path, "rb") as file:
        data = await file.read()
        assert isinstance(data, bytes)
        return data


async def test_open_read_close_costs_one_hop_at_most(page: Path) -> None:
    await warm(page)
    with counted() as cost:
        assert await open_read_close(page) == page.read_bytes()
    assert cost.hops <= 1
    assert cost.engine_jobs <= 1


ONE_SHOTS: list[tuple[str, Callable[[Path], Awaitable[Any]]]] = [
    ("read_bytes", headrace.read_bytes),
    ("read_text", lambda path: headrace.read_text(path, encoding="latin-1")),
    ("write_bytes", lambda path: headrace.write_bytes(path, b"data")),
    ("write_text", lambda path: headrace.write_text(path, "data")),
    ("append_bytes", lambda path: headrace.append_bytes(path, b"data")),
    ("append_text", lambda path: headrace.append_text(path, "data")),
]


@pytest.mark.parametrize(
    "call", [c for _, c in ONE_SHOTS], ids=[n for n, _ in ONE_SHOTS]
)
async def test_one_shot_is_one_job_at_most(
    page: Path, call: Callable[[Path], Awaitable[Any]]
) -> None:
    await warm(page)
    with counted() as cost:
        await call(page)
    assert cost.engine_jobs <= 1
    assert cost.hops <= 1


async def test_one_shot_of_a_missing_file_is_one_job_at_most(tmp_path: Path) -> None:
    with counted() as cost:
        with pytest.raises(FileNotFoundError):
            await headrace.read_bytes(tmp_path / "missing")
    assert cost.hops <= 1


async def test_open_for_writing_is_one_job(tmp_path: Path) -> None:
    await warm_up_engine()
    with counted() as cost:
        file = await headrace.open(tmp_path / "new", "w")
    assert (cost.engine_jobs, cost.hops) == (1, 1)
    await file.close()


async def warm_up_engine() -> None:
    await current_engine().run(int)


INLINE_OFF = """
    import asyncio, os, sys
    import headrace

    path = sys.argv[1]

    async def cost(awaitable):
        before = headrace.stats()
        await awaitable
        return headrace.stats() - before

    async def open_read_close(mode, size):
        async with headrace.open(path, mode) as file:
            await file.read(size)

    async def main():
        for mode in ("rb", "r"):
            for size in (-1, 1000):
                await open_read_close(mode, size)
                spent = await cost(open_read_close(mode, size))
                print(mode, size, spent)
                assert spent.inline_calls == 0
                # Nothing is done on the loop's thread, so each of open and read is
                # a hop; that closing is one too is what must not be.
                assert spent.hops <= 3
        for name in ("read_bytes", "read_text"):
            spent = await cost(getattr(headrace, name)(path))
            print(name, spent)
            assert spent.inline_calls == 0
            assert spent.hops <= 1
            assert spent.engine_jobs <= 1

    asyncio.run(main())
"""


def test_costs_with_the_inline_way_switched_off(tmp_path: Path) -> None:
    path = tmp_path / "page"
    path.write_text("some text\n" * 400)
    passes(INLINE_OFF, path, env={"HEADRACE_INLINE_LIMIT": "0"})


# -- The counters themselves --


async def test_statistics_are_a_snapshot(page: Path) -> None:
    before = stats()
    await headrace.read_bytes(page)
    after = stats()
    assert isinstance(before, Stats)
    assert before != after
    spent = after - before
    assert spent["inline_calls"] == spent.inline_calls
    assert set(spent) == {
        "buffer_hits", "inline_calls", "engine_jobs", "hops", "yields",
        "native_jobs", "ring_jobs", "polled", "fallbacks",
    }  # fmt: skip
    with pytest.raises(KeyError):
        spent["no_such_counter"]
    with pytest.raises(AttributeError):
        before.hops = 5  # type: ignore[misc]


async def test_hops_are_counted(tmp_path: Path) -> None:
    with counted() as cost:
        for _ in range(7):
            await current_engine().run(int)
    assert cost.hops == 7
    assert cost.engine_jobs == 7


@pytest.mark.asyncio_only("under Trio, each read is a checkpoint")
async def test_yields_are_counted(text: Path) -> None:
    # Long enough for a budget of a millisecond to be spent many times.
    with counted() as cost:
        async with headrace.open(text, "rb") as file:
            while await file.read(10):
                pass
    assert cost.yields >= 1
    await tasks.sleep(0)
