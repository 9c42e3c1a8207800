"""`headrace.compat.aiofiles.os` and `ospath`, with the accidents of aiofiles."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from headrace import stats
from headrace.compat import aiofiles
from headrace.compat.aiofiles import os as aios
from headrace.compat.aiofiles import ospath
from headrace.fs import _scandir

real_os = pytest.importorskip("aiofiles.os")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / name).touch()
    return tmp_path


async def test_functions_take_executor_and_loop(folder: Path) -> None:
    class Watched(ThreadPoolExecutor):
        jobs = 0

        def submit(self, *args: Any, **kwargs: Any) -> Any:
            self.jobs += 1
            return super().submit(*args, **kwargs)

    loop = asyncio.get_running_loop()
    with Watched(1) as executor:
        assert (await aios.stat(folder, executor=executor, loop=loop)).st_size
        assert await ospath.isdir(folder, executor=executor)
        await aios.mkdir(folder / "new", executor=executor)
        async for _ in await aios.scandir(folder, executor=executor):
            pass
        assert executor.jobs == 4


def test_path_is_ospath() -> None:
    assert aios.path is ospath
    assert aiofiles.os.path is ospath


async def test_wrap_makes_a_coroutine_function_of_any_function() -> None:
    thread = await aios.wrap(threading.get_ident)()
    assert thread != threading.get_ident()


# -- scandir -------------------------------------------------------------------------


async def test_scandir_is_iterated_like_that_of_aiofiles(folder: Path) -> None:
    for module in (real_os, aios):
        entries = await module.scandir(folder)
        first = next(entries)
        assert isinstance(first, os.DirEntry)
        assert iter(entries) is entries
        assert {first.name, *(entry.name for entry in entries)} == {"a", "b"}
        with pytest.raises(StopIteration):
            next(entries)
        with await module.scandir(folder) as entries:
            assert len(list(entries)) == 2
        entries = await module.scandir(folder)
        entries.close()
        assert list(entries) == []


async def test_scandir_can_be_iterated_asynchronously_too(folder: Path) -> None:
    before = stats()
    entries = await aios.scandir(os.fsencode(folder))
    assert {entry.name async for entry in entries} == {b"a", b"b"}
    assert (stats() - before).engine_jobs == 1


async def test_for_over_a_large_directory_reads_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_scandir, "BATCH_ENTRIES", 64)
    for number in range(200):
        (tmp_path / str(number)).touch()
    before = stats()
    names = {entry.name for entry in await aios.scandir(tmp_path)}
    assert len(names) == 200
    assert (stats() - before).engine_jobs == 1


async def test_forgotten_scandir_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_scandir, "BATCH_ENTRIES", 64)
    for number in range(100):
        (tmp_path / str(number)).touch()
    entries: Any = await aios.scandir(tmp_path)
    next(entries)
    del entries
    gc.collect()


async def test_error_is_that_of_aiofiles() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        await aios.scandir("no/such/folder")
    assert caught.value.filename == "no/such/folder"
