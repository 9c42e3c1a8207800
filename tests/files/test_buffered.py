"""Readers, writers and both in one: whatever the steps, as with builtin `open()`.

The same random steps are made on a file of headrace's and on one of `io`'s, over
files of their own. Buffers are tiny, so that every border is met; reads are answered
inline, or would wait, or come short, as the example says.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import (
    AsyncBufferedRandom,
    AsyncBufferedReader,
    AsyncBufferedWriter,
    _native,
)
from headrace._typing import WAIT
from headrace.engine import limits
from tests.fakes import ScriptedRaw
from tests.files.support import async_outcome, fast, outcome, raw_file, slow

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pread")

SIZES = st.sampled_from([1, 2, 3, 7, 16, 64, 8192])
CONTENTS = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.sampled_from(
            [b"\n", b"\r", b"\r\n", b"\x0b", b"\x0c", b"a", b"bc", b"defg"]
        ),
        max_size=40,
    ).map(b"".join),
)
COUNTS = st.one_of(st.integers(-1, 20), st.sampled_from([None, 100, 70_000]))

reading = st.one_of(
    st.tuples(st.just("read"), COUNTS),
    st.tuples(st.just("read1"), st.integers(-1, 20)),
    st.tuples(st.just("readinto"), st.integers(0, 20).map(bytearray)),
    st.tuples(st.just("readinto1"), st.integers(0, 20).map(bytearray)),
    st.tuples(st.just("readline"), st.sampled_from([-1, None, 0, 1, 2, 5, 50])),
    st.tuples(st.just("readlines"), st.sampled_from([-1, None, 0, 1, 4, 9, 50])),
    st.tuples(st.just("peek"), st.sampled_from([0, 1, 5, 100])),
    st.tuples(st.just("next")),
)
writing = st.one_of(
    st.tuples(st.just("write"), st.binary(max_size=20)),
    st.tuples(st.just("write"), st.binary(max_size=20).map(bytearray)),
    st.tuples(st.just("writelines"), st.lists(st.binary(max_size=5), max_size=4)),
    st.tuples(st.just("truncate"), st.sampled_from([None, 0, 3, 40, 90])),
)
placing = st.one_of(
    st.tuples(st.just("seek"), st.integers(-2, 70)),
    st.tuples(st.just("seek"), st.integers(-9, 9), st.just(1)),
    st.tuples(st.just("seek"), st.integers(-9, 9), st.just(2)),
    st.tuples(st.just("seek"), st.just(0), st.sampled_from([-1, 9])),
    st.tuples(st.just("tell")),
    st.tuples(st.just("flush")),
)

#: How an inline read is answered: not at all, or with so many bytes at the most.
answers = st.lists(st.sampled_from([WAIT, 1, 2, 5, 100]), max_size=30)

Step = tuple[Any, ...]


class Memory(io.RawIOBase):
    """A raw file in memory that is as strict as one of the kernel's."""

    def __init__(self, contents: bytes) -> None:
        self.memory = io.BytesIO(contents)

    def readable(self) -> bool:
        return True

    writable = seekable = readable

    def readinto(self, buffer: Any) -> int:
        return self.memory.readinto(buffer)

    def write(self, data: Any) -> int:
        return self.memory.write(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        start = [0, self.memory.tell(), len(self.memory.getbuffer())][whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return self.memory.seek(start + offset)

    def tell(self) -> int:
        return self.memory.tell()

    def truncate(self, size: int | None = None) -> int:
        size = self.tell() if size is None else size
        missing = size - len(self.memory.getbuffer())
        self.memory.truncate(size)
        if missing > 0:
            place = self.memory.tell()
            self.memory.seek(0, 2)
            self.memory.write(bytes(missing))
            self.memory.seek(place)
        return size


class Pair:
    """A file of headrace's, and one of `io`'s that has to stay the same."""

    def __init__(self, ours: Any, theirs: Any, contents: Callable[[], bytes]) -> None:
        self.ours = ours
        self.theirs = theirs
        self.contents = contents

    async def step(self, name: str, *args: Any) -> None:
        if name == "tell":
            # In append mode it takes the write to say where that went.
            await self.step("flush")
        if name in ("read1", "readinto1", "peek") and self.theirs.readable():
            await self._step_of_any_length(name, *args)
            return
        copies = [bytearray(a) if name == "readinto" else a for a in args]
        wanted = outcome(lambda: self._theirs(name, *args))
        got = await async_outcome(lambda: self._ours(name, *copies))
        assert (name, args, got) == (name, args, wanted)
        if name == "readinto":
            assert copies == list(args)

    async def _step_of_any_length(self, name: str, argument: Any) -> None:
        """How much these give depends on what has been read ahead."""
        self.theirs.flush()
        place = self.theirs.tell()
        rest = self.contents()[place:]
        got = await getattr(self.ours, name)(argument)
        if name == "readinto1":
            got = bytes(argument[:got])
            argument = len(argument)
        if name == "peek":
            argument = 1
        assert rest.startswith(got), (name, place)
        assert bool(got) == bool(rest and argument), (name, place)
        if name != "peek":
            assert argument < 0 or len(got) <= argument
            self.theirs.seek(place + len(got))

    def _theirs(self, name: str, *args: Any) -> Any:
        if name == "next":
            return next(self.theirs, b"")
        return getattr(self.theirs, name)(*args)

    async def _ours(self, name: str, *args: Any) -> Any:
        if name == "next":
            return await anext(self.ours, b"")
        return await getattr(self.ours, name)(*args)


@contextmanager
def answered(script: list[Any]) -> Iterator[None]:
    """Have inline reads answered as *script* says, behind its end as they are."""
    left = iter(script)
    read_at, read_into_at = _native.read_at, _native.read_into_at

    def scripted(fd: int, size: int, offset: int) -> bytes | None:
        most = next(left, size)
        return None if most is WAIT else read_at(fd, min(size, most), offset)

    def scripted_into(fd: int, buf: memoryview, offset: int) -> int:
        most = next(left, len(buf))
        return -1 if most is WAIT else read_into_at(fd, buf[:most], offset)

    with (
        mock.patch.object(_native, "read_at", scripted),
        mock.patch.object(_native, "read_into_at", scripted_into),
        mock.patch.object(limits, "core", 0),
    ):
        yield


@given(
    contents=CONTENTS,
    size=SIZES,
    steps=st.lists(st.one_of(reading, placing), max_size=25),
    script=answers,
    device=st.sampled_from([fast, slow]),
    adopted=st.booleans(),
)
async def test_reader_gives_what_io_gives(
    contents: bytes,
    size: int,
    steps: list[Step],
    script: list[Any],
    device: Callable[[], Any],
    adopted: bool,
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    path.write_bytes(contents)
    with answered(script), open(path, "rb", max(size, 2)) as theirs:
        async with raw_file(path, "rb", device(), adopted=adopted) as raw:
            ours = AsyncBufferedReader(raw, size)
            pair = Pair(ours, theirs, lambda: contents)
            for step in steps:
                await pair.step(*step)
            await pair.step("tell")


@given(
    contents=CONTENTS,
    size=SIZES,
    steps=st.lists(st.one_of(reading, placing), max_size=25),
    script=answers,
)
async def test_reader_over_any_raw_file_gives_what_io_gives(
    contents: bytes, size: int, steps: list[Step], script: list[Any]
) -> None:
    raw: Any = ScriptedRaw(contents, reads=script, can_write=False)
    theirs = io.BufferedReader(Memory(contents), max(size, 2))
    pair = Pair(AsyncBufferedReader(raw, size), theirs, lambda: contents)
    for step in steps:
        await pair.step(*step)
    await pair.step("tell")
    await pair.ours.close()


@given(
    contents=CONTENTS,
    size=SIZES,
    steps=st.lists(st.one_of(writing, placing), max_size=25),
    mode=st.sampled_from(["wb", "ab"]),
    device=st.sampled_from([fast, slow]),
)
async def test_writer_writes_what_io_writes(
    contents: bytes,
    size: int,
    steps: list[Step],
    mode: str,
    device: Callable[[], Any],
    tmp_path: Path,
) -> None:
    our_path, their_path = tmp_path / "ours", tmp_path / "theirs"
    for path in (our_path, their_path):
        path.write_bytes(contents)
    with open(their_path, mode, max(size, 2)) as theirs:
        async with raw_file(our_path, mode, device()) as raw:
            if mode == "ab":
                os.lseek(raw.fileno(), 0, os.SEEK_END)
            ours = AsyncBufferedWriter(raw, size)
            pair = Pair(ours, theirs, their_path.read_bytes)
            for step in steps:
                await pair.step(*step)
            await pair.step("tell")
            await ours.close()
    assert our_path.read_bytes() == their_path.read_bytes()


@given(
    contents=CONTENTS,
    size=SIZES,
    steps=st.lists(st.one_of(reading, writing, placing), max_size=25),
    script=answers,
    mode=st.sampled_from(["r+b", "w+b", "a+b"]),
    device=st.sampled_from([fast, slow]),
    adopted=st.booleans(),
)
async def test_file_open_for_both_does_what_io_does(
    contents: bytes,
    size: int,
    steps: list[Step],
    script: list[Any],
    mode: str,
    device: Callable[[], Any],
    adopted: bool,
    tmp_path: Path,
) -> None:
    our_path, their_path = tmp_path / "ours", tmp_path / "theirs"
    for path in (our_path, their_path):
        path.write_bytes(contents)
    with answered(script), open(their_path, mode, max(size, 2)) as theirs:
        async with raw_file(our_path, mode, device(), adopted=adopted) as raw:
            if mode == "a+b":
                os.lseek(raw.fileno(), 0, os.SEEK_END)
            ours = AsyncBufferedRandom(raw, size)
            pair = Pair(ours, theirs, their_path.read_bytes)
            for step in steps:
                await pair.step(*step)
                if mode == "a+b" and step[0].startswith("write"):
                    # io goes on reading where it would have written without "a".
                    await pair.step("seek", 0, 2)
            await pair.step("tell")
            await ours.close()
    assert our_path.read_bytes() == their_path.read_bytes()


@given(
    contents=CONTENTS,
    size=SIZES,
    steps=st.lists(st.one_of(reading, writing, placing), max_size=25),
    script=answers,
)
async def test_file_over_any_raw_file_does_what_io_does(
    contents: bytes, size: int, steps: list[Step], script: list[Any]
) -> None:
    raw: Any = ScriptedRaw(contents, reads=script)
    memory = Memory(contents)
    theirs = io.BufferedRandom(memory, max(size, 2))
    pair = Pair(AsyncBufferedRandom(raw, size), theirs, memory.memory.getvalue)
    for step in steps:
        await pair.step(*step)
    await pair.step("tell")
    await pair.ours.flush()
    theirs.flush()
    assert bytes(raw.data) == memory.memory.getvalue()
    await pair.ours.close()


# -- The wrong direction --


@pytest.mark.parametrize(
    ("mode", "call"),
    [
        *(
            pytest.param("wb", call, id=f"writer-{call[0]}")
            for call in [
                ("read",),
                ("read1",),
                ("readinto", bytearray(1)),
                ("readinto1", bytearray(1)),
                ("readline",),
                ("readlines",),
            ]
        ),
        *(
            pytest.param("rb", call, id=f"reader-{call[0]}")
            for call in [
                ("write", b"x"),
                ("writelines", [b"x"]),
                ("writelines", []),
                ("truncate",),
            ]
        ),
    ],
)
@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
async def test_wrong_direction_is_refused_as_by_io(
    closed: bool, mode: str, call: Step, tmp_path: Path
) -> None:
    name, *args = call
    path = tmp_path / "file"
    path.write_bytes(b"contents")
    theirs = open(path, mode)
    async with raw_file(path, mode) as raw:
        kind: Any = AsyncBufferedReader if mode == "rb" else AsyncBufferedWriter
        ours = kind(raw, 16)
        if closed:
            theirs.close()
            await ours.close()
        wanted = outcome(lambda: getattr(theirs, name)(*args))
        got = await async_outcome(lambda: getattr(ours, name)(*args))
        theirs.close()
    assert got[0] == wanted[0]


async def test_iterating_over_a_writer_is_refused_as_by_io(tmp_path: Path) -> None:
    async with raw_file(tmp_path / "file", "wb") as raw:
        writer = AsyncBufferedWriter(raw, 16)
        with pytest.raises(io.UnsupportedOperation, match="read"):
            async for _ in writer:
                pass
        await writer.close()


@pytest.mark.parametrize(
    "kind", [AsyncBufferedReader, AsyncBufferedWriter, AsyncBufferedRandom]
)
@pytest.mark.parametrize("size", [0, -1])
def test_buffer_needs_a_size(kind: Any, size: int) -> None:
    with pytest.raises(ValueError, match="invalid buffer size"):
        kind(ScriptedRaw(), size)
