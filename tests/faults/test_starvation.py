"""D10, D11, D21: what is stuck starves nothing, and threads do not grow."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

import headrace
from headrace._platform import worker_limit
from headrace.engine import current_engine
from tests import tasks
from tests.faults.support import kernel_threads, passes, saturated, turns

STUCK = """
    import asyncio, os, sys, time
    import headrace
    import headrace.os

    folder = sys.argv[1]

    async def open_it(path):
        async with headrace.open(path, {mode!r}, {buffering}) as file:
            {then}

    async def main():
        regular = os.path.join(folder, "regular")
        with open(regular, "w") as file:
            file.write("content")
        paths = [os.path.join(folder, f"fifo{{i}}") for i in range(100)]
        for path in paths:
            os.mkfifo(path)
        started = [asyncio.ensure_future(open_it(path)) for path in paths]
        await asyncio.sleep(0.1)
        assert not any(task.done() for task in started)
        for _ in range(5):
            began = time.perf_counter()
            await headrace.os.stat(regular)
            async with headrace.open(regular, "r+") as file:
                assert await file.read() == "content"
            await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)
            took = time.perf_counter() - began
            assert took < 2, f"starved for {{took}} s"
        for task in started:
            task.cancel()
        began = time.perf_counter()
        results = await asyncio.gather(*started, return_exceptions=True)
        assert time.perf_counter() - began < 2
        assert all(isinstance(r, asyncio.CancelledError) for r in results), results

    began = time.perf_counter()
    asyncio.run(main())
    print("end")
