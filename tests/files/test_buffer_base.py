"""What buffered files share: turns, positions, flushing, closing, detaching."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import (
    AsyncBufferedRandom,
    AsyncBufferedReader,
    AsyncBufferedWriter,
    AsyncFileIO,
)
from headrace import open as open_file
from headrace._errors import os_error
from headrace._stats import stats
from headrace._typing import WAIT
from headrace.engine import budget
from headrace.files import _calls
from tests import tasks
from tests.fakes import (
    RunningJob,
    ScriptedRaw,
    SteppedEngine,
    begun,
    only_python,
    turns,
)
from tests.files.support import is_open, raw_file, slow

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pread")

CONTENTS = b"first line\nsecond\n" + bytes(range(256)) * 40


def over(raw: ScriptedRaw, size: int = 16) -> Any:
    """Make the buffered file over *raw* that its directions ask for."""
    fake: Any = raw
    if raw.can_read and raw.can_write:
        return AsyncBufferedRandom(fake, size)
    return (AsyncBufferedReader if raw.can_read else AsyncBufferedWriter)(fake, size)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(CONTENTS)
    return made


# -- Seeking --


@pytest.mark.parametrize(
    ("offset", "whence", "position"),
    [
        pytest.param(0, 0, 0, id="to-the-buffers-beginning"),
        pytest.param(7, 0, 7, id="inside"),
        pytest.param(16, 0, 16, id="to-the-buffers-end"),
        pytest.param(3, 1, 8, id="forward"),
        pytest.param(-5, 1, 0, id="backward"),
        pytest.param(0, 1, 5, id="nowhere"),
    ],
)
async def test_seek_inside_the_buffer_makes_no_system_call(
    offset: int, whence: int, position: int
) -> None:
    raw = ScriptedRaw(CONTENTS, can_write=False)
    file = over(raw)
    await file.read(5)
    raw.calls.clear()
    assert await file.seek(offset, whence) == position
    assert await file.tell() == position
    if position < 16:
        assert await file.read(1) == CONTENTS[position : position + 1]
    assert raw.calls == []
    await file.close()


async def test_seek_inside_the_buffer_of_a_real_file_costs_nothing(path: Path) -> None:
    async with open_file(path, "rb") as file:
        await file.read(100)
        before = stats()
        for offset in (50, 0, 99, 1000):
            await file.seek(offset)
            assert await file.read(10) == CONTENTS[offset : offset + 10]
        cost = stats() - before
    assert (cost.inline_calls, cost.engine_jobs) == (0, 0)


@pytest.mark.parametrize(
    ("offset", "whence", "position"),
    [
        pytest.param(17, 0, 17, id="behind"),
        pytest.param(100, 1, 105, id="forward"),
        pytest.param(-1, 2, len(CONTENTS) - 1, id="from-the-end"),
    ],
)
async def test_seek_out_of_the_buffer_drops_it(
    offset: int, whence: int, position: int
) -> None:
    raw = ScriptedRaw(CONTENTS, can_write=False)
    file = over(raw)
    await file.read(5)
    assert await file.seek(offset, whence) == position
    assert raw.position == position
    assert await file.read(4) == CONTENTS[position : position + 4]
    await file.close()


async def test_place_before_the_beginning_is_refused_and_nothing_moves() -> None:
    raw = ScriptedRaw(CONTENTS, can_write=False)
    file = over(raw)
    await file.read(5)
    for offset, whence in ((-1, 0), (-6, 1), (-len(CONTENTS) - 1, 2)):
        with pytest.raises(OSError, match="Invalid argument"):
            await file.seek(offset, whence)
    assert await file.tell() == 5
    assert await file.read(3) == CONTENTS[5:8]
    await file.close()


async def test_seek_writes_what_is_pending_first() -> None:
    raw = ScriptedRaw(b"0123456789")
    file = over(raw)
    await file.write(b"ab")
    assert await file.seek(5) == 5
    assert raw.data == b"ab23456789"
    await file.close()


async def test_seek_whose_writing_fails_does_not_move() -> None:
    raw = ScriptedRaw(b"0123456789", writes=[0])
    file = over(raw)
    await file.write(b"ab")
    with pytest.raises(OSError, match="No space"):
        await file.seek(5)
    assert await file.tell() == 2
    await file.seek(5)
    assert raw.data == b"ab23456789"
    await file.close()


@pytest.mark.parametrize("whence", [-1, 5, 99])
async def test_unknown_whence_is_refused(whence: int) -> None:
    file = over(ScriptedRaw(CONTENTS))
    with pytest.raises(ValueError, match=f"whence value {whence} unsupported"):
        await file.seek(0, whence)
    await file.close()


# -- Truncating --


@pytest.mark.parametrize("size", [None, 0, 3, 40])
async def test_truncate_leaves_the_position_where_it_was(size: int | None) -> None:
    raw = ScriptedRaw(b"0123456789")
    file = over(raw)
    await file.read(4)
    wanted = 4 if size is None else size
    assert await file.truncate(size) == wanted
    assert await file.tell() == 4
    assert len(raw.data) == wanted
    await file.close()


async def test_truncate_forgets_what_was_read_ahead() -> None:
    file = over(ScriptedRaw(b"0123456789"))
    await file.read(2)
    await file.truncate(5)
    assert await file.read() == b"234"
    await file.close()


async def test_truncate_counts_what_is_pending() -> None:
    raw = ScriptedRaw(b"0123456789")
    file = over(raw)
    await file.write(b"abc")
    assert await file.truncate() == 3
    assert raw.data == b"abc"
    await file.close()


# -- At an offset --


async def test_pread_sees_what_is_pending(path: Path) -> None:
    async with open_file(path, "r+b") as file:
        await file.write(b"FIRST")
        assert await file.pread(10, 0) == b"FIRST line"
        assert await file.tell() == 5


async def test_pwrite_comes_after_what_is_pending(path: Path) -> None:
    async with open_file(path, "r+b") as file:
        await file.write(b"aaaa")
        await file.pwrite(b"bb", 1)
    assert path.read_bytes()[:5] == b"abbat"


async def test_read_after_a_pwrite_sees_it(path: Path) -> None:
    async with open_file(path, "r+b") as file:
        assert await file.read(2) == b"fi"
        await file.pwrite(b"XY", 2)
        assert await file.read(4) == b"XYt "


async def test_read_after_a_pwrite_during_another_read_sees_it(
    path: Path, engine: SteppedEngine
) -> None:
    async with raw_file(path, "r+b", slow()) as raw:
        file = AsyncBufferedRandom(raw, 64)
        # Has read ahead already, and holds the turn still.
        reading = await begun(file.read(2))
        ahead = RunningJob(engine.waiting.popleft(), called=True)
        await engine.carry(file.pwrite(b"XY", 2))
        ahead.finish()
        assert await reading == b"fi"
        assert await engine.carry(file.read(4)) == b"XYt "
        await engine.carry(file.close())


async def test_mmap_sees_what_is_pending(path: Path) -> None:
    async with open_file(path, "r+b") as file:
        await file.write(b"FIRST")
        with await file.mmap() as mapped:
            assert mapped[:10] == b"FIRST line"


# -- Flushing --


async def test_flush_hands_what_is_pending_to_the_kernel() -> None:
    raw = ScriptedRaw()
    file = over(raw)
    await file.write(b"some")
    await file.write(b"thing")
    assert raw.data == b""
    await file.flush()
    assert raw.data == b"something"
    await file.close()


async def test_flush_of_nothing_makes_no_system_call() -> None:
    raw = ScriptedRaw()
    file = over(raw)
    await file.flush()
    assert raw.calls == []
    await file.close()


@pytest.mark.parametrize(("data_only", "call"), [(False, "fsync"), (True, "fdatasync")])
async def test_sync_flushes_first(data_only: bool, call: str) -> None:
    raw = ScriptedRaw()
    file = over(raw)
    await file.write(b"some")
    await file.sync(data_only=data_only)
    assert raw.calls[-2:] == ["store", call]
    await file.close()


async def test_sync_whose_flush_fails_does_not_sync() -> None:
    raw = ScriptedRaw(writes=[0])
    file = over(raw)
    await file.write(b"some")
    with pytest.raises(OSError, match="No space"):
        await file.sync()
    assert "fsync" not in raw.calls
    await file.close()


# -- Closing --


async def test_close_writes_what_is_pending() -> None:
    raw = ScriptedRaw()
    file = over(raw)
    await file.write(b"some")
    await file.close()
    assert (bytes(raw.data), file.closed) == (b"some", True)


async def test_close_and_what_is_pending_are_one_job(
    path: Path, engine: SteppedEngine
) -> None:
    async with raw_file(path, "r+b") as raw:
        file = AsyncBufferedWriter(raw, 100)
        await engine.carry(file.write(b"FIRST"))
        closing = await begun(file.close())
        engine.run_one()
        await closing
        assert not engine.waiting
    assert path.read_bytes()[:10] == b"FIRST line"


async def test_close_whose_writing_fails_raises_and_closes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_python(monkeypatch)
    monkeypatch.setattr(_calls, "write_all", lambda *args: (0, os_error(errno.ENOSPC)))
    file = await open_file(path, "r+b")
    fd = file.fileno()
    await file.write(b"lost")
    with pytest.raises(OSError, match="No space") as caught:
        await file.close()
    assert caught.value.filename == str(path)
    assert file.closed
    assert not is_open(fd)
    await file.close()  # and that is the end of it


async def test_leaving_the_block_closes_though_the_body_failed(path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_file(path, "r+b") as file:
            await file.write(b"FIRST")
            raise ZeroDivisionError
    assert file.closed
    assert path.read_bytes()[:10] == b"FIRST line"


async def test_closed_file_answers_nothing_from_its_buffer(path: Path) -> None:
    file = await open_file(path, "rb")
    await file.readline()
    await file.close()
    calls: list[Callable[[], Any]] = [
        lambda: file.read(1),
        lambda: file.read(0),
        file.readline,
        lambda: anext(file),
        file.peek,
        file.tell,
        lambda: file.seek(0),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="closed file"):
            await call()


async def test_closed_file_takes_nothing_into_its_buffer(path: Path) -> None:
    file = await open_file(path, "wb")
    await file.write(b"some")
    await file.close()
    for data in (b"x", b"", bytearray(b"x")):
        with pytest.raises(ValueError, match="write to closed file"):
            await file.write(data)
    assert path.read_bytes() == b"some"


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda file: file.read(5), id="read"),
        pytest.param(lambda file: file.read(), id="read-all"),
        pytest.param(lambda file: file.read1(5), id="read1"),
        pytest.param(lambda file: file.readinto(bytearray(5)), id="readinto"),
        pytest.param(lambda file: file.readline(), id="readline"),
        pytest.param(lambda file: file.readlines(), id="readlines"),
        pytest.param(lambda file: file.peek(), id="peek"),
        pytest.param(lambda file: file.write(b"x"), id="write"),
        pytest.param(lambda file: file.seek(5), id="seek"),
        pytest.param(lambda file: file.seek(0, 2), id="seek-to-the-end"),
        pytest.param(lambda file: file.tell(), id="tell"),
        pytest.param(lambda file: file.truncate(5), id="truncate"),
        pytest.param(lambda file: file.flush(), id="flush"),
        pytest.param(lambda file: file.sync(), id="sync"),
    ],
)
@pytest.mark.parametrize("adopted", [False, True])
async def test_operation_queued_behind_a_close_is_refused(
    adopted: bool, call: Callable[[Any], Any], path: Path, engine: SteppedEngine
) -> None:
    """It must not be made with a number that is another file's by now."""
    async with raw_file(path, "r+b", adopted=adopted) as raw:
        file = AsyncBufferedRandom(raw, 64)
        first = await begun(file.sync())
        closing = await begun(file.close())
        queued = await begun(call(file))
        assert not file.closed
        for task in (first, closing):
            await engine.carry(tasks.wait_for(task, None))
        with pytest.raises(ValueError, match="closed file"):
            await engine.carry(tasks.wait_for(queued, None))
    assert path.read_bytes() == CONTENTS


