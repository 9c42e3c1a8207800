"""`chunks(size)`: pieces of one size, from the position on."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncBufferedReader
from headrace import open as open_file
from headrace._typing import WAIT
from headrace.files._chunks import Chunks
from tests import tasks
from tests.fakes import RunningJob, ScriptedRaw, SteppedEngine, begun
from tests.files.support import raw_file, raw_over, slow

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pread, pipes")

CONTENTS = bytes(range(100))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(CONTENTS)
    return made


@pytest.mark.parametrize("buffering", [0, 7, -1])
@pytest.mark.parametrize(
    ("size", "lengths"),
    [
        pytest.param(1, [1] * 100, id="one"),
        pytest.param(30, [30, 30, 30, 10], id="last-is-shorter"),
        pytest.param(50, [50, 50], id="last-is-full"),
        pytest.param(100, [100], id="all"),
        pytest.param(1000, [100], id="more-than-all"),
    ],
)
async def test_every_chunk_but_the_last_has_the_size(
    size: int, lengths: list[int], buffering: int, path: Path
) -> None:
    opening: Any = open_file(path, "rb", buffering)
    async with opening as file:
        pieces = [piece async for piece in file.chunks(size)]
    assert [len(piece) for piece in pieces] == lengths
    assert b"".join(pieces) == CONTENTS


@pytest.mark.parametrize("buffering", [0, -1])
async def test_chunks_begin_at_the_position(buffering: int, path: Path) -> None:
    opening: Any = open_file(path, "rb", buffering)
    async with opening as file:
        await file.seek(90)
        assert [piece async for piece in file.chunks(6)] == [
            CONTENTS[90:96],
            CONTENTS[96:],
        ]


async def test_chunks_of_an_empty_file_are_none(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    async with open_file(path, "rb") as file:
        assert [piece async for piece in file.chunks(6)] == []


async def test_short_reads_do_not_make_short_chunks() -> None:
    raw: Any = ScriptedRaw(CONTENTS, reads=[1, WAIT, 2, 3, 1, WAIT, 5])
    file = AsyncBufferedReader(raw, 4)
    pieces = [piece async for piece in file.chunks(30)]
    assert [len(piece) for piece in pieces] == [30, 30, 30, 10]


async def test_chunks_of_a_pipe_have_the_size_however_it_came() -> None:
    reader, writer = os.pipe()
    async with raw_over(reader, adopted=True) as file:
        pieces = file.chunks(6)
        os.write(writer, b"abc")
        first = await begun(anext(pieces))
        os.write(writer, b"defgh")
        assert await first == b"abcdef"
        os.close(writer)
        assert [piece async for piece in pieces] == [b"gh"]


async def test_text_chunks_count_characters(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("äöüßé" * 3, encoding="utf-8")
    async with open_file(path, encoding="utf-8") as file:
        assert [piece async for piece in file.chunks(4)] == [
            "äöüß",
            "éäöü",
            "ßéäö",
            "üßé",
        ]


async def test_other_reads_take_their_share(path: Path) -> None:
    async with open_file(path, "rb") as file:
        pieces = file.chunks(10)
        assert await anext(pieces) == CONTENTS[:10]
        assert await file.read(5) == CONTENTS[10:15]
        assert await anext(pieces) == CONTENTS[15:25]


async def test_cancelled_chunk_is_not_lost(path: Path, engine: SteppedEngine) -> None:
    async with raw_file(path, "rb", slow()) as file:
        pieces = file.chunks(10)
        task = await begun(anext(pieces))
        inside = RunningJob(engine.waiting.popleft(), called=True)
        task.cancel()
        await tasks.wait([task])
        inside.finish()
        assert await engine.carry(anext(pieces)) == CONTENTS[:10]


async def test_iterating_again_goes_on(path: Path) -> None:
    async with open_file(path, "rb") as file:
        pieces = file.chunks(40)
        async for piece in pieces:
            assert piece == CONTENTS[:40]
            break
        assert [piece async for piece in pieces] == [CONTENTS[40:80], CONTENTS[80:]]


@pytest.mark.parametrize(
    ("size", "error"),
    [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("1", TypeError)],
)
def test_size_has_to_be_a_positive_number(size: Any, error: type[Exception]) -> None:
    async def read(size: int) -> bytes:
        raise AssertionError

    with pytest.raises(error):
        Chunks(read, size)