"""


@pytest.mark.parametrize("mode", ["rb", "wb"])
def test_stuck_opens_of_fifos_starve_nothing(tmp_path: Path, mode: str) -> None:
    source = STUCK.format(mode=mode, buffering=-1, then="pass")
    assert passes(source, tmp_path) == "end\n"


def test_stuck_reads_of_fifos_starve_nothing(tmp_path: Path) -> None:
    source = STUCK.format(mode="r+b", buffering=0, then="await file.read(1)")
    assert passes(source, tmp_path) == "end\n"


async def test_fifo_opens_when_the_other_end_comes(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)

    async def write() -> None:
        async with headrace.open(path, "w") as file:
            await file.write("through the pipe\n")

    async def read() -> str:
        async with headrace.open(path) as file:
            text = await file.read()
            assert isinstance(text, str)
            return text

    reading = tasks.start(read())
    await turns(5)
    await tasks.wait_for(write(), 10)
    assert await tasks.wait_for(reading, 10) == "through the pipe\n"


async def test_bursts_do_not_grow_the_pool() -> None:
    engine = current_engine()
    # Threads of pools that earlier tests made are there until they have been idle.
    others = set(threading.enumerate())
    peak = 0

    def note() -> None:
        nonlocal peak
        names = [thread.name for thread in set(threading.enumerate()) - others]
        peak = max(peak, sum(name.startswith("headrace") for name in names))

    before = kernel_threads()
    for _ in range(5):
        await tasks.gather(*(engine.run(note) for _ in range(400)))
    assert peak <= worker_limit()
    assert kernel_threads() <= before + worker_limit()


async def test_concurrent_files_do_not_grow_the_pool(tmp_path: Path) -> None:
    async def use(number: int) -> None:
        async with headrace.open(tmp_path / str(number), "w") as file:
            await file.write("content")

    # Threads of pools that earlier tests made are there until they have been idle.
    others = set(threading.enumerate())
    await tasks.gather(*(use(number) for number in range(300)))
    made = set(threading.enumerate()) - others
    assert sum(thread.name.startswith("headrace") for thread in made) <= worker_limit()


async def test_the_default_executor_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(*args: object) -> None:
        raise AssertionError("the loop's own threads were used")

    if tasks.on_trio():
        monkeypatch.setattr("trio.to_thread.run_sync", no)
    else:
        asyncio.get_running_loop().run_in_executor = no  # type: ignore[method-assign,assignment]
    async with headrace.open(tmp_path / "file", "w") as file:
        await file.write("content")
    async with headrace.open(tmp_path / "file") as file:
        assert await file.read() == "content"
    assert await headrace.read_text(tmp_path / "file") == "content"


async def test_queued_work_is_done_when_the_pool_is_free_again(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(50)]

    async def use(path: Path) -> None:
        async with headrace.open(path, "w") as file:
            await file.write(path.name)

    async with saturated() as release:
        started = [tasks.start(use(path)) for path in paths]
        await turns(3)
        release()
        await tasks.gather(*started)
    assert [path.read_text() for path in paths] == [path.name for path in paths]


# -- Fairness: work that never waits still lets others run --


async def others_while(work: object) -> int:
    """Return how often another task ran while *work* was awaited."""
    ran = 0
    stop = False

    async def other() -> None:
        nonlocal ran
        while not stop:
            ran += 1
            await tasks.sleep(0)

    task = tasks.start(other())
    await tasks.sleep(0)
    ran = 0
    await work  # type: ignore[misc]
    stop = True
    await task
    return ran


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "lines"
    path.write_text("".join(f"line number {i}\n" for i in range(100_000)))
    return path


async def test_line_loop_lets_others_run(lines: Path) -> None:
    async def loop() -> None:
        async with headrace.open(lines) as file:
            assert sum([1 async for _ in file]) == 100_000

    assert await others_while(loop()) >= 3


@pytest.mark.asyncio_only("under Trio, each call is a checkpoint: test_trio.py")
async def test_readline_loop_lets_others_run(lines: Path) -> None:
    async def loop() -> None:
        async with headrace.open(lines, "rb") as file:
            while await file.readline():
                pass

    assert await others_while(loop()) >= 3


@pytest.mark.asyncio_only("under Trio, each call is a checkpoint: test_trio.py")
async def test_small_reads_let_others_run(lines: Path) -> None:
    async def loop() -> None:
        async with headrace.open(lines, "rb") as file:
            while await file.read(16):
                pass

    assert await others_while(loop()) >= 3


@pytest.mark.asyncio_only("under Trio, each call is a checkpoint: test_trio.py")
async def test_small_writes_let_others_run(tmp_path: Path) -> None:
    async def loop() -> None:
        async with headrace.open(tmp_path / "file", "w") as file:
            for _ in range(100_000):
                await file.write("a few words\n")

    assert await others_while(loop()) >= 3


async def test_cached_positional_reads_let_others_run(lines: Path) -> None:
    async def loop() -> None:
        async with headrace.open(lines, "rb") as file:
            for number in range(5_000):
                await file.pread(4096, number * 100)

    assert await others_while(loop()) >= 5


@pytest.mark.asyncio_only("under Trio, each call is a checkpoint: test_trio.py")
async def test_reads_inside_the_buffer_let_others_run(tmp_path: Path) -> None:
    # Nothing here ever leaves the buffer: no read of the kernel to be fair at.
    path = tmp_path / "file"
    path.write_bytes(b"x" * 4096)

    async def loop() -> None:
        async with headrace.open(path, "rb") as file:
            for _ in range(50_000):
                await file.read(1)
                await file.seek(0)

    assert await others_while(loop()) >= 5


async def test_loop_is_not_held_up_by_a_large_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    latest = 0.0
    stop = False

    async def heartbeat() -> None:
        nonlocal latest
        while not stop:
            began = time.perf_counter()
            await tasks.sleep(0.001)
            latest = max(latest, time.perf_counter() - began - 0.001)

    task = tasks.start(heartbeat())
    async with headrace.open(path, "rb", buffering=0) as raw:
        data = await raw.read(64 * 1024 * 1024)
    stop = True
    await task
    assert len(data) == 64 * 1024 * 1024
    # Generous: a machine of CI. Copying 64 MiB on the loop is far above this bound
    # only on slow ones; the count of inline calls in test_counters.py is exact.
    assert latest < 1