async def test_close_queued_behind_a_close_does_nothing(
    path: Path, engine: SteppedEngine
) -> None:
    async with raw_file(path, "r+b") as raw:
        file = AsyncBufferedWriter(raw, 64)
        await engine.carry(file.write(b"x"))
        started = [await begun(file.close()) for _ in range(3)]
        engine.run_one()
        await tasks.gather(*started)
        assert not engine.waiting


async def test_operation_on_the_raw_file_waits_for_the_buffers(
    path: Path, engine: SteppedEngine
) -> None:
    async with raw_file(path, "rb", slow()) as raw:
        file = AsyncBufferedReader(raw, 8)
        first = await begun(file.read(4))
        second = await begun(raw.read(4))
        await turns()
        assert len(engine.waiting) == 1
        assert await engine.carry(tasks.wait_for(first, None)) == CONTENTS[:4]
        assert await engine.carry(tasks.wait_for(second, None)) == CONTENTS[8:12]
        await engine.carry(file.close())


# -- Without waiting --


@pytest.mark.parametrize("kind", ["reader", "writer"])
async def test_close_now_closes(kind: str, path: Path) -> None:
    file: Any = await open_file(path, "rb" if kind == "reader" else "wb")
    fd = file.fileno()
    file.close_blocking()
    assert file.closed
    assert not is_open(fd)
    file.close_blocking()


