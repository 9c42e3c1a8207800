"""The system calls that jobs consist of: continued when short, errors reported."""

from __future__ import annotations

import array
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.files import _calls

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pread, poll, pipes")

CONTENTS = bytes(range(256)) * 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(CONTENTS)
    return made


@pytest.fixture
def fd(path: Path) -> Iterator[int]:
    opened = os.open(path, os.O_RDWR)
    yield opened
    os.close(opened)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have each read and write of this process move a few bytes at the most."""
    read, pread, write, pwrite = os.read, os.pread, os.write, os.pwrite

    def shorten(most: int) -> None:
        monkeypatch.setattr(os, "read", lambda fd, n: read(fd, min(n, most)))
        monkeypatch.setattr(os, "pread", lambda fd, n, at: pread(fd, min(n, most), at))
        monkeypatch.setattr(os, "write", lambda fd, b: write(fd, b[:most]))
        monkeypatch.setattr(os, "pwrite", lambda fd, b, at: pwrite(fd, b[:most], at))

    return shorten


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Have the writes of this process take so many bytes, and then fail so."""

    def begin(most: int, number: int) -> None:
        left = most

        def limited(call: Callable[..., int]) -> Callable[..., int]:
            def write(fd: int, data: Any, *at: int) -> int:
                nonlocal left
                if not left:
                    raise OSError(number, os.strerror(number))
                count = call(fd, data[:left], *at)
                left -= count
                return count

            return write

        monkeypatch.setattr(os, "write", limited(os.write))
        monkeypatch.setattr(os, "pwrite", limited(os.pwrite))

    return begin


# -- Reading --


@pytest.mark.parametrize("offset", [0, 1, 100, len(CONTENTS) - 1, len(CONTENTS) + 5])
@pytest.mark.parametrize("size", [1, 100, len(CONTENTS), 2 * len(CONTENTS), 1 << 20])
@pytest.mark.parametrize("most", [7, 4096, 1 << 30])
def test_read_up_to_gives_all_that_is_there(
    offset: int, size: int, most: int, fd: int, short: Callable[[int], None]
) -> None:
    short(most)
    assert _calls.read_up_to(fd, size, offset) == CONTENTS[offset : offset + size]


@pytest.mark.parametrize("most", [7, 4096, 1 << 30])
def test_read_up_to_at_the_position_moves_it(
    most: int, fd: int, short: Callable[[int], None]
) -> None:
    short(most)
    os.lseek(fd, 50, os.SEEK_SET)
    assert _calls.read_up_to(fd, 5000, -1) == CONTENTS[50:5050]
    assert os.lseek(fd, 0, os.SEEK_CUR) == 5050


