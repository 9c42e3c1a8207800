"""The reading side of a buffer: what it fetches, what it gives, how lines are cut."""

from __future__ import annotations

import array
import ctypes
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import DEFAULT_BUFFER_SIZE, AsyncBufferedReader, _native
from headrace import open as open_file
from headrace._errors import os_error
from headrace._native import AHEAD_AFTER_JUMP
from headrace._stats import stats
from headrace._typing import WAIT
from headrace.engine import WINDOW, budget, limits
from headrace.files._buffer_reading import _AHEAD_LIMIT
from tests import tasks
from tests.fakes import RunningJob, ScriptedRaw, SteppedEngine, begun, turns
from tests.files.support import raw_file, slow, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pread")

CONTENTS = bytes(range(256)) * 16


def over(raw: ScriptedRaw, size: int = 16) -> AsyncBufferedReader:
    raw.can_write = False
    fake: Any = raw
    return AsyncBufferedReader(fake, size)


def waiting(count: int = 1000) -> list[Any]:
    """Have so many reads wait for the engine."""
    return [WAIT, WAIT, 1 << 30] * count


@pytest.fixture(autouse=True)
def full_budget() -> None:
    budget.renew()


# -- What is fetched --


async def test_small_reads_share_one_fetch() -> None:
    raw = ScriptedRaw(CONTENTS)
    file = over(raw, 64)
    for place in range(0, 64, 4):
        assert await file.read(4) == CONTENTS[place : place + 4]
    assert raw.calls == ["try_read"]


async def test_read_larger_than_the_buffer_is_one_call() -> None:
    raw = ScriptedRaw(CONTENTS)
    file = over(raw, 16)
    assert await file.read(1000) == CONTENTS[:1000]
    assert raw.calls == ["try_read"]


async def test_read_larger_than_the_buffer_that_waits_is_one_fetch() -> None:
    raw = ScriptedRaw(CONTENTS, reads=[WAIT, WAIT])
    file = over(raw, 16)
    assert await file.read(1000) == CONTENTS[:1000]
    assert raw.fetched == [1000]


async def test_read_takes_the_rest_of_the_buffer_first() -> None:
    raw = ScriptedRaw(CONTENTS)
    file = over(raw, 16)
    await file.read(10)
    assert await file.read(1000) == CONTENTS[10:1010]
    assert await file.tell() == 1010


async def test_read_to_the_end_is_one_fetch() -> None:
    raw = ScriptedRaw(CONTENTS, reads=[WAIT, WAIT])
    file = over(raw, 16)
    assert await file.read() == CONTENTS
    assert raw.calls.count("fetch_to_end") == 1
    assert await file.read() == b""


async def test_read_of_nothing_fetches_nothing() -> None:
    raw = ScriptedRaw(CONTENTS)
    file = over(raw)
    assert await file.read(0) == b""
    assert raw.calls == []


async def test_short_reads_are_continued() -> None:
    file = over(ScriptedRaw(CONTENTS, reads=[1, 2, WAIT, 3, 1]))
    assert await file.read(15) == CONTENTS[:15]


async def test_sequential_reader_that_waits_fetches_ever_more() -> None:
    raw = ScriptedRaw(bytes(8 * _AHEAD_LIMIT), reads=waiting())
    file = over(raw, DEFAULT_BUFFER_SIZE)
    for _ in range(60):
        await file.read(DEFAULT_BUFFER_SIZE)
    sizes = sorted(set(raw.fetched))
    assert sizes == [DEFAULT_BUFFER_SIZE << step for step in range(5)]
    assert sizes[-1] == _AHEAD_LIMIT
    assert raw.fetched == sorted(raw.fetched)


async def test_small_buffer_does_not_read_ahead_more_than_it_was_given() -> None:
    raw = ScriptedRaw(bytes(100_000), reads=waiting())
    file = over(raw, 4096)
    for _ in range(20):
        await file.read(100)
    assert set(raw.fetched) == {4096}


