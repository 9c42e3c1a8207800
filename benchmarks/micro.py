"""Nanoseconds per call of each function of `headrace._native`, by name.

    python benchmarks/micro.py [NAME ...] [--repeats N] [--calls N]

A NAME is a part of what is printed: `reader`, `text.write`. Each line has the least
of the repeats for the standard library doing the same, for the Python twin, and for
the C core where it is built. Coroutines are awaited in a loop, as a program does it;
the loop itself, some 10 ns, is in all of the figures.

These are the functions without the files round them; `python -m headrace bench` has
what a program sees.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import io
import os
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

LINE = "thirty-two characters of a line\n"
BLOCK = LINE * 256  # 8 KiB
FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
CORE = "headrace._native._core"

Run = Callable[[], object]
"""Makes all of the calls once."""
Make = Callable[[Any, int], Run]
"""Takes where the names come from (Any: a module found at run time) and the number
of calls; prepares everything, and returns what makes the calls."""


@dataclass(frozen=True)
class Case:
    """One function, and the standard library's way to the same."""

    name: str
    module: str
    needs: str
    make: Make
    builtin: Callable[[int], Run] | None = None
    fewer: int = 1
    """How many times fewer calls than `--calls`: for what takes long."""


# -- Loops ----------------------------------------------------------------------


