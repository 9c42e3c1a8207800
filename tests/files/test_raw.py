"""`AsyncFileIO`: what `io.FileIO` does, with `await`; and calls that name an offset."""

from __future__ import annotations

import array
import ctypes
import errno
import gc
import io
import mmap
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import AsyncFileIO, UnsupportedOperation
from headrace import open as open_file
from headrace.files import _calls, _raw
from tests import tasks
from tests.fakes import SteppedEngine, begun, only_python, turns
from tests.files.support import (
    async_outcome,
    fast,
    is_open,
    outcome,
    raw_file,
    raw_over,
    slow,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pread, pipes")

CONTENTS = b"first line\nsecond\n\n" + bytes(range(256)) * 16 + b"\nlast without end"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(CONTENTS)
    return made


DEVICES = [pytest.param(fast, id="inline"), pytest.param(slow, id="engine")]


# -- As io.FileIO does it --

SIZES = st.one_of(st.integers(-2, 50), st.sampled_from([None, 4096, 1 << 20]))
STEPS = st.one_of(
    st.tuples(st.just("read"), SIZES),
    st.tuples(st.just("readline"), st.sampled_from([-1, 0, 1, 5, 1000])),
    st.tuples(st.just("readlines"), st.sampled_from([None, -1, 0, 1, 11, 18, 19, 60])),
    st.tuples(st.just("readinto"), st.integers(0, 40).map(bytearray)),
    st.tuples(st.just("readall")),
    st.tuples(st.just("write"), st.binary(max_size=40)),
    st.tuples(st.just("writelines"), st.lists(st.binary(max_size=9), max_size=3)),
    st.tuples(st.just("seek"), st.integers(-3, 5000)),
    st.tuples(st.just("seek"), st.integers(-60, 60), st.just(1)),
    st.tuples(st.just("seek"), st.integers(-60, 60), st.just(2)),
    st.tuples(st.just("seek"), st.just(0), st.sampled_from([3, 4, 9, -1])),
    st.tuples(st.just("tell")),
    st.tuples(st.just("truncate"), st.sampled_from([None, 0, 7, 4000, 6000, -1])),
    st.tuples(st.just("flush")),
    st.tuples(st.just("readable")),
    st.tuples(st.just("writable")),
    st.tuples(st.just("seekable")),
    st.tuples(st.just("isatty")),
)


@given(
    steps=st.lists(STEPS, max_size=12),
    mode=st.sampled_from(["rb", "r+b", "wb", "w+b", "ab", "a+b"]),
    device=st.sampled_from([fast, slow]),
    adopted=st.booleans(),
)
async def test_any_steps_give_what_they_give_with_fileio(
    steps: list[tuple[Any, ...]],
    mode: str,
    device: Callable[[], Any],
    adopted: bool,
    tmp_path: Path,
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for path in (ours, theirs):
        path.write_bytes(CONTENTS[:80])
    with open(theirs, mode, 0) as other:
        # Now: FileIO takes a first seek that fails for the answer.
        assert other.seekable()
        async with raw_file(ours, mode, device(), adopted=adopted) as file:
            if file._mode.appending:
                os.lseek(file.fileno(), 0, os.SEEK_END)
            for name, *args in steps:
                if name == "readall" and not other.readable():
                    # FileIO lets the kernel say EBADF there.
                    continue
                copies = [bytearray(a) if name == "readinto" else a for a in args]
                wanted = outcome(lambda: getattr(other, name)(*args))  # noqa: B023
                got = await async_outcome(lambda: getattr(file, name)(*copies))  # noqa: B023
                assert (name, args, got) == (name, args, wanted)
                if name == "readinto":
                    assert copies == args
            assert (file.mode, file.closed) == (other.mode, other.closed)
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(("read", 5), id="read"),
        pytest.param(("read",), id="read-all"),
        pytest.param(("readall",), id="readall"),
        pytest.param(("readinto", bytearray(5)), id="readinto"),
        pytest.param(("readline",), id="readline"),
        pytest.param(("readlines",), id="readlines"),
        pytest.param(("write", b"x"), id="write"),
        pytest.param(("writelines", [b"x"]), id="writelines"),
        pytest.param(("writelines", []), id="writelines-of-nothing"),
        pytest.param(("seek", 0), id="seek"),
        pytest.param(("tell",), id="tell"),
        pytest.param(("truncate",), id="truncate"),
        pytest.param(("flush",), id="flush"),
        pytest.param(("readable",), id="readable"),
        pytest.param(("writable",), id="writable"),
        pytest.param(("seekable",), id="seekable"),
        pytest.param(("isatty",), id="isatty"),
    ],
)
async def test_closed_file_refuses_as_fileio_does(
    call: tuple[Any, ...], device: Callable[[], Any], path: Path
) -> None:
    name, *args = call
    with open(path, "r+b", 0) as other:
        pass
    async with raw_file(path, "r+b", device()) as file:
        await file.close()
        got = await async_outcome(lambda: getattr(file, name)(*args))
    wanted = outcome(lambda: getattr(other, name)(*args))
    assert got[0] == wanted[0] == "ValueError"