async def test_close_now_writes_what_is_pending(path: Path) -> None:
    file = await open_file(path, "r+b")
    for piece in (b"F", b"IR", b"ST"):
        await file.write(piece)
    file.close_blocking()
    assert path.read_bytes()[:10] == b"FIRST line"


async def test_close_now_writes_behind_what_was_read(path: Path) -> None:
    file = await open_file(path, "r+b")
    await file.read(6)
    await file.write(b"LINE")
    file.close_blocking()
    assert path.read_bytes()[:11] == b"first LINE\n"


async def test_collected_file_warns_writes_and_closes(path: Path) -> None:
    file = await open_file(path, "r+b")
    fd = file.fileno()
    await file.write(b"FIRST")
    with pytest.warns(ResourceWarning, match=r"unclosed file.*await f\.close\(\)"):
        del file
        gc.collect()
    assert not is_open(fd)
    assert path.read_bytes()[:10] == b"FIRST line"


async def test_file_that_failed_to_be_made_is_collected_silently() -> None:
    raw: Any = ScriptedRaw()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="buffer size"):
            AsyncBufferedReader(raw, 0)
        gc.collect()


# -- Detaching --


async def test_detached_raw_file_goes_on_behind_what_was_read_ahead() -> None:
    raw = ScriptedRaw(CONTENTS)
    file = over(raw)
    await file.read(3)
    assert file.detach() is raw
    assert raw.position == 16


