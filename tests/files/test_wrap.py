"""`files/_wrap.py`: async faces of sync file objects."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import os
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest

from headrace import stats
from headrace.files._wrap import WrappedFile, wrap
from tests import tasks

LONG_S = 10
TEXT = "".join(f"line {number} ä\n" for number in range(3000))
DATA = TEXT.encode()


def make_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("member", DATA)


def plain(path: Path) -> None:
    path.write_bytes(DATA)


def nothing(path: Path) -> None:
    """What is in memory needs no file."""


# How a file with the text is made, how it is opened, and whether it gives str.
KINDS: dict[str, tuple[Callable[[Path], object], Callable[[Path], Any], bool]] = {
    "open-rb": (plain, lambda p: p.open("rb"), False),
    "open-raw": (plain, lambda p: p.open("rb", 0), False),
    "open-rb+": (plain, lambda p: p.open("rb+"), False),
    "open-r": (plain, lambda p: p.open(encoding="utf-8"), True),
    "open-r+": (plain, lambda p: p.open("r+", encoding="utf-8"), True),
    "utf-16": (
        lambda p: p.write_bytes(TEXT.encode("utf-16")),
        lambda p: p.open(encoding="utf-16"),
        True,
    ),
    "gzip": (lambda p: p.write_bytes(gzip.compress(DATA)), gzip.open, False),
    "gzip-text": (
        lambda p: p.write_bytes(gzip.compress(DATA)),
        lambda p: gzip.open(p, "rt", encoding="utf-8"),
        True,
    ),
    "bz2": (lambda p: p.write_bytes(bz2.compress(DATA)), bz2.open, False),
    "lzma": (lambda p: p.write_bytes(lzma.compress(DATA)), lzma.open, False),
    "zip": (make_zip, lambda p: zipfile.ZipFile(p).open("member"), False),
    "bytesio": (nothing, lambda p: io.BytesIO(DATA), False),
    "stringio": (nothing, lambda p: io.StringIO(TEXT, newline=""), True),
    "text-over-bytesio": (
        nothing,
        lambda p: io.TextIOWrapper(io.BytesIO(DATA), encoding="utf-8"),
        True,
    ),
    "codecs": (plain, lambda p: codecs.getreader("utf-8")(p.open("rb")), True),
}
SEEKABLE = [kind for kind in KINDS if kind != "codecs"]


@pytest.fixture
def opener(tmp_path: Path) -> Callable[[str], Any]:
    def open_kind(kind: str) -> Any:
        make, open_it, _ = KINDS[kind]
        path = tmp_path / kind
        make(path)
        return open_it(path)

    return open_kind


# -- The same as the object ------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_lines_are_those_of_the_object(kind: str, opener: Any) -> None:
    expected = TEXT if KINDS[kind][2] else DATA
    async with wrap(opener(kind)) as f:
        lines = [line async for line in f]
    assert lines == expected.splitlines(keepends=True)


@pytest.mark.parametrize("kind", SEEKABLE)
async def test_operations_give_what_the_object_gives(kind: str, opener: Any) -> None:
    """Whatever is mixed: position and data stay those of the object."""
    steps: list[tuple[str, tuple[Any, ...]]] = [
        ("readline", ()),
        ("readline", ()),
        ("tell", ()),
        ("readline", (3,)),
        ("read", (5,)),
        ("readline", ()),
        ("readable", ()),
        ("writable", ()),
        ("seekable", ()),
        ("readlines", (50,)),
        ("tell", ()),
        ("seek", (0,)),
        ("readline", ()),
        ("read", ()),
        ("readline", ()),
        ("read", (1,)),
        ("seek", (0,)),
        ("read", (10,)),
    ]
    expected: list[object] = []
    found: list[object] = []
    with opener(kind) as sync:
        for name, args in steps:
            try:
                expected.append(getattr(sync, name)(*args))
            except OSError as error:  # "telling position disabled"
                expected.append(str(error))
    async with wrap(opener(kind)) as f:
        for name, args in steps:
            try:
                found.append(await getattr(f, name)(*args))
            except OSError as error:
                found.append(str(error))
    assert found == expected


@pytest.mark.parametrize("kind", ["open-rb", "open-r", "gzip", "gzip-text"])
async def test_object_can_be_used_between_two_lines(kind: str, opener: Any) -> None:
    sync = opener(kind)
    with opener(kind) as other:
        expected = [other.readline() for _ in range(600)]
    found = []
    async with wrap(sync) as f:
        for _ in range(200):
            found.append(await anext(f))
            found.append(sync.readline())
            found.append(await f.readline())
    assert found == expected


@pytest.mark.parametrize(
    ("newline", "text"),
    [
        (None, "a\nb\r\nc\rd\n"),
        ("", "a\nb\r\nc\rd\n"),
        ("\n", "a\nb\r\nc\rd\n"),
        ("\r", "a\nb\r\nc\rd\n"),
        ("\r\n", "a\nb\r\nc\rd\n"),
        ("\r\n", "a\r\n\n\n\nb\r\n"),
    ],
)
async def test_every_newline_mode_is_that_of_the_object(
    newline: str | None, text: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(text.encode() * 2000)
    with path.open(newline=newline, encoding="utf-8") as sync:
        expected = list(sync)
    async with wrap(path.open(newline=newline, encoding="utf-8")) as f:
        assert [line async for line in f] == expected


@pytest.mark.parametrize("opener_name", ["gzip", "bz2", "lzma"])
async def test_compressed_files_can_be_written(
    opener_name: str, tmp_path: Path
) -> None:
    module = {"gzip": gzip, "bz2": bz2, "lzma": lzma}[opener_name]
    path = tmp_path / "file"
    async with wrap(module.open(path, "wt", encoding="utf-8")) as f:
        assert await f.write(TEXT) == len(TEXT)
        await f.writelines(["more\n", "and more\n"])
    with module.open(path, "rt", encoding="utf-8") as sync:
        assert sync.read() == TEXT + "more\nand more\n"


async def test_error_is_that_of_the_object(opener: Any) -> None:
    sync = opener("open-rb")
    async with wrap(sync) as f:
        with pytest.raises(io.UnsupportedOperation, match="write"):
            await f.write(b"x")
    with pytest.raises(ValueError, match="closed file"):
        await f.read()


async def test_chunks_have_the_size_asked_for(opener: Any) -> None:
    async with wrap(opener("open-raw")) as f:
        chunks = [chunk async for chunk in f.chunks(1000)]
    assert b"".join(chunks) == DATA
    assert {len(chunk) for chunk in chunks[:-1]} == {1000}


# -- What it costs ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bytesio", "stringio", "text-over-bytesio"])
async def test_memory_needs_no_thread(kind: str, opener: Any) -> None:
    before = stats()
    async with wrap(opener(kind)) as f:
        await f.readline()
        assert len([line async for line in f]) == 2999
        await f.seek(0)
        await f.read()
        await f.write("x" if KINDS[kind][2] else b"x")
    assert (stats() - before).engine_jobs == 0


async def test_subclass_with_its_own_read_goes_to_a_thread() -> None:
    class Slow(io.BytesIO):
        thread = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.thread = threading.get_ident()
            return super().read(size)

    slow = Slow(b"x")
    assert await wrap(slow).read() == b"x"
    assert slow.thread != threading.get_ident()


@pytest.mark.parametrize(
    ("kind", "bytes_per_job"),
    [
        # The buffer of open() has the size of a block, 4096 bytes here and there.
        ("open-rb", 3500),
        ("open-rb+", 3500),
        ("open-r", 3500),
        ("gzip", 8192),
        ("gzip-text", 8192),
        ("bz2", 8192),
        ("lzma", 8192),
        ("zip", 400),
    ],
)
async def test_lines_in_memory_need_no_thread(
    kind: str, bytes_per_job: int, opener: Any
) -> None:
    async with wrap(opener(kind)) as f:
        before = stats()
        count = 0
        async for _ in f:
            count += 1
        jobs = (stats() - before).engine_jobs
    assert count == 3000
    assert jobs <= len(DATA) / bytes_per_job + 3


async def test_small_text_file_is_one_job(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a line\n" * 300)
    async with wrap((tmp_path / "file").open(encoding="utf-8")) as f:
        before = stats()
        assert len([line async for line in f]) == 300
        assert (stats() - before).engine_jobs == 1


async def test_file_that_grows_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a\n")
    async with wrap(path.open(encoding="utf-8")) as f:
        assert [line async for line in f] == ["a\n"]
        with path.open("a") as other:
            other.write("b\n")
        before = stats()
        assert [line async for line in f] == ["b\n"]
        assert (stats() - before).engine_jobs == 1


async def test_readline_shares_the_lines_in_memory(opener: Any) -> None:
    async with wrap(opener("open-r")) as f:
        before = stats()
        while await f.readline():
            pass
        assert (stats() - before).engine_jobs <= len(DATA) / 3500 + 3


async def test_spooled_file_is_inline_until_it_rolls_over() -> None:
    with tempfile.SpooledTemporaryFile(100, "w+", encoding="utf-8") as sync:
        f = wrap(sync)
        before = stats()
        await f.write("0123456789")
        await f.seek(0)
        assert await f.read() == "0123456789"
        assert (stats() - before).engine_jobs == 0
        await f.write("x" * 95)
        assert (stats() - before).engine_jobs == 1
        assert getattr(sync, "_rolled")  # noqa: B009 - private, and in no stub
        await f.seek(0)
        assert len(await f.read()) == 105


async def test_calls_run_in_the_executor_that_was_given(opener: Any) -> None:
    class Where:
        def read(self) -> str:
            return threading.current_thread().name

    with ThreadPoolExecutor(1, thread_name_prefix="mine") as executor:
        assert (await wrap(Where(), executor=executor).read()).startswith("mine")


# -- Turns -----------------------------------------------------------------------


async def test_calls_never_overlap_and_keep_their_order() -> None:
    class Watching:
        def __init__(self) -> None:
            self.busy = threading.Lock()
            self.calls: list[bytes] = []

        def write(self, data: bytes) -> int:
            assert self.busy.acquire(blocking=False)
            self.calls.append(data)
            self.busy.release()
            return len(data)

    sync = Watching()
    f = wrap(sync)
    pieces = [b"%d" % number for number in range(50)]
    await tasks.gather(*map(f.write, pieces))
    assert sync.calls == pieces


class Gate:
    """A file-like object whose read() waits until it is let through."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()
        self.reads = 0
        self.closed = False

    def read(self, size: int = -1) -> str:
        self.reads += 1
        self.begun.set()
        assert self.open.wait(LONG_S)
        return f"read {self.reads}"

    def tell(self) -> int:
        return self.reads

    def close(self) -> None:
        assert not self.begun.is_set() or self.open.is_set()
        self.closed = True


