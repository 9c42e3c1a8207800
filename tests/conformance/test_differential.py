"""The same random steps through builtin `open()` and through headrace.

Values, exception types, positions and the bytes on disk must agree. Where headrace's
contract lets it differ, `Pair` below says so, case by case, and allows that alone:

- the amount that `peek()`, `read1()` and `readinto1()` return depends on how much was
  read ahead, which is not part of the contract: one must be a beginning of the other;
- in append mode `tell()` is asked after a `flush()`;
- `tell()` after an iteration step is allowed for text, where `io` refuses it;
- `readall()` of a raw file that cannot be read raises what `_pyio` raises.

`HEADRACE_DIFF_EXAMPLES=20000 pytest ...` runs more than the few hundred of CI.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import functools
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import headrace
from headrace.engine import current_engine

EXAMPLES = int(os.environ.get("HEADRACE_DIFF_EXAMPLES", "400"))

profile = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="HEADRACE_DIFF_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)

MODES = [base + kind + plus for base in "rwax" for kind in "bt" for plus in ("", "+")]
BUFFERINGS = [-1, 0, 1, 2, 7, 8192]
NEWLINES = [None, "", "\n", "\r", "\r\n"]
ENCODINGS = [
    "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "ascii",
    "cp1252", "shift_jis", "iso2022_jp", "gb18030", "euc_kr", "utf-7", "big5",
]  # fmt: skip
ERRORS = [
    None, "strict", "ignore", "replace", "backslashreplace", "surrogateescape",
    "surrogatepass", "xmlcharrefreplace", "namereplace",
]  # fmt: skip


def read1_forgets_writes() -> bool:
    """Tell whether read1() of io.BufferedRandom overlooks what is still to be written.

    CPython 3.11.7 and 3.12.1 do, 3.13.0 does not; text is read through read1().
    """
    with io.BufferedRandom(io.BytesIO(b"abc")) as file:  # type: ignore[arg-type]
        file.write(b"x")
        return file.read1(1) != b"b"


READ1_FORGETS_WRITES = read1_forgets_writes()

# What io's tell() says between next() and the end of the file or a seek().
DISABLED = "telling position disabled by next() call"


# -- The two files --


@dataclass(frozen=True)
class Config:
    """How both files are opened, and what is in them before."""

    mode: str
    buffering: int
    encoding: str | None
    errors: str | None
    newline: str | None
    content: bytes

    @property
    def text(self) -> bool:
        return "t" in self.mode

    @property
    def raw(self) -> bool:
        return self.buffering == 0 and not self.text

    @property
    def reads(self) -> bool:
        return "r" in self.mode or "+" in self.mode

    @property
    def writes(self) -> bool:
        return "r" not in self.mode or "+" in self.mode

    def arguments(self) -> dict[str, Any]:
        named: dict[str, Any] = {"mode": self.mode, "buffering": self.buffering}
        if self.text:
            named["encoding"] = self.encoding
            named["errors"] = self.errors
            named["newline"] = self.newline
        return named


@dataclass(frozen=True)
class Outcome:
    """What a call gave: a value, or an exception."""

    value: Any = None
    error: BaseException | None = None

    def __repr__(self) -> str:
        return f"raised {self.error!r}" if self.error else f"returned {self.value!r}"


def error_facts(error: BaseException | None) -> tuple[Any, ...] | None:
    """Return what of *error* must agree: its type, and the words that are stable."""
    match error:
        case None:
            return None
        case UnicodeDecodeError():
            # `object`, `start` and `end` count from the chunk that was decoded.
            bad = error.object[error.start : error.end]
            return (type(error), error.encoding, error.reason, bad)
        case UnicodeEncodeError():
            return (type(error), str(error))
        case io.UnsupportedOperation():
            return (io.UnsupportedOperation,)
        case OSError():
            return (type(error), error.errno, error.strerror)
        case ValueError() if "closed file" in str(error):
            return (type(error), "closed file")
        case _:
            return (type(error),)


class Pair:
    """One file under builtin `open()`, its twin under headrace."""

    def __init__(self, config: Config, sync: Any, ours: Any) -> None:
        self.config = config
        self.sync = sync
        self.ours = ours
        # Cookies that tell() gave, for seek(); the same number on both sides.
        self.cookies: list[int] = []
        self.over = False

    async def step(self, name: str, *args: Any) -> None:
        """Do one operation on both and compare what came of it."""
        if READ1_FORGETS_WRITES and name.startswith(("read", "iter", "peek")):
            with contextlib.suppress(ValueError):
                self.sync.flush()
        special = getattr(self, f"_do_{name}", None)
        if special is not None:
            await special(*args)
        else:
            await self._compare(name, *args)

    # -- One call on each side --

    async def _compare(self, name: str, *args: Any) -> tuple[Outcome, Outcome]:
        expected = self._sync(name, *args)
        got = await self._ours(name, *args)
        self._agree(name, args, expected, got)
        return expected, got

    def _sync(self, name: str, *args: Any) -> Outcome:
        try:
            return Outcome(getattr(self.sync, name)(*args))
        except Exception as error:
            return Outcome(error=error)

    async def _ours(self, name: str, *args: Any) -> Outcome:
        try:
            return Outcome(await getattr(self.ours, name)(*args))
        except Exception as error:
            return Outcome(error=error)

    def _agree(
        self, name: str, args: tuple[Any, ...], expected: Outcome, got: Outcome
    ) -> None:
        assert error_facts(got.error) == error_facts(expected.error), (
            f"{name}{args}: open() {expected}, headrace {got}"
        )
        assert type(got.value) is type(expected.value), (name, args, expected, got)
        assert got.value == expected.value, (
            f"{name}{args}: open() {expected}, headrace {got}"
        )
        # What is left of the chunk after a decoding error depends on its size. The
        # error handlers for encoding alone raise TypeError when they have to decode.
        self.over |= self.config.text and (
            isinstance(expected.error, UnicodeDecodeError)
            or "UnicodeDecodeError" in str(expected.error)
        )

    # -- Operations that need more than the one call --

    async def _do_iterate(self, steps: int) -> None:
        for _ in range(steps):
            # Text: readline() gives what next() gives, and leaves tell() working.
            line = self._sync("readline" if self.config.text else "__next__")
            if line.error is None and not line.value:
                line = Outcome(error=StopIteration())
            got = await self._ours("__anext__")
            if isinstance(got.error, StopAsyncIteration):
                got = Outcome(error=StopIteration())
            self._agree("next", (), line, got)
            if line.error is not None:
                break

    async def _do_read(self, *size: int | None) -> None:
        if size == (None,) and not self.config.reads:
            return  # Two mistakes at once: which one is named is nobody's business.
        await self._compare("read", *size)

    async def _do_readall(self) -> None:
        if self.config.reads or self.sync.closed:
            await self._compare("readall")
        else:
            # The two implementations of io disagree: the C one has the kernel say
            # EBADF, _pyio says what headrace says.
            got = await self._ours("readall")
            assert isinstance(got.error, io.UnsupportedOperation), got

    async def _do_peek(self, size: int) -> None:
        expected = self._sync("peek", size)
        got = await self._ours("peek", size)
        self._begins_alike("peek", expected, got)

    async def _do_read1(self, size: int) -> None:
        expected = self._sync("read1", size)
        got = await self._ours("read1", size)
        await self._level("read1", expected, got, size)

    async def _do_readinto(self, size: int) -> None:
        theirs, mine = bytearray(size), bytearray(size)
        expected = self._sync("readinto", theirs)
        got = await self._ours("readinto", mine)
        self._agree("readinto", (size,), expected, got)
        assert mine == theirs

    async def _do_readinto1(self, size: int) -> None:
        theirs, mine = bytearray(size), bytearray(size)
        expected = self._sync("readinto1", theirs)
        got = await self._ours("readinto1", mine)
        if expected.error is None and got.error is None:
            expected = Outcome(bytes(theirs[: expected.value]))
            got = Outcome(bytes(mine[: got.value]))
        await self._level("readinto1", expected, got, size)

    def _begins_alike(self, name: str, expected: Outcome, got: Outcome) -> None:
        """Both raised alike, or both gave bytes and one is a beginning of the other."""
        if expected.error is not None or got.error is not None:
            self._agree(name, (), expected, got)
            return
        assert type(got.value) is type(expected.value)
        common = min(len(expected.value), len(got.value))
        assert got.value[:common] == expected.value[:common], (name, expected, got)
        assert bool(got.value) == bool(expected.value), (name, expected, got)

    async def _level(
        self, name: str, expected: Outcome, got: Outcome, size: int
    ) -> None:
        """After reads of unequal length, bring the shorter side to the same place."""
        self._begins_alike(name, expected, got)
        if expected.error is not None:
            return
        if size >= 0:
            assert len(got.value) <= size
        missing = len(expected.value) - len(got.value)
        if missing > 0:
            rest = await self._ours("read", missing)
            assert rest.value == expected.value[-missing:], (name, rest)
        elif missing < 0:
            rest = self._sync("read", -missing)
            assert rest.value == got.value[missing:], (name, rest)

    async def _do_tell(self) -> None:
        if "a" in self.config.mode and not self.config.text:
            # What was appended after a seek is counted from there until it is
            # flushed, so the answer would depend on the size of the buffer.
            await self._compare("flush")
        expected = self._sync("tell")
        got = await self._ours("tell")
        if DISABLED in str(expected.error):
            # readlines() iterates too, and may have stopped on its way.
            assert isinstance(got.value, int), got
            return
        self._agree("tell", (), expected, got)
        if expected.error is None:
            self.cookies.append(expected.value)

    async def _do_seek(self, offset: int, *whence: int) -> None:
        if self.config.encoding == "iso2022_jp" and offset:
            # TextIOWrapper sets the decoder's state to 0 for a position that is not
            # from tell(), and CPython's decoder for ISO-2022 dies of that state.
            return
        expected = self._sync("seek", offset, *whence)
        got = await self._ours("seek", offset, *whence)
        if DISABLED in str(expected.error):
            # To seek by 0 from here means tell().
            assert isinstance(got.value, int), got
            return
        self._agree("seek", (offset, *whence), expected, got)

    async def _do_seek_cookie(self, index: int) -> None:
        if self.cookies:
            await self._compare("seek", self.cookies[index % len(self.cookies)])

    async def _do_write(self, data: Any) -> None:
        await self._settle()
        right = isinstance(data, str if self.config.text else bytes)
        if not right and (self.sync.closed or not self.config.writes):
            return  # Again two mistakes.
        await self._compare("write", data)

    async def _do_writelines(self, lines: list[Any]) -> None:
        await self._settle()
        await self._compare("writelines", lines)

    async def _settle(self) -> None:
        """Seek, where a write behind a read depends on the size of buffers.

        `TextIOWrapper` writes behind the chunk that it has decoded. `BufferedRandom`
        in append mode goes on, after a write, in what it read ahead, or else at the
        end of the file, where the kernel put the data.
        """
        if not self.config.reads:
            return
        if "a" in self.config.mode and not self.config.text:
            await self._compare("seek", 0, 2)
        elif self.config.text and len(self.config.content) > 4096:
            place = self._sync("tell")
            await self._compare("seek", 0 if place.error else place.value)

    async def _do_pread(self, size: int, offset: int) -> None:
        # What is still in a buffer is not in the file: pread() names a place there.
        await self._compare("flush")
        got = await self._ours("pread", size, offset)
        if self.sync.closed:
            assert isinstance(got.error, ValueError), got
        elif not self.config.reads:
            assert isinstance(got.error, io.UnsupportedOperation), got
        else:
            assert got.value == os.pread(self.sync.fileno(), size, offset), got

    async def _do_pwrite(self, data: bytes, offset: int) -> None:
        await self._compare("flush")
        got = await self._ours("pwrite", data, offset)
        if self.sync.closed:
            assert isinstance(got.error, ValueError), got
        elif not self.config.writes or "a" in self.config.mode:
            assert isinstance(got.error, io.UnsupportedOperation), got
        else:
            assert got.value == os.pwrite(self.sync.fileno(), data, offset), got


# -- Steps --

sizes = st.one_of(
    st.integers(0, 12), st.sampled_from([-1, None, 63, 4096, 8191, 8192, 70000])
)
amounts = st.one_of(st.integers(0, 12), st.sampled_from([63, 4096, 8193, 70000]))
places = st.one_of(st.integers(-2, 40), st.sampled_from([4095, 4096, 8192, 65536]))

letters = st.one_of(
    st.sampled_from("ab\n\r€éßあ漢字한글\U0001f600\udc80\ufeff"),
    st.sampled_from(["\r\n", "line\n", "+-~{", "テキスト\r"]),
)
texts = st.lists(letters, max_size=8).map("".join)
binaries = st.one_of(
    st.binary(max_size=12),
    st.lists(st.sampled_from([b"ab", b"\n", b"\r"])).map(b"".join),
)


def with_repeats(
    base: st.SearchStrategy[Any], counts: tuple[int, ...]
) -> st.SearchStrategy[Any]:
    """Sometimes many times over, so that every buffer and chunk size is crossed."""
    return st.tuples(base, st.sampled_from(counts)).map(lambda pair: pair[0] * pair[1])


@functools.cache
def steps(
    *, text: bool, raw: bool, reads: bool
) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Operations that make sense for such a file, and some that must fail."""
    data = with_repeats(texts if text else binaries, (1, 1, 1, 40, 1500))
    wrong = st.sampled_from([1, None, 2.5, b"x" if text else "x"])
    just = st.just
    choices = [
        st.tuples(just("read"), sizes),
        st.tuples(just("read")),
        st.tuples(just("readline"), sizes.filter(lambda size: size is not None)),
        st.tuples(just("readline")),
        st.tuples(just("readlines"), sizes),
        st.tuples(just("iterate"), st.integers(1, 4)),
        st.tuples(just("write"), data),
        st.tuples(just("write"), data),
        st.tuples(just("write"), wrong),
        st.tuples(just("writelines"), st.lists(data, max_size=3)),
        st.tuples(just("seek"), places),
        st.tuples(just("seek"), places, st.sampled_from([0, 0, 1, 2, 5])),
        st.tuples(just("seek"), just(0), just(2)),
        st.tuples(just("seek_cookie"), st.integers(0, 5)),
        st.tuples(just("tell")),
        st.tuples(just("tell")),
        st.tuples(just("truncate")),
        st.tuples(just("truncate"), places),
        st.tuples(just("flush")),
        st.tuples(just("readable")),
        st.tuples(just("writable")),
        st.tuples(just("seekable")),
        st.tuples(just("isatty")),
        st.tuples(just("pread"), amounts, st.integers(0, 9000)),
    ]
    if not text:
        choices.append(st.tuples(just("readinto"), amounts))
        if raw:
            choices.append(st.tuples(just("readall")))
        else:
            choices.append(st.tuples(just("read1"), amounts | just(-1)))
            choices.append(st.tuples(just("readinto1"), amounts))
            if reads:
                choices.append(st.tuples(just("peek"), st.integers(0, 20)))
    if not reads or raw:
        # Elsewhere what was read ahead may be older than what pwrite() puts there.
        choices.append(st.tuples(just("pwrite"), binaries, st.integers(0, 9000)))
    # Rare, because little can happen afterwards.
    choices.append(st.sampled_from([("close",), ("flush",), ("tell",), ("read", 3)]))
    return st.lists(st.one_of(choices), max_size=14)


