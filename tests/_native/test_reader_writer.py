"""The hot side of reading and writing: who answers, and when the slow side is asked."""

from __future__ import annotations

from typing import Any

import pytest

from headrace._native import Reader, Writer
from headrace._stats import stats
from headrace._typing import WAIT, Wait


class ReaderUnderTest(Reader):
    """A reader whose slow side says that it was asked, and answers as it is told."""

    def __init__(self, data: bytes = b"", limit: int = -1) -> None:
        super().__init__()
        self._data = data
        self._limit = limit
        self.asked: list[tuple[str, Any]] = []
        self.now: bytes | Wait = WAIT
        self.later = b"later"

    def _read_now(self, size: int | None) -> bytes | Wait:
        self.asked.append(("read now", size))
        return self.now

    async def _read_wait(self, size: int | None) -> bytes:
        self.asked.append(("read wait", size))
        return self.later

    def _readline_now(self, size: int | None) -> bytes | Wait:
        self.asked.append(("readline now", size))
        return self.now

    async def _readline_wait(self, size: int | None) -> bytes:
        self.asked.append(("readline wait", size))
        return self.later


class WriterUnderTest(Writer):
    """A writer whose slow side says that it was asked, and answers as it is told."""

    def __init__(self, room: int = -1) -> None:
        super().__init__()
        self._room = room
        self.asked: list[tuple[str, Any]] = []
        self.now: int | Wait = WAIT

    def _write_now(self, data: Any) -> int | Wait:
        self.asked.append(("write now", data))
        return self.now

    async def _write_wait(self, data: Any) -> int:
        self.asked.append(("write wait", data))
        return len(data)


# -- Reading bytes --


async def test_read_within_the_limit_is_answered_from_the_buffer() -> None:
    reader = ReaderUnderTest(b"abcdef", limit=6)
    assert [await reader.read(2), await reader.read(4)] == [b"ab", b"cdef"]
    assert reader.asked == []


async def test_read_from_the_buffer_is_counted() -> None:
    reader = ReaderUnderTest(b"abcdef", limit=6)
    before = stats()
    await reader.read(2)
    assert (stats() - before).buffer_hits == 1


async def test_read_beyond_the_limit_asks_the_slow_side() -> None:
    reader = ReaderUnderTest(b"abcdef", limit=3)
    reader.now = b"now"
    assert await reader.read(4) == b"now"
    assert reader.asked == [("read now", 4)]
    assert reader._pos == 0


async def test_read_that_has_to_wait_asks_twice() -> None:
    reader = ReaderUnderTest()
    assert await reader.read(4) == b"later"
    assert reader.asked == [("read now", 4), ("read wait", 4)]


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(-1, id="all"),
        pytest.param(None, id="none"),
        pytest.param(-7, id="negative"),
        pytest.param(True, id="bool"),
        pytest.param("1", id="str"),
        pytest.param(1.0, id="float"),
    ],
)
async def test_only_plain_sizes_are_answered_without_looking(size: Any) -> None:
    reader = ReaderUnderTest(b"abcdef", limit=6)
    reader.now = b""
    await reader.read(size)
    assert reader.asked == [("read now", size)]


async def test_size_defaults_to_all() -> None:
    reader = ReaderUnderTest()
    reader.now = b"x"
    await reader.read()
    assert reader.asked == [("read now", -1)]


async def test_shut_fast_path_asks_even_for_nothing() -> None:
    reader = ReaderUnderTest(b"abc", limit=-1)
    reader.now = b""
    assert await reader.read(0) == b""
    assert reader.asked == [("read now", 0)]


# -- Reading lines --


async def test_cut_lines_are_handed_out_without_asking() -> None:
    reader = ReaderUnderTest(b"a\nb\nc")
    assert reader._cut_lines(16)
    assert [await reader.readline(), await anext(reader)] == [b"a\n", b"b\n"]
    assert reader.asked == []


