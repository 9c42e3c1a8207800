"""Random reads of 4 KiB that wait for the disk: headrace beside fio and aiofiles.

    python benchmarks/cold.py [PATH]

Needs fio, and a real disk under PATH (by default a file in the current folder, made
and removed). Each row is one run; the engine is HEADRACE_ENGINE's.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiofiles

import headrace

PAGE = 4096
#: Some more than a disk of 80,000 reads a second gives in that time: what has been read
#: once is cached.
SIZE = 1536 * 1024 * 1024  # bytes
SECONDS = 3

Read = Callable[[int], Coroutine[Any, Any, Any]]


def cpu_seconds() -> float:
    """Return the processor time of this process, the kernel's share too."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def make_cold(path: Path) -> None:
    """Have the kernel drop the file's pages."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def report(name: str, reads: float, cpu_us: float, base: float = 0) -> None:
    """Print one row."""
    ratio = f"{reads / base:.2f} x fio" if base else ""
    print(f"{name:34} {reads:9,.0f} reads/s {cpu_us:7.1f} us CPU {ratio}")


def fio(path: Path, *options: str) -> tuple[float, float]:
    """Return fio's reads a second, and its processor time per read in microseconds."""
    command = ["fio", "--name=cold", f"--filename={path}", "--rw=randread", "--bs=4k"]
    command += ["--time_based", f"--runtime={SECONDS}", "--output-format=json"]
    make_cold(path)
    done = subprocess.run([*command, *options], capture_output=True, check=True)
    job = json.loads(done.stdout)["jobs"][0]
    reads = job["read"]["iops"]
    share = (job["usr_cpu"] + job["sys_cpu"]) / 100
    return reads, share / reads * 1e6


async def measure(path: Path, depth: int, read: Read) -> tuple[float, float]:
    """Return reads a second and processor time per read, with *depth* in flight."""
    make_cold(path)
    # Each page once before any again, as fio does it: none is cached by then.
    places = [page * PAGE for page in range(SIZE // PAGE)]
    random.Random(1).shuffle(places)
    count = 0
    end = time.perf_counter() + SECONDS

    async def one_after_another() -> None:
        nonlocal count
        while places and time.perf_counter() < end:
            count += 1
            await read(places.pop())

    cpu = cpu_seconds()
    begun = time.perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(depth)))
    took = time.perf_counter() - begun
    return count / took, (cpu_seconds() - cpu) / count * 1e6


async def headrace_reads(path: Path, depth: int, direct: bool) -> tuple[float, float]:
    """Measure `pread` of headrace."""
    async with headrace.open(path, "rb", buffering=0, direct=direct) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        return await measure(path, depth, lambda at: file.pread(PAGE, at))


async def aiofiles_reads(path: Path, depth: int) -> tuple[float, float]:
    """Measure `seek` and `read` of aiofiles, a file for each task."""
    files = [await aiofiles.open(path, "rb", buffering=0) for _ in range(depth)]
    free = list(files)

    async def read(at: int) -> None:
        file = free.pop()
        await file.seek(at)
        await file.read(PAGE)
        free.append(file)

    found = await measure(path, depth, read)
    for file in files:
        await file.close()
    return found


def main() -> None:
    """Make the file, measure, print."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "cold.bin"
    with path.open("wb") as file:
        for _ in range(SIZE >> 20):
            file.write(os.urandom(1 << 20))
    try:
        for direct in (False, True):
            kind = "O_DIRECT" if direct else "buffered"
            base = fio(
                path, "--ioengine=io_uring", "--iodepth=64", f"--direct={+direct}"
            )
            report(f"fio io_uring, 64 in flight, {kind}", *base)
            found = asyncio.run(headrace_reads(path, 64, direct))
            report(f"headrace, 64 in flight, {kind}", *found, base[0])
        base = fio(path, "--ioengine=psync")
        report("fio psync, 1 in flight", *base)
        found = asyncio.run(headrace_reads(path, 1, False))
        report("headrace, 1 in flight", *found, base[0])
        report("aiofiles, 64 in flight", *asyncio.run(aiofiles_reads(path, 64)))
    finally:
        path.unlink()


if __name__ == "__main__":
    main()
