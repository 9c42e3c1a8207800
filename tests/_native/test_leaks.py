"""What the core makes, it gives back: objects, references, descriptors.

A debug build of CPython counts references (`sys.gettotalrefcount`); elsewhere the
allocated blocks are counted, which an object that is never freed adds to each time.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace._native import NATIVE
from tests.hosts import AsyncioHost

pytestmark = pytest.mark.skipif(not NATIVE, reason="about the C core")

ROUNDS = 300
#: Far fewer than one a round; caches of the interpreter come and go.
TOLERATED = ROUNDS // 5

total_references: Callable[[], int] = getattr(
    sys, "gettotalrefcount", sys.getallocatedblocks
)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0


async def read_lines(path: Path) -> None:
    async with headrace.open(path) as f:
        async for _ in f:
            pass


async def read_one_by_one(path: Path) -> None:
    async with headrace.open(path, "rb") as f:
        while await f.readline():
            pass
        await f.seek(0)
        await f.read(3)
        await f.read()


async def leave_lines(path: Path) -> None:
    async with headrace.open(path) as f:
        async for _ in f:
            break


async def write_text(path: Path) -> None:
    async with headrace.open(path.with_suffix(".out"), "w", encoding="utf-8") as f:
        for piece in ("ascii", "é", "\N{GRINNING FACE}", "x" * 5000):
            await f.write(piece)


async def write_bytes(path: Path) -> None:
    async with headrace.open(path.with_suffix(".out"), "wb") as f:
        await f.write(b"some")
        await f.write(bytearray(b"more"))


async def fail(path: Path) -> None:
    f = await headrace.open(path)
    await f.close()
    await f.close()
    for wrong in (f.read, f.readline):
        with pytest.raises(ValueError, match="closed"):
            await wrong()
    with pytest.raises(FileNotFoundError):
        await headrace.open(path.with_suffix(".missing"))
    with pytest.raises(IsADirectoryError):
        await headrace.open(path.parent)


async def never_resume(path: Path) -> None:
    async with headrace.open(path) as f:
        f.read(1).close()
        with pytest.raises(KeyError):
            f.readline().throw(KeyError("thrown"))


async def look(path: Path) -> None:
    await headrace.os.stat(path)
    await headrace.os.path.exists(path)
    await headrace.read_bytes(path)
    await headrace.read_text(path)


@pytest.mark.parametrize(
    "use",
    [
        read_lines,
        read_one_by_one,
        leave_lines,
        write_text,
        write_bytes,
        fail,
        never_resume,
        look,
    ],
)
def test_nothing_is_kept(use: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a line\nand another, longer one\n" * 20)

    async def rounds() -> tuple[int, int]:
        before = total_references(), descriptors()
        for _ in range(ROUNDS):
            await use(path)
        gc.collect()
        after = total_references(), descriptors()
        return after[0] - before[0], after[1] - before[1]

    async def main() -> tuple[int, int]:
        await rounds()
        # Something else may fill a cache meanwhile; what leaks does so each time.
        return min([await rounds() for _ in range(3)])

    references, files = AsyncioHost().run(main)
    assert files == 0
    assert references < TOLERATED