@pytest.mark.parametrize("mode", ["rb", "wb"])
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(("read", 5), id="read"),
        pytest.param(("readinto", bytearray(5)), id="readinto"),
        pytest.param(("readline",), id="readline"),
        pytest.param(("write", b"x"), id="write"),
        pytest.param(("writelines", [b"x"]), id="writelines"),
        pytest.param(("truncate", 3), id="truncate"),
    ],
)
async def test_wrong_direction_is_refused_as_by_fileio(
    call: tuple[Any, ...], mode: str, tmp_path: Path
) -> None:
    name, *args = call
    for made in ("ours", "theirs"):
        (tmp_path / made).write_bytes(b"contents")
    with open(tmp_path / "theirs", mode, 0) as other:
        wanted = outcome(lambda: getattr(other, name)(*args))
    async with raw_file(tmp_path / "ours", mode) as file:
        assert await async_outcome(lambda: getattr(file, name)(*args)) == wanted


@pytest.mark.parametrize(
    ("call", "error"),
    [
        pytest.param(("read", "1"), TypeError, id="read-str"),
        pytest.param(("read", 1.0), TypeError, id="read-float"),
        pytest.param(("write", "text"), TypeError, id="write-str"),
        pytest.param(("write", 5), TypeError, id="write-int"),
        pytest.param(("seek", "1"), TypeError, id="seek-str"),
        pytest.param(("seek", 1.0), TypeError, id="seek-float"),
        pytest.param(("truncate", "1"), TypeError, id="truncate-str"),
        pytest.param(("readinto", b"read-only"), TypeError, id="readinto-bytes"),
        pytest.param(("readinto", "text"), TypeError, id="readinto-str"),
        pytest.param(("pread", -1, 0), ValueError, id="pread-size"),
        pytest.param(("pread", 1, -1), ValueError, id="pread-offset"),
        pytest.param(("pread", 1.0, 0), TypeError, id="pread-float"),
        pytest.param(("pwrite", b"x", -1), ValueError, id="pwrite-offset"),
        pytest.param(("pwrite", "text", 0), TypeError, id="pwrite-str"),
        pytest.param(("chunks", 0), ValueError, id="chunks-of-nothing"),
    ],
)
@pytest.mark.parametrize("device", DEVICES)
async def test_wrong_argument_is_refused_and_nothing_happens(
    device: Callable[[], Any],
    call: tuple[Any, ...],
    error: type[Exception],
    path: Path,
) -> None:
    name, *args = call
    async with raw_file(path, "r+b", device()) as file:
        with pytest.raises(error):
            await getattr(file, name)(*args)
        assert await file.tell() == 0
        assert await file.read(5) == CONTENTS[:5]
    assert path.read_bytes() == CONTENTS


# -- Buffers --


