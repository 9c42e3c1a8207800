"""Whole files in one call: as `open()` would do it, in one job at the most."""

from __future__ import annotations

import array
import ctypes
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import (
    append_bytes,
    append_text,
    read_bytes,
    read_text,
    stats,
    write_bytes,
    write_text,
)
from headrace._settings import INLINE_LIMIT
from headrace.engine import opens_inline
from headrace.files import _calls
from tests import tasks
from tests.fakes import RunningJob, SteppedEngine, begun, only_python, turns
from tests.files.support import async_outcome, outcome

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="FIFOs, modes")

Call = Callable[..., Awaitable[Any]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def pattern(size: int) -> bytes:
    return (bytes(range(256)) * (size // 256 + 1))[:size]


# -- Reading --


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(0, id="empty"),
        pytest.param(1, id="one"),
        pytest.param(4096, id="page"),
        pytest.param(INLINE_LIMIT - 1, id="below-the-limit"),
        pytest.param(INLINE_LIMIT, id="limit"),
        pytest.param(INLINE_LIMIT + 1, id="above-the-limit"),
        pytest.param(5 << 20, id="large"),
    ],
)
async def test_whole_file_is_read(size: int, way: str, path: Path) -> None:
    path.write_bytes(pattern(size))
    for _ in range(2):
        before = stats()
        assert await read_bytes(path) == pattern(size)
        assert (stats() - before).hops <= 1


async def test_small_cached_file_is_read_without_a_hop(path: Path) -> None:
    path.write_bytes(pattern(4096))
    await read_bytes(path)
    if not opens_inline():
        pytest.skip("nothing is opened inline here")
    before = stats()
    assert await read_bytes(path) == pattern(4096)
    assert (stats() - before).engine_jobs == 0


@pytest.mark.parametrize("kind", [str, os.fsencode, Path])
async def test_any_kind_of_path_is_taken(kind: Any, way: str, path: Path) -> None:
    assert await write_bytes(kind(path), b"some") == 4
    for _ in range(2):
        assert await read_bytes(kind(path)) == b"some"


async def test_relative_path_is_taken(
    way: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    await write_bytes(path.name, b"some")
    for _ in range(2):
        assert await read_bytes(path.name) == b"some"
    assert path.read_bytes() == b"some"


async def test_symbolic_link_is_followed(way: str, path: Path) -> None:
    path.write_bytes(b"some")
    link = path.with_name("link")
    link.symlink_to(path)
    for _ in range(2):
        assert await read_bytes(link) == b"some"
    await write_bytes(link, b"other")
    assert path.read_bytes() == b"other"
    assert link.is_symlink()


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
async def test_kernel_file_that_says_it_is_empty_is_read_to_its_end(way: str) -> None:
    for _ in range(2):
        assert (await read_bytes("/proc/self/status")).startswith(b"Name:")
        assert (await read_text("/proc/self/status")).startswith("Name:")


async def test_file_without_a_name_is_read(way: str, path: Path) -> None:
    """Its last close is not made on the loop's thread."""
    path.write_bytes(b"gone")
    with path.open("rb") as kept:
        path.unlink()
        name = f"/proc/self/fd/{kept.fileno()}"
        if not os.path.exists(name):
            pytest.skip("needs /proc")
        for _ in range(2):
            assert await read_bytes(name) == b"gone"


async def test_many_files_at_once_are_each_their_own(way: str, path: Path) -> None:
    names = [path.with_name(f"file{number}") for number in range(50)]
    await tasks.gather(*[write_bytes(name, bytes(name)) for name in names])
    assert await tasks.gather(*map(read_bytes, names)) == [*map(bytes, names)]


# -- Errors --


def broken(folder: Path, kind: str) -> Any:
    """Make a path that cannot be opened."""
    (folder / "file").write_bytes(b"")
    loop = folder / "loop"
    if not loop.is_symlink():
        loop.symlink_to(loop)
    return {
        "missing": folder / "missing",
        "folder": folder,
        "missing-folder": folder / "none" / "file",
        "below-a-file": folder / "file" / "file",
        "slash-at-the-end": f"{folder}/file/",
        "link-to-itself": loop,
        "nul": f"{folder}/a\0b",
        "nul-in-bytes": os.fsencode(folder) + b"/a\0b",
        "too-long": folder / ("x" * 300),
        "empty": "",
        "none": None,
        "float": 1.5,
    }[kind]


BROKEN = [
    *("missing", "folder", "missing-folder", "below-a-file", "slash-at-the-end"),
    *("link-to-itself", "nul", "nul-in-bytes", "too-long", "empty", "none", "float"),
]


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("call", [read_bytes, read_text])
async def test_path_that_cannot_be_read_is_refused_as_by_open(
    call: Call, kind: str, way: str, tmp_path: Path
) -> None:
    file = broken(tmp_path, kind)
    with pytest.raises((OSError, ValueError, TypeError)) as wanted:
        open(file, "rb").read()
    for _ in range(2):
        with pytest.raises(wanted.type) as caught:
            await call(file)
        if isinstance(wanted.value, OSError):
            assert isinstance(caught.value, OSError)
            assert caught.value.errno == wanted.value.errno
            assert caught.value.filename == (wanted.value.filename or os.fspath(file))


@pytest.mark.parametrize("kind", [kind for kind in BROKEN if kind != "missing"])
@pytest.mark.parametrize("call", [write_bytes, append_bytes, write_text, append_text])
async def test_path_that_cannot_be_written_is_refused_as_by_open(
    call: Call, kind: str, tmp_path: Path
) -> None:
    file = broken(tmp_path, kind)
    with pytest.raises((OSError, ValueError, TypeError)) as wanted:
        open(file, "wb")
    with pytest.raises(wanted.type) as caught:
        await call(file, "" if call in (write_text, append_text) else b"")
    if isinstance(wanted.value, OSError):
        assert isinstance(caught.value, OSError)
        assert caught.value.errno == wanted.value.errno
        assert caught.value.filename == wanted.value.filename


async def test_forbidden_file_is_refused(way: str, path: Path) -> None:
    path.touch(0o000)
    if os.access(path, os.R_OK):
        pytest.skip("root may read everything")
    for call in (read_bytes(path), write_bytes(path, b"")):
        with pytest.raises(PermissionError):
            await call


# -- Writing --


@pytest.mark.parametrize("size", [0, 1, 4096, INLINE_LIMIT + 1, 3 << 20])
async def test_file_is_created_or_emptied_and_written(size: int, path: Path) -> None:
    assert await write_bytes(path, pattern(size)) == size
    assert path.read_bytes() == pattern(size)
    assert await write_bytes(path, b"less") == 4
    assert path.read_bytes() == b"less"


async def test_appended_bytes_come_behind_what_is_there(path: Path) -> None:
    for piece in (b"one ", b"two ", b""):
        assert await append_bytes(path, piece) == len(piece)
    assert path.read_bytes() == b"one two "


@pytest.mark.parametrize("call", [write_bytes, append_bytes])
async def test_new_file_has_the_mode_that_open_gives(call: Call, path: Path) -> None:
    old = os.umask(0o027)
    try:
        await call(path, b"")
        open(path.with_name("other"), "wb").close()
    finally:
        os.umask(old)
    assert path.stat().st_mode == path.with_name("other").stat().st_mode


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda path: write_bytes(path, b"x"), id="write_bytes"),
        pytest.param(lambda path: append_bytes(path, b"x"), id="append_bytes"),
        pytest.param(lambda path: write_text(path, "x"), id="write_text"),
        pytest.param(lambda path: append_text(path, "x"), id="append_text"),
    ],
)
async def test_writing_is_one_job(call: Call, path: Path) -> None:
    before = stats()
    await call(path)
    assert (stats() - before).hops == 1


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"01234567", id="bytes"),
        pytest.param(bytearray(b"01234567"), id="bytearray"),
        pytest.param(memoryview(b"..01234567..")[2:10], id="part"),
        pytest.param(array.array("h", b"01234567"), id="array"),
        pytest.param(ctypes.create_string_buffer(b"01234567", 8), id="ctypes"),
        pytest.param(memoryview(b"01234567").cast("B", (2, 4)), id="two-dimensions"),
    ],
)
@pytest.mark.parametrize("call", [write_bytes, append_bytes])
@pytest.mark.parametrize("short", [False, True], ids=["whole", "short"])
async def test_anything_bytes_like_is_written(
    short: bool, call: Call, data: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if short:
        write = os.write
        monkeypatch.setattr(os, "write", lambda fd, b: write(fd, b[:3]))
    assert await call(path, data) == 8
    assert path.read_bytes() == b"01234567"


@pytest.mark.parametrize(
    ("call", "data", "error"),
    [
        pytest.param(write_bytes, "text", TypeError, id="str-for-bytes"),
        pytest.param(append_bytes, "text", TypeError, id="append-str-for-bytes"),
        pytest.param(write_bytes, 5, TypeError, id="int"),
        pytest.param(write_bytes, None, TypeError, id="none"),
        pytest.param(write_bytes, memoryview(b"abcd")[::2], BufferError, id="gaps"),
        pytest.param(write_text, b"bytes", TypeError, id="bytes-for-str"),
        pytest.param(append_text, b"bytes", TypeError, id="append-bytes-for-str"),
        pytest.param(write_text, None, TypeError, id="none-for-str"),
    ],
)
async def test_what_cannot_be_written_is_refused_before_the_file_is_touched(
    call: Call, data: Any, error: type[Exception], path: Path
) -> None:
    path.write_bytes(b"kept")
    with pytest.raises(error):
        await call(path, data)
    assert path.read_bytes() == b"kept"


@pytest.mark.parametrize("call", [write_text, append_text])
@pytest.mark.parametrize("encoding", ["ascii", "utf-16"])
async def test_bytes_are_no_text_in_any_encoding(
    encoding: str, call: Call, path: Path
) -> None:
    path.write_bytes(b"kept")
    with pytest.raises(TypeError):
        await call(path, b"bytes", encoding)
    assert path.read_bytes() == b"kept"


@pytest.mark.parametrize("size", [1, INLINE_LIMIT + 1], ids=["small", "large"])
@pytest.mark.parametrize("call", [write_text, append_text])
async def test_text_that_cannot_be_encoded_leaves_the_file_alone(
    call: Call, size: int, path: Path
) -> None:
    path.write_bytes(b"kept")
    with pytest.raises(UnicodeEncodeError):
        await call(path, "é" * size, "ascii")
    assert path.read_bytes() == b"kept"


async def test_data_cannot_be_resized_while_it_is_written(
    path: Path, engine: SteppedEngine
) -> None:
    data = bytearray(b"data")
    task = await begun(write_bytes(path, data))
    with pytest.raises(BufferError):
        data.clear()
    engine.run_one()
    await task
    data.clear()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("call", [write_bytes, append_bytes])
async def test_full_disk_is_an_error_with_the_files_name(call: Call) -> None:
    with pytest.raises(OSError, match="No space") as caught:
        await call("/dev/full", b"x")
    assert caught.value.filename == "/dev/full"


async def test_write_that_fails_in_the_middle_says_so(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_python(monkeypatch)
    monkeypatch.setattr(
        _calls, "write_all", lambda fd, data, offset: (0, OSError(5, "disk"))
    )
    with pytest.raises(OSError, match="disk") as caught:
        await write_bytes(path, b"x")
    assert caught.value.filename == str(path)


# -- Text --

FORMS = [
    pytest.param(encoding, newline, id=f"{encoding}-{newline!r}")
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "latin-1", "iso2022_jp")
    for newline in (None, "", "\n", "\r", "\r\n")
]
TEXT = "one\ntwo\r\nthree\rfour\n\n"


@pytest.mark.parametrize(("encoding", "newline"), FORMS)
async def test_text_is_read_as_by_open(
    encoding: str, newline: str | None, way: str, path: Path
) -> None:
    path.write_bytes(TEXT.encode(encoding))
    with open(path, encoding=encoding, newline=newline) as other:
        wanted = other.read()
    for _ in range(2):
        assert await read_text(path, encoding, None, newline) == wanted


@pytest.mark.parametrize(("encoding", "newline"), FORMS)
@pytest.mark.parametrize("call", [write_text, append_text])
async def test_text_is_written_as_by_open(
    call: Call, encoding: str, newline: str | None, path: Path
) -> None:
    other = path.with_name("other")
    mode = "w" if call is write_text else "a"
    for text in (TEXT, "more\n", ""):
        with open(other, mode, encoding=encoding, newline=newline) as file:
            file.write(text)
        assert await call(path, text, encoding, None, newline) == len(text)
        assert path.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("errors", [None, "ignore", "replace", "surrogateescape"])
async def test_undecodable_bytes_are_treated_as_by_open(
    errors: str | None, way: str, path: Path
) -> None:
    path.write_bytes(b"a\xffb\xc3")
    with open(path, encoding="utf-8", errors=errors) as other:
        wanted = outcome(other.read)
    for _ in range(2):
        got = await async_outcome(lambda: read_text(path, "utf-8", errors))
        assert got[0] == wanted[0]
        if got[0] == "returned":
            assert got == wanted


async def test_large_text_is_encoded_and_decoded_off_the_loop(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headrace.files._text_form import TextForm

    threads: set[str] = set()
    for name in ("encode", "decode"):
        method = getattr(TextForm, name)

        def noted(form: Any, data: Any, method: Any = method) -> Any:
            threads.add(threading.current_thread().name)
            return method(form, data)

        monkeypatch.setattr(TextForm, name, noted)
    text = "é" * INLINE_LIMIT + "x"
    await write_text(path, text, "utf-8")
    assert await read_text(path, "utf-8") == text
    assert threads
    assert threading.current_thread().name not in threads


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(("no-such-encoding",), id="encoding"),
        pytest.param(("utf-8", None, "x"), id="newline"),
        pytest.param(("utf-8", 5), id="errors"),
    ],
)
async def test_wrong_form_is_refused_before_the_file_is_touched(
    form: tuple[Any, ...], path: Path
) -> None:
    path.write_bytes(b"kept")
    for call in (
        read_text(path, *form),
        write_text(path, "x", *form),
        append_text(path, "x", *form),
    ):
        with pytest.raises((LookupError, ValueError, TypeError)):
            await call
    assert path.read_bytes() == b"kept"