async def test_after_a_jump_less_is_fetched_and_then_more_again() -> None:
    raw = ScriptedRaw(bytes(1 << 20), reads=waiting())
    file = over(raw, DEFAULT_BUFFER_SIZE)
    await file.read(10)
    raw.fetched.clear()
    await file.seek(700_000)
    for _ in range(30):
        await file.read(8192)
    assert raw.fetched[0] == max(8192, AHEAD_AFTER_JUMP)
    assert raw.fetched == sorted(raw.fetched)
    assert raw.fetched[-1] > DEFAULT_BUFFER_SIZE // 2


async def test_random_reads_fetch_little() -> None:
    raw = ScriptedRaw(bytes(1 << 20), reads=waiting())
    file = over(raw, DEFAULT_BUFFER_SIZE)
    await file.read(10)
    raw.fetched.clear()
    for place in range(900_000, 0, -100_000):
        await file.seek(place)
        await file.read(10)
    assert set(raw.fetched) == {AHEAD_AFTER_JUMP}


# -- What read1, peek and readinto give --


@pytest.mark.parametrize(
    ("reads", "size", "given"),
    [
        pytest.param([], 5, 5, id="what-is-asked-for"),
        pytest.param([3], 5, 3, id="what-one-read-gave"),
        pytest.param([], -1, 16, id="a-buffer-full"),
        pytest.param([], 0, 0, id="nothing"),
        pytest.param([WAIT, WAIT], 5, 5, id="what-was-waited-for"),
        pytest.param([], 1000, 1000, id="more-than-the-buffer"),
    ],
)
async def test_read1_makes_one_read(reads: list[Any], size: int, given: int) -> None:
    raw = ScriptedRaw(CONTENTS, reads=reads)
    file = over(raw)
    assert await file.read1(size) == CONTENTS[:given]
    assert raw.calls.count("fetch") + raw.calls.count("try_read") <= 3
    assert await file.tell() == given


async def test_read1_gives_what_the_buffer_has_without_a_read() -> None:
    raw = ScriptedRaw(CONTENTS)
    file = over(raw)
    await file.read(10)
    raw.calls.clear()
    assert await file.read1(100) == CONTENTS[10:16]
    assert raw.calls == []


@pytest.mark.asyncio_only("under Trio, an attempt is only made inside an operation")
async def test_try_read1_says_that_it_would_wait() -> None:
    file = over(ScriptedRaw(CONTENTS, reads=[WAIT]))
    assert file.try_read1(5) is WAIT
    assert file.try_read1(5) == CONTENTS[:5]


@pytest.mark.asyncio_only("under Trio, an attempt is only made inside an operation")
async def test_try_read1_waits_for_its_turn() -> None:
    file = over(ScriptedRaw(CONTENTS, reads=[WAIT, WAIT]))
    reading = await begun(file.read(3))
    assert file.try_read1(5) is WAIT
    assert await reading == CONTENTS[:3]
    assert file.try_read1(5) == CONTENTS[3:8]


@pytest.mark.parametrize("reads", [[], [WAIT, WAIT], [3]])
async def test_peek_moves_nothing(reads: list[Any]) -> None:
    file = over(ScriptedRaw(CONTENTS, reads=reads))
    seen = await file.peek()
    assert seen
    assert CONTENTS.startswith(seen)
    assert await file.tell() == 0
    assert await file.read(20) == CONTENTS[:20]


async def test_peek_at_the_end_is_empty() -> None:
    file = over(ScriptedRaw(b"", reads=[WAIT, WAIT]))
    assert await file.peek(10) == b""


def buffers() -> list[Any]:
    grid: Any = memoryview(bytearray(12)).cast("B", (3, 4))
    return [
        pytest.param(bytearray(12), id="bytearray"),
        pytest.param(memoryview(bytearray(20))[4:16], id="part"),
        pytest.param(array.array("i", range(3)), id="array"),
        pytest.param((ctypes.c_int * 3)(), id="ctypes"),
        pytest.param(grid, id="two-dimensions"),
    ]