def buffers() -> list[Any]:
    grid: Any = memoryview(bytearray(12)).cast("B", (3, 4))
    return [
        pytest.param(bytearray(12), id="bytearray"),
        pytest.param(memoryview(bytearray(12)), id="memoryview"),
        pytest.param(memoryview(bytearray(20))[4:16], id="part"),
        pytest.param(array.array("i", range(3)), id="array"),
        pytest.param((ctypes.c_int * 3)(), id="ctypes"),
        pytest.param((ctypes.c_char * 12)(), id="ctypes-chars"),
        pytest.param(grid, id="two-dimensions"),
        pytest.param(mmap.mmap(-1, 12), id="mmap"),
    ]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("buffer", buffers())
async def test_any_buffer_is_read_into(
    buffer: Any, device: Callable[[], Any], path: Path
) -> None:
    async with raw_file(path, "rb", device()) as file:
        assert await file.readinto(buffer) == 12
    assert bytes(memoryview(buffer)) == CONTENTS[:12]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("buffer", buffers())
@pytest.mark.parametrize("name", ["write", "pwrite"])
async def test_any_buffer_is_written(
    name: str, buffer: Any, device: Callable[[], Any], tmp_path: Path
) -> None:
    io.BytesIO(b"0123456789ab").readinto(buffer)
    path = tmp_path / "new"
    async with raw_file(path, "wb", device()) as file:
        args = (buffer,) if name == "write" else (buffer, 0)
        assert await getattr(file, name)(*args) == 12
    assert path.read_bytes() == b"0123456789ab"


@pytest.mark.parametrize("name", ["write", "readinto"])
async def test_buffer_with_gaps_is_refused_as_by_fileio(name: str, path: Path) -> None:
    gaps = memoryview(bytearray(12))[::2]
    with open(path, "r+b", 0) as other:
        wanted = outcome(lambda: getattr(other, name)(gaps))
    async with raw_file(path, "r+b") as file:
        got = await async_outcome(lambda: getattr(file, name)(gaps))
    assert got[0] == wanted[0] != "returned"


@pytest.mark.parametrize("name", ["readinto", "write"])
async def test_buffer_cannot_be_resized_while_it_is_used(
    name: str, path: Path, engine: SteppedEngine
) -> None:
    buffer = bytearray(b"data")
    async with raw_file(path, "r+b", slow()) as file:
        task = await begun(getattr(file, name)(buffer))
        with pytest.raises(BufferError):
            buffer.clear()
        engine.run_all()
        await task
        buffer.clear()
        await engine.carry(file.close())


async def test_buffer_of_a_cancelled_read_is_not_written_to(
    path: Path, engine: SteppedEngine
) -> None:
    buffer = bytearray(b"mine")
    async with raw_file(path, "rb", slow()) as file:
        task = await begun(file.readinto(buffer))
        engine.run_one()
        task.cancel()
        await tasks.wait([task])
        await turns()
        assert buffer == b"mine"
        buffer.clear()
        await engine.carry(file.close())


# -- Cut short --


async def test_short_write_is_given_as_by_fileio(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, b, at: pwrite(fd, b[:3], at))
    async with raw_file(path, "r+b") as file:
        assert await file.write(b"0123456789") == 3
        assert await file.tell() == 3


async def test_read_of_much_is_one_job(path: Path, engine: SteppedEngine) -> None:
    async with raw_file(path, "rb") as file:
        task = await begun(file.read(1 << 20))
        engine.run_one()
        assert await task == CONTENTS
        assert not engine.waiting


# -- At an offset --


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("size", "offset"),
    [
        pytest.param(0, 0, id="nothing"),
        pytest.param(10, 0, id="beginning"),
        pytest.param(100, 50, id="middle"),
        pytest.param(100, len(CONTENTS) - 5, id="short-at-the-end"),
        pytest.param(100, len(CONTENTS), id="at-the-end"),
        pytest.param(100, len(CONTENTS) + 50, id="behind-the-end"),
        pytest.param(1 << 20, 0, id="more-than-there-is"),
    ],
)
async def test_pread_gives_what_is_there_and_moves_nothing(
    size: int, offset: int, device: Callable[[], Any], path: Path
) -> None:
    async with raw_file(path, "rb", device()) as file:
        await file.seek(3)
        assert await file.pread(size, offset) == CONTENTS[offset : offset + size]
        assert await file.tell() == 3


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("offset", [0, 50, len(CONTENTS), len(CONTENTS) + 9])
async def test_pwrite_writes_there_and_moves_nothing(
    offset: int, device: Callable[[], Any], path: Path
) -> None:
    async with raw_file(path, "r+b", device()) as file:
        await file.seek(3)
        assert await file.pwrite(b"here", offset) == 4
        assert await file.tell() == 3
    wanted = io.BytesIO(CONTENTS)
    wanted.seek(offset)
    wanted.write(b"here")
    assert path.read_bytes() == wanted.getvalue()


