"""`headrace.compat.aiofiles.tempfile`: temporary files with aiofiles' accidents."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from headrace import stats
from headrace.compat.aiofiles import tempfile as atempfile
from headrace.compat.aiofiles.tempfile import temptypes
from headrace.compat.aiofiles.threadpool import binary, text

real = pytest.importorskip("aiofiles.tempfile")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for everything temporary; whatever stays there is a leftover."""
    made = tmp_path / "temporary"
    made.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    return made


# -- Files ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "buffering", "kind"),
    [
        ("w+b", -1, binary.AsyncBufferedReader),
        ("wb", -1, binary.AsyncBufferedIOBase),
        ("w+b", 0, binary.AsyncFileIO),
        ("w+", -1, text.AsyncTextIOWrapper),
    ],
)
@pytest.mark.parametrize("name", ["NamedTemporaryFile", "TemporaryFile"])
async def test_file_has_the_class_that_aiofiles_gives_it(
    name: str, mode: str, buffering: int, kind: Any, folder: Path
) -> None:
    async with getattr(real, name)(mode, buffering) as expected:
        ours: Any = getattr(atempfile, name)(mode, buffering)
        async with ours as f:
            assert type(f) is kind
            assert type(f).__name__ == type(expected).__name__
            assert isinstance(f.name, type(expected.name))
            await f.write("text" if "b" not in mode else b"text")
            await f.flush()
    assert os.listdir(folder) == []


async def test_named_file_is_removed_when_aiofiles_removes_it(folder: Path) -> None:
    async with atempfile.NamedTemporaryFile("w") as f:
        assert f.delete
        await f.close()
        assert not os.path.exists(f.name)
    async with atempfile.NamedTemporaryFile("w", delete_on_close=False) as f:
        await f.write("text")
        await f.close()
        assert Path(f.name).read_text() == "text"
    assert os.listdir(folder) == []
    async with atempfile.NamedTemporaryFile("w", delete=False) as f:
        assert not f.delete
    assert os.path.exists(f.name)


@pytest.mark.parametrize("keywords", [{}, {"delete_on_close": False}])
async def test_sync_object_of_a_named_file_goes_on_and_removes_it(
    keywords: dict[str, Any], folder: Path
) -> None:
    if keywords and sys.version_info < (3, 12):
        pytest.skip("tempfile has delete_on_close since 3.12")
    async with atempfile.NamedTemporaryFile("w+", newline="", **keywords) as f:
        await f.write("first\n")
        sync = f._file
        assert type(sync) is atempfile.syncTemporaryFileWrapper
        assert sync.name == f.name
        sync.write("second\n")
        await f.seek(0)
        assert [line async for line in f] == ["first\n", "second\n"]
        assert os.path.exists(f.name)
    assert sync.closed
    assert os.listdir(folder) == []


async def test_sync_object_of_a_nameless_file_goes_on() -> None:
    async with atempfile.TemporaryFile() as f:
        await f.write(b"0123456789")
        await f.seek(4)
        assert f._file.read(2) == b"45"
        assert await f.read() == b"6789"


async def test_error_is_that_of_tempfile(folder: Path) -> None:
    with pytest.raises(ValueError, match="binary mode"):
        await atempfile.NamedTemporaryFile(encoding="utf-8")
    with pytest.raises(FileNotFoundError):
        await atempfile.TemporaryFile(dir="no/such/folder")
    assert os.listdir(folder) == []


@pytest.fixture
def registry() -> Iterator[Any]:
    """Give `wrap`, and put back what a test registers with it."""
    kinds = (io.TextIOWrapper, mock.MagicMock)
    before = {kind: atempfile.wrap.dispatch(kind) for kind in kinds}
    yield atempfile.wrap
    for kind, function in before.items():
        atempfile.wrap.register(kind)(function)


async def test_mock_can_stand_in_for_the_file(registry: Any) -> None:
    registry.register(mock.MagicMock)(
        lambda inside, file, **keywords: binary.AsyncBufferedIOBase(file, **keywords)
    )
    stream = mock.MagicMock(read=lambda: b"mocked")
    for name in ("NamedTemporaryFile", "TemporaryFile"):
        with mock.patch.object(atempfile, f"sync{name}", return_value=stream):
            async with getattr(atempfile, name)() as f:
                assert await f.read() == b"mocked"
    assert stream.__exit__.call_count == 2