@pytest.mark.parametrize("name", ["readinto", "readinto1"])
@pytest.mark.parametrize("size", [4, 16, 64], ids=lambda size: f"buffer-{size}")
@pytest.mark.parametrize("buffer", buffers())
async def test_any_buffer_is_read_into(name: str, size: int, buffer: Any) -> None:
    file = over(ScriptedRaw(CONTENTS), size)
    assert await getattr(file, name)(buffer) == 12
    assert bytes(memoryview(buffer)) == CONTENTS[:12]


@pytest.mark.parametrize("name", ["readinto", "readinto1"])
@pytest.mark.parametrize(
    "buffer",
    [
        pytest.param(b"read-only", id="read-only"),
        pytest.param("text", id="text"),
        pytest.param(memoryview(bytearray(12))[::2], id="gaps"),
    ],
)
@pytest.mark.parametrize("size", [2, 64], ids=["direct", "buffered"])
async def test_buffer_that_cannot_be_filled_is_refused_and_nothing_is_lost(
    size: int, buffer: Any, name: str
) -> None:
    file = over(ScriptedRaw(CONTENTS), size)
    with pytest.raises(TypeError, match="read-write bytes-like object"):
        await getattr(file, name)(buffer)
    assert await file.read(5) == CONTENTS[:5]


async def test_buffer_being_read_into_cannot_be_resized() -> None:
    file = over(ScriptedRaw(CONTENTS, reads=[WAIT, WAIT, WAIT]))
    room = bytearray(5)
    reading = await begun(file.readinto(room))
    with pytest.raises(BufferError):
        room.clear()
    await reading
    assert room == CONTENTS[:5]
    room.clear()


async def test_readinto_cut_short_by_a_page_that_is_not_cached_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENTS)
    read_into_at: Callable[[int, memoryview, int], int] = _native.read_into_at

    def cut(fd: int, buf: memoryview, offset: int) -> int:
        return read_into_at(fd, buf[:100], offset)

    monkeypatch.setattr(_native, "read_into_at", cut)
    monkeypatch.setattr(limits, "core", 0)
    async with open_file(path, "rb", buffering=64) as file:
        room = bytearray(1000)
        assert await file.readinto(room) == 1000
        assert room == CONTENTS[:1000]
        assert await file.read(10) == CONTENTS[1000:1010]


# -- Lines --

LINES = [
    pytest.param(b"a\nb\nc\n", id="plain"),
    pytest.param(b"a\nb\nlast", id="without-an-end"),
    pytest.param(b"\n\n\n", id="empty-lines"),
    pytest.param(b"", id="empty-file"),
    pytest.param(b"no end", id="one-line-without-an-end"),
    pytest.param(b"a\rb\r\nc\r\r\nd\n", id="carriage-returns"),
    pytest.param(b"a\x0bb\x0cc\x1cd\x85e\nf\x0b\n", id="what-str-splits-at"),
    pytest.param(b"\r\n" * 5 + b"\r", id="carriage-return-at-the-end"),
    pytest.param(b"x" * 100 + b"\ny\n", id="longer-than-the-buffer"),
    pytest.param(b"\x00\xff\n\xfe\n", id="no-text"),
]


@pytest.mark.parametrize("contents", LINES)
@pytest.mark.parametrize("size", [1, 3, 16, 8192])
@pytest.mark.parametrize("how", ["for", "readline", "readlines"])
async def test_lines_end_at_line_feeds_alone(
    how: str, size: int, contents: bytes
) -> None:
    file = over(ScriptedRaw(contents), size)
    if how == "for":
        lines = [line async for line in file]
    elif how == "readline":
        lines = []
        while line := await file.readline():
            lines.append(line)
    else:
        lines = await file.readlines()
    assert lines == io.BytesIO(contents).readlines()


async def test_more_lines_than_one_window_holds() -> None:
    contents = b"".join(b"%d\n" % number for number in range(WINDOW))
    assert len(contents) > 2 * WINDOW
    file = over(ScriptedRaw(contents), 1 << 20)
    assert [line async for line in file] == contents.splitlines(True)


