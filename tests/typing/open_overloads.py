"""What type checkers say of `open()` and its files; checked, not run.

`test_typing.py` has mypy and pyright read this file in strict mode.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, assert_type

import headrace
from headrace import (
    AsyncBufferedRandom,
    AsyncBufferedReader,
    AsyncBufferedWriter,
    AsyncFileIO,
    AsyncTextIOWrapper,
)

# -- The mode decides the class --


async def text(path: Path) -> None:
    async with headrace.open(path) as default:
        assert_type(default, AsyncTextIOWrapper)
    async with headrace.open(path, "r") as reader:
        assert_type(reader, AsyncTextIOWrapper)
    async with headrace.open(path, "wt", encoding="utf-8", newline="") as writer:
        assert_type(writer, AsyncTextIOWrapper)
    async with headrace.open(path, mode="a+", buffering=1) as appender:
        assert_type(appender, AsyncTextIOWrapper)
    async with headrace.open(path, "x", errors="replace") as creator:
        assert_type(creator, AsyncTextIOWrapper)


async def binary(path: Path) -> None:
    async with headrace.open(path, "rb") as reader:
        assert_type(reader, AsyncBufferedReader)
    async with headrace.open(path, "wb") as writer:
        assert_type(writer, AsyncBufferedWriter)
    async with headrace.open(path, "ab", -1) as appender:
        assert_type(appender, AsyncBufferedWriter)
    async with headrace.open(path, "xb") as creator:
        assert_type(creator, AsyncBufferedWriter)
    async with headrace.open(path, "r+b") as updating:
        assert_type(updating, AsyncBufferedRandom)
    async with headrace.open(path, "wb+", buffering=-1) as rewriting:
        assert_type(rewriting, AsyncBufferedRandom)


async def unbuffered(path: Path) -> None:
    async with headrace.open(path, "rb", 0) as reader:
        assert_type(reader, AsyncFileIO)
    async with headrace.open(path, "r+b", buffering=0) as updating:
        assert_type(updating, AsyncFileIO)


async def mode_known_at_run_time_only(path: Path, mode: str, size: int) -> None:
    async with headrace.open(path, mode) as file:
        assert_type(file, Any)
    either: Literal["r", "w"] = "w" if size else "r"
    async with headrace.open(path, either) as text:
        assert_type(text, AsyncTextIOWrapper)


# -- The three ways to open --


async def ways(path: Path) -> None:
    file = await headrace.open(path, "rb")
    assert_type(file, AsyncBufferedReader)
    await file.close()
    async with await headrace.open(path, "rb") as awaited:
        assert_type(awaited, AsyncBufferedReader)
    async with file as again:
        assert_type(again, AsyncBufferedReader)


async def kinds_of_paths(opener_path: str) -> None:
    def opener(path: str, flags: int) -> int:
        return os.open(path, flags)

    async with headrace.open(0, closefd=False) as descriptor:
        assert_type(descriptor, AsyncTextIOWrapper)
    async with headrace.open(b"bytes", "rb") as name:
        assert_type(name, AsyncBufferedReader)
    async with headrace.open(opener_path, opener=opener) as opened:
        assert_type(opened, AsyncTextIOWrapper)


# -- What the methods give --


async def text_methods(file: AsyncTextIOWrapper) -> None:
    assert_type(await file.read(), str)
    assert_type(await file.read(5), str)
    assert_type(await file.readline(), str)
    assert_type(await file.readlines(), list[str])
    assert_type(await file.write("text"), int)
    assert_type(await file.seek(0, os.SEEK_END), int)
    assert_type(await file.tell(), int)
    assert_type(await file.truncate(), int)
    assert_type(await file.pread(5, 0), bytes)
    assert_type(await file.pwrite(b"x", 0), int)
    await file.writelines(["lines\n"])
    await file.flush()
    await file.sync(data_only=True)
    assert_type(await file.readable(), bool)
    assert_type(file.fileno(), int)
    assert_type(file.encoding, str)
    assert_type(file.closed, bool)
    async for line in file:
        assert_type(line, str)
    async for piece in file.chunks(5):
        assert_type(piece, str)


async def reader_methods(file: AsyncBufferedReader) -> None:
    assert_type(await file.read(5), bytes)
    assert_type(await file.read1(), bytes)
    assert_type(await file.readinto(bytearray(5)), int)
    assert_type(await file.readline(), bytes)
    assert_type(await file.readlines(), list[bytes])
    assert_type(await file.peek(), bytes)
    assert_type(await file.pread(5, 0), bytes)
    assert_type(file.raw, AsyncFileIO)
    async for line in file:
        assert_type(line, bytes)
    async for piece in file.chunks(5):
        assert_type(piece, bytes)


async def writer_methods(file: AsyncBufferedWriter) -> None:
    assert_type(await file.write(b"bytes"), int)
    assert_type(await file.write(bytearray(b"bytes")), int)
    assert_type(await file.write(memoryview(b"bytes")), int)
    assert_type(await file.pwrite(b"bytes", 0), int)
    await file.writelines([b"lines\n"])


async def raw_methods(file: AsyncFileIO) -> None:
    assert_type(await file.read(5), bytes)
    assert_type(await file.readall(), bytes)
    assert_type(await file.readinto(bytearray(5)), int)
    assert_type(await file.write(b"bytes"), int)


async def one_shots(path: Path) -> None:
    assert_type(await headrace.read_bytes(path), bytes)
    assert_type(await headrace.read_text(path, "utf-8"), str)
    assert_type(await headrace.write_bytes(path, b""), int)
    assert_type(await headrace.write_text(path, "", encoding="utf-8"), int)
    assert_type(await headrace.append_bytes(path, b""), int)
    assert_type(await headrace.append_text(path, ""), int)


async def standard_streams() -> None:
    assert_type(await headrace.stdin.readline(), str)
    assert_type(await headrace.stdin_bytes.read(), bytes)
    await headrace.stdout.write("text")
    await headrace.stderr_bytes.write(b"bytes")


def counters() -> None:
    before = headrace.stats()
    assert_type(before, headrace.Stats)
    assert_type((headrace.stats() - before).hops, int)
