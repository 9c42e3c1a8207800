"""Nanoseconds per call of the hot functions of `headrace._native`, by name.

    python benchmarks/micro.py [NAME ...] [--repeats N] [--calls N]

A NAME is a part of what is printed: `reader`, `text.write`. Each line has the least
of the repeats for the standard library doing the same, for the Python twins, and for
the C core where it is built: the last two in processes of their own, because a process
has the one or the other.

Methods are called on files that are open, a coroutine awaited in a loop as a program
does it; now and then the buffer has to be filled or written, which is in the figures,
as is the loop itself (some 10 ns). `python -m headrace bench` has whole programs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import headrace
from headrace import _native

LINE = "thirty-two characters of a line\n"
BLOCK = LINE * 256  # 8 KiB
FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)

Figures = dict[str, float]
"""Nanoseconds per call, by name."""


class Stopwatch:
    """Takes the least time per call, for the names that are wanted."""

    def __init__(self, wanted: list[str], repeats: int, calls: int) -> None:
        self._wanted = wanted
        self.repeats, self.calls = repeats, calls
        self.figures: Figures = {}

    def wants(self, name: str) -> bool:
        """Tell whether *name* is to be measured."""
        return not self._wanted or any(part in name for part in self._wanted)

    def plain(self, name: str, call: Callable[..., object], *arguments: Any) -> None:
        """Measure a plain function that can be called any number of times."""
        if not self.wants(name):
            return
        for _ in range(self.repeats):
            start = self._start()
            for _ in range(self.calls):
                call(*arguments)
            self._stop(name, start)

    def _start(self) -> int:
        gc.collect()
        gc.disable()
        return time.perf_counter_ns()

    def _stop(self, name: str, start: int) -> None:
        elapsed = (time.perf_counter_ns() - start) / self.calls
        gc.enable()
        self.figures[name] = min(elapsed, self.figures.get(name, elapsed))

    # A file is read or written by as many calls as it has lines, and opened again
    # for each repeat. Blocking and asynchronous files take the same three shapes.

    def files(
        self,
        name: str,
        opened: Callable[[], Any],
        method: str,
        *argument: object,
    ) -> None:
        """Measure a method of a blocking file."""
        if not self.wants(name):
            return
        for _ in range(self.repeats):
            with opened() as file:
                call: Callable[..., object] = getattr(file, method)
                start = self._start()
                if method == "__next__":
                    for _ in file:
                        pass
                elif argument:
                    for _ in range(self.calls):
                        call(argument[0])
                else:
                    for _ in range(self.calls):
                        call()
                self._stop(name, start)

    async def async_files(
        self,
        name: str,
        opened: Callable[[], Any],
        method: str,
        *argument: object,
    ) -> None:
        """Measure a coroutine method of a headrace file."""
        if not self.wants(name):
            return
        for _ in range(self.repeats):
            async with opened() as file:
                call: Callable[..., Awaitable[object]] = getattr(file, method)
                start = self._start()
                if method == "__anext__":
                    async for _ in file:
                        pass
                elif argument:
                    for _ in range(self.calls):
                        await call(argument[0])
                else:
                    for _ in range(self.calls):
                        await call()
                self._stop(name, start)


def measure_builtin(watch: Stopwatch, source: str, target: str) -> None:
    """Measure what the standard library has for each name."""

    def binary() -> Any:
        return open(source, "rb")

    def new_binary() -> Any:
        return open(target, "wb")

    def text() -> Any:
        return open(source, encoding="utf-8")

    def new_text() -> Any:
        return open(target, "w", encoding="utf-8")

    watch.files("reader.read(32)", binary, "read", 32)
    watch.files("reader.readline()", binary, "readline")
    watch.files("reader.__anext__()", binary, "__next__")
    watch.files("writer.write(32)", new_binary, "write", LINE.encode())
    watch.files("text.read(32)", text, "read", 32)
    watch.files("text.readline()", text, "readline")
    watch.files("text.__anext__()", text, "__next__")
    watch.files("text.write(32)", new_text, "write", LINE)
    watch.plain("lines.find_line_end(32)", BLOCK.find, "\n", 64)
    watch.plain("lines.last_line_end(8 KiB)", BLOCK.rfind, "\n")
    watch.plain("lines.split_lines(8 KiB)", BLOCK.splitlines, True)

    def open_close() -> None:
        os.close(os.open(source, FLAGS))

    view = memoryview(bytearray(4096))
    with open(source, "rb") as file:
        fd = file.fileno()
        watch.plain("inline.read_at(4 KiB)", os.pread, fd, 4096, 0)
        watch.plain("inline.read_at(64 KiB)", os.pread, fd, 65536, 0)
        watch.plain("inline.read_into_at(4 KiB)", os.preadv, fd, [view], 0)
    watch.plain("inline.open_cached() + close", open_close)


async def measure_files(watch: Stopwatch, source: str, target: str) -> None:
    """Measure headrace's files: over the C core or over its Python twins."""

    def binary() -> Any:
        return headrace.open(source, "rb")

    def new_binary() -> Any:
        return headrace.open(target, "wb")

    def text() -> Any:
        return headrace.open(source, encoding="utf-8")

    def new_text() -> Any:
        return headrace.open(target, "w", encoding="utf-8")

    await watch.async_files("reader.read(32)", binary, "read", 32)
    await watch.async_files("reader.readline()", binary, "readline")
    await watch.async_files("reader.__anext__()", binary, "__anext__")
    await watch.async_files("writer.write(32)", new_binary, "write", LINE.encode())
    await watch.async_files("text.read(32)", text, "read", 32)
    await watch.async_files("text.readline()", text, "readline")
    await watch.async_files("text.__anext__()", text, "__anext__")
    await watch.async_files("text.write(32)", new_text, "write", LINE)