async def test_line_longer_than_a_window() -> None:
    long = b"x" * (3 * WINDOW) + b"\n"
    file = over(ScriptedRaw(b"a\n" + long + b"b\n"), 1 << 20)
    assert [line async for line in file] == [b"a\n", long, b"b\n"]


async def test_position_is_behind_the_lines_that_were_handed_out() -> None:
    file = over(ScriptedRaw(b"one\ntwo\nthree\n"), 64)
    assert [await file.tell() async for _ in file] == [4, 8, 14]


async def test_other_reads_go_on_behind_the_lines_that_were_handed_out() -> None:
    file = over(ScriptedRaw(b"one\ntwo\nthree\nfour\n"), 64)
    assert await file.readline() == b"one\n"
    assert await file.read(2) == b"tw"
    assert await file.readline() == b"o\n"
    assert await file.peek() == b"three\nfour\n"
    assert await file.read1(3) == b"thr"
    assert await anext(file) == b"ee\n"
    assert await file.readline(2) == b"fo"
    assert await file.readlines() == [b"ur\n"]


@pytest.mark.parametrize(
    ("size", "line"),
    [
        (0, b""),
        (1, b"f"),
        (5, b"first"),
        (6, b"first\n"),
        (7, b"first\n"),
        (None, b"first\n"),
        (-5, b"first\n"),
    ],
)
@pytest.mark.parametrize("buffer", [2, 64])
async def test_line_is_no_longer_than_asked_for(
    buffer: int, size: int | None, line: bytes
) -> None:
    file = over(ScriptedRaw(b"first\nsecond\n"), buffer)
    assert await file.readline(size) == line
    assert await file.tell() == len(line)


async def test_lines_are_counted_as_buffer_hits() -> None:
    file = over(ScriptedRaw(b"line\n" * 100), 8192)
    before = stats()
    async for _ in file:
        pass
    await file.tell()
    assert (stats() - before).buffer_hits >= 100


async def test_iteration_can_begin_again_after_the_end() -> None:
    raw = ScriptedRaw(b"one\n")
    file = over(raw)
    assert [line async for line in file] == [b"one\n"]
    raw.data += b"two\n"
    assert [line async for line in file] == [b"two\n"]


# -- Errors and cancellations --


class Failing(ScriptedRaw):
    """A raw file whose fetches fail after the first one."""

    failing = True

    async def fetch(self, size: int, *, full: bool = False) -> bytes:
        if self.fetched and self.failing:
            raise os_error(5, self.name)
        return await super().fetch(size, full=full)


async def test_error_of_a_read_keeps_what_was_fetched_before() -> None:
    raw = Failing(CONTENTS, reads=[WAIT, WAIT, 4, WAIT, WAIT, WAIT])
    file = over(raw)
    with pytest.raises(OSError, match="Input/output"):
        await file.read(10)
    assert await file.tell() == 0
    raw.failing = False
    assert await file.read(10) == CONTENTS[:10]


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda file: file.read(100), id="read"),
        pytest.param(lambda file: file.read(), id="read-all"),
        pytest.param(lambda file: file.read1(100), id="read1"),
        pytest.param(lambda file: file.readline(), id="readline"),
        pytest.param(lambda file: file.peek(), id="peek"),
        pytest.param(lambda file: file.readinto(bytearray(100)), id="readinto"),
    ],
)
@pytest.mark.parametrize("when", ["queued", "inside", "done"])
@pytest.mark.parametrize("adopted", [False, True])
async def test_cancelled_read_loses_nothing(
    adopted: bool,
    when: str,
    call: Callable[[Any], Any],
    tmp_path: Path,
    engine: SteppedEngine,
) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENTS)
    async with raw_file(path, "rb", slow(), adopted=adopted) as raw:
        file = AsyncBufferedReader(raw, 64)
        assert await engine.carry(file.read(3)) == CONTENTS[:3]
        task = await begun(call(file))
        if not engine.waiting:
            # The buffer has it: nothing to cancel.
            await task
            return
        inside = None
        if when == "inside":
            inside = RunningJob(engine.waiting.popleft(), called=True)
        elif when == "done":
            engine.run_one()
        task.cancel()
        await tasks.wait([task])
        assert task.cancelled()
        if inside is not None:
            inside.finish()
        assert await engine.carry(file.tell()) == 3
        assert await engine.carry(file.read()) == CONTENTS[3:]


