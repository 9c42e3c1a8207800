"""Writes that are under way while their writer goes on."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace.files import _calls
from headrace.files._descriptor import FileDescriptor
from tests.files.support import until
from tests.garbage import collect_until

SIZE = 1000


class Disk:
    """Stands in for the call that writes: slow, full, or both, as the test says."""

    def __init__(self) -> None:
        self.errors: list[int] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.begun = threading.Event()
        self._write = _calls.write_all

    def __call__(self, fd: int, data: Any, offset: int) -> tuple[int, OSError | None]:
        self.begun.set()
        assert self.may_go_on.wait(20)
        if self.errors:
            # Half of it reaches the file.
            half = len(data) // 2
            done, _ = self._write(fd, bytes(data)[:half], offset)
            return done, OSError(self.errors.pop(0), "by the test")
        return self._write(fd, data, offset)

    def write_pieces(
        self, fd: int, pieces: tuple[bytes, ...], offset: int
    ) -> tuple[int, OSError | None]:
        return self(fd, b"".join(pieces), offset)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Have files write behind whatever the engine."""
    made = Disk()
    monkeypatch.setattr(FileDescriptor, "writes_behind", True)
    monkeypatch.setattr(_calls, "write_all", made)
    monkeypatch.setattr(_calls, "write_pieces", made.write_pieces)
    yield made
    made.may_go_on.set()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def piece(number: int) -> bytes:
    return bytes([number % 256]) * (SIZE * 3 // 4)


async def test_writer_goes_on_while_the_disk_writes(path: Path, disk: Disk) -> None:
    disk.may_go_on.clear()
    file: Any = await headrace.open(path, "wb", SIZE)
    await file.write(piece(1))
    await file.write(piece(2))
    assert disk.begun.wait(20)
    assert await file.tell() == len(piece(1)) * 2
    disk.may_go_on.set()
    for number in range(3, 60):
        await file.write(piece(number))
    await file.close()
    assert path.read_bytes() == b"".join(piece(number) for number in range(1, 60))


@pytest.mark.parametrize("mode", ["wb", "ab", "w+b"])
async def test_flush_waits_for_it(path: Path, disk: Disk, mode: str) -> None:
    async with headrace.open(path, mode, SIZE) as file:
        await file.write(piece(1))
        await file.write(piece(2))
        await file.flush()
        assert path.read_bytes() == piece(1) + piece(2)


async def test_text_is_written_behind_too(path: Path, disk: Disk) -> None:
    lines = [f"line {number} é\n" for number in range(60_000)]
    async with headrace.open(path, "w", encoding="utf-8") as file:
        for line in lines:
            await file.write(line)
    assert path.read_text(encoding="utf-8") == "".join(lines)


async def fill(file: Any, last: int) -> list[Any]:
    """Write pieces until *last*, each till it is taken; the errors on the way."""
    errors = []
    for number in range(1, last + 1):
        while True:
            try:
                await file.write(piece(number))
            except OSError as error:
                errors.append((error.errno, error.filename))
            else:
                break
    return errors


async def test_error_is_raised_by_a_later_write_and_nothing_is_lost(
    path: Path, disk: Disk
) -> None:
    disk.errors = [errno.ENOSPC, errno.EIO]
    name = str(path)
    async with headrace.open(name, "wb", SIZE) as file:
        assert await fill(file, 20) == [(errno.ENOSPC, name), (errno.EIO, name)]
    assert path.read_bytes() == b"".join(piece(number) for number in range(1, 21))


async def test_error_is_raised_by_flush(path: Path, disk: Disk) -> None:
    disk.errors = [errno.ENOSPC]
    async with headrace.open(path, "wb", SIZE) as file:
        assert await fill(file, 2) == []
        assert await file.tell() == 2 * len(piece(1))
        with pytest.raises(OSError, match="by the test"):
            await file.flush()
        await file.flush()
        assert path.read_bytes() == piece(1) + piece(2)


async def test_close_tries_again_and_raises_what_is_left(
    path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.errors = [errno.ENOSPC]
    file: Any = await headrace.open(path, "wb", SIZE)
    await fill(file, 2)
    await file.close()
    assert path.read_bytes() == piece(1) + piece(2)

    def full(fd: int, data: Any, offset: int) -> OSError:
        os.close(fd)
        return OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(_calls, "write_and_close", full)
    disk.errors = [errno.ENOSPC]
    file = await headrace.open(path, "wb", SIZE)
    await fill(file, 2)
    with pytest.raises(OSError, match="full"):
        await file.close()
    assert file.closed


async def test_reading_sees_what_was_written(path: Path, disk: Disk) -> None:
    opened: Any = headrace.open(path, "w+b", SIZE)
    async with opened as file:
        await fill(file, 5)
        assert await file.pread(3, 0) == piece(1)[:3]
        await file.seek(len(piece(1)))
        assert await file.read(len(piece(1))) == piece(2)
        await file.truncate(10)
    assert path.read_bytes() == piece(1)[:10]


@pytest.mark.parametrize("full", [False, True])
async def test_raw_file_that_was_detached_writes_it_all(
    path: Path, disk: Disk, full: bool
) -> None:
    disk.may_go_on.clear()
    disk.errors = [errno.ENOSPC] if full else []
    file: Any = await headrace.open(path, "wb", SIZE)
    await fill(file, 2)
    raw = file.detach()
    disk.may_go_on.set()
    if full:
        with pytest.raises(OSError, match="by the test"):
            await raw.flush()
    await raw.write(b"end")
    await raw.close()
    assert path.read_bytes() == piece(1) + piece(2) + b"end"


def is_written(raw: Any) -> bool:
    return raw._behind is None or raw._late.completed


@pytest.mark.parametrize("errors", [[], [errno.ENOSPC]])
async def test_forgotten_file_is_written(
    path: Path, disk: Disk, errors: list[int]
) -> None:
    disk.errors = list(errors)
    file: Any = await headrace.open(path, "wb", SIZE)
    await fill(file, 3)
    await until(partial(is_written, file.raw))
    with pytest.warns(ResourceWarning, match="unclosed file"):
        del file
        # The thread lets go of its job a moment after that is complete.
        assert collect_until(lambda: path.stat().st_size == 3 * len(piece(1)))
    assert path.read_bytes() == piece(1) + piece(2) + piece(3)


async def test_special_files_are_not_written_behind() -> None:
    async with headrace.open("/dev/null", "wb") as file:
        assert not file.raw.writes_behind