def test_room_for_a_huge_read_is_as_large_as_the_file(
    fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    pread = os.pread

    def noted(fd: int, size: int, offset: int) -> bytes:
        sizes.append(size)
        return pread(fd, size, offset)

    monkeypatch.setattr(os, "pread", noted)
    assert _calls.read_up_to(fd, 1 << 40, 0) == CONTENTS
    assert sizes[0] == len(CONTENTS)
    assert max(sizes) <= _calls.LARGEST_PIECE


@pytest.mark.parametrize("offset", [0, 100, len(CONTENTS), len(CONTENTS) + 5])
@pytest.mark.parametrize("most", [7, 4096, 1 << 30])
def test_read_to_end_gives_the_rest(
    offset: int, most: int, fd: int, short: Callable[[int], None]
) -> None:
    short(most)
    assert _calls.read_to_end(fd, offset) == CONTENTS[offset:]


def test_read_to_end_at_the_position_moves_it_to_the_end(fd: int) -> None:
    os.lseek(fd, 10, os.SEEK_SET)
    assert _calls.read_to_end(fd, -1) == CONTENTS[10:]
    assert os.lseek(fd, 0, os.SEEK_CUR) == len(CONTENTS)


def test_read_to_end_of_a_plain_file_is_two_calls(
    fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    pread = os.pread

    def noted(fd: int, size: int, offset: int) -> bytes:
        calls.append(size)
        return pread(fd, size, offset)

    monkeypatch.setattr(os, "pread", noted)
    _calls.read_to_end(fd, 0)
    assert calls[0] == len(CONTENTS) + 1
    assert len(calls) == 2


def test_read_to_end_does_not_believe_the_size() -> None:
    """Files of /proc say that they are empty."""
    if not sys.platform.startswith("linux"):
        pytest.skip("no /proc here")
    fd = os.open("/proc/self/status", os.O_RDONLY)
    try:
        assert os.fstat(fd).st_size == 0
        assert _calls.read_to_end(fd, 0).startswith(b"Name:")
    finally:
        os.close(fd)


def test_read_to_end_of_a_pipe_waits_for_its_end() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"some")
    os.close(writer)
    try:
        assert _calls.read_to_end(reader, -1) == b"some"
    finally:
        os.close(reader)


# -- Writing --


@pytest.mark.parametrize("offset", [-1, 0, 100])
@pytest.mark.parametrize("most", [1, 7, 1 << 30])
def test_short_writes_are_continued(
    offset: int, most: int, path: Path, fd: int, short: Callable[[int], None]
) -> None:
    short(most)
    assert _calls.write_all(fd, b"0123456789", offset) == (10, None)
    at = max(offset, 0)
    assert path.read_bytes()[at : at + 10] == b"0123456789"


@pytest.mark.parametrize("offset", [-1, 0])
def test_error_says_how_much_was_written_before(
    offset: int, path: Path, fd: int, fails: Callable[[int, int], None]
) -> None:
    fails(4, errno.ENOSPC)
    done, error = _calls.write_all(fd, b"0123456789", offset)
    assert done == 4
    assert error is not None
    assert error.errno == errno.ENOSPC
    assert path.read_bytes()[:10] == b"0123" + CONTENTS[4:10]


def test_nothing_is_written_without_a_call(
    fd: int, fails: Callable[[int, int], None]
) -> None:
    fails(0, errno.EIO)
    assert _calls.write_all(fd, b"", 0) == (0, None)


def test_buffer_is_let_go_after_a_write(fd: int) -> None:
    data = bytearray(b"0123456789")
    _calls.write_all(fd, data, 0)
    data.clear()  # BufferError if it were still pinned


def test_buffer_is_let_go_after_a_failed_write(
    fd: int, fails: Callable[[int, int], None]
) -> None:
    fails(4, errno.ENOSPC)
    data = bytearray(b"0123456789")
    _calls.write_all(fd, data, 0)
    data.clear()


def test_items_larger_than_a_byte_are_written_whole(
    path: Path, fd: int, short: Callable[[int], None]
) -> None:
    short(8)
    numbers = array.array("i", range(10))
    size = len(numbers) * numbers.itemsize
    assert _calls.write_all(fd, memoryview(numbers).cast("B"), 0) == (size, None)
    assert path.read_bytes()[:size] == numbers.tobytes()


# -- Writing and closing --


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_write_and_close_does_both(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    assert _calls.write_and_close(fd, b"all", 0) is None
    assert path.read_bytes() == b"all"
    assert not is_open(fd)


def test_write_and_close_closes_after_a_failed_write(
    path: Path, fails: Callable[[int, int], None]
) -> None:
    fails(2, errno.EDQUOT)
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    error = _calls.write_and_close(fd, b"all", 0)
    assert error is not None
    assert error.errno == errno.EDQUOT
    assert path.read_bytes() == b"al"
    assert not is_open(fd)


def test_error_of_the_closing_is_given(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = os.close

    def fail(fd: int) -> None:
        close(fd)
        raise OSError(errno.EIO, "late")

    monkeypatch.setattr(os, "close", fail)
    fd = os.open(path, os.O_WRONLY)
    error = _calls.write_and_close(fd, b"all", 0)
    assert error is not None
    assert error.errno == errno.EIO


def test_error_of_the_write_comes_before_that_of_the_closing(
    path: Path, fails: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(0, errno.ENOSPC)
    close = os.close

    def fail(fd: int) -> None:
        close(fd)
        raise OSError(errno.EIO, "late")

    monkeypatch.setattr(os, "close", fail)
    error = _calls.write_and_close(os.open(path, os.O_WRONLY), b"all", 0)
    assert error is not None
    assert error.errno == errno.ENOSPC


def test_write_and_sync_does_both(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append("fsync"))
    monkeypatch.setattr(os, "fdatasync", lambda _: synced.append("fdatasync"))
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    assert _calls.write_and_sync(fd, b"all", 0, False) == (3, None)
    assert _calls.write_and_sync(fd, b"more", 3, True) == (4, None)
    os.close(fd)
    assert path.read_bytes() == b"allmore"
    assert synced == ["fsync", "fdatasync"]


def test_failed_write_is_not_synced(
    path: Path, fails: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(2, errno.EDQUOT)
    monkeypatch.setattr(os, "fsync", lambda _: pytest.fail("was called"))
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    count, error = _calls.write_and_sync(fd, b"all", 0, False)
    os.close(fd)
    assert count == 2
    assert error is not None
    assert error.errno == errno.EDQUOT


def test_what_was_written_counts_though_the_sync_failed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "lost")

    monkeypatch.setattr(os, "fsync", fail)
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    count, error = _calls.write_and_sync(fd, b"all", 0, False)
    os.close(fd)
    assert count == 3
    assert error is not None
    assert error.errno == errno.EIO


# -- Writing to what may be full --


def test_pipe_takes_what_it_has_room_for(pipe: tuple[int, int]) -> None:
    data = bytes(1 << 20)
    done, error = _calls.write_while_ready(pipe[1], data)
    assert error is None
    assert 0 < done < len(data)
    assert len(os.read(pipe[0], len(data))) == done


def test_full_pipe_takes_nothing_and_does_not_block(pipe: tuple[int, int]) -> None:
    _calls.write_while_ready(pipe[1], bytes(1 << 20))
    assert _calls.write_while_ready(pipe[1], b"more") == (0, None)


def test_full_pipe_in_non_blocking_mode_takes_nothing(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    _calls.write_while_ready(pipe[1], bytes(1 << 20))
    assert _calls.write_while_ready(pipe[1], b"more") == (0, None)


def test_pipe_without_a_reader_is_an_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done, error = _calls.write_while_ready(writer, b"some")
        assert done == 0
        assert isinstance(error, BrokenPipeError)
    finally:
        os.close(writer)