async def test_patched_function_is_used_and_its_file_wrapped(folder: Path) -> None:
    make = mock.Mock(wraps=tempfile.NamedTemporaryFile)
    with mock.patch.object(atempfile, "syncNamedTemporaryFile", make):
        async with atempfile.NamedTemporaryFile("w+", suffix=".x") as f:
            assert type(f) is text.AsyncTextIOWrapper
            await f.write("text")
            assert f.name.endswith(".x")
    make.assert_called_once()
    assert os.listdir(folder) == []


async def test_class_registered_for_a_type_of_io_is_used(registry: Any) -> None:
    class Mine(text.AsyncTextIOWrapper):
        pass

    registry.register(io.TextIOWrapper)(
        lambda inside, file, **keywords: Mine(file, **keywords)
    )
    async with atempfile.TemporaryFile("w") as f:
        assert type(f) is Mine
    async with atempfile.TemporaryFile("wb") as f:
        assert type(f) is binary.AsyncBufferedIOBase


@pytest.mark.parametrize("thing", [5, None, object()])
def test_wrap_refuses_what_is_no_file(thing: Any) -> None:
    with pytest.raises(TypeError, match="Unsupported IO type"):
        atempfile.wrap(thing, thing)


# -- Spooled files -------------------------------------------------------------------


async def test_spooled_file_is_in_memory_until_it_is_large(folder: Path) -> None:
    before = stats()
    async with atempfile.SpooledTemporaryFile(10, "w+b") as f:
        assert type(f) is temptypes.AsyncSpooledTemporaryFile
        assert type(f._file) is tempfile.SpooledTemporaryFile
        await f.write(b"0123456789")
        assert type(f._file._file) is io.BytesIO
        assert not vars(f._file)["_rolled"]
        assert (stats() - before).engine_jobs == 0
        await f.write(b"more")
        assert vars(f._file)["_rolled"]
        await f.seek(8)
        assert await f.readline() == b"89more"
        assert f.name == await f.fileno()
    assert f.closed


async def test_fileno_of_a_spooled_file_is_a_coroutine() -> None:
    async with atempfile.SpooledTemporaryFile(mode="w+") as f:
        await f.write("text")
        assert await f.fileno() > 2
        assert vars(f._file)["_rolled"]
        await f.rollover()
        await f.seek(0)
        assert await f.readlines() == ["text"]
        assert f.encoding
        assert f.mode == "w+"


# -- Directories ---------------------------------------------------------------------


async def test_directory_is_given_by_name_and_removed(folder: Path) -> None:
    async with atempfile.TemporaryDirectory("s", "p", str(folder)) as name:
        assert os.path.isdir(name)
        assert os.path.basename(name).startswith("p")
        Path(name, "file").touch()
    assert os.listdir(folder) == []


@pytest.mark.parametrize("how", ["cleanup", "close"])
async def test_awaited_directory_can_be_removed(how: str, folder: Path) -> None:
    directory = await atempfile.TemporaryDirectory()
    assert type(directory) is temptypes.AsyncTemporaryDirectory
    assert os.path.isdir(directory.name)
    await getattr(directory, how)()
    assert os.listdir(folder) == []


async def test_directory_is_removed_before_a_cancellation_goes_on(
    folder: Path,
) -> None:
    inside = asyncio.Event()

    async def body() -> None:
        async with atempfile.TemporaryDirectory():
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(body())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert os.listdir(folder) == []


async def test_what_comes_after_a_cancellation_is_removed(folder: Path) -> None:
    begun, release, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(*args: Any) -> Any:
        begun.set()
        assert release.wait(10)
        try:
            return tempfile.TemporaryDirectory(*args)
        finally:
            ended.set()

    with mock.patch.object(atempfile, "syncTemporaryDirectory", slow):
        task = asyncio.ensure_future(atempfile.TemporaryDirectory())
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    while os.listdir(folder):
        await asyncio.sleep(0.001)
    gc.collect()
