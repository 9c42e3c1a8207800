"""What users annotate with: `AsyncFile` and its kinds; checked, not run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, assert_type

import headrace
from headrace import AsyncBinaryFile, AsyncFile, AsyncTextFile

# -- Every file has its protocol ---------------------------------------------------


async def text_files(path: Path) -> None:
    async with headrace.open(path) as file:
        generic: AsyncFile[str] = file
        text: AsyncTextFile = file
        print(generic, text)
    async with headrace.tempfile.TemporaryFile("w+") as temporary:
        await copy_lines(temporary, temporary)
    wrapped: AsyncFile[str] = headrace.wrap(io.StringIO())
    await copy_lines(wrapped, wrapped)


async def binary_files(path: Path, size: int) -> None:
    async with headrace.open(path, "rb") as reader:
        await read_header(reader)
        generic: AsyncFile[bytes] = reader
        print(generic)
    async with headrace.open(path, "wb") as writer:
        binary: AsyncBinaryFile = writer
        await binary.write(bytearray(5))
    async with headrace.open(path, "r+b") as updating:
        await read_header(updating)
    async with headrace.open(path, "rb", 0) as raw:
        await read_header(raw)
    async with headrace.open(path, "rb", size) as either:
        assert_type(either, AsyncBinaryFile)
        await read_header(either)
    async with headrace.tempfile.TemporaryFile() as temporary:
        await read_header(temporary)
    async with headrace.tempfile.NamedTemporaryFile("wb") as named:
        await read_header(named)


async def unknown_mode(path: Path, mode: str) -> None:
    async with headrace.open(path, mode) as file:
        assert_type(file, Any)
    async with headrace.Path(path).open(mode) as opened:
        assert_type(opened, Any)


# -- What a function that takes one may do -----------------------------------------


async def copy_lines(source: AsyncFile[str], target: AsyncFile[str]) -> int:
    count = 0
    async for line in source:
        assert_type(line, str)
        count += await target.write(line)
    await target.writelines(["end\n"])
    await target.flush()
    return count


async def read_header(file: AsyncBinaryFile) -> bytes:
    await file.seek(0)
    data = await file.read(4)
    assert_type(data, bytes)
    assert_type(await file.readline(), bytes)
    assert_type(await file.readinto(bytearray(4)), int)
    assert_type(await file.tell(), int)
    assert_type(file.closed, bool)
    assert_type(file.fileno(), int)
    return data


async def whole_text(file: AsyncTextFile) -> str:
    assert_type(file.encoding, str)
    async with file as same:
        return await same.read()


def narrowing(file: object) -> None:
    if isinstance(file, AsyncTextFile):
        print(file.encoding)
