"""System calls that do not wait: what they return, and what they leave alone."""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace import _native
from headrace._native.py import inline
from headrace._platform import inline_reads

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="these are system calls of Linux"
)
needs_nowait = pytest.mark.skipif(bool(inline_reads()), reason=inline_reads())

CONTENTS = bytes(range(256)) * 1024  # 256 KiB


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(CONTENTS)
    return made


@pytest.fixture
def fd(path: Path) -> Iterator[int]:
    opened = os.open(path, os.O_RDONLY)
    os.read(opened, len(CONTENTS))
    yield opened
    os.close(opened)


def would_wait(*args: object) -> int:
    raise BlockingIOError(errno.EAGAIN, "would wait")


def refused(*args: object) -> int:
    raise OSError(errno.EOPNOTSUPP, "no such reads here")


# -- Reading --


@needs_nowait
@pytest.mark.parametrize(
    ("size", "offset"),
    [
        pytest.param(1, 0, id="one-byte"),
        pytest.param(4095, 1, id="below-a-page"),
        pytest.param(4096, 4096, id="a-page"),
        pytest.param(4097, 7, id="above-a-page"),
        pytest.param(64 * 1024, 0, id="power-of-two"),
        pytest.param(_native.SCRATCH_SIZE, 0, id="largest"),
        pytest.param(100, len(CONTENTS) - 10, id="short-at-the-end"),
        pytest.param(100, len(CONTENTS), id="at-the-end"),
        pytest.param(100, len(CONTENTS) + 9, id="behind-the-end"),
    ],
)
def test_read_gives_the_bytes_at_the_offset(fd: int, size: int, offset: int) -> None:
    assert _native.read_at(fd, size, offset) == CONTENTS[offset : offset + size]


@needs_nowait
def test_read_at_an_offset_leaves_the_position_alone(fd: int) -> None:
    os.lseek(fd, 123, os.SEEK_SET)
    _native.read_at(fd, 10, 0)
    assert os.lseek(fd, 0, os.SEEK_CUR) == 123


@needs_nowait
def test_read_without_an_offset_moves_the_position(fd: int) -> None:
    os.lseek(fd, 123, os.SEEK_SET)
    assert _native.read_at(fd, 10, -1) == CONTENTS[123:133]
    assert os.lseek(fd, 0, os.SEEK_CUR) == 133


@needs_nowait
def test_later_reads_do_not_change_what_an_earlier_one_gave(fd: int) -> None:
    first = _native.read_at(fd, 4096, 0)
    _native.read_at(fd, 4096, 128)
    assert first == CONTENTS[:4096]


@needs_nowait
def test_threads_do_not_share_the_room_that_reads_land_in(fd: int) -> None:
    wrong: list[int] = []

    def read(offset: int) -> None:
        wanted = CONTENTS[offset : offset + 4096]
        wrong.extend(
            offset for _ in range(200) if _native.read_at(fd, 4096, offset) != wanted
        )

    threads = [threading.Thread(target=read, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_read_that_would_wait_gives_none(
    fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "_preadv", would_wait)
    assert inline.read_at(fd, 10, 0) is None


def test_read_that_is_refused_says_why(
    fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "_preadv", refused)
    with pytest.raises(OSError, match="no such reads here") as caught:
        inline.read_at(fd, 10, 0)
    assert caught.value.errno == errno.EOPNOTSUPP


@needs_nowait
def test_read_of_a_bad_descriptor_is_an_error() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        _native.read_at(-5, 10, 0)


@needs_nowait
def test_read_into_a_buffer_gives_the_count(fd: int) -> None:
    room = bytearray(10)
    assert _native.read_into_at(fd, memoryview(room), 5) == 10
    assert room == CONTENTS[5:15]


@needs_nowait
def test_read_into_a_buffer_touches_no_more_than_it_read(fd: int) -> None:
    room = bytearray(b"." * 10)
    assert _native.read_into_at(fd, memoryview(room), len(CONTENTS) - 3) == 3
    assert room == CONTENTS[-3:] + b"......."


def test_read_into_a_buffer_that_would_wait_gives_minus_one(
    fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "_preadv", would_wait)
    assert inline.read_into_at(fd, memoryview(bytearray(4)), 0) == -1


# -- Opening --


def open_or_skip(path: Path, flags: int, resolve: int = 0) -> int:
    fd = _native.open_cached(os.fsencode(path), flags, resolve)
    if fd in (-errno.ENOSYS, -errno.EPERM, -errno.EINVAL):
        pytest.skip(f"openat2(RESOLVE_CACHED): {os.strerror(-fd)}")
    return fd


def test_cached_path_opens(path: Path) -> None:
    path.stat()
    fd = open_or_skip(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        assert os.path.samestat(os.fstat(fd), path.stat())
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)


def test_missing_file_gives_its_errno(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert not missing.exists()  # the kernel now knows that it is not there
    assert open_or_skip(missing, os.O_RDONLY) == -errno.ENOENT


def test_path_through_another_mount_is_refused_if_asked_so() -> None:
    assert os.path.ismount("/proc")
    resolve = _native.RESOLVE_NO_XDEV
    # A walk that may not wait gives EAGAIN there: it would have to begin again.
    assert open_or_skip(Path("/proc"), os.O_RDONLY, resolve) in (
        -errno.EXDEV,
        -errno.EAGAIN,
    )


def test_without_the_c_library_opening_is_not_to_be_had(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "_openat2", lambda: None)
    assert inline.open_cached(bytes(path), os.O_RDONLY) == -errno.ENOSYS


# -- Looking --


def test_kind_of_an_open_file_is_that_of_fstat(fd: int) -> None:
    kind = _native.cached_kind(fd)
    if kind is None:
        pytest.skip("the C library has no statx")
    status = os.fstat(fd)
    assert kind[0] == status.st_dev
    assert stat.S_IFMT(kind[1]) == stat.S_IFMT(status.st_mode)


@pytest.mark.parametrize("name", ["/", "/proc", "/dev/null"])
def test_kind_is_known_for_path_descriptors(name: str) -> None:
    fd = os.open(name, os.O_PATH)
    try:
        kind = _native.cached_kind(fd)
        if kind is None:
            pytest.skip("the C library has no statx")
        status = os.fstat(fd)
        assert (kind[0], stat.S_IFMT(kind[1])) == (
            status.st_dev,
            stat.S_IFMT(status.st_mode),
        )
    finally:
        os.close(fd)


def test_kind_of_no_descriptor_cannot_be_told() -> None:
    assert _native.cached_kind(-5) is None


def test_kind_without_the_c_library_cannot_be_told(
    fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "_libc", lambda: None)
    assert inline.cached_kind(fd) is None


def test_file_system_type_of_proc_is_its_magic_number() -> None:
    fd = os.open("/proc", os.O_RDONLY)
    try:
        # PROC_SUPER_MAGIC, <linux/magic.h>
        assert _native.file_system_type(fd) == 0x9FA0
    finally:
        os.close(fd)


def test_file_system_type_of_no_descriptor_is_unknown() -> None:
    assert _native.file_system_type(-5) == 0


def test_file_system_type_without_the_c_library_is_unknown(
    fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "_libc", lambda: None)
    assert inline.file_system_type(fd) == 0
