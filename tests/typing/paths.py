"""What type checkers say of `headrace.Path`; checked, not run."""

from __future__ import annotations

import os
import pathlib
from typing import assert_type

import headrace
from headrace import (
    AsyncBinaryFile,
    AsyncBufferedRandom,
    AsyncBufferedReader,
    AsyncBufferedWriter,
    AsyncFileIO,
    AsyncTextIOWrapper,
    Path,
)


class MyPath(Path):
    """A subclass keeps its type."""


async def pure(path: Path, mine: MyPath) -> None:
    assert_type(path / "name", Path)
    assert_type("name" / path, Path)
    assert_type(path.parent, Path)
    assert_type(path.with_name("x"), Path)
    assert_type(mine.joinpath("x"), MyPath)
    assert_type(path.full_match("*"), bool)
    plain: pathlib.PurePath = path
    name: os.PathLike[str] = path
    print(plain, name, open(path), pathlib.Path(path), Path(plain))


async def looks(path: Path, mine: MyPath) -> None:
    assert_type(await path.stat(), os.stat_result)
    assert_type(await path.exists(follow_symlinks=False), bool)
    assert_type(await path.is_dir(), bool)
    assert_type(await path.info.is_file(), bool)
    assert_type(await path.owner(), str)
    assert_type(await mine.resolve(strict=True), MyPath)
    assert_type(await MyPath.cwd(), MyPath)
    assert_type(await Path.home(), Path)
    assert_type(Path.from_uri("file:///x"), Path)


async def contents(path: Path) -> None:
    assert_type(await path.read_bytes(), bytes)
    assert_type(await path.read_text("utf-8"), str)
    assert_type(await path.write_text("x", newline=""), int)
    assert_type(await path.write_bytes(b"x"), int)


async def opens(path: Path, size: int) -> None:
    async with path.open() as text:
        assert_type(text, AsyncTextIOWrapper)
    async with await path.open("rb") as reader:
        assert_type(reader, AsyncBufferedReader)
    async with path.open("wb") as writer:
        assert_type(writer, AsyncBufferedWriter)
    async with path.open("r+b") as updating:
        assert_type(updating, AsyncBufferedRandom)
    async with path.open("rb", buffering=0) as raw:
        assert_type(raw, AsyncFileIO)
    async with path.open("rb", size) as either:
        assert_type(either, AsyncBinaryFile)


async def listings(path: Path, mine: MyPath) -> None:
    async for entry in path.iterdir():
        assert_type(entry, Path)
    async for found in mine.glob("*", recurse_symlinks=True):
        assert_type(found, MyPath)
    assert_type(await path.rglob("*"), list[Path])
    async for folder, dirnames, filenames in path.walk():
        assert_type(folder, Path)
        assert_type(dirnames, list[str])
        assert_type(filenames, list[str])
    async with path.iterdir() as entries:
        assert_type(await anext(entries), Path)


async def changes(path: Path, mine: MyPath) -> None:
    await path.mkdir(parents=True, exist_ok=True)
    await path.symlink_to("target", target_is_directory=True)
    assert_type(await path.rename("new"), Path)
    assert_type(await mine.copy("new", preserve_metadata=True), MyPath)
    assert_type(await mine.move_into(path), MyPath)


async def globs() -> None:
    assert_type(await headrace.glob.glob("*"), list[str])
    async for name in headrace.glob.iglob(b"*"):
        assert_type(name, bytes)