async def test_pwrite_continues_short_writes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, b, at: pwrite(fd, b[:3], at))
    async with raw_file(path, "r+b") as file:
        assert await file.pwrite(b"0123456789", 1) == 10
    assert path.read_bytes()[:12] == b"f0123456789" + CONTENTS[11:12]


async def test_pwrite_in_append_mode_is_refused(path: Path) -> None:
    async with raw_file(path, "ab") as file:
        with pytest.raises(UnsupportedOperation, match="append"):
            await file.pwrite(b"x", 0)
    assert path.read_bytes() == CONTENTS


@pytest.mark.parametrize("name", ["pread", "pwrite"])
async def test_calls_at_an_offset_need_a_file_that_has_offsets(name: str) -> None:
    reader, writer = os.pipe()
    fd, mode, args = (
        (reader, "rb", (1, 0)) if name == "pread" else (writer, "wb", (b"x", 0))
    )
    os.close(writer if name == "pread" else reader)
    async with raw_over(fd, mode, adopted=True) as file:
        with pytest.raises(UnsupportedOperation, match="seekable"):
            await getattr(file, name)(*args)


@pytest.mark.parametrize(
    ("mode", "call"), [("wb", ("pread", 1, 0)), ("rb", ("pwrite", b"x", 0))]
)
async def test_calls_at_an_offset_need_the_right_mode(
    mode: str, call: tuple[Any, ...], path: Path
) -> None:
    name, *args = call
    async with raw_file(path, mode) as file:
        with pytest.raises(UnsupportedOperation, match="not open for"):
            await getattr(file, name)(*args)


async def test_calls_at_an_offset_take_no_turn(
    path: Path, engine: SteppedEngine
) -> None:
    async with raw_file(path, "r+b", slow()) as file:
        stuck = await begun(file.read(5))
        held = engine.waiting.popleft()
        assert await engine.carry(file.pread(5, 11)) == CONTENTS[11:16]
        assert await engine.carry(file.pwrite(b"x", 0)) == 1
        assert not stuck.done()
        held()
        assert await stuck == b"x" + CONTENTS[1:5]
        await engine.carry(file.close())


async def test_error_at_an_offset_has_the_files_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> Any:
        raise OSError(errno.EIO, "disk")

    only_python(monkeypatch)
    monkeypatch.setattr(os, "pread", fail)
    async with raw_file(path, "rb", slow()) as file:
        with pytest.raises(OSError, match="disk") as caught:
            await file.pread(1, 0)
    assert caught.value.filename == str(path)


# -- After somebody else has closed it --


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(("read", 5), id="read"),
        pytest.param(("readall",), id="readall"),
        pytest.param(("readinto", bytearray(5)), id="readinto"),
        pytest.param(("readline",), id="readline"),
        pytest.param(("write", b"x"), id="write"),
        pytest.param(("seek", 1), id="seek"),
        pytest.param(("seek", 0, 2), id="seek-to-the-end"),
        pytest.param(("tell",), id="tell"),
        pytest.param(("truncate", 1), id="truncate"),
        pytest.param(("sync",), id="sync"),
    ],
)
@pytest.mark.parametrize("adopted", [False, True])
async def test_operation_queued_behind_a_close_is_refused(
    adopted: bool, call: tuple[Any, ...], path: Path, engine: SteppedEngine
) -> None:
    """It must not be made with a number that is another file's by now."""
    name, *args = call
    async with raw_file(path, "r+b", adopted=adopted) as file:
        first = await begun(file.sync())
        closing = await begun(file.close())
        queued = await begun(getattr(file, name)(*args))
        assert not file.closed
        await engine.carry(tasks.wait_for(first, None))
        await engine.carry(tasks.wait_for(closing, None))
        with pytest.raises(ValueError, match="closed file"):
            await engine.carry(tasks.wait_for(queued, None))
    assert path.read_bytes() == CONTENTS


