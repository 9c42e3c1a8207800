"""C and Python do the same: whatever is done in whatever order."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace._typing import WAIT
from tests._native.conftest import core_in_c, core_in_python
from tests._native.test_ready import finish

PY = core_in_python()
LINES = st.lists(st.sampled_from([b"", b"a", b"\n", b"b\r", b"\r\n", b"longer"]))


def test_twins_export_the_same_names() -> None:
    c = core_in_c()
    exported = {name for name in vars(c) if not name.startswith("_")}
    # Text has its twin in a file of its own; counts() has none to count, and the ring
    # and the native threads none at all.
    without = {"Text", "counts", "Ring", "RingReads", "Operation"}
    without |= {"Call", "CallWorkers", "Completions"}
    assert exported - without <= set(vars(PY))


def file_of(core: Any) -> Any:
    """Make a file that is both over *core*; its slow side says that it was asked."""

    class File(core.Reader, core.Writer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.asked: list[Any] = []

        def _ask(self, *args: Any) -> Any:
            self.asked.append(args)
            return WAIT

        async def _answer(self, *args: Any) -> Any:
            self.asked.append(args)
            return b""

        _read_now = _readline_now = _write_now = _seek_now = _ask
        _read_wait = _readline_wait = _write_wait = _seek_wait = _answer

    return File()


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("feed"), LINES.map(b"".join)),
        st.tuples(st.just("read"), st.integers(-2, 12)),
        st.tuples(st.just("read"), st.sampled_from([None, True, 2**80, "1"])),
        st.tuples(st.just("readline"), st.sampled_from([-1, -1, -1, 0, 3, None])),
        st.tuples(st.just("anext"), st.none()),
        st.tuples(st.just("cut"), st.integers(0, 20)),
        st.tuples(st.just("settle"), st.none()),
        st.tuples(st.just("open"), st.integers(0, 20)),
        st.tuples(st.just("write"), st.sampled_from([b"", b"abc", b"x" * 9, "ab"])),
        st.tuples(st.just("room"), st.integers(-1, 12)),
        st.tuples(st.just("seek"), st.integers(-1, 20)),
    ),
    max_size=40,
)


def perform(file: Any, name: str, argument: Any) -> Any:
    """Do one operation of `OPERATIONS`; the result or the kind of error."""
    match name:
        case "feed":
            file._settle_lines()
            file._data, file._pos = file._data[file._pos :] + argument, 0
        case "cut":
            file._settle_lines()
            return file._cut_lines(argument)
        case "settle":
            file._settle_lines()
            return file._pos, file._data[file._pos :]
        case "open":
            file._open_reads(argument)
        case "room":
            file._room = argument
        case "anext":
            try:
                return finish(file.__anext__())
            except StopAsyncIteration:
                return "end"
        case _:
            return finish(getattr(file, name)(argument))
    return None


@given(OPERATIONS)
@example([("feed", b"a\nb\n"), ("cut", 20), ("anext", None), ("settle", None)])
def test_readers_and_writers_do_the_same(operations: list[tuple[str, Any]]) -> None:
    c, py = file_of(core_in_c()), file_of(PY)
    for name, argument in [*operations, ("settle", None)]:
        assert perform(c, name, argument) == perform(py, name, argument)
        assert c.asked == py.asked
        assert (c._limit, c._has_lines) == (py._limit, py._has_lines)
        assert (c._pending, c._room) == (py._pending, py._room)


TEXT = st.text(alphabet="ab\n\r\x0b\x0c\x1c\x85\u2028é€😀", max_size=40)
NEWLINES = st.sampled_from([None, "", "\n", "\r", "\r\n"])


@given(TEXT, st.integers(-45, 45), st.integers(-45, 45), NEWLINES)
def test_lines_are_found_and_cut_the_same(
    text: str, start: int, stop: int, newline: str | None
) -> None:
    c = core_in_c()
    assert c.split_lines(text, newline) == PY.split_lines(text, newline)
    first, last = max(start, 0), max(stop, 0)
    assert c.find_line_end(text, first, newline) == PY.find_line_end(
        text, first, newline
    )
    assert c.last_line_end(text, first, last, newline) == PY.last_line_end(
        text, first, last, newline
    )


# -- System calls ---------------------------------------------------------------


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page"
    path.write_bytes(os.urandom(5000))
    os.stat(path)
    return path


def opened(result: Any) -> Any:
    """Close what a call opened, and say in its place that it did."""
    fd, *rest = result
    if fd >= 0:
        assert not os.get_inheritable(fd)
        blocking = os.get_blocking(fd)
        os.close(fd)
        return blocking, rest
    return fd, rest


@pytest.mark.parametrize("kind", ["file", "folder", "fifo", "missing", "empty"])
def test_open_and_look_are_the_same(page: Path, kind: str) -> None:
    path = page if kind == "file" else page.with_name(kind)
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "empty":
        path.touch()
    name = os.fsencode(path)
    c = core_in_c()
    assert opened(c.open_regular(name, 0)) == opened(PY.open_regular(name, 0))


@pytest.mark.parametrize("limit", [0, 5000, 5001, 10**6])
def test_files_are_read_the_same(page: Path, limit: int) -> None:
    name = os.fsencode(page)
    expected = PY.read_file(name, 0, limit)
    assert core_in_c().read_file(name, 0, limit) == expected
    if isinstance(expected, int):
        assert expected in (-errno.EAGAIN, -errno.ENOSYS, -errno.EOPNOTSUPP)
    else:
        assert expected == page.read_bytes()


def test_missing_files_are_told_by_errno(native: Any, page: Path) -> None:
    missing = os.fsencode(page.with_name("missing"))
    # EAGAIN until the kernel has looked for the name once.
    assert not page.with_name("missing").exists()
    assert native.read_file(missing, 0, 10) in (
        -errno.ENOENT, -errno.EAGAIN, -errno.ENOSYS,
    )  # fmt: skip


def test_name_with_a_nul_is_refused(native: Any) -> None:
    if not hasattr(native, "counts"):
        pytest.skip("in Python the caller has to look")
    for call in (native.open_regular, native.open_cached):
        with pytest.raises(ValueError, match="null"):
            call(b"a\0b", 0)


@pytest.mark.parametrize("size", [1, 4096, 5000, 8000])
@pytest.mark.parametrize("offset", [0, 4999, 5000, 6000, -1])
def test_reads_at_an_offset_are_the_same(page: Path, size: int, offset: int) -> None:
    c = core_in_c()
    with page.open("rb", buffering=0) as file:
        fd = file.fileno()
        results: list[Any] = []
        for core in (c, PY):
            os.lseek(fd, 7, os.SEEK_SET)
            room = bytearray(size)
            try:
                data = core.read_at(fd, size, offset)
                count = core.read_into_at(fd, memoryview(room), max(offset, 0))
            except OSError as error:
                results.append(error.errno)
            else:
                results.append((data, count, room))
    assert results[0] == results[1]


def test_failing_read_has_its_errno(native: Any) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with pytest.raises(OSError, match=r".") as caught:
            native.read_at(reading, 1, 0)
    finally:
        os.close(writing)
    assert caught.value.errno in (errno.EBADF, errno.ENOSYS)