async def cancelled_in_the_middle(call: Any, begun: threading.Event) -> None:
    task = tasks.start(call)
    await tasks.in_thread(begun.wait, LONG_S)
    task.cancel()
    with pytest.raises(tasks.Cancelled):
        await task


async def test_same_call_takes_over_what_a_cancelled_one_read() -> None:
    gate = Gate()
    f = wrap(gate)
    await cancelled_in_the_middle(f.read(7), gate.begun)
    gate.open.set()
    assert await f.read(7) == "read 1"
    assert await f.read(7) == "read 2"


async def test_same_write_again_is_made_again() -> None:
    class Pipe(Gate):
        def __init__(self) -> None:
            super().__init__()
            self.written: list[bytes] = []

        def write(self, data: bytes) -> int:
            self.read()
            self.written.append(data)
            return len(data)

    pipe = Pipe()
    f = wrap(pipe)
    data = b"data"
    await cancelled_in_the_middle(f.write(data), pipe.begun)
    pipe.open.set()
    assert await f.write(data) == 4
    assert pipe.written == [data, data]


async def test_other_call_waits_for_a_cancelled_one() -> None:
    gate = Gate()
    f = wrap(gate)
    await cancelled_in_the_middle(f.read(), gate.begun)
    position = tasks.start(f.tell())
    done, _ = await tasks.wait([position], timeout=0.02)
    assert not done
    gate.open.set()
    assert await position == 1


