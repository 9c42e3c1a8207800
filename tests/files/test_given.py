"""`files/_given.py`: what can be told of a sync file that was given."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from headrace.files._given import (
    Place,
    is_in_memory,
    lines_in_memory,
    place_of,
    stays_in_memory,
)


class Chatty(io.BytesIO):
    """It may do anything in its `read`."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(io.BytesIO, True, id="bytes"),
        pytest.param(io.StringIO, True, id="str"),
        pytest.param(lambda: io.BufferedReader(io.BytesIO()), True, id="buffered"),
        pytest.param(lambda: io.TextIOWrapper(io.BytesIO()), True, id="text"),
        pytest.param(Chatty, False, id="with-a-method-of-its-own"),
        pytest.param(object, False, id="no-file"),
    ],
)
def test_files_in_memory_are_known(make: Any, expected: bool) -> None:
    assert is_in_memory(make()) is expected


def test_regular_files_are_on_a_disk_and_pipes_are_not(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(b"x"))
    reading, writing = os.pipe()
    with path.open("rb") as file, gzip.open(path) as packed:
        assert place_of(file) in (Place.DISK, Place.LOCAL)
        assert place_of(file.raw) in (Place.DISK, Place.LOCAL)
        assert place_of(packed) in (Place.DISK, Place.LOCAL)
    with open(reading, "rb") as pipe, open(writing, "wb"):
        assert place_of(pipe) is Place.UNKNOWN
    assert place_of(object()) is Place.UNKNOWN


def test_place_of_an_archive_member_is_told_without_asking_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("member", b"x")
        with archive.open("member") as member:
            assert place_of(member) is Place.DISK


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        pytest.param("read", (), True, id="read"),
        pytest.param("write", (b"12345",), True, id="fits"),
        pytest.param("write", (b"123456",), False, id="rolls-over"),
        pytest.param("write", (bytearray(6),), False, id="any-buffer"),
        pytest.param("rollover", (), False, id="asked-to"),
    ],
)
def test_spooled_file_stays_in_memory_while_there_is_room(
    name: str, args: tuple[Any, ...], expected: bool
) -> None:
    with tempfile.SpooledTemporaryFile(10) as file:
        file.write(b"abcde")
        assert stays_in_memory(file, name, args) is expected


def test_lines_in_memory_never_counts_too_many(tmp_path: Path) -> None:
    """Each line that it promises is read without the raw file being asked."""
    path = tmp_path / "file"
    path.write_bytes(b"\n\r\n\r\r\nabc\n" * 5000)

    class Counting(io.FileIO):
        reads = 0

        def readinto(self, buffer: Any, /) -> int:
            self.reads += 1
            return super().readinto(buffer) or 0

    for newline in (None, "", "\n", "\r", "\r\n"):
        raw = Counting(path)
        text = io.TextIOWrapper(io.BufferedReader(raw), "utf-8", newline=newline)
        with text:
            while line := text.readline():
                promised = lines_in_memory(text, line, Place.DISK)
                reads = raw.reads
                for _ in range(promised):
                    assert text.readline()
                assert raw.reads == reads, newline