# -- FIFOs and devices --


@pytest.mark.parametrize("call", [read_bytes, read_text])
async def test_fifo_is_read_to_its_end(call: Call, way: str, path: Path) -> None:
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb") as writer:
            writer.write(b"some")

    for _ in range(2):
        thread = threading.Thread(target=write)
        thread.start()
        got = await call(path)
        thread.join()
        assert got in (b"some", "some")


@pytest.mark.parametrize("call", [write_bytes, append_bytes, write_text])
async def test_fifo_is_written(call: Call, path: Path) -> None:
    os.mkfifo(path)
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(path.read_bytes()))
    thread.start()
    await call(path, "some" if call is write_text else b"some")
    thread.join()
    assert got == [b"some"]


async def test_read_of_a_fifo_that_nobody_writes_can_be_cancelled(
    way: str, path: Path
) -> None:
    os.mkfifo(path)
    for _ in range(2):
        task = await begun(read_bytes(path))
        await turns(20)
        task.cancel()
        await tasks.wait([task])
        assert task.cancelled()


async def test_null_device_is_empty(way: str) -> None:
    for _ in range(2):
        assert await read_bytes("/dev/null") == b""
    assert await write_bytes("/dev/null", b"gone") == 4


# -- Cancelled --


async def test_write_that_no_thread_has_begun_is_not_made(
    path: Path, engine: SteppedEngine
) -> None:
    task = await begun(write_bytes(path, b"x"))
    task.cancel()
    await tasks.wait([task])
    engine.run_all()
    assert not path.exists()


async def test_write_that_has_begun_is_carried_out(
    path: Path, engine: SteppedEngine
) -> None:
    task = await begun(write_bytes(path, b"done"))
    inside = RunningJob(engine.waiting.popleft())
    task.cancel()
    await turns()
    assert not task.done()
    inside.finish()
    await tasks.wait([task])
    assert task.cancelled()
    assert path.read_bytes() == b"done"


async def test_cancelled_read_leaves_no_descriptor(
    path: Path, by_engine: None, engine: SteppedEngine
) -> None:
    path.write_bytes(b"some")
    task = await begun(read_bytes(path))
    await turns()
    inside = RunningJob(engine.waiting.popleft(), called=True)
    task.cancel()
    await tasks.wait([task])
    inside.finish()
    assert task.cancelled()