async def test_close_queued_behind_a_close_does_nothing(
    path: Path, engine: SteppedEngine
) -> None:
    async with raw_file(path, "r+b") as file:
        started = [await begun(file.close()) for _ in range(3)]
        engine.run_one()
        await tasks.gather(*started)
        assert not engine.waiting


# -- Facts --


async def test_repr_says_what_it_is(path: Path) -> None:
    async with raw_file(path, "r+b") as file:
        assert repr(file) == (
            f"<headrace.AsyncFileIO name={str(path)!r} mode='rb+' closefd=True>"
        )
    assert repr(file) == "<headrace.AsyncFileIO [closed]>"


async def test_closed_file_has_no_descriptor(path: Path) -> None:
    async with raw_file(path) as file:
        assert is_open(file.fileno())
    with pytest.raises(ValueError, match="closed file"):
        file.fileno()


async def test_iteration_gives_the_lines(path: Path) -> None:
    async with raw_file(path) as file:
        lines = [line async for line in file]
    assert lines == io.BytesIO(CONTENTS).readlines()


@pytest.mark.parametrize("use", [iter, lambda file: file.__enter__()])
async def test_forgotten_async_is_explained(use: Any, path: Path) -> None:
    async with raw_file(path) as file:
        with pytest.raises(TypeError, match="use 'async"):
            use(file)


async def test_closed_file_cannot_be_entered_again(path: Path) -> None:
    async with raw_file(path) as file:
        pass
    with pytest.raises(ValueError, match="closed file"):
        async with file:
            pass


# -- Never closed --


async def test_collected_file_is_closed_with_a_warning(path: Path) -> None:
    file = await open_file(path, "rb", 0)
    fd = file.fileno()
    with pytest.warns(ResourceWarning, match="unclosed file.*await f.close"):
        del file
        gc.collect()
    assert not is_open(fd)


async def test_collected_file_over_a_borrowed_descriptor_is_dropped_silently(
    path: Path,
) -> None:
    fd = os.open(path, os.O_RDONLY)
    file = raw_over(fd, adopted=True, closefd=False)
    del file
    gc.collect()
    assert is_open(fd)
    os.close(fd)


async def test_close_now_writes_what_is_owed(path: Path) -> None:
    async with raw_file(path, "r+b") as file:
        file.owe(b"owed")
        file.close_blocking()
        assert file.closed
        file.close_blocking()
    assert path.read_bytes()[:4] == b"owed"