async def test_readline_with_a_size_takes_no_cut_line() -> None:
    reader = ReaderUnderTest(b"abc\n")
    assert reader._cut_lines(16)
    reader.now = b"ab"
    assert await reader.readline(2) == b"ab"
    assert reader.asked == [("readline now", 2)]
    assert reader._next_line() == b"abc\n"


async def test_readline_behind_the_cut_lines_asks() -> None:
    reader = ReaderUnderTest()
    assert await reader.readline() == b"later"
    assert reader.asked == [("readline now", -1), ("readline wait", -1)]


async def test_iteration_ends_at_an_empty_line() -> None:
    reader = ReaderUnderTest()
    reader.now = b""
    with pytest.raises(StopAsyncIteration):
        await reader.__anext__()


async def test_iteration_ends_where_waiting_gave_nothing() -> None:
    reader = ReaderUnderTest()
    reader.later = b""
    with pytest.raises(StopAsyncIteration):
        await reader.__anext__()


def test_only_whole_lines_inside_the_window_are_cut() -> None:
    reader = ReaderUnderTest(b"a\nbc\rd\nef")
    assert not reader._cut_lines(1)
    assert reader._cut_lines(9)
    assert [reader._next_line(), reader._next_line()] == [b"a\n", b"bc\rd\n"]
    reader._settle_lines()
    assert (reader._pos, reader._has_lines) == (7, False)
    assert not reader._cut_lines(9)


def test_settled_lines_are_counted_as_far_as_they_were_handed_out() -> None:
    reader = ReaderUnderTest(b"a\nb\nc\n")
    before = stats()
    assert reader._cut_lines(16)
    reader._next_line()
    reader._settle_lines()
    assert (reader._pos, reader._limit) == (2, -1)
    assert (stats() - before).buffer_hits == 1


def test_reads_are_opened_for_a_window_unless_lines_are_handed_out() -> None:
    reader = ReaderUnderTest(b"a\nbcdef")
    reader._open_reads(4)
    assert reader._limit == 4
    reader._settle_lines()
    assert reader._cut_lines(16)
    reader._open_reads(4)
    assert reader._limit == -1


# -- Writing --


async def test_write_with_room_is_kept_without_asking() -> None:
    writer = WriterUnderTest(room=5)
    assert [await writer.write(b"abc"), await writer.write(b"de")] == [3, 2]
    assert (writer._pending, writer._room) == ([b"abc", b"de"], 0)
    assert writer.asked == []


async def test_write_without_room_asks_and_keeps_nothing() -> None:
    writer = WriterUnderTest(room=2)
    writer.now = 3
    assert await writer.write(b"abc") == 3
    assert writer.asked == [("write now", b"abc")]
    assert (writer._pending, writer._room) == ([], 2)


async def test_write_that_has_to_wait_asks_twice() -> None:
    writer = WriterUnderTest()
    assert await writer.write(b"abc") == 3
    assert writer.asked == [("write now", b"abc"), ("write wait", b"abc")]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(bytearray(b"ab"), id="bytearray"),
        pytest.param(memoryview(b"ab"), id="memoryview"),
        pytest.param("ab", id="str"),
        pytest.param(type("B", (bytes,), {})(b"ab"), id="subclass"),
    ],
)
async def test_only_plain_bytes_are_kept_without_looking(data: Any) -> None:
    writer = WriterUnderTest(room=100)
    writer.now = 2
    await writer.write(data)
    assert writer.asked == [("write now", data)]
    assert writer._pending == []


async def test_shut_fast_path_asks_even_for_nothing_to_write() -> None:
    writer = WriterUnderTest(room=-1)
    writer.now = 0
    assert await writer.write(b"") == 0
    assert writer.asked == [("write now", b"")]


async def test_pieces_that_were_dropped_in_place_leave_the_fast_path_working() -> None:
    writer = WriterUnderTest(room=10)
    await writer.write(b"abc")
    writer._pending.clear()
    await writer.write(b"de")
    assert writer._pending == [b"de"]
