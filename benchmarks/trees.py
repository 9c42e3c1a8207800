"""Directories and trees: beside the standard library, and how late the loop is.

    python benchmarks/trees.py [--rounds N] [--folder PATH] [--loop uvloop]

Listing 20,000 entries, walking, copying and removing the library of the interpreter
that runs it (without site-packages and caches), a large copy, and 64 tasks that ask
for the status of a file. Each round does the same with both, one after the other; the
table has the medians in milliseconds, the median of the rounds' ratios and their
range, and the most that a 1 ms timer on the loop was late meanwhile: median, worst.

The goals: listing and walking within 2 times, copying and removing within 1.2 times,
`stat` three times as fast as aiofiles, the loop less than 5 ms late.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import headrace
import headrace.os
import headrace.shutil

ENTRIES = 20_000
TASKS, CALLS = 64, 40
LARGE = 512 * 1024 * 1024  # bytes


async def watched(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Return how long *work* takes, and how late a 1 ms timer was at most; seconds."""
    late = 0.0

    async def beat() -> None:
        nonlocal late
        while True:
            due = perf_counter() + 0.001
            await asyncio.sleep(0.001)
            late = max(late, perf_counter() - due)

    gc.collect()
    task = asyncio.create_task(beat())
    await asyncio.sleep(0.005)
    late, begun = 0.0, perf_counter()
    await work()
    taken = perf_counter() - begun
    # One that is due and could not run is late, too.
    await asyncio.sleep(0)
    task.cancel()
    return taken, late


class Row:
    """A case, and what the rounds gave for it."""

    def __init__(
        self,
        title: str,
        theirs: Callable[[], Awaitable[object]],
        ours: Callable[[], Awaitable[object]],
        between: Callable[[], object] = lambda: None,
    ) -> None:
        self.title = title
        self.calls = (theirs, ours)
        self.between = between
        self.taken: tuple[list[float], list[float]] = ([], [])
        self.late: list[float] = []

    async def round(self) -> None:
        """Do it once with each."""
        for times, call, ours in zip(
            self.taken, self.calls, (False, True), strict=True
        ):
            self.between()
            taken, late = await watched(call)
            times.append(taken)
            if ours:
                self.late.append(late)

    def line(self) -> str:
        """Return the line of the table."""
        theirs, ours = (statistics.median(times) * 1e3 for times in self.taken)
        ratios = [b / a for a, b in zip(*self.taken, strict=True)]
        late = statistics.median(self.late) * 1e3, max(self.late) * 1e3
        return (
            f"| {self.title} | {theirs:.1f} | {ours:.1f} "
            f"| {statistics.median(ratios):.2f}× ({min(ratios):.2f}–{max(ratios):.2f}) "
            f"| {late[0]:.1f} / {late[1]:.1f} |"
        )


def blocking(func: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    """Return *func*, which blocks, as something to be awaited."""

    async def call() -> object:
        return func()

    return call


def drain(iterator: Any) -> None:
    """Take all that *iterator* gives."""
    for _ in iterator:
        pass


async def drain_async(iterator: Any) -> None:
    """Take all that an asynchronous *iterator* gives."""
    async for _ in iterator:
        pass


def stat_row(path: Path) -> Row | None:
    """Return the case that compares with aiofiles, if that is installed."""
    try:
        import aiofiles.os
    except ImportError:
        return None

    async def ask(stat: Callable[..., Awaitable[object]]) -> None:
        for _ in range(CALLS):
            await stat(path)

    async def all_ask(stat: Callable[..., Awaitable[object]]) -> None:
        await asyncio.gather(*(ask(stat) for _ in range(TASKS)))

    return Row(
        f"stat, {TASKS} tasks (beside aiofiles)",
        lambda: all_ask(aiofiles.os.stat),
        lambda: all_ask(headrace.os.stat),
    )


def rows(folder: Path) -> list[Row]:
    """Prepare the inputs, and return the cases."""
    listing, tree = folder / "listing", folder / "tree"
    listing.mkdir()
    for number in range(ENTRIES):
        (listing / f"file-{number:05}").touch()
    library = Path(os.__file__).parent
    leave_out = shutil.ignore_patterns("site-packages", "__pycache__")
    shutil.copytree(library, tree, symlinks=True, ignore=leave_out)
    copy = folder / "copy"
    large = folder / "large"
    large.write_bytes(os.urandom(1024 * 1024) * (LARGE // 1024 // 1024))

    def without_copy() -> None:
        shutil.rmtree(copy, ignore_errors=True)

    def with_copy() -> None:
        without_copy()
        shutil.copytree(tree, copy, symlinks=True)

    found = [
        Row(
            f"scandir of {ENTRIES:,} entries",
            blocking(lambda: drain(os.scandir(listing))),
            lambda: drain_async(headrace.os.scandir(listing)),
        ),
        Row(
            f"Path.iterdir of {ENTRIES:,} entries",
            blocking(lambda: drain(listing.iterdir())),
            lambda: drain_async(headrace.Path(listing).iterdir()),
        ),
        Row(
            "walk of the library",
            blocking(lambda: drain(os.walk(library))),
            lambda: drain_async(headrace.os.walk(library)),
        ),
        Row(
            "copytree of the library",
            blocking(lambda: shutil.copytree(tree, copy, symlinks=True)),
            lambda: headrace.shutil.copytree(tree, copy, symlinks=True),
            without_copy,
        ),
        Row(
            "rmtree of the library",
            blocking(lambda: shutil.rmtree(copy)),
            lambda: headrace.shutil.rmtree(copy),
            with_copy,
        ),
        Row(
            f"copyfile of {LARGE // 1024 // 1024} MiB",
            blocking(lambda: shutil.copyfile(large, folder / "large-copy")),
            lambda: headrace.shutil.copyfile(large, folder / "large-copy"),
            lambda: (folder / "large-copy").unlink(missing_ok=True),
        ),
    ]
    asked = stat_row(large)
    return [*found, asked] if asked is not None else found


async def idle() -> float:
    """Return how late the timer is while nothing is done: what the machine does."""
    late = [(await watched(lambda: asyncio.sleep(0.1)))[1] for _ in range(5)]
    return statistics.median(late) * 1e3


async def measure(found: list[Row], rounds: int) -> None:
    """Do *rounds* rounds after one that does not count."""
    print(f"an idle loop: {await idle():.1f} ms late")
    for row in found:
        await row.round()
        for times in (*row.taken, row.late):
            times.clear()
        for _ in range(rounds):
            await row.round()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", help="where to measure; a new one, removed again")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    arguments = parser.parse_args()
    factory: Any = None
    if arguments.loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        found = rows(Path(folder))
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(measure(found, arguments.rounds))
    print(f"CPython {sys.version.split()[0]}, {arguments.loop}, {os.cpu_count()} CPUs")
    print()
    print("| case | standard library, ms | headrace, ms | ratio | late, ms |")
    print("|---|--:|--:|--:|--:|")
    for row in found:
        print(row.line())


if __name__ == "__main__":
    main()
