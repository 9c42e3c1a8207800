"""What the engine costs: a hop, files made, streams written, whole files read.

    python benchmarks/engine.py [FOLDER]

Each row is measured in rounds that alternate with builtin `open()` (or, for a hop, with
`run_in_executor`), and printed as the median and the median of the rounds' ratios.
`HEADRACE_ENGINE` chooses the engine. Leave some minutes between two runs in one folder:
ext4 is slow to make files where others have just been deleted.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

import headrace

ROUNDS = 7
FILES = 512
TASKS = 64
HOPS = 1000
PAGE = b"x" * 4096
PIECE = b"x" * (64 * 1024)
STREAM = 256 * 1024 * 1024  # bytes
WHOLE = 64 * 1024 * 1024  # bytes

Row = Callable[[], Awaitable[float]]


class Rows:
    """The measurements; each returns seconds for one operation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made = 0
        self.whole = folder / "whole"
        self.whole.write_bytes(os.urandom(1 << 20) * (WHOLE >> 20))

    def new_names(self) -> list[str]:
        """Return the names of files that are not there, in a folder of their own."""
        self._made += 1
        place = self.folder / str(self._made)
        place.mkdir()
        return [f"{place}/{number}" for number in range(FILES)]

    # -- A hop --

    async def hop(self, times: int = HOPS) -> float:
        """Measure a job of the engine that does next to nothing."""
        run = headrace.engine.current_engine().run
        begun = perf_counter()
        for _ in range(times):
            await run(os.fstat, 0)
        return (perf_counter() - begun) / times

    async def executor_hop(self, times: int = HOPS) -> float:
        """Measure the same by the loop's executor."""
        run = asyncio.get_running_loop().run_in_executor
        begun = perf_counter()
        for _ in range(times):
            await run(None, os.fstat, 0)
        return (perf_counter() - begun) / times

    async def busy(self, hop: Callable[[int], Awaitable[float]]) -> float:
        """Measure *hop* while another thread of the program computes."""
        over = threading.Event()

        def compute() -> None:
            while not over.is_set():
                sum(range(100))

        thread = threading.Thread(target=compute)
        thread.start()
        try:
            return await hop(50)
        finally:
            over.set()
            thread.join()

    # -- Files that are made --

    async def make(self, name: str) -> None:
        """Make one file, as most programs do."""
        async with headrace.open(name, "wb") as file:
            await file.write(PAGE)

    async def made_by_builtin(self) -> float:
        """Make files by builtin `open()`."""
        begun = perf_counter()
        for name in self.new_names():
            with open(name, "wb") as file:
                file.write(PAGE)
        return (perf_counter() - begun) / FILES

    async def made_by_one_task(self) -> float:
        """Make them one after another."""
        begun = perf_counter()
        for name in self.new_names():
            await self.make(name)
        return (perf_counter() - begun) / FILES

    async def made_by_many_tasks(self) -> float:
        """Make them in many tasks at once."""
        names = iter(self.new_names())

        async def work() -> None:
            for name in names:
                await self.make(name)

        begun = perf_counter()
        await asyncio.gather(*(work() for _ in range(TASKS)))
        return (perf_counter() - begun) / FILES

    async def made_by_write_bytes(self) -> float:
        """Make each by one call."""
        begun = perf_counter()
        for name in self.new_names():
            await headrace.write_bytes(name, PAGE)
        return (perf_counter() - begun) / FILES

    # -- Streams, whole files --

    async def stream_by_builtin(self) -> float:
        """Write a large file by builtin `open()`."""
        begun = perf_counter()
        with open(self.folder / "stream", "wb") as file:
            file.writelines(PIECE for _ in range(STREAM // len(PIECE)))
        return perf_counter() - begun

    async def stream(self) -> float:
        """Write a large file in pieces."""
        begun = perf_counter()
        async with headrace.open(self.folder / "stream", "wb") as file:
            for _ in range(STREAM // len(PIECE)):
                await file.write(PIECE)
        return perf_counter() - begun

    async def whole_by_builtin(self) -> float:
        """Read a large file by builtin `open()`."""
        begun = perf_counter()
        with open(self.whole, "rb") as file:
            assert len(file.read()) == WHOLE
        return perf_counter() - begun

    async def whole_by_read(self) -> float:
        """Read it by one `read()`."""
        begun = perf_counter()
        async with headrace.open(self.whole, "rb") as file:
            assert len(await file.read()) == WHOLE
        return perf_counter() - begun

    async def whole_by_read_bytes(self) -> float:
        """Read it by `read_bytes()`."""
        begun = perf_counter()
        assert len(await headrace.read_bytes(self.whole)) == WHOLE
        return perf_counter() - begun


async def compare(title: str, first: Row, *others: tuple[str, Row]) -> None:
    """Measure *first* and *others* in alternating rounds, and print them."""
    rows = [(title, first), *others]
    for _, row in rows:
        await row()
    rounds = [[await row() for _, row in rows] for _ in range(ROUNDS)]
    for place, (name, _) in enumerate(rows):
        median = statistics.median(times[place] for times in rounds)
        ratio = statistics.median(times[place] / times[0] for times in rounds)
        print(f"{name:40} {median * 1e6:12.1f} us {ratio:8.2f}")


async def main(folder: Path) -> None:
    """Measure all, with files in *folder*."""
    rows = Rows(folder)
    await headrace.write_bytes(folder / "first", b"")
    print(f"engine: {headrace.info().engine} ({headrace.info().reason})")
    await compare("run_in_executor", rows.executor_hop, ("hop", rows.hop))
    await compare(
        "run_in_executor, GIL busy",
        lambda: rows.busy(rows.executor_hop),
        ("hop, GIL busy", lambda: rows.busy(rows.hop)),
    )
    await compare(
        "make a file of 4 KiB, builtin",
        rows.made_by_builtin,
        ("the same, one task", rows.made_by_one_task),
        (f"the same, {TASKS} tasks", rows.made_by_many_tasks),
        ("the same, write_bytes()", rows.made_by_write_bytes),
    )
    await compare(
        "write 256 MiB in 64 KiB pieces, builtin",
        rows.stream_by_builtin,
        ("the same", rows.stream),
    )
    await compare(
        "read 64 MiB (cached), builtin",
        rows.whole_by_builtin,
        ("the same, read()", rows.whole_by_read),
        ("the same, read_bytes()", rows.whole_by_read_bytes),
    )


if __name__ == "__main__":
    parent = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=parent) as made:
        asyncio.run(main(Path(made)))