async def test_cancelled_long_read_of_a_pipe_keeps_what_came() -> None:
    fd, writer = os.pipe()
    file: AsyncBufferedReader
    async with open_file(fd, "rb") as file:
        os.write(writer, b"some ")
        task = await begun(file.read(1000))
        await until(lambda: file._data)
        task.cancel()
        await tasks.wait([task])
        os.write(writer, b"more\n")
        assert await file.readline() == b"some more\n"
        os.close(writer)


async def test_reads_at_once_each_get_their_own_part(
    tmp_path: Path, engine: SteppedEngine
) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENTS)
    async with raw_file(path, "rb", slow()) as raw:
        file = AsyncBufferedReader(raw, 16)
        started = [await begun(file.read(10)) for _ in range(20)]
        for task in started:
            await engine.carry(tasks.wait_for(task, None))
        assert b"".join(task.result() for task in started) == CONTENTS[:200]


async def test_read_that_the_buffer_could_answer_waits_for_its_turn() -> None:
    """Else it would overtake the one that is waiting for more."""
    file = over(ScriptedRaw(CONTENTS, reads=[16, WAIT, WAIT]))
    await file.read(10)
    long = await begun(file.read(20))
    short = await begun(file.read(2))
    assert await long == CONTENTS[10:30]
    assert await short == CONTENTS[30:32]


# -- Fairness --


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda file: file.read(1), id="read"),
        pytest.param(lambda file: file.readline(), id="readline"),
        pytest.param(lambda file: file.read1(1), id="read1"),
        pytest.param(lambda file: file.peek(), id="peek"),
        pytest.param(lambda file: file.readinto(bytearray(1)), id="readinto"),
        pytest.param(lambda file: file.tell(), id="tell"),
        pytest.param(lambda file: file.seek(0), id="seek"),
        pytest.param(lambda file: file.flush(), id="flush"),
    ],
)
async def test_tight_loop_over_a_cached_file_lets_another_task_run(
    call: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"line\n" * 15_000)
    turned = 0

    async def count() -> None:
        nonlocal turned
        while True:
            turned += 1
            await tasks.sleep(0)

    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 0.002
        return now

    monkeypatch.setattr("headrace.engine._budget.monotonic", clock)
    budget.renew()
    async with open_file(path, "rb") as file:
        task = await begun(count())
        turned = 0
        # As many as the smallest reads take that fill some windows.
        for _ in range(60_000):
            await call(file)
            if turned:
                break
        task.cancel()
        await turns(1)
    assert turned


@pytest.mark.parametrize("start", [0, 3])
@pytest.mark.parametrize("size", [11, 1000, 100_000])
@pytest.mark.parametrize("now", [0, 2, 5, 10, 20, 5000])
async def test_read_beyond_the_end_sees_the_file_as_it_is_now(
    tmp_path: Path, start: int, size: int, now: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    with path.open("rb", buffering=0) as sync:
        async with open_file(path, "rb") as file:
            assert await file.seek(start) == sync.seek(start)
            path.write_bytes(b"y" * now)
            assert await file.read(size) == sync.read(size)
            assert await file.tell() == sync.tell()
            with path.open("ab") as other:
                other.write(b"more")
            assert await file.read(size) == sync.read(size)
            assert await file.read(size) == sync.read(size)


@pytest.mark.asyncio_only("under Trio, each read is a checkpoint")
async def test_what_is_left_is_read_by_one_system_call(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    async with open_file(path, "rb") as file:
        if not file.raw._inline:
            pytest.skip("no inline reads here")
        before = stats()
        assert await file.read(100) == b"x" * 10
        done = stats() - before
    if _native.NATIVE:
        assert done.inline_calls == 1
    assert done.hops == 0
