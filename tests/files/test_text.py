"""Text files: whatever the steps, as with `io.TextIOWrapper`; and what is not in `io`.

The same random steps are made on an `AsyncTextIOWrapper` over a buffer that waits when
it is told to, and on `io.TextIOWrapper` over the same bytes. Values, types and words
of exceptions, `tell()` cookies, `newlines` and the bytes in the file agree.

`HEADRACE_TEXT_EXAMPLES=20000 pytest ...` makes more than the few of CI.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import io
import os
import pickle
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace
from headrace import AsyncTextIOWrapper
from tests import tasks
from tests.fakes import begun
from tests.files.fakes_text import FakeBuffer
from tests.files.support import async_outcome, outcome

EXAMPLES = int(os.environ.get("HEADRACE_TEXT_EXAMPLES", "120"))

NEWLINES = [None, "", "\n", "\r", "\r\n"]
ENCODINGS = [
    "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "ascii",
    "cp1252", "shift_jis", "iso2022_jp", "gb18030", "euc_kr", "utf-7", "big5", "hz",
]  # fmt: skip
ERRORS = [
    "strict", "strict", "ignore", "replace", "backslashreplace", "surrogateescape",
    "surrogatepass", "xmlcharrefreplace", "namereplace",
]  # fmt: skip


def text_over(buffer: Any, *args: Any, **kwargs: Any) -> AsyncTextIOWrapper:
    """Make a text file over a buffer that is no real one; UTF-8 if nothing is said."""
    if not args:
        kwargs.setdefault("encoding", "utf-8")
    return AsyncTextIOWrapper(buffer, *args, **kwargs)


# -- The same steps on both --


class Memory(io.BytesIO):
    """A BytesIO that is open for what a mode says."""

    def __init__(self, content: bytes, mode: str, *, seekable: bool) -> None:
        super().__init__(content)
        self._reads = "r" in mode or "+" in mode
        self._writes = "r" not in mode or "+" in mode
        self._seeks = seekable
        self.content = content

    def readable(self) -> bool:
        return self._reads

    def writable(self) -> bool:
        return self._writes

    def seekable(self) -> bool:
        return self._seeks

    def read(self, size: int | None = -1, /) -> bytes:
        if not self._reads:
            raise io.UnsupportedOperation("read")
        return super().read(size)

    read1 = read

    def truncate(self, size: int | None = None, /) -> int:
        if not self._writes:
            raise io.UnsupportedOperation("truncate")
        return super().truncate(size)

    def close(self) -> None:
        if not self.closed:
            self.content = self.getvalue()
        super().close()


@dataclass(frozen=True)
class Config:
    """How both files are made, and what is in them before."""

    mode: str
    encoding: str
    errors: str
    newline: str | None
    content: bytes
    chunk: int
    line_buffering: bool
    write_through: bool
    seekable: bool

    @property
    def arguments(self) -> tuple[Any, ...]:
        return (
            self.encoding,
            self.errors,
            self.newline,
            self.line_buffering,
            self.write_through,
        )


class Pair:
    """A text file of headrace's, and one of `io`'s that has to stay the same."""

    def __init__(
        self, config: Config, waits: Callable[[], bool], room: int, fetch: int
    ) -> None:
        self.memory = Memory(config.content, config.mode, seekable=config.seekable)
        self.buffer = FakeBuffer(
            config.content, config.mode, room=room, seekable=config.seekable
        )
        if "a" in config.mode:
            self.memory.seek(0, os.SEEK_END)
            self.buffer.file.seek(0, os.SEEK_END)
        theirs: Any = io.TextIOWrapper(self.memory, *config.arguments)
        self.theirs = theirs
        self.ours: Any = text_over(self.buffer, *config.arguments)
        self.theirs._CHUNK_SIZE = config.chunk
        self.ours._CHUNK_SIZE = config.chunk
        #: Where it fetches more than a chunk, some of what shows of a chunk is lost.
        self.fetches_ahead = self.ours._fetch_size > 0
        if self.fetches_ahead:
            self.ours._fetch_size = config.chunk * fetch
        self.config = config
        self.waits = waits
        self.buffer._waits = waits
        self.cookies: list[int] = []
        #: Since something could not be decoded: `io` then forgets where it is.
        self.lost = False
        #: Since `io` has told the position, for which it has the decoder forget them.
        self.newlines_forgotten = False

    async def step(self, name: str, *args: Any) -> None:
        special = getattr(self, f"_do_{name}", None)
        if special is not None:
            await special(*args)
        else:
            await self._compare(name, args, lambda: getattr(self.theirs, name)(*args))
        if not (self.lost or self.newlines_forgotten or self.fetches_ahead):
            assert self.ours.newlines == self.theirs.newlines

    async def _compare(
        self,
        name: str,
        args: tuple[Any, ...],
        theirs: Callable[[], Any],
        ours: Callable[[], Any] | None = None,
    ) -> Any:
        wanted = self._facts(theirs)
        got = await self._our_facts(ours or (lambda: getattr(self.ours, name)(*args)))
        assert (name, args, got) == (name, args, wanted)
        self.lost |= wanted[0] in ("UnicodeDecodeError", "UnicodeError") or (
            # What `io` says of an error handler that is not for decoding.
            "in error callback" in str(wanted[1])
        )
        return wanted

    def _facts(self, call: Callable[[], Any]) -> tuple[Any, ...]:
        try:
            return ("returned", call())
        except Exception as error:
            return self._error_facts(error)

    async def _our_facts(self, call: Callable[[], Any]) -> tuple[Any, ...]:
        try:
            result = call()
            return (
                "returned",
                await result if hasattr(result, "__await__") else result,
            )
        except Exception as error:
            return self._error_facts(error)

    def _error_facts(self, error: Exception) -> tuple[Any, ...]:
        if isinstance(error, UnicodeDecodeError) and self.fetches_ahead:
            wrong = error.object[error.start : error.end]
            return (type(error).__name__, error.reason, wrong)
        return (type(error).__name__, str(error))

    # -- What is not the same call on both sides --

    async def _do_next(self) -> None:
        # Not next() in `io`, which switches tell() off.
        await self._compare(
            "next", (), self.theirs.readline, lambda: anext(self.ours, "")
        )

    async def _do_readlines(self, hint: int | None) -> None:
        def theirs() -> list[str]:
            lines: list[str] = []
            while line := self.theirs.readline():
                lines.append(line)
                if hint is not None and 0 < hint < sum(map(len, lines)):
                    break
            return lines

        await self._compare("readlines", (hint,), theirs)

    async def _do_tell(self) -> None:
        if self.lost:
            return
        self.newlines_forgotten = True
        facts = await self._compare("tell", (), self.theirs.tell)
        if facts[0] == "returned":
            self.cookies.append(facts[1])

    async def _do_seek(self, *args: int) -> None:
        if self.lost and args == (0, os.SEEK_CUR):
            return
        self.newlines_forgotten |= args == (0, os.SEEK_CUR)
        facts = await self._compare("seek", args, lambda: self.theirs.seek(*args))
        self.lost &= facts[0] != "returned"

    async def _do_seek_anywhere(self, place: int) -> None:
        # ISO-2022-JP has no state 0, and CPython's decoder dies of it.
        if self.config.encoding != "iso2022_jp":
            await self._do_seek(place)

    async def _do_seek_cookie(self, index: int) -> None:
        if self.cookies:
            await self._do_seek(self.cookies[index % len(self.cookies)])

    async def _do_reconfigure(self, changes: dict[str, Any]) -> None:
        if self.lost or not self.config.seekable:
            return
        self.buffer._waits = lambda: False
        await self._compare(
            "reconfigure",
            (changes,),
            lambda: self.theirs.reconfigure(**changes),
            lambda: self.ours.reconfigure(**changes),
        )
        self.buffer._waits = self.waits
        for name in ("encoding", "errors", "line_buffering", "write_through"):
            assert getattr(self.ours, name) == getattr(self.theirs, name)


letters = st.one_of(
    st.sampled_from(["a", "b", "\n", "\r", "\r\n", "\x0c", "\u2028", "\ufeff"]),
    st.sampled_from(["€", "é", "ß", "あ", "漢字", "한글", "\U0001f600", "\udc80"]),
    st.sampled_from(["word ", "line\n", "+-~{", "テキスト\r"]),
)
texts = st.lists(letters, max_size=8).map("".join)
long_texts = st.tuples(texts, st.sampled_from([1, 1, 1, 30, 2000])).map(
    lambda pair: pair[0] * pair[1]
)
sizes = st.sampled_from([-1, 0, 1, 1, 2, 3, 5, 17, 100, 5000, 20000])
changes = st.one_of(
    st.fixed_dictionaries({"line_buffering": st.booleans()}),
    st.fixed_dictionaries({"write_through": st.booleans()}),
    st.fixed_dictionaries({"newline": st.sampled_from([*NEWLINES, "x", 3])}),
    st.fixed_dictionaries({"encoding": st.sampled_from([*ENCODINGS[:8], "no", 3])}),
    st.fixed_dictionaries({"errors": st.sampled_from([*ERRORS, 3])}),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("read"), sizes | st.none()),
        st.tuples(st.just("readline")),
        st.tuples(st.just("readline"), st.sampled_from([-1, 1, 2, 3, 9, 1000])),
        st.tuples(st.just("readlines"), st.sampled_from([-1, None, 0, 1, 4, 10, 300])),
        st.tuples(st.just("next")),
        st.tuples(st.just("next")),
        st.tuples(st.just("write"), long_texts),
        st.tuples(st.just("write"), long_texts),
        st.tuples(st.just("write"), st.sampled_from([1, None, b"x"])),
        st.tuples(st.just("writelines"), st.lists(texts, max_size=4)),
        st.tuples(st.just("tell")),
        st.tuples(st.just("tell")),
        st.tuples(st.just("seek_cookie"), st.integers(0, 5)),
        st.tuples(st.just("seek"), st.sampled_from([0, -1])),
        st.tuples(st.just("seek"), st.sampled_from([0, 3]), st.sampled_from([1, 2, 5])),
        st.tuples(st.just("seek_anywhere"), st.integers(0, 40)),
        st.tuples(st.just("truncate"), st.none() | st.integers(0, 60)),
        st.tuples(st.just("flush")),
        st.tuples(st.just("reconfigure"), changes),
    ),
    max_size=14,
)


@st.composite
def configs(draw: Callable[..., Any]) -> Config:
    mode = draw(st.sampled_from(["rb", "wb", "rb+", "rb+", "ab"]))
    encoding = draw(st.sampled_from(ENCODINGS))
    if encoding == "iso2022_jp":
        # After a write, tell() has no decoder state; see `_do_seek_anywhere`.
        mode = mode.replace("+", "")
    content = b""
    if mode != "wb":
        some = draw(texts).encode(encoding, "ignore")
        content = some * draw(st.sampled_from([1, 1, 1, 5, 40, 400]))
        content += draw(st.sampled_from([b"", b"", b"", b"\xff\xfe\x80", b"\x81"]))
    # Before 3.13, a write made `io` forget decoded text that could not be told.
    seekable = draw(st.booleans()) or (mode == "rb+" and sys.version_info < (3, 13))
    return Config(
        mode=mode,
        encoding=encoding,
        errors=draw(st.sampled_from(ERRORS)),
        newline=draw(st.sampled_from(NEWLINES)),
        content=content,
        chunk=draw(st.sampled_from([1, 2, 3, 7, 64, 8192])),
        line_buffering=draw(st.sampled_from([False, False, True])),
        write_through=draw(st.sampled_from([False, False, True])),
        seekable=seekable,
    )


@pytest.mark.timeout(60 + EXAMPLES // 20)
@settings(max_examples=EXAMPLES)
@given(
    config=configs(),
    steps=steps,
    answers=st.lists(st.booleans(), max_size=40),
    room=st.sampled_from([1, 10, 100, 100_000]),
    fetch=st.sampled_from([1, 2, 5]),
)
async def test_gives_what_io_gives(
    config: Config,
    steps: list[tuple[Any, ...]],
    answers: list[bool],
    room: int,
    fetch: int,
) -> None:
    script = iter(answers)
    pair = Pair(config, lambda: next(script, False), room, fetch)
    for step in steps:
        if pair.lost and pair.fetches_ahead:
            break
        await pair.step(*step)
    await pair.step("close")
    assert pair.buffer.written() == pair.memory.content


# -- Reading --


LINES = [f"line {i}\n" for i in range(3000)]
ASCII = "".join(LINES).encode()


@pytest.mark.parametrize("newline", NEWLINES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "shift_jis"])
async def test_lines_are_whole_wherever_a_chunk_ends(
    encoding: str, newline: str | None
) -> None:
    text = "ein wörd\r\nテキスト\n\r\x0cx\u2028y\r漢字" * 5
    data = text.encode(encoding, "ignore")
    expected = list(io.TextIOWrapper(io.BytesIO(data), encoding, newline=newline))
    for chunk in (1, 2, 3, 5, 8192):
        file = text_over(FakeBuffer(data), encoding, newline=newline)
        file._CHUNK_SIZE = chunk
        assert [line async for line in file] == expected
        await file.close()


async def test_lines_are_answered_without_a_look_at_the_buffer() -> None:
    buffer = FakeBuffer(ASCII)
    file = text_over(buffer)
    await file.readline()
    before = headrace.stats()
    calls = 0

    def counted(size: int) -> bytes:
        nonlocal calls
        calls += 1
        return buffer.file.read(size)

    buffer.try_read1 = counted  # type: ignore[method-assign]
    assert [line async for line in file] == LINES[1:]
    # 28 kB in one piece were here already: what is left is the end of the file.
    assert calls == 1
    assert buffer.log == []
    assert (headrace.stats() - before).buffer_hits >= len(LINES) - 1
    await file.close()


async def test_reads_and_lines_share_one_position() -> None:
    file = text_over(FakeBuffer(ASCII))
    seen = []
    for _ in range(300):
        seen.append(await file.readline())
        seen.append(await file.read(3))
        seen.append(await anext(file))
        assert await file.tell() == len("".join(seen))
    seen.append(await file.read())
    assert "".join(seen) == ASCII.decode()
    await file.close()


async def test_text_before_a_decoding_error_comes_first() -> None:
    data = b"fine\n" * 4000 + b"\xff\n" + b"more\n" * 4000
    theirs = io.TextIOWrapper(io.BytesIO(data), "utf-8")
    file = text_over(FakeBuffer(data))
    wanted: tuple[str, Any] = ("returned", "")
    while wanted[0] == "returned":
        wanted = outcome(theirs.readline)
        assert await async_outcome(file.readline) == wanted
    assert wanted[0] == "UnicodeDecodeError"
    # And what is behind the chunk can be read, as in `io`.
    assert await file.readline() == theirs.readline() != ""
    await file.close()


async def test_characters_are_counted_not_bytes() -> None:
    text = "é漢\U0001f600" * 9000
    file = text_over(FakeBuffer(text.encode()))
    assert [piece async for piece in file.chunks(7000)] == [
        text[at : at + 7000] for at in range(0, 27000, 7000)
    ]
    await file.close()


@pytest.mark.parametrize("size", [0, -1])
async def test_chunks_of_no_size_are_refused(size: int) -> None:
    file = text_over(FakeBuffer())
    with pytest.raises(ValueError, match="size must be greater than 0"):
        file.chunks(size)
    await file.close()


async def test_large_read_is_fetched_as_a_whole() -> None:
    buffer = FakeBuffer(ASCII * 40, waits=lambda: True)
    file = text_over(buffer)
    assert await file.read(1_000_000) == (ASCII * 40)[:1_000_000].decode()
    assert buffer.log == ["read"]
    await file.close()


async def test_large_read_from_a_pipe_does_not_wait_for_more_than_it_needs() -> None:
    # Four characters for each byte: a quarter of the bytes will do.
    buffer = FakeBuffer(b"\xff" * 100_000, waits=lambda: True, seekable=False)
    file = text_over(buffer, errors="backslashreplace")
    assert await file.read(70_000) == "\\xff" * 17_500
    assert "read" not in buffer.log
    await file.close()


# -- Positions --


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_cookies_are_those_of_io_and_lead_back(encoding: str) -> None:
    text = "aé漢\r\nテキスト\rb\n\U0001f600 한글\n" * 3
    data = text.encode(encoding, "ignore")
    theirs = io.TextIOWrapper(io.BytesIO(data), encoding)
    ours = text_over(FakeBuffer(data), encoding)
    whole, cookies = "", []
    while True:
        assert await ours.tell() == theirs.tell()
        cookies.append(theirs.tell())
        character = theirs.read(1)
        assert await ours.read(1) == character
        if not character:
            break
        whole += character
    for place, cookie in reversed(list(enumerate(cookies[:-1]))):
        assert await ours.seek(cookie) == theirs.seek(cookie) == cookie
        assert await ours.read() == theirs.read() == whole[place:]
    await ours.close()


async def test_tell_works_during_iteration() -> None:
    file = text_over(FakeBuffer(ASCII))
    places = [(await file.tell(), line) async for line in file]
    assert [place for place, _ in places] == [
        sum(map(len, LINES[: i + 1])) for i in range(len(LINES))
    ]
    await file.seek(places[1000][0])
    assert await anext(file) == LINES[1001]
    await file.close()


async def test_tell_of_a_place_that_a_cancelled_read_has_left_behind() -> None:
    text = "é€漢字" * 10 + "\r\n"
    buffer = FakeBuffer(text.encode(), waits=lambda: True)
    file = text_over(buffer)
    file._CHUNK_SIZE = file._fetch_size = 4
    assert await file.read(2) == "é€"
    place = await file.tell()
    buffer.hold()
    reading = await begun(file.readline())
    await buffer.let_one()
    await buffer.let_one()
    reading.cancel()
    with pytest.raises(tasks.Cancelled):
        await reading
    buffer.let_all()
    assert await file.tell() == place == 5
    assert await file.read() == text[2:-2] + "\n"
    await file.close()


# -- Writing --


@pytest.mark.parametrize("newline", NEWLINES)
async def test_line_ends_are_written_as_by_io(newline: str | None) -> None:
    text = "a\nb\r\nc\rd\n\n"
    memory = io.BytesIO()
    theirs = io.TextIOWrapper(memory, "utf-8", newline=newline)
    theirs.write(text)
    theirs.flush()
    buffer = FakeBuffer(mode="wb")
    async with text_over(buffer, newline=newline) as file:
        assert await file.write(text) == len(text)
        assert await file.write(text) == len(text)
    assert buffer.content == memory.getvalue() * 2


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16", "shift_jis"])
async def test_pieces_of_every_kind_keep_their_order(encoding: str) -> None:
    pieces = ["a", "é", "bc", "", "ß", "d" * 70_000, "x", "é" * 40_000, "z"] * 3
    encodable = [p.encode(encoding, "ignore").decode(encoding) for p in pieces]
    buffer = FakeBuffer(mode="wb", room=1000)
    async with text_over(buffer, encoding) as file:
        for piece in encodable:
            assert await file.write(piece) == len(piece)
    assert buffer.content.decode(encoding) == "".join(encodable)


async def test_strings_of_a_subclass_are_written_as_what_they_are() -> None:
    class Loud(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "no"

        def isascii(self) -> bool:
            return True

    buffer = FakeBuffer(mode="wb")
    async with text_over(buffer) as file:
        for text in ("quiet ", "é "):
            await file.write(Loud(text))
            await file.write(Loud(text))
    assert buffer.content.decode() == "quiet quiet é é "


async def test_write_answers_without_a_look_at_the_buffer() -> None:
    buffer = FakeBuffer(mode="wb", room=10**6)
    file = text_over(buffer)
    await file.write("first\n")
    buffer.try_write = None  # type: ignore[assignment, method-assign]
    for i in range(900):
        assert await file.write(LINES[i]) == len(LINES[i])
        assert await file.write("é\n") == 2
    assert buffer.log == []
    del buffer.try_write
    await file.close()
    assert buffer.content.decode().split("\n")[1:3] == ["line 0", "é"]


@pytest.mark.parametrize(
    ("encoding", "errors", "wrong"),
    [
        pytest.param("utf-8", "strict", "\ud800", id="utf-8"),
        pytest.param("ascii", "strict", "é", id="ascii"),
        pytest.param("latin-1", "strict", "漢", id="latin-1"),
        pytest.param("shift_jis", "strict", "é", id="shift_jis"),
        pytest.param("utf-16", "strict", "\ud800", id="utf-16"),
    ],
)
async def test_what_cannot_be_encoded_is_refused_at_once_and_nothing_is_written(
    encoding: str, errors: str, wrong: str
) -> None:
    memory = io.BytesIO()
    theirs = io.TextIOWrapper(memory, encoding, errors)
    buffer = FakeBuffer(mode="wb")
    async with text_over(buffer, encoding, errors) as file:
        for text in ("ok", f"x{wrong}y", wrong, "fine"):
            wanted = outcome(lambda text=text: theirs.write(text))  # type: ignore[misc]
            assert await async_outcome(lambda text=text: file.write(text)) == wanted  # type: ignore[misc]
    theirs.flush()
    assert buffer.content == memory.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("seekable", [True, False], ids=["file", "pipe"])
async def test_bom_is_written_where_io_writes_it(encoding: str, seekable: bool) -> None:
    memory = Memory(b"", "wb+", seekable=seekable)
    buffer = FakeBuffer(mode="wb+", seekable=seekable)
    theirs: Any = io.TextIOWrapper(memory, encoding)
    ours: Any = text_over(buffer, encoding)
    await ours.write("ab")
    theirs.write("ab")
    if seekable:
        for place in (0, (0, 2), 2):
            arguments = place if isinstance(place, tuple) else (place,)
            assert await ours.seek(*arguments) == theirs.seek(*arguments)
            await ours.write("c")
            theirs.write("c")
    await ours.close()
    theirs.close()
    assert buffer.content == memory.content


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
async def test_no_second_bom_when_appending(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for text in ("one", "two"):
        async with headrace.open(path, "a", encoding=encoding) as file:
            await file.write(text)
    assert path.read_bytes() == "onetwo".encode(encoding)


async def test_line_buffering_flushes_at_line_ends() -> None:
    buffer = FakeBuffer(mode="wb")
    file = text_over(buffer, line_buffering=True)
    await file.write("no end")
    assert buffer.written() == b""
    await file.write(" yet\nand on")
    assert buffer.written() == b"no end yet\nand on"
    await file.write("\r")
    assert buffer.written() == b"no end yet\nand on\r"
    await file.close()


async def test_write_through_reaches_the_buffer_at_once() -> None:
    buffer = FakeBuffer(mode="wb")
    file = text_over(buffer, write_through=True)
    await file.write("text")
    assert buffer._held == b"text"
    await file.close()


async def test_write_after_a_read_goes_where_io_writes_it(tmp_path: Path) -> None:
    for length in (100, 8192, 20_000, 70_000):
        for size in (1, 100, 9000):
            results = []
            for path in (tmp_path / "ours", tmp_path / "theirs"):
                path.write_bytes(b"abcdefg\n" * (length // 8))
                if path.name == "ours":
                    async with headrace.open(path, "r+", encoding="utf-8") as file:
                        await file.read(size)
                        await file.write("HERE")
                        told = await file.tell()
                else:
                    with open(path, "r+", encoding="utf-8") as theirs:
                        theirs.read(size)
                        theirs.write("HERE")
                        told = theirs.tell()
                results.append((told, path.read_bytes()))
            assert results[0] == results[1]


async def test_calls_at_an_offset_see_what_was_written_and_move_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    path.write_bytes("aé\n".encode() * 10)
    async with headrace.open(path, "r+", encoding="utf-8") as file:
        assert await file.readline() == "aé\n"
        place = await file.tell()
        assert await file.pread(2, 1) == "é".encode()
        assert await file.pwrite(b"b", 0) == 1
        assert await file.tell() == place
        await file.seek(0)
        await file.write("xy")
        assert await file.pread(3, 0) == b"xy\xa9"
        with await file.mmap() as mapped:
            assert mapped[:3] == b"xy\xa9"


# -- Errors and cancellation --


def full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_text_that_could_not_be_written_is_kept_and_written_once() -> None:
    buffer = FakeBuffer(mode="wb", room=50)
    file = text_over(buffer)
    buffer.error = full()
    await file.write("a" * 40)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            await file.flush()
    buffer.error = None
    await file.write("b")
    await file.close()
    assert buffer.content == b"a" * 40 + b"b"


async def test_text_is_not_taken_if_that_before_it_cannot_be_written() -> None:
    buffer = FakeBuffer(mode="wb", room=50)
    file = text_over(buffer)
    await file.write("a" * 6_000)
    buffer.error = full()
    taken, refused = 0, 0
    while refused < 9:
        try:
            taken += await file.write("b" * 6_000)
        except OSError:
            refused += 1
    # So much is held, and no more, however often it is tried.
    assert taken <= 12_000
    buffer.error = None
    await file.write("c")
    await file.close()
    assert buffer.content == b"a" * 6_000 + b"b" * taken + b"c"


async def test_cancelled_write_has_taken_all_or_nothing() -> None:
    buffer = FakeBuffer(mode="wb", room=50)
    file = text_over(buffer)
    await file.write("a" * 6_000)
    buffer.hold()
    writing = await begun(file.write("b" * 6_000))
    writing.cancel()
    with pytest.raises(tasks.Cancelled):
        await writing
    buffer.let_all()
    await file.write("c")
    await file.close()
    assert buffer.content in (
        b"a" * 6_000 + b"c",
        b"a" * 6_000 + b"b" * 6_000 + b"c",
    )


@pytest.mark.parametrize("waits", [False, True], ids=["now", "later"])
@pytest.mark.parametrize("name", ["read", "readline", "readlines", "__anext__"])
async def test_cancelled_read_loses_nothing(name: str, waits: bool) -> None:
    buffer = FakeBuffer(b"one\ntwo\n" * 3, waits=lambda: waits)
    file = text_over(buffer)
    if not waits:
        await file.readline()
        await file.seek(0)
        buffer._waits = lambda: True
    buffer.hold()
    reading = await begun(getattr(file, name)())
    reading.cancel()
    with pytest.raises(tasks.Cancelled):
        await reading
    buffer.let_all()
    assert await file.tell() == 0
    assert await file.read() == "one\ntwo\n" * 3
    await file.close()


async def test_cancelled_seek_is_carried_out_first() -> None:
    buffer = FakeBuffer("é".encode("utf-7") * 10)
    file = text_over(buffer, "utf-7")
    await file.read(3)
    cookie = await file.tell()
    await file.seek(0)
    # Reads, to skip what lies before the place: it is not done after one step.
    seeking = await begun(file.seek(cookie))
    assert not seeking.done()
    seeking.cancel()
    with pytest.raises(tasks.Cancelled):
        await seeking
    assert await file.tell() in (0, cookie)
    await file.close()


async def test_close_closes_though_the_text_cannot_be_written() -> None:
    buffer = FakeBuffer(mode="wb")
    file = text_over(buffer)
    await file.write("lost")
    buffer.error = full()
    with pytest.raises(OSError, match="No space left"):
        await file.close()
    assert buffer.closed
    await file.close()


async def test_cancelled_close_writes_and_closes_first() -> None:
    buffer = FakeBuffer(mode="wb")
    file = text_over(buffer)
    await file.write("kept")
    closing = await begun(file.close())
    closing.cancel()
    await tasks.wait([closing])
    assert buffer.closed
    assert buffer.content == b"kept"


# -- Many started --


async def test_operations_happen_in_the_order_of_the_calls() -> None:
    buffer = FakeBuffer(ASCII, waits=lambda: True)
    file = text_over(buffer)
    buffer.hold()
    order: list[tuple[int, str]] = []

    async def line(number: int) -> None:
        order.append((number, await file.readline()))

    started = [await begun(line(number)) for number in range(5)]
    buffer.let_all()
    buffer._waits = lambda: False
    # Called later, and answered later, though the lines are there by now.
    await tasks.sleep(0)
    await line(5)
    await tasks.gather(*started)
    assert order == list(enumerate(LINES[:6]))
    await file.close()


async def test_writes_are_not_torn() -> None:
    buffer = FakeBuffer(mode="wb", waits=lambda: True, room=50)
    file = text_over(buffer)
    texts = [f"<{i}" + "x" * 30_000 + f"{i}>" for i in range(9)]
    await tasks.gather(*(file.write(text) for text in texts))
    await file.close()
    assert buffer.content.decode() == "".join(texts)


async def test_write_waits_until_a_read_that_came_before_is_done() -> None:
    buffer = FakeBuffer(b"0123456789", "rb+", waits=lambda: True)
    file = text_over(buffer)
    buffer.hold()
    reading = await begun(file.read(4))
    writing = await begun(file.write("X"))
    assert not writing.done()
    buffer.let_all()
    assert await reading == "0123"
    assert await writing == 1
    await file.close()
    assert buffer.content == b"0123456789X"


# -- Settings --


async def test_reconfigure_encodes_what_was_written_by_the_old_settings() -> None:
    buffer = FakeBuffer(mode="wb")
    file = text_over(buffer, "latin-1")
    await file.write("é\n")
    file.reconfigure(encoding="utf-8", newline="\r\n")
    assert (file.encoding, file.errors) == ("utf-8", "strict")
    await file.write("é\n")
    await file.close()
    assert buffer.content == b"\xe9\n\xc3\xa9\r\n"


@pytest.mark.parametrize("name", ["reconfigure", "detach"])
async def test_methods_that_cannot_wait_refuse_to_cut_in(name: str) -> None:
    buffer = FakeBuffer(b"text", waits=lambda: True)
    file = text_over(buffer)
    buffer.hold()
    reading = await begun(file.read())
    with pytest.raises(RuntimeError, match="another operation is under way"):
        getattr(file, name)()
    buffer.let_all()
    assert await reading == "text"
    await file.close()


async def test_detach_hands_over_what_was_written() -> None:
    buffer = FakeBuffer(mode="wb", room=3)
    file = text_over(buffer)
    await file.write("x" * 100)
    assert file.detach() is buffer
    await buffer.flush()
    assert buffer.written() == b"x" * 100


async def test_detached_file_refuses_as_in_io() -> None:
    theirs: Any = io.TextIOWrapper(io.BytesIO(), "utf-8")
    theirs.detach()
    ours: Any = text_over(FakeBuffer())
    ours.detach()
    for name in ("closed", "name", "newlines", "buffer", "encoding", "errors"):
        wanted = outcome(lambda name=name: getattr(theirs, name))  # type: ignore[misc]
        assert outcome(lambda name=name: getattr(ours, name)) == wanted  # type: ignore[misc]
    for name in (
        "read", "readline", "readlines", "tell", "flush", "close", "truncate",
        "isatty", "readable", "writable", "seekable",
    ):  # fmt: skip
        wanted = outcome(lambda name=name: getattr(theirs, name)())  # type: ignore[misc]
        assert await async_outcome(lambda name=name: getattr(ours, name)()) == wanted  # type: ignore[misc]
    for name in ("fileno", "detach", "reconfigure"):
        wanted = outcome(lambda name=name: getattr(theirs, name)())  # type: ignore[misc]
        assert outcome(lambda name=name: getattr(ours, name)()) == wanted  # type: ignore[misc]
    assert await async_outcome(lambda: ours.write("x")) == outcome(
        lambda: theirs.write("x")
    )
    assert repr(ours) == "<headrace.AsyncTextIOWrapper encoding='utf-8'>"


async def test_closed_file_refuses_as_in_io() -> None:
    theirs: Any = io.TextIOWrapper(io.BytesIO(), "utf-8")
    theirs.close()
    ours: Any = text_over(FakeBuffer(mode="rb+"))
    await ours.close()
    calls: list[tuple[Any, ...]] = [
        ("read",), ("read", "x"), ("readline",), ("readline", None), ("readlines",),
        ("write", "x"), ("write", 3), ("writelines", []), ("tell",), ("seek", 0),
        ("seek", 0, "x"), ("flush",), ("truncate",), ("close",), ("__aenter__",),
    ]  # fmt: skip
    for name, *args in calls:
        sync_name = "__enter__" if name == "__aenter__" else name
        wanted = outcome(lambda n=sync_name, a=args: getattr(theirs, n)(*a))  # type: ignore[misc]
        got = await async_outcome(lambda n=name, a=args: getattr(ours, n)(*a))  # type: ignore[misc]
        assert (name, got) == (name, wanted)
    assert outcome(lambda: aiter(ours)) == outcome(lambda: iter(theirs))


@pytest.mark.parametrize(
    "wrong",
    [
        {"encoding": 3}, {"encoding": "nope"}, {"encoding": "hex"},
        {"encoding": "a\0b"}, {"errors": 3}, {"newline": 3}, {"newline": "x"},
        {"newline": b"\n"},
    ],
    ids=repr,
)  # fmt: skip
def test_wrong_settings_are_refused_in_the_words_of_io(wrong: dict[str, Any]) -> None:
    arguments = {"encoding": "utf-8", **wrong}
    wanted = outcome(lambda: io.TextIOWrapper(io.BytesIO(), **arguments))
    assert wanted[0] != "returned"
    assert outcome(lambda: text_over(FakeBuffer(), **arguments)) == wanted


@pytest.mark.parametrize(
    "call",
    [
        ("read", "x"), ("read", 1.5), ("read", 1 << 80), ("readline", "x"),
        ("readline", None), ("readline", 1 << 80), ("readlines", "x"), ("write",),
        ("write", b"x"), ("write", None), ("writelines", 3), ("writelines", ["a", 3]),
        ("seek", "x"), ("seek", 0, "x"), ("seek", 0, 7), ("seek", 3, 1), ("seek", 3, 2),
        ("seek", -1), ("seek", 1 << 200),
    ],
    ids=repr,
)  # fmt: skip
async def test_wrong_arguments_are_refused_in_the_words_of_io(
    call: tuple[Any, ...],
) -> None:
    name, *args = call
    theirs = io.TextIOWrapper(io.BytesIO(b"text"), "utf-8")
    ours = text_over(FakeBuffer(b"text", "rb+"))
    wanted = outcome(lambda: getattr(theirs, name)(*args))
    got = await async_outcome(lambda: getattr(ours, name)(*args))
    assert got[0] == wanted[0]
    if call != ("write",):
        assert got == wanted
    await ours.close()


def test_locale_encoding_is_named_as_by_io() -> None:
    theirs = io.TextIOWrapper(io.BytesIO(), "locale")
    file = text_over(FakeBuffer(), "locale")
    assert file.encoding == theirs.encoding
    file.detach()


def test_unspecified_encoding_is_warned_of_where_python_is_asked_to() -> None:
    program = """
        import io, warnings
        from headrace.files._text import AsyncTextIOWrapper
        from tests.files.fakes_text import FakeBuffer
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            AsyncTextIOWrapper(FakeBuffer()).detach()
        (warning,) = seen
        assert warning.category is EncodingWarning
        assert warning.filename == __file__, warning.filename
    """
    run_program(program, "-X", "warn_default_encoding")


def run_program(program: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run *program* in an interpreter of its own; it has to succeed."""
    code = f"__file__ = '<string>'\n{textwrap.dedent(program)}"
    result = subprocess.run(
        [sys.executable, *options, "-c", code],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result


# -- What a text file says of itself --


async def test_attributes_are_those_of_the_builtin_file(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    theirs: Any = open(path, "w", encoding="utf-8", newline="\n")
    async with headrace.open(path, "w", encoding="utf-8", newline="\n") as ours:
        for name in (
            "name", "closed", "encoding", "errors", "newlines", "line_buffering",
            "write_through",
        ):  # fmt: skip
            assert getattr(ours, name) == getattr(theirs, name), name
        assert ours.fileno() == ours.buffer.fileno()
        assert not await ours.isatty()
        assert await ours.writable()
        assert not await ours.readable()
        assert await ours.seekable()
    theirs.close()


async def test_repr_names_file_mode_and_encoding() -> None:
    file = text_over(FakeBuffer(mode="wb"))
    assert repr(file) == (
        "<headrace.AsyncTextIOWrapper name='fake' mode='w' encoding='utf-8'>"
    )
    await file.close()


async def test_file_cannot_be_pickled() -> None:
    file = text_over(FakeBuffer())
    with pytest.raises(TypeError, match="cannot pickle 'AsyncTextIOWrapper'"):
        pickle.dumps(file)
    await file.close()


async def test_sync_goes_to_the_storage_behind_the_text() -> None:
    buffer = FakeBuffer(mode="wb")
    file = text_over(buffer)
    await file.write("text")
    await file.sync()
    await file.sync(data_only=True)
    assert buffer.log == ["sync False", "sync True"]
    assert buffer.written() == b"text"
    await file.close()


@pytest.mark.parametrize(
    ("mistake", "right"), [("with", "async with"), ("for", "async for")]
)
async def test_mistakes_are_explained(mistake: str, right: str) -> None:
    file: Any = text_over(FakeBuffer())
    with pytest.raises(TypeError, match=f"use '{right}'"):
        if mistake == "with":
            with file:
                pass
        else:
            list(file)
    await file.close()


# -- Never closed --


def test_forgotten_file_is_written_closed_and_warned_of() -> None:
    async def forget(buffer: FakeBuffer) -> None:
        file = text_over(buffer)
        await file.write("kept ")
        await file.write("é" * 40_000)

    buffer = FakeBuffer(mode="wb")
    with pytest.warns(ResourceWarning, match="unclosed file") as seen:
        asyncio.run(forget(buffer))
        gc.collect()
    assert str(seen[0].message) == (
        "unclosed file <headrace.AsyncTextIOWrapper name='fake' mode='w' "
        "encoding='utf-8'>: close it with 'await f.close()' or open it with "
        "'async with'"
    )
    assert buffer.content.decode() == "kept " + "é" * 40_000


def test_forgotten_file_is_closed_where_warnings_are_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unraised: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraised.append)
    buffer = FakeBuffer()
    file = text_over(buffer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del file
        gc.collect()
    assert buffer.closed
    assert [one.exc_type for one in unraised] == [ResourceWarning]


def test_text_is_written_at_the_exit_of_the_interpreter(tmp_path: Path) -> None:
    program = """
        import asyncio, sys, headrace
        async def main():
            f = await headrace.open(sys.argv[1], "w", encoding="utf-8")
            for number in range(20000):
                await f.write(f"{number} é\\n")
            return f
        kept = asyncio.run(main())
    """
    path = tmp_path / "file"
    code = textwrap.dedent(program)
    result = subprocess.run(
        [sys.executable, "-W", "default", "-c", code, str(path)],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    assert path.read_text(encoding="utf-8") == "".join(
        f"{number} é\n" for number in range(20000)
    )
    assert b"unclosed file <headrace.AsyncTextIOWrapper" in result.stderr


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
@pytest.mark.parametrize("newline", [None, "", "\n", "\r\n"])
@pytest.mark.parametrize("first", ["", "a", "a\n", "a\r\n", "a\r"])
async def test_file_read_whole_that_grows_goes_on_as_with_open(
    tmp_path: Path, encoding: str, newline: str | None, first: str
) -> None:
    path = tmp_path / "file"

    def grow(text: str) -> None:
        with path.open("ab") as file:
            file.write(text.encode(encoding.replace("utf-16", "utf-16-le")))

    grow(first)
    if encoding == "utf-16":
        path.write_bytes(first.encode(encoding))
    ours: list[Any] = []
    theirs: list[Any] = []
    with path.open(encoding=encoding, newline=newline) as sync:
        async with headrace.open(path, encoding=encoding, newline=newline) as file:
            for more in ("b\n", "c\r", "\nd"):
                theirs += [sync.read(), sync.newlines, sync.tell()]
                ours += [await file.read(), file.newlines, await file.tell()]
                grow(more)
            sync.seek(0)
            await file.seek(0)
            theirs += [sync.newlines, sync.read(), sync.newlines]
            ours += [file.newlines, await file.read(), file.newlines]
    assert ours == theirs


async def test_bytes_that_are_no_text_are_complained_of_as_with_open(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"fine \xff not fine \xe2\x82")
    with (
        path.open(encoding="utf-8") as sync,
        pytest.raises(UnicodeDecodeError) as raised,
    ):
        sync.read()
    async with headrace.open(path, encoding="utf-8") as file:
        with pytest.raises(UnicodeDecodeError) as also:
            await file.read()
    assert also.value.args == raised.value.args