async def test_detached_raw_file_writes_what_was_pending_first(path: Path) -> None:
    file = await open_file(path, "r+b")
    await file.write(b"FIRST")
    async with file.detach() as raw:
        assert isinstance(raw, AsyncFileIO)
        await raw.write(b"-LINE")
    assert path.read_bytes()[:11] == b"FIRST-LINE\n"


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda file: file.read(1), id="read"),
        pytest.param(lambda file: file.readline(), id="readline"),
        pytest.param(lambda file: file.write(b"x"), id="write"),
        pytest.param(lambda file: file.seek(0), id="seek"),
        pytest.param(lambda file: file.tell(), id="tell"),
        pytest.param(lambda file: file.flush(), id="flush"),
        pytest.param(lambda file: file.close(), id="close"),
    ],
)
async def test_detached_file_refuses_everything(use: Callable[[Any], Any]) -> None:
    raw = ScriptedRaw(b"line\nline\n")
    file = over(raw)
    await file.readline()
    await file.write(b"x")
    file.detach()
    with pytest.raises(ValueError, match="raw stream has been detached"):
        await use(file)


def test_detached_file_cannot_be_detached_again() -> None:
    file = over(ScriptedRaw())
    file.detach()
    with pytest.raises(ValueError, match="detached"):
        file.detach()


def test_detached_file_has_a_repr() -> None:
    file = over(ScriptedRaw())
    assert repr(file) == "<headrace.AsyncBufferedRandom name='scripted'>"
    file.detach()
    assert repr(file) == "<headrace.AsyncBufferedRandom>"


async def test_detaching_a_closed_file_is_refused() -> None:
    file = over(ScriptedRaw())
    await file.close()
    with pytest.raises(ValueError, match="closed file"):
        file.detach()


async def test_detaching_while_an_operation_is_under_way_is_refused() -> None:
    file = over(ScriptedRaw(CONTENTS, reads=[WAIT, WAIT]))
    reading = await begun(file.read(4))
    with pytest.raises(RuntimeError, match="under way"):
        file.detach()
    await reading
    file.detach()


async def test_collected_detached_file_is_silent(path: Path) -> None:
    file = await open_file(path, "rb")
    raw = file.detach()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del file
        gc.collect()
    await raw.close()


# -- Facts --


async def test_facts_are_those_of_the_raw_file(path: Path) -> None:
    async with raw_file(path, "r+b") as raw:
        file = AsyncBufferedRandom(raw, 16)
        assert (file.name, file.mode, file.raw) == (str(path), "rb+", raw)
        assert file.fileno() == raw.fileno()
        assert (file.can_read, file.can_write, file.can_seek) == (True, True, True)
        assert [
            await file.readable(),
            await file.writable(),
            await file.seekable(),
            await file.isatty(),
        ] == [True, True, True, False]
        await file.close()


@pytest.mark.asyncio_only("under Trio, each call is a checkpoint: test_trio.py")
async def test_seek_lets_others_run_when_the_budget_is_spent(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned: list[int] = []
    async with open_file(path, "rb") as file:
        await file.read(1)
        file.raw._credit = 0
        monkeypatch.setattr(budget, "spend", lambda operations=1: True)
        asyncio.get_running_loop().call_soon(turned.append, 1)
        assert await file.seek(5) == 5
    assert turned


async def test_pipe_cannot_be_sought_in() -> None:
    reader, writer = os.pipe()
    os.close(writer)
    async with open_file(reader, "rb") as file:
        assert not await file.seekable()
        with pytest.raises(OSError, match="not seekable"):
            await file.seek(0)
        with pytest.raises(OSError, match="Illegal seek"):
            await file.tell()


@pytest.mark.parametrize("use", [iter, lambda file: file.__enter__()])
async def test_forgotten_async_is_explained(use: Any, path: Path) -> None:
    async with open_file(path, "rb") as file:
        with pytest.raises(TypeError, match="use 'async"):
            use(file)