def measure_functions(watch: Stopwatch, source: str) -> None:
    """Measure the functions that are not methods: the C core's or the twins'."""
    watch.plain("lines.find_line_end(32)", _native.find_line_end, BLOCK, 64, None)
    watch.plain(
        "lines.last_line_end(8 KiB)", _native.last_line_end, BLOCK, 0, len(BLOCK), None
    )
    watch.plain("lines.split_lines(8 KiB)", _native.split_lines, BLOCK, None)

    name = os.fsencode(source)

    def open_close() -> None:
        fd = _native.open_cached(name, FLAGS)
        if fd < 0:
            raise OSError(-fd, os.strerror(-fd), source)
        os.close(fd)

    view = memoryview(bytearray(4096))
    with open(source, "rb") as file:
        fd = file.fileno()
        watch.plain("inline.read_at(4 KiB)", _native.read_at, fd, 4096, 0)
        watch.plain("inline.read_at(64 KiB)", _native.read_at, fd, 65536, 0)
        watch.plain("inline.read_into_at(4 KiB)", _native.read_into_at, fd, view, 0)
    watch.plain("inline.open_cached() + close", open_close)

    workers, done = _native.Workers(1, "micro"), threading.Semaphore(0)

    def hop() -> None:
        workers.submit(done.release)
        done.acquire()

    watch.plain("workers.submit() + its end", hop)


# -- The processes --------------------------------------------------------------


def measure(kind: str, wanted: list[str], repeats: int, calls: int) -> Figures:
    """Measure in this process: "builtin", or headrace as it is here."""
    watch = Stopwatch(wanted, repeats, calls)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        source.write_text(LINE * calls, encoding="utf-8")
        if kind == "builtin":
            measure_builtin(watch, str(source), str(target))
        else:
            asyncio.run(measure_files(watch, str(source), str(target)))
            measure_functions(watch, str(source))
    return watch.figures


def measure_apart(arguments: argparse.Namespace, native: str) -> Figures:
    """Measure headrace in a process with HEADRACE_NATIVE as given."""
    numbers = ["--repeats", str(arguments.repeats), "--calls", str(arguments.calls)]
    child = subprocess.run(
        [sys.executable, __file__, *arguments.names, *numbers, "--child"],
        env={**os.environ, "HEADRACE_NATIVE": native},
        stdout=subprocess.PIPE,
        check=True,
    )
    figures: Figures = json.loads(child.stdout)
    return figures


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    limits = arguments.names, arguments.repeats, arguments.calls
    if arguments.child:
        print(json.dumps(measure("headrace", *limits)))
        return

    builtin = measure("builtin", *limits)
    python = measure_apart(arguments, "0")
    core = measure_apart(arguments, "1") if _native.NATIVE else {}
    print(
        f"{'ns per call':30}{'builtin':>10}{'Python':>10}{'C':>10}"
        f"{'Python/builtin':>16}{'C/builtin':>11}"
    )
    for name, time_ns in python.items():
        base, native = builtin.get(name), core.get(name)
        print(
            f"{name:30}{number(base)}{number(time_ns)}{number(native)}"
            f"{ratio(time_ns, base):>16}{ratio(native, base):>11}"
        )


def number(value: float | None) -> str:
    """Write nanoseconds, or that there are none."""
    return f"{value:>10,.0f}" if value else f"{'-':>10}"


def ratio(value: float | None, base: float | None) -> str:
    """Write how many times *base* this is."""
    return f"{value / base:.2f}" if value and base else "-"


if __name__ == "__main__":
    main()