async def test_close_after_a_cancelled_call_waits_for_it_and_closes() -> None:
    gate = Gate()
    f = wrap(gate)
    await cancelled_in_the_middle(f.read(), gate.begun)
    closing = tasks.start(f.close())
    gate.open.set()
    await closing
    assert gate.closed


async def test_bytes_of_a_cancelled_read_are_put_back(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    begun, release = threading.Event(), threading.Event()

    class SlowFile(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            begun.set()
            assert release.wait(LONG_S)
            return super().read(size) or b""

        def readinto(self, buffer: Any, /) -> int:
            begun.set()
            assert release.wait(LONG_S)
            return super().readinto(buffer) or 0

    async with wrap(SlowFile(tmp_path / "file")) as f:
        assert await f.readable()
        for call in (f.read(4), f.readinto(bytearray(4)), f.readline(), f.readlines()):
            await cancelled_in_the_middle(call, begun)
            release.set()
            assert await f.tell() == 0
            begun.clear()
            release.clear()
        release.set()
        assert await f.read(2) == b"01"


async def test_cancelled_write_to_a_file_is_carried_out_first(tmp_path: Path) -> None:
    begun, release = threading.Event(), threading.Event()

    class SlowFile(io.FileIO):
        def write(self, data: Any, /) -> int:
            begun.set()
            assert release.wait(LONG_S)
            return super().write(data) or 0

    async with wrap(SlowFile(tmp_path / "file", "w")) as f:
        assert await f.writable()
        task = tasks.start(f.write(b"data"))
        await tasks.in_thread(begun.wait, LONG_S)
        task.cancel()
        done, _ = await tasks.wait([task], timeout=0.02)
        assert not done
        release.set()
        with pytest.raises(tasks.Cancelled):
            await task
        assert (tmp_path / "file").read_bytes() == b"data"


async def test_leaving_closes_even_when_cancelled(tmp_path: Path) -> None:
    sync = (tmp_path / "file").open("w")
    inside = tasks.Event()

    async def body() -> None:
        async with wrap(sync) as f:
            await f.write("data")
            inside.set()
            await tasks.Event().wait()

    task = tasks.start(body())
    await inside.wait()
    task.cancel()
    with pytest.raises(tasks.Cancelled):
        await task
    assert sync.closed
    assert (tmp_path / "file").read_text() == "data"


async def test_close_that_is_cancelled_before_it_begins_still_closes() -> None:
    gate = Gate()
    f = wrap(gate)
    reading = tasks.start(f.read())
    await tasks.in_thread(gate.begun.wait, LONG_S)
    closing = tasks.start(f.close())
    await tasks.sleep(0)
    closing.cancel()
    with pytest.raises(tasks.Cancelled):
        await closing
    gate.open.set()
    await reading
    while not gate.closed:
        await tasks.sleep(0.001)


async def test_leaving_removes_a_named_temporary_file(tmp_path: Path) -> None:
    sync = tempfile.NamedTemporaryFile(dir=tmp_path)
    async with wrap(sync) as f:
        await f.write(b"data")
        assert os.path.exists(f.name)
    assert os.listdir(tmp_path) == []


# -- Ducks and mocks -------------------------------------------------------------


class OnlyRead:
    def read(self, size: int = -1) -> str:
        return "read"


class OnlyWrite:
    written = ""

    def write(self, data: str) -> int:
        self.written += data
        return len(data)


class OnlyLines:
    def __init__(self) -> None:
        self.lines = iter(["a\n", "b\n"])

    def readline(self) -> str:
        return next(self.lines, "")


class ReadAndNext(OnlyRead):
    def __init__(self) -> None:
        self.lines = iter(["a", "b"])

    def __iter__(self) -> Iterator[str]:
        return self.lines

    def __next__(self) -> str:
        return next(self.lines)


async def test_object_that_only_reads_is_enough() -> None:
    f = wrap(OnlyRead())
    assert await f.read() == "read"
    assert hasattr(f, "read")
    assert not hasattr(f, "write")
    with pytest.raises(AttributeError, match=r"'OnlyRead'.*'write'"):
        await f.write("x")


async def test_object_that_only_writes_is_enough() -> None:
    async with wrap(OnlyWrite()) as f:
        assert await f.write("data") == 4
    assert f.wrapped.written == "data"
    assert not hasattr(f, "read")


async def test_object_with_readline_has_lines() -> None:
    assert [line async for line in wrap(OnlyLines())] == ["a\n", "b\n"]


async def test_object_with_next_has_lines() -> None:
    assert [line async for line in wrap(ReadAndNext())] == ["a", "b"]


async def test_object_without_lines_says_so() -> None:
    with pytest.raises(TypeError, match="neither readline"):
        await anext(wrap(OnlyRead()))


async def test_mock_sees_the_calls_of_the_program_and_no_others() -> None:
    mock = MagicMock(spec=["read", "write", "close"])
    mock.read.return_value = b"data"
    async with wrap(mock) as f:
        assert await f.read(4) == b"data"
        write: Any = f.write
        await write(b"x", extra=1)
    names = [(call[0], call[1], call[2]) for call in mock.mock_calls]
    assert names == [
        ("read", (4,), {}),
        ("write", (b"x",), {"extra": 1}),
        ("close", (), {}),
    ]


async def test_mock_is_left_as_a_context_manager_is() -> None:
    mock = MagicMock()
    async with wrap(mock):
        pass
    mock.__exit__.assert_called_once_with(None, None, None)


@pytest.mark.parametrize(
    "thing", [None, 5, "text", [1], object(), io.FileIO, io.BytesIO, print]
)
def test_what_is_no_file_is_refused(thing: Any) -> None:
    with pytest.raises(TypeError, match="file-like object"):
        wrap(thing)


def test_what_is_async_already_is_refused() -> None:
    with pytest.raises(TypeError, match="is async"):
        wrap(AsyncMock(spec=["read"], read=AsyncMock()))


# -- Attributes ------------------------------------------------------------------


async def test_attributes_are_those_of_the_object(opener: Any) -> None:
    sync = opener("open-r")
    async with wrap(sync) as f:
        assert f.wrapped is sync
        assert (f.name, f.mode, f.encoding) == (sync.name, "r", "utf-8")
        assert f.fileno() == sync.fileno()
        assert not f.closed
        assert not hasattr(f, "no_such_thing")
    assert f.closed


async def test_buffer_and_raw_are_faces_with_the_same_turn(opener: Any) -> None:
    async with wrap(opener("open-r")) as f:
        assert isinstance(f.buffer, WrappedFile)
        assert await f.buffer.read(4) == b"line"
        assert isinstance(f.buffer.raw, WrappedFile)
        assert await f.buffer.raw.tell() > 0


async def test_detach_gives_a_face(opener: Any) -> None:
    text = wrap(opener("open-r"))
    async with text.detach() as f:
        assert await f.read(4) == b"line"
    with pytest.raises(ValueError, match="detached"):
        await text.read()


async def test_getvalue_of_memory_is_plain() -> None:
    f = wrap(io.BytesIO())
    await f.write(b"data")
    assert f.getvalue() == b"data"


async def test_aclose_closes(opener: Any) -> None:
    sync = opener("open-rb")
    await wrap(sync).aclose()
    assert sync.closed


def test_for_and_with_say_what_to_write() -> None:
    f: Any = wrap(Mock())
    with pytest.raises(TypeError, match="async for"):
        for _ in f:
            pass
    with pytest.raises(TypeError, match="async with"):
        with f:
            pass


def test_repr_shows_the_object() -> None:
    assert "OnlyRead" in repr(wrap(OnlyRead()))