@st.composite
def cases(draw: Callable[..., Any]) -> tuple[Config, list[tuple[Any, ...]]]:
    mode = draw(st.sampled_from(MODES))
    text = "t" in mode
    encoding = draw(st.sampled_from(ENCODINGS)) if text else None
    if encoding == "iso2022_jp":
        # tell() after a write has no decoder state; see `_do_seek` for what follows.
        mode = mode.replace("+", "")
    content = b""
    if "x" not in mode:
        content = draw(initial(encoding))
    config = Config(
        mode=mode,
        buffering=draw(st.sampled_from([b for b in BUFFERINGS if b or not text])),
        encoding=encoding,
        errors=draw(st.sampled_from(ERRORS)) if text else None,
        newline=draw(st.sampled_from(NEWLINES)) if text else None,
        content=content,
    )
    operations = steps(text=config.text, raw=config.raw, reads=config.reads)
    return config, draw(operations)


@functools.cache
def initial(encoding: str | None) -> st.SearchStrategy[bytes]:
    """What is in the file: bytes, or mostly well-formed text in *encoding*."""
    counts = (1, 1, 1, 30, 700, 6000)
    if encoding is None:
        return with_repeats(binaries, counts)
    encoded = texts.map(lambda text: text.encode(encoding, "ignore"))
    broken = st.tuples(encoded, st.binary(max_size=2), encoded).map(b"".join)
    return with_repeats(st.one_of(encoded, encoded, encoded, broken), counts)


