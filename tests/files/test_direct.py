"""`open(direct=True)`: the same as any other file, only not through the page cache."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import headrace
from headrace.files import _direct

pytestmark = pytest.mark.skipif(
    not _direct.O_DIRECT, reason="there is no O_DIRECT here"
)


@pytest.fixture(autouse=True)
def needs_direct_io(tmp_path: Path) -> None:
    probe = tmp_path / "probe"
    try:
        os.close(os.open(probe, os.O_RDWR | os.O_CREAT | _direct.O_DIRECT))
    except OSError as error:
        pytest.skip(f"no direct I/O on the file system of the tests: {error}")
    finally:
        probe.unlink(missing_ok=True)


@pytest.fixture
def contents() -> bytes:
    return random.Random(1).randbytes(300_001)


@pytest.fixture
def path(tmp_path: Path, contents: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(contents)
    return path


# -- As any other file --------------------------------------------------------------


async def test_kernel_is_asked_for_direct_io(path: Path) -> None:
    async with headrace.open(path, "rb", direct=True) as file:
        assert fcntl.fcntl(file.fileno(), fcntl.F_GETFL) & _direct.O_DIRECT


@pytest.mark.parametrize("buffering", [-1, 0, 100, 5000])
@pytest.mark.parametrize("size", [1, 100, 4096, 5000, 70_000])
async def test_file_is_read_whole(
    path: Path, contents: bytes, buffering: int, size: int
) -> None:
    found = []
    opening: Any = headrace.open(path, "rb", buffering, direct=True)
    async with opening as file:
        while data := await file.read(size):
            found.append(data)
            if len(found) > 200:
                found.append(await file.read())
                break
    assert b"".join(found) == contents


@pytest.mark.parametrize("buffering", [-1, 0])
async def test_read_to_the_end(path: Path, contents: bytes, buffering: int) -> None:
    opening: Any = headrace.open(path, "rb", buffering, direct=True)
    async with opening as file:
        assert await file.read() == contents
        assert await file.read() == b""
        assert await file.seek(-5, os.SEEK_END) == len(contents) - 5
        assert await file.read() == contents[-5:]


async def test_lines(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    lines = [b"line %d\n" % i for i in range(5000)]
    path.write_bytes(b"".join(lines))
    async with headrace.open(path, "rb", direct=True) as file:
        assert [line async for line in file] == lines


@pytest.mark.parametrize(
    ("size", "offset"),
    [(10, 0), (10, 4090), (4096, 4096), (4096, 1), (200_000, 77), (100, 300_000)],
)
async def test_pread(path: Path, contents: bytes, size: int, offset: int) -> None:
    async with headrace.open(path, "rb", buffering=0, direct=True) as file:
        assert await file.pread(size, offset) == contents[offset : offset + size]
        assert await file.pread(size, len(contents) + offset) == b""


@pytest.mark.asyncio_only("asyncio.gather")
async def test_many_reads_at_once(path: Path, contents: bytes) -> None:
    chance = random.Random(4)
    places = [chance.randrange(len(contents)) for _ in range(300)]
    async with headrace.open(path, "rb", buffering=0, direct=True) as file:
        pieces = await asyncio.gather(*(file.pread(1000, at) for at in places))
    assert pieces == [contents[at : at + 1000] for at in places]


@pytest.mark.asyncio_only("asyncio.gather")
async def test_cancelled_reads_spoil_nothing(path: Path, contents: bytes) -> None:
    """The kernel may still write where a cancelled read was to go."""
    chance = random.Random(5)
    async with headrace.open(path, "rb", buffering=0, direct=True) as file:
        for _ in range(30):
            places = [chance.randrange(len(contents) - 4096) for _ in range(40)]
            reads = [asyncio.ensure_future(file.pread(4096, at)) for at in places]
            await asyncio.sleep(0)
            for reading in reads[::2]:
                reading.cancel()
            results = await asyncio.gather(*reads, return_exceptions=True)
            for at, result in zip(places, results, strict=True):
                if not isinstance(result, BaseException):
                    assert result == contents[at : at + 4096]


async def test_descriptor_in_front_of_a_write(path: Path, contents: bytes) -> None:
    async with headrace.open(path, "r+b", direct=True) as file:
        await file.pwrite(b"new", 10)
        assert await file.pread(5, 9) == contents[9:10] + b"new" + contents[13:14]
        await file.truncate(12)
    assert path.read_bytes() == contents[:10] + b"ne"


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 300_000, 3_000_000])
async def test_what_is_written_is_in_the_file(tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    async with headrace.open(tmp_path / "new", "wb", direct=True) as file:
        assert await file.write(data) == size
        await file.sync()
    assert (tmp_path / "new").read_bytes() == data


async def test_pieces_of_any_size(tmp_path: Path) -> None:
    chance = random.Random(9)
    pieces = [chance.randbytes(chance.randrange(20_000)) for _ in range(60)]
    async with headrace.open(tmp_path / "new", "xb", direct=True) as file:
        for piece in pieces:
            await file.write(piece)
            if chance.random() < 0.2:
                await file.flush()
    assert (tmp_path / "new").read_bytes() == b"".join(pieces)


@pytest.mark.parametrize("mode", ["ab", "a+b"])
async def test_appending(path: Path, contents: bytes, mode: str) -> None:
    opening: Any = headrace.open(path, mode, direct=True)
    async with opening as file:
        assert await file.tell() == len(contents)
        await file.write(b"more")
        await file.flush()
        assert await file.tell() == len(contents) + 4
        if "+" in mode:
            await file.seek(len(contents) - 3)
            assert await file.read() == contents[-3:] + b"more"
        await file.write(b" and more")
    assert path.read_bytes() == contents + b"more and more"


async def test_middle_of_a_large_write_is_not_in_the_cache(tmp_path: Path) -> None:
    path = tmp_path / "new"
    async with headrace.open(path, "wb", buffering=0, direct=True) as file:
        await file.write(bytes(1 << 20))
    with path.open("rb") as plain:
        try:
            found = os.preadv(plain.fileno(), [bytearray(4096)], 0, os.RWF_NOWAIT)
        except BlockingIOError:
            found = 0
    assert not found


# -- Mistakes, and what there is not ------------------------------------------------


@pytest.mark.parametrize("mode", ["r", "w", "rt", "r+"])
async def test_text_is_refused(path: Path, mode: str, contents: bytes) -> None:
    opening: Any = headrace.open  # type checkers refuse it as well
    with pytest.raises(ValueError, match="binary"):
        await opening(path, mode, direct=True)
    assert path.read_bytes() == contents


async def test_descriptor_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="path"):
        await headrace.open(0, "rb", direct=True)


async def test_file_system_without_it_is_explained() -> None:
    with pytest.raises(OSError, match="O_DIRECT") as caught:
        await headrace.open("/proc/self/status", "rb", direct=True)
    assert caught.value.errno == errno.EINVAL
    assert caught.value.filename == "/proc/self/status"
    assert "without direct=True" in str(caught.value)


async def test_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await headrace.open(tmp_path / "missing", "rb", direct=True)


def test_unknown_alignment_is_the_common_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        assert _direct.alignment_of(fd) >= _direct.COMMON_ALIGNMENT
        monkeypatch.setattr(_direct, "_statx", lambda: None)
        assert _direct.alignment_of(fd) == _direct.COMMON_ALIGNMENT
        monkeypatch.setattr(_direct, "_statx", lambda: lambda *args: -1)
        assert _direct.alignment_of(fd) == _direct.COMMON_ALIGNMENT
    finally:
        os.close(fd)


async def test_error_of_a_write_is_raised(tmp_path: Path) -> None:
    path = tmp_path / "new"
    file = await headrace.open(path, "wb", buffering=0, direct=True)
    try:
        with pytest.raises(OSError, match=r".") as caught:
            await file.pwrite(b"x" * 4096, 1 << 62)
        assert caught.value.errno in (errno.EFBIG, errno.EINVAL)
        assert caught.value.filename == str(path)
    finally:
        await file.close()


# -- Against a plain file -----------------------------------------------------------

SIZES = st.sampled_from([0, 1, 7, 511, 512, 4095, 4096, 4097, 8192, 9000, 70_000])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), SIZES),
        st.tuples(st.just("read"), SIZES),
        st.tuples(st.just("seek"), SIZES),
        st.tuples(st.just("truncate"), SIZES),
        st.tuples(st.just("flush"), st.just(0)),
        st.tuples(st.just("readline"), st.just(0)),
    ),
    max_size=12,
)


@pytest.mark.parametrize("mode", ["r+b", "w+b"])
@given(steps=STEPS)
@settings(max_examples=60)
@example(steps=[("write", 4097), ("seek", 1), ("write", 4096), ("read", 9000)])
@example(steps=[("write", 9000), ("truncate", 4097), ("seek", 512), ("read", 70_000)])
async def test_same_as_a_plain_file(
    tmp_path: Path, mode: str, steps: list[tuple[str, int]]
) -> None:
    direct, plain = tmp_path / "direct", tmp_path / "plain"
    for path in (direct, plain):
        path.write_bytes(b"abc\n" * 3000)
    opening: Any = headrace.open(direct, mode, direct=True)
    with plain.open(mode) as expected:
        async with opening as file:
            for number, (name, size) in enumerate(steps):
                argument: Any = size
                if name == "write":
                    argument = random.Random(number).randbytes(size)
                arguments = () if name in ("flush", "readline") else (argument,)
                wanted = getattr(expected, name)(*arguments)
                assert await getattr(file, name)(*arguments) == wanted
                assert await file.tell() == expected.tell()
    assert direct.read_bytes() == plain.read_bytes()