async def test_close_now_closes_though_the_write_fails(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with raw_file(path, "r+b") as file:
        fd = file.fileno()
        file.owe(b"owed")
        error = OSError(errno.EIO, "disk")
        monkeypatch.setattr(_calls, "write_all", lambda *args: (0, error))
        with pytest.raises(OSError, match="disk"):
            file.close_blocking()
        assert file.closed
        assert not is_open(fd)


# -- Memory maps --


@pytest.mark.parametrize("name", ["madvise", "touch"])
async def test_map_has_the_contents(
    name: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "touch":
        monkeypatch.setattr(_raw, "IS_LINUX", False)
    async with raw_file(path) as file:
        with await file.mmap() as mapped:
            assert mapped[:] == CONTENTS


async def test_map_is_made_by_a_job(path: Path, engine: SteppedEngine) -> None:
    async with raw_file(path) as file:
        task = await begun(file.mmap())
        engine.run_one()
        (await task).close()


async def test_part_of_a_file_is_mapped(tmp_path: Path) -> None:
    path = tmp_path / "pages"
    grain = mmap.ALLOCATIONGRANULARITY
    path.write_bytes(b"a" * grain + b"b" * grain)
    async with raw_file(path) as file:
        with await file.mmap(10, offset=grain) as mapped:
            assert mapped[:] == b"b" * 10


async def test_writable_map_writes_the_file(path: Path) -> None:
    async with raw_file(path, "r+b") as file:
        with await file.mmap(access=mmap.ACCESS_WRITE) as mapped:
            mapped[:5] = b"FIRST"
            mapped.flush()
    assert path.read_bytes()[:5] == b"FIRST"


async def test_empty_file_cannot_be_mapped(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    async with raw_file(path) as file:
        with pytest.raises(ValueError, match="empty file"):
            await file.mmap()


async def test_map_that_comes_too_late_is_closed(
    path: Path, engine: SteppedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[mmap.mmap] = []

    def noted(*args: Any) -> mmap.mmap:
        made.append(mmap.mmap(args[0], 0, access=mmap.ACCESS_READ))
        return made[0]

    monkeypatch.setattr(_raw, "_map_populated", noted)
    async with raw_file(path) as file:
        task = await begun(file.mmap())
        engine.run_one()
        task.cancel()
        await tasks.wait([task])
        engine.run_all()
        assert made[0].closed
        await engine.carry(file.close())


# -- What is no regular file --


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    import pty
    import tty

    controller, side = pty.openpty()
    tty.setraw(side)
    yield controller, side
    for fd in (controller, side):
        os.close(fd)


async def test_pipe_is_read_to_its_end() -> None:
    reader, writer = os.pipe()
    async with raw_over(reader, adopted=True) as file:
        os.write(writer, b"one")
        assert await file.read(100) == b"one"
        os.write(writer, b"two")
        os.close(writer)
        assert await file.readall() == b"two"
        assert await file.read(100) == b""


async def test_pipe_has_no_position() -> None:
    reader, writer = os.pipe()
    os.close(writer)
    async with raw_over(reader, adopted=True) as file:
        assert not await file.seekable()
        for call in (file.tell(), file.seek(0), file.seek(0, 2)):
            with pytest.raises(OSError, match="Illegal seek") as caught:
                await call
            assert caught.value.errno == errno.ESPIPE


async def test_pipe_without_a_reader_is_an_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    async with raw_over(writer, "wb", adopted=True) as file:
        with pytest.raises(BrokenPipeError):
            await file.write(b"x")


async def test_write_waits_for_room_in_a_pipe() -> None:
    reader, writer = os.pipe()
    try:
        async with raw_over(writer, "wb", adopted=True) as file:
            os.set_blocking(writer, False)
            with pytest.raises(BlockingIOError):
                while True:
                    os.write(writer, bytes(65536))
            os.set_blocking(writer, True)
            task = await begun(file.write(b"x"))
            await turns()
            assert not task.done()
            os.read(reader, 65536)
            assert await task == 1
    finally:
        os.close(reader)


async def test_terminal_is_one(terminal: tuple[int, int]) -> None:
    async with raw_over(os.dup(terminal[1]), "r+b", adopted=True) as file:
        assert await file.isatty()
        assert not await file.seekable()
        os.write(terminal[0], b"typed")
        assert await file.read(100) == b"typed"
        assert await file.write(b"shown") == 5
        assert os.read(terminal[0], 100) == b"shown"


async def test_null_device_is_empty_and_takes_all() -> None:
    async with raw_over(os.open("/dev/null", os.O_RDWR), "r+b", adopted=True) as file:
        assert await file.read(10) == b""
        assert await file.readall() == b""
        assert await file.write(b"gone") == 4


async def test_zero_device_gives_what_is_asked_for() -> None:
    async with raw_over(os.open("/dev/zero", os.O_RDONLY), adopted=True) as file:
        assert await file.read(10) == bytes(10)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
async def test_full_device_has_no_room() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    async with raw_over(fd, "wb", name="/dev/full", adopted=True) as file:
        with pytest.raises(OSError, match="No space left") as caught:
            await file.write(b"x")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, "/dev/full")


async def test_raw_file_is_what_open_gives_without_a_buffer(path: Path) -> None:
    async with open_file(path, "rb", 0) as file:
        assert type(file) is AsyncFileIO
        assert file.name == str(path)