# -- The tests --


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    async def connect() -> None:
        # The engine's eventfd lives as long as the loop, longer than one test.
        await current_engine().run(os.fstat, 0)

    with asyncio.Runner() as made:
        made.run(connect())
        yield made


@dataclass
class Scratch:
    """A directory for two files, used again for every example."""

    directory: Path = field(default_factory=lambda: Path(tempfile.mkdtemp()))

    def __post_init__(self) -> None:
        self.sync = self.directory / "sync"
        self.ours = self.directory / "ours"

    def fill(self, config: Config) -> None:
        for path in (self.sync, self.ours):
            path.unlink(missing_ok=True)
            if "x" not in config.mode:
                path.write_bytes(config.content)


@pytest.fixture(scope="module")
def scratch() -> Iterator[Scratch]:
    made = Scratch()
    yield made
    shutil.rmtree(made.directory)


async def compare(
    scratch: Scratch, config: Config, operations: list[tuple[Any, ...]]
) -> None:
    scratch.fill(config)
    with warned(config):
        sync = builtins.open(scratch.sync, **config.arguments())
    # Else io.FileIO would learn it from its first lseek(2), and take any mistake
    # there (EINVAL) for the sign of a pipe.
    sync.seekable()
    try:
        with warned(config):
            ours = await headrace.open(scratch.ours, **config.arguments())
        try:
            pair = Pair(config, sync, ours)
            for operation in operations:
                await pair.step(*operation)
                if pair.over:
                    break
            else:
                await pair.step("tell")
            await pair.step("close")
            assert ours.closed is sync.closed
        finally:
            # Nothing to do unless a step above failed.
            with contextlib.suppress(Exception):
                await ours.close()
    finally:
        with contextlib.suppress(Exception):
            sync.close()
    assert scratch.ours.read_bytes() == scratch.sync.read_bytes()


def warned(config: Config) -> contextlib.AbstractContextManager[Any]:
    """Expect the warning that line buffering is not for bytes, where it is due."""
    if config.buffering == 1 and not config.text:
        return pytest.warns(RuntimeWarning, match="line buffering")
    return contextlib.nullcontext()


@pytest.mark.timeout(60 + EXAMPLES // 10)
@profile
@given(case=cases())
def test_same_steps_give_the_same_as_open(
    runner: asyncio.Runner, scratch: Scratch, case: tuple[Config, list[Any]]
) -> None:
    runner.run(compare(scratch, *case))
