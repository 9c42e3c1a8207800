"""What type checkers say of `os`, `shutil` and `tempfile`; checked, not run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, assert_type

import headrace
import headrace.os
import headrace.ospath
import headrace.shutil
import headrace.tempfile
from headrace.progress import bar

# -- os --


async def looking(path: Path, fd: int) -> None:
    assert_type(await headrace.os.stat(path), os.stat_result)
    assert_type(await headrace.os.lstat(path), os.stat_result)
    assert_type(await headrace.os.fstat(fd), os.stat_result)
    assert_type(await headrace.os.statvfs(path), os.statvfs_result)
    assert_type(await headrace.os.access(path, headrace.os.R_OK), bool)
    assert_type(await headrace.os.getcwd(), str)
    assert_type(await headrace.os.getcwdb(), bytes)
    assert_type(await headrace.os.isatty(fd), bool)
    assert_type(await headrace.ospath.exists(path), bool)
    assert_type(await headrace.ospath.lexists(path), bool)
    assert_type(await headrace.ospath.getsize(path), int)


async def changing(path: Path, fd: int) -> None:
    assert_type(await headrace.os.mkdir(path, 0o700), None)
    assert_type(await headrace.os.chmod(path, 0o600), None)
    assert_type(await headrace.os.utime(path, ns=(1, 2)), None)
    assert_type(await headrace.os.open(path, headrace.os.O_RDONLY), int)
    assert_type(await headrace.os.read(fd, 5), bytes)
    assert_type(await headrace.os.write(fd, b"data"), int)
    assert_type(await headrace.os.pread(fd, 5, 0), bytes)
    assert_type(await headrace.os.lseek(fd, 0, headrace.os.SEEK_SET), int)
    assert_type(await headrace.os.dup(fd), int)
    assert_type(await headrace.os.close(fd), None)
    async with headrace.os.fdopen(fd, "rb") as file:
        assert_type(file, headrace.AsyncBufferedReader)


async def listing(path: Path, name: bytes) -> None:
    async for entry in headrace.os.scandir(path):
        assert_type(entry, headrace.os.DirEntry[str])
        assert_type(entry.name, str)
        assert_type(entry.is_dir(), bool)
        assert_type(await entry.stat(), os.stat_result)
    async with headrace.os.scandir(name) as entries:
        async for raw in entries:
            assert_type(raw.path, bytes)
    async for folder, dirs, files in headrace.os.walk("."):
        assert_type(folder, str)
        assert_type(dirs, list[str])
        assert_type(files, list[str])
    async for bytes_folder, _, _ in headrace.os.walk(name, topdown=False):
        assert_type(bytes_folder, bytes)


def plain() -> None:
    assert_type(headrace.os.sep, str)
    assert_type(headrace.os.getpid(), int)
    assert_type(headrace.os.fspath("x"), str)
    name: str = headrace.os.path.join("a", "b")
    print(name)


# -- shutil --


async def copying(source: Path, target: Path) -> None:
    assert_type(await headrace.shutil.copyfile(source, target), Path)
    await headrace.shutil.copy2(source, target, follow_symlinks=False)
    await headrace.shutil.copytree(
        source, target, ignore=headrace.shutil.ignore_patterns("*.pyc")
    )
    with bar("Copying") as progress:
        assert_type(progress(1, 2), None)
        await headrace.shutil.copytree(source, target, progress=progress)
    await headrace.shutil.rmtree(target, ignore_errors=True)
    assert_type(await headrace.shutil.which("sh"), str | None)
    usage = await headrace.shutil.disk_usage(source)
    assert_type(usage.free, int)
    assert headrace.shutil.Error is shutil.Error


# -- tempfile --


async def temporary() -> None:
    async with headrace.tempfile.TemporaryFile() as file:
        assert_type(file, headrace.AsyncBufferedRandom)
    async with headrace.tempfile.NamedTemporaryFile("w") as text:
        assert_type(text, headrace.AsyncTextIOWrapper)
    async with headrace.tempfile.TemporaryDirectory() as folder:
        assert_type(folder, str)
    assert_type(await headrace.tempfile.mkstemp(), tuple[int, str])
    assert_type(await headrace.tempfile.gettempdir(), str)
    found: Any = headrace.tempfile.tempdir
    print(found)