def drive(make: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Run a coroutine that never waits, without an event loop."""
    try:
        make().send(None)
    except StopIteration:
        return
    raise RuntimeError("a function that was prepared to answer at once has waited")


async def awaits(call: Callable[..., Awaitable[object]], calls: int) -> None:
    """Await *call* without an argument."""
    for _ in range(calls):
        await call()


async def awaits_with(
    call: Callable[..., Awaitable[object]], argument: object, calls: int
) -> None:
    """Await *call* with one argument."""
    for _ in range(calls):
        await call(argument)


async def iterates(lines: Any) -> None:
    """Go through an asynchronous iterator."""
    async for _ in lines:
        pass


def repeats(
    call: Callable[..., object], arguments: tuple[Any, ...], calls: int
) -> None:
    """Call a plain function."""
    for _ in range(calls):
        call(*arguments)


def plain(call: Callable[..., object], *arguments: Any, calls: int) -> Run:
    """Return the run of a plain function."""
    return partial(repeats, call, arguments, calls)


def awaited(call: Callable[..., Awaitable[object]], *argument: Any, calls: int) -> Run:
    """Return the run of a coroutine function with one argument, or none."""
    if argument:
        return partial(drive, partial(awaits_with, call, argument[0], calls))
    return partial(drive, partial(awaits, call, calls))


# -- What the functions work on -------------------------------------------------
# What a twin stands on is not there: everything is in memory, nothing ever waits.


def reader(twin: Any, calls: int) -> Any:
    """Make a `Reader` that has *calls* lines in its buffer."""

    class Loaded(twin.Reader):  # type: ignore[misc] # the base is found at run time
        def __aiter__(self) -> Any:
            return self

        def _readline_now(self, size: int) -> bytes:
            return b""

    loaded = Loaded()
    loaded._data = LINE.encode() * calls
    loaded._limit = len(loaded._data)
    loaded._lines = iter([LINE.encode()] * calls)
    return loaded


def text(twin: Any, calls: int) -> Any:
    """Make a `Text` that has *calls* lines decoded, and room for as many."""

    class Loaded(twin.Text):  # type: ignore[misc] # the base is found at run time
        def __aiter__(self) -> Any:
            return self

        def _readline_now(self, size: int) -> str:
            return ""

    loaded = Loaded()
    loaded._text = LINE * calls
    loaded._limit = loaded._room = len(loaded._text)
    loaded._lines = iter([LINE] * calls)
    return loaded


def writer(twin: Any, calls: int) -> Any:
    """Make a `Writer` with room for *calls* lines."""
    made = twin.Writer()
    made._room = len(LINE) * calls
    return made


def buffered(calls: int) -> Any:
    """Make a `BufferedReader` that has *calls* lines in its buffer."""
    data = LINE.encode() * calls
    made = io.BufferedReader(io.BytesIO(data), len(data))
    made.peek(1)
    return made


def buffered_text(calls: int) -> io.TextIOWrapper:
    """Make a `TextIOWrapper` over such a buffer."""
    return io.TextIOWrapper(buffered(calls), encoding="utf-8")


def iterate(thing: Any, calls: int) -> Run:
    """Return the run through an asynchronous iterator."""
    return partial(drive, partial(iterates, thing))


def consume(lines: Iterator[object]) -> None:
    """Go through a plain iterator."""
    for _ in lines:
        pass


@dataclass(frozen=True)
class OnDisk:
    """A file in the page cache, for the functions that read one."""

    fd: int
    name: bytes


@contextmanager
def on_disk() -> Generator[OnDisk]:
    """Make such a file, of 256 KiB."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(256 * 1024))
        file.flush()
        yield OnDisk(file.fileno(), os.fsencode(file.name))


def opens(twin: Any, disk: OnDisk, calls: int) -> Run:
    """Open and close, as long as every step of the path is cached."""

    def once() -> None:
        fd = twin.open_cached(disk.name, FLAGS)
        if fd < 0:
            raise OSError(-fd, os.strerror(-fd))
        os.close(fd)

    return plain(once, calls=calls)


def hops(twin: Any, calls: int) -> Run:
    """Give a job to a worker thread and wait for its end, one after another."""
    workers = twin.Workers(1, "micro")
    done = threading.Semaphore(0)

    def once() -> None:
        workers.submit(done.release)
        done.acquire()

    return plain(once, calls=calls)


def cases(disk: OnDisk) -> list[Case]:
    """Return all cases, in the order of the modules."""
    view = memoryview(bytearray(4096))
    read_4k, read_64k = (disk.fd, 4096, 0), (disk.fd, 65536, 0)

    def open_close() -> None:
        os.close(os.open(disk.name, FLAGS))

    return [
        Case(
            "reader.read(32)",
            "reader",
            "Reader",
            lambda twin, n: awaited(reader(twin, n).read, 32, calls=n),
            lambda n: plain(buffered(n).read, 32, calls=n),
        ),
        Case(
            "reader.readline()",
            "reader",
            "Reader",
            lambda twin, n: awaited(reader(twin, n).readline, calls=n),
            lambda n: plain(buffered(n).readline, calls=n),
        ),
        Case(
            "reader.__anext__()",
            "reader",
            "Reader",
            lambda twin, n: iterate(reader(twin, n), n),
            lambda n: partial(consume, buffered(n)),
        ),
        Case(
            "writer.write(32)",
            "writer",
            "Writer",
            lambda twin, n: awaited(writer(twin, n).write, LINE.encode(), calls=n),
            lambda n: plain(
                io.BufferedWriter(io.BytesIO(), 32 * n + 1).write,
                LINE.encode(),
                calls=n,
            ),
        ),
        Case(
            "text.read(32)",
            "text",
            "Text",
            lambda twin, n: awaited(text(twin, n).read, 32, calls=n),
            lambda n: plain(buffered_text(n).read, 32, calls=n),
        ),
        Case(
            "text.readline()",
            "text",
            "Text",
            lambda twin, n: awaited(text(twin, n).readline, calls=n),
            lambda n: plain(buffered_text(n).readline, calls=n),
        ),
        Case(
            "text.__anext__()",
            "text",
            "Text",
            lambda twin, n: iterate(text(twin, n), n),
            lambda n: partial(consume, buffered_text(n)),
        ),
        Case(
            "text.write(32)",
            "text",
            "Text",
            lambda twin, n: awaited(text(twin, n).write, LINE, calls=n),
            lambda n: plain(
                io.TextIOWrapper(io.BytesIO(), encoding="utf-8").write, LINE, calls=n
            ),
        ),
        Case(
            "lines.find_line_end(32)",
            "lines",
            "find_line_end",
            lambda twin, n: plain(twin.find_line_end, BLOCK, 64, None, calls=n),
            lambda n: plain(BLOCK.find, "\n", 64, calls=n),
        ),
        Case(
            "lines.last_line_end(8 KiB)",
            "lines",
            "last_line_end",
            lambda twin, n: plain(
                twin.last_line_end, BLOCK, 0, len(BLOCK), None, calls=n
            ),
            lambda n: plain(BLOCK.rfind, "\n", calls=n),
        ),
        Case(
            "lines.split_lines(8 KiB)",
            "lines",
            "split_lines",
            lambda twin, n: plain(twin.split_lines, BLOCK, None, calls=n),
            lambda n: plain(BLOCK.splitlines, True, calls=n),
            fewer=100,
        ),
        Case(
            "inline.read_at(4 KiB)",
            "inline",
            "read_at",
            lambda twin, n: plain(twin.read_at, *read_4k, calls=n),
            lambda n: plain(os.pread, *read_4k, calls=n),
        ),
        Case(
            "inline.read_at(64 KiB)",
            "inline",
            "read_at",
            lambda twin, n: plain(twin.read_at, *read_64k, calls=n),
            lambda n: plain(os.pread, *read_64k, calls=n),
        ),
        Case(
            "inline.read_into_at(4 KiB)",
            "inline",
            "read_into_at",
            lambda twin, n: plain(twin.read_into_at, disk.fd, view, 0, calls=n),
            lambda n: plain(os.preadv, disk.fd, [view], 0, calls=n),
        ),
        Case(
            "inline.open_cached() + close",
            "inline",
            "open_cached",
            lambda twin, n: opens(twin, disk, n),
            lambda n: plain(open_close, calls=n),
        ),
        Case(
            "workers.submit() + its end",
            "workers",
            "Workers",
            hops,
            fewer=20,
        ),
    ]


# -- Measuring ------------------------------------------------------------------


def measure(make: Callable[[], Run], repeats: int) -> float:
    """Return the least time per run, in nanoseconds."""
    least = float("inf")
    for _ in range(repeats):
        run = make()
        gc.collect()
        gc.disable()
        start = time.perf_counter_ns()
        run()
        least = min(least, time.perf_counter_ns() - start)
        gc.enable()
    return least


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--calls", type=int, default=20_000)
    arguments = parser.parse_args()
    try:
        core: Any = importlib.import_module(CORE)
    except ImportError:
        core = None

    print(f"{'ns per call':30} {'builtin':>9} {'Python':>9} {'C':>9} {'C/builtin':>10}")
    names = arguments.names
    with on_disk() as disk:
        for case in cases(disk):
            if not names or any(name in case.name for name in names):
                print(line(case, core, arguments.calls, arguments.repeats), flush=True)


def line(case: Case, core: Any, calls: int, repeats: int) -> str:
    """Measure one case, and return its line of the table."""
    calls = max(1, calls // case.fewer)
    figures: list[float | None] = [None, None, None]
    builtin = case.builtin
    if builtin:
        figures[0] = measure(lambda: builtin(calls), repeats) / calls
    for place, twin in ((1, python_twin(case)), (2, core)):
        if hasattr(twin, case.needs):
            run = partial(case.make, twin, calls)
            figures[place] = measure(run, repeats) / calls
    cells = "".join(
        f"{number:>10,.1f}" if number else f"{'-':>10}" for number in figures
    )
    ratio = f"{figures[2] / figures[0]:.2f}" if figures[0] and figures[2] else "-"
    return f"{case.name:30}{cells}{ratio:>11}"


def python_twin(case: Case) -> Any:
    """Return the module of `_native/py/` that the case is about."""
    return importlib.import_module(f"headrace._native.py.{case.module}")


if __name__ == "__main__":
    main()
