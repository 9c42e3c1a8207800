"""`scandir`: listings in batches that are always closed."""

from __future__ import annotations

import gc
import os
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headrace.os
from headrace import stats
from headrace.fs import _scandir
from headrace.fs._scandir import BATCH_ENTRIES, ENTRIES_PER_LOOK, Listing
from tests import tasks

LONG_S = 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "sub").mkdir()
    return tmp_path


@pytest.fixture
def three_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose entries come in batches of 64, 64 and 22, whatever the speed."""
    monkeypatch.setattr(_scandir, "BATCH_ENTRIES", 64)
    monkeypatch.setattr(_scandir, "ENTRIES_PER_LOOK", 64)
    monkeypatch.setattr(_scandir, "BATCH_TIME_S", 3600)
    for number in range(150):
        (tmp_path / f"{number:03}").touch()
    return tmp_path


class FakeScan:
    """Stands for what `os.scandir` returns: entries, errors, and events to wait for."""

    def __init__(self, *entries: object) -> None:
        self.entries = iter(entries)
        self.waits = threading.Event()
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        entry = next(self.entries)
        if isinstance(entry, OSError):
            raise entry
        if isinstance(entry, threading.Event):
            self.waits.set()
            assert entry.wait(LONG_S)
            return next(self)
        return entry

    def close(self) -> None:
        self.closed.set()


def unwrap(entry: Any) -> Any:
    """Return what stands behind an entry."""
    return entry._entry


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Any:
    def install(*entries: object) -> FakeScan:
        scan = FakeScan(*entries)
        monkeypatch.setattr(os, "scandir", lambda path: scan)
        # Its entries are numbers.
        monkeypatch.setattr(_scandir, "look_at_links", lambda entries: entries)
        return scan

    return install


# -- What it gives --------------------------------------------------------------


async def test_async_for_gives_entries_with_their_types(folder: Path) -> None:
    found = {}
    async for entry in headrace.os.scandir(folder):
        assert isinstance(entry, headrace.os.DirEntry)
        found[entry.name] = entry.is_dir()
    assert found == {"file": False, "sub": True}


async def test_async_with_gives_the_iterator(folder: Path) -> None:
    async with headrace.os.scandir(folder) as entries:
        assert {entry.name async for entry in entries} == {"file", "sub"}


async def test_await_gives_the_iterator(folder: Path) -> None:
    entries = await headrace.os.scandir(folder)
    assert {entry.name async for entry in entries} == {"file", "sub"}


@pytest.mark.parametrize("kind", [str, bytes, Path, int, None])
async def test_path_may_be_what_os_scandir_takes(
    kind: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        path: Any = {
            str: str(folder),
            bytes: os.fsencode(folder),
            Path: folder,
            int: descriptor,
            None: None,
        }[kind]
        with os.scandir(path) as expected:
            names = sorted((entry.name, entry.path) for entry in expected)
        found = [(e.name, e.path) async for e in headrace.os.scandir(path)]
        assert sorted(found) == names
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("path", ["missing", "file", "nu\0ll", 3.5, 99_999])
async def test_error_is_that_of_os_scandir(
    path: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(Exception) as expected:  # noqa: PT011 - whatever it is
        os.scandir(path)
    with pytest.raises(type(expected.value)) as caught:
        await headrace.os.scandir(path)
    assert str(caught.value) == str(expected.value)
    assert getattr(caught.value, "errno", 0) == getattr(expected.value, "errno", 0)


async def test_order_is_that_of_os_scandir(three_batches: Path) -> None:
    expected = [entry.name for entry in os.scandir(three_batches)]
    assert [e.name async for e in headrace.os.scandir(three_batches)] == expected


# -- Entries --------------------------------------------------------------------


def make_links(root: Path) -> None:
    (root / "file").write_bytes(b"xyz")
    (root / "sub").mkdir()
    (root / "to-file").symlink_to("file")
    (root / "to-sub").symlink_to("sub")
    (root / "to-nothing").symlink_to("nothing")
    (root / "to-itself").symlink_to("to-itself")
    os.mkfifo(root / "fifo")


def told(entry: Any, follow_symlinks: bool) -> tuple[object, ...]:
    """Return all that an entry tells without `await`."""

    def ask(name: str, **keywords: bool) -> object:
        try:
            return getattr(entry, name)(**keywords)
        except OSError as error:
            return type(error), error.errno, error.filename

    return (
        entry.name,
        entry.path,
        os.fspath(entry),
        repr(entry),
        entry.inode(),
        ask("is_symlink"),
        ask("is_dir", follow_symlinks=follow_symlinks),
        ask("is_file", follow_symlinks=follow_symlinks),
    )


@pytest.mark.skipif(os.name == "nt", reason="symlinks, FIFOs")
@pytest.mark.parametrize("follow_symlinks", [True, False])
@pytest.mark.parametrize("as_bytes", [True, False])
async def test_entry_tells_what_that_of_os_tells(
    follow_symlinks: bool, as_bytes: bool, tmp_path: Path
) -> None:
    make_links(tmp_path)
    path: Any = os.fsencode(tmp_path) if as_bytes else tmp_path
    with os.scandir(path) as entries:
        expected = [told(entry, follow_symlinks) for entry in entries]
    found = [told(entry, follow_symlinks) async for entry in headrace.os.scandir(path)]
    assert found == expected


@pytest.mark.skipif(os.name == "nt", reason="symlinks, FIFOs")
@pytest.mark.parametrize("follow_symlinks", [True, False])
async def test_stat_of_an_entry_is_a_coroutine(
    follow_symlinks: bool, tmp_path: Path
) -> None:
    make_links(tmp_path)
    async for entry in headrace.os.scandir(tmp_path):
        if follow_symlinks and entry.name in ("to-nothing", "to-itself"):
            with pytest.raises(OSError, match=entry.name) as expected:
                os.stat(entry.path)
            with pytest.raises(OSError, match=entry.name) as caught:
                await entry.stat()
            assert caught.value.args == expected.value.args
        else:
            status = os.stat(entry.path, follow_symlinks=follow_symlinks)
            assert await entry.stat(follow_symlinks=follow_symlinks) == status


async def test_stat_of_an_entry_is_kept(folder: Path) -> None:
    entries = {entry.name: entry async for entry in headrace.os.scandir(folder)}
    first = await entries["file"].stat()
    (folder / "file").unlink()
    assert await entries["file"].stat() is first


async def test_entries_of_a_descriptor_have_a_status(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        async for entry in headrace.os.scandir(fd):
            expected = os.stat(folder / entry.name).st_ino
            assert (await entry.stat()).st_ino == expected
    finally:
        os.close(fd)


@pytest.mark.skipif(os.name == "nt", reason="symlinks")
async def test_types_are_told_without_a_system_call(tmp_path: Path) -> None:
    make_links(tmp_path)
    entries = [entry async for entry in headrace.os.scandir(tmp_path)]
    for path in tmp_path.iterdir():
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    kinds = {e.name: e.is_dir() for e in entries if e.name != "to-itself"}
    assert {name for name, is_dir in kinds.items() if is_dir} == {"sub", "to-sub"}


# -- What it costs --------------------------------------------------------------


async def test_small_folder_is_one_job(folder: Path) -> None:
    before = stats()
    async with headrace.os.scandir(folder) as entries:
        assert len([entry async for entry in entries]) == 2
    assert (stats() - before).engine_jobs == 1


async def test_jobs_are_counted_by_batches(three_batches: Path) -> None:
    before = stats()
    assert len([e async for e in headrace.os.scandir(three_batches)]) == 150
    assert (stats() - before).engine_jobs == 3


async def test_unused_scandir_opens_nothing(folder: Path) -> None:
    before = stats()
    iterator = headrace.os.scandir(folder)
    await iterator.aclose()
    assert [entry async for entry in iterator] == []
    assert stats() == before


def test_slow_folder_gives_what_it_has(
    fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_scandir, "BATCH_TIME_S", -1)
    fake(*range(BATCH_ENTRIES))
    listing = Listing[str]("slow")
    assert [len(batch) for batch in listing.batches] == [ENTRIES_PER_LOOK]
    assert not listing.exhausted


# -- It is closed ---------------------------------------------------------------
# The fixture that counts descriptors after each test does most of the checking.


async def test_break_closes_without_a_warning(three_batches: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async for _ in headrace.os.scandir(three_batches):
            break
        gc.collect()
    assert caught == []


async def test_error_in_the_body_closes(fake: Any) -> None:
    scan = fake(*range(BATCH_ENTRIES + 1))

    async def body(entries: Any) -> None:
        async with entries:
            async for number in entries:
                1 / unwrap(number)

    entries = headrace.os.scandir()
    with pytest.raises(ZeroDivisionError):
        await body(entries)
    assert scan.closed.is_set()
    assert [entry async for entry in entries] == []


async def test_end_closes(fake: Any) -> None:
    scan = fake(1, 2)
    async with headrace.os.scandir() as entries:
        assert [unwrap(entry) async for entry in entries] == [1, 2]
        assert scan.closed.is_set()


async def test_error_while_reading_comes_after_the_entries_before_it(fake: Any) -> None:
    scan = fake(1, 2, OSError(5, "broken disk"))
    entries = headrace.os.scandir()
    assert [unwrap(await anext(entries)) for _ in range(2)] == [1, 2]
    with pytest.raises(OSError, match="broken disk"):
        await anext(entries)
    assert scan.closed.is_set()


async def test_error_at_the_first_entry_is_raised_and_closes(fake: Any) -> None:
    scan = fake(OSError(5, "broken disk"))
    with pytest.raises(OSError, match="broken disk"):
        await headrace.os.scandir()
    assert scan.closed.is_set()


async def test_cancelled_opening_closes_what_comes_late(fake: Any) -> None:
    release = threading.Event()
    scan = fake(release, *range(BATCH_ENTRIES * 2))
    entries = headrace.os.scandir()
    task = tasks.start(entries)
    await tasks.in_thread(scan.waits.wait, LONG_S)
    task.cancel()
    with pytest.raises(tasks.Cancelled):
        await task
    assert not scan.closed.is_set()
    release.set()
    assert await tasks.in_thread(scan.closed.wait, LONG_S)


async def test_cancelled_step_loses_no_entry(fake: Any) -> None:
    release = threading.Event()
    numbers = range(BATCH_ENTRIES * 2)
    scan = fake(*numbers[:BATCH_ENTRIES], release, *numbers[BATCH_ENTRIES:])
    entries = await headrace.os.scandir()
    found: list[Any] = [unwrap(await anext(entries)) for _ in range(BATCH_ENTRIES)]

    step = tasks.start(anext(entries))
    await tasks.in_thread(scan.waits.wait, LONG_S)
    step.cancel()
    with pytest.raises(tasks.Cancelled):
        await step
    release.set()
    found += [unwrap(entry) async for entry in entries]
    assert found == list(numbers)


async def test_cancelled_body_closes_and_goes_on(fake: Any) -> None:
    scan = fake(*range(BATCH_ENTRIES * 2))

    inside = tasks.Event()

    async def body() -> None:
        async with headrace.os.scandir():
            inside.set()
            await tasks.Event().wait()

    task = tasks.start(body())
    await inside.wait()
    task.cancel()
    with pytest.raises(tasks.Cancelled):
        await task
    assert scan.closed.is_set()


async def test_tasks_that_begin_together_share_the_entries(folder: Path) -> None:
    entries = headrace.os.scandir(folder)
    both = [tasks.start(anext(entries)) for _ in range(2)]
    assert sorted([(await task).name for task in both]) == ["file", "sub"]
    assert [entry async for entry in entries] == []


# -- Mistakes -------------------------------------------------------------------


def test_for_and_with_say_what_to_write(folder: Path) -> None:
    entries: Any = headrace.os.scandir(folder)
    with pytest.raises(TypeError, match="async for"):
        for _ in entries:
            pass
    with pytest.raises(TypeError, match="async with"):
        with entries:
            pass
