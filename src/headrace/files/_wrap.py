"""`wrap()`: the async face of a file object that is there already.

The sync object stays the authority: nothing is read ahead of it or held back from
it here, so it can be used beside its face between two operations. Files that
headrace opens itself do not come through here.
"""

from __future__ import annotations

import codecs
import enum
import functools
import inspect
import io
import os
import stat
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor
from types import TracebackType
from typing import (
    IO,
    TYPE_CHECKING,
    Any,
    AnyStr,
    Final,
    Generic,
    Self,
    TypeAlias,
    overload,
)

from headrace._errors import use_async_for, use_async_with
from headrace._stats import counters
from headrace._typing import ReadableBuffer, WriteableBuffer
from headrace.engine import (
    Lane,
    Limiter,
    Shield,
    budget,
    current_engine,
    device_of,
    limited,
    limiter_of,
)
from headrace.files._chunks import Chunks
from headrace.files._turns import Turns

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["WrappedFile", "wrap"]

CHANGING: Final = frozenset(
    {"close", "flush", "rollover", "truncate", "write", "writelines"}
)
"""Methods that are carried out once begun, even if cancelled."""

READING: Final = frozenset(
    {
        "__next__",
        "read",
        "read1",
        "readall",
        "readinto",
        "readinto1",
        "readline",
        "readlines",
    }
)
"""Methods that take something out of the file."""

LOOKING: Final = (READING - {"__next__"}) | frozenset(
    {"isatty", "peek", "readable", "seek", "seekable", "tell", "writable"}
)
"""The methods, beside the changing ones, that become coroutines."""

_BUFFERED: Final = {"_io.BufferedReader", "_io.BufferedWriter", "_io.BufferedRandom"}

_SETTLE_PAUSE_S: Final = 0.001
"""Between two looks whether a cancelled call has come back."""


# -- What kind of object it is -----------------------------------------------------


def is_in_memory(file: object) -> bool:
    """Tell whether *file* is a `BytesIO` or `StringIO`, or stands on one.

    A subclass that brings a method of its own is not: that may do anything.
    """
    for base in (io.BytesIO, io.StringIO):
        if issubclass(type(file), base):
            return all(
                getattr(type(file), name, None) is getattr(base, name, None)
                for name in LOOKING | CHANGING
            )
    try:
        if type(file) is io.TextIOWrapper:
            return is_in_memory(file.buffer)
        if _type_name(file) in _BUFFERED:
            below: object = getattr(file, "raw", None)
            return is_in_memory(below)
    except ValueError:  # It has been detached.
        pass
    return False


def is_spooled(file: Any) -> bool:
    """Tell whether *file* is a `tempfile.SpooledTemporaryFile`; imports nothing."""
    module = sys.modules.get("tempfile")
    return module is not None and type(file) is module.SpooledTemporaryFile


def stays_in_memory(file: Any, name: str, args: tuple[Any, ...]) -> bool:
    """Tell whether the call on the spooled *file* touches no disk."""
    if file._rolled or name in ("rollover", "truncate", "writelines"):
        return False
    if name != "write" or not file._max_size:
        return True
    # A character has 4 bytes at the most; what is no data raises, and writes nothing.
    data = args[0] if args else b""
    size = len(data) * 4 if isinstance(data, str) else memoryview(data).nbytes
    room: int = file._max_size - file._file.tell()
    return size <= room


class Place(enum.Enum):
    """Where the data of an object is, as far as that can be told."""

    UNKNOWN = "unknown"
    """A pipe, a terminal, an object of the program's own: calls may wait for ever."""
    DISK = "disk"
    LOCAL = "local disk"
    """At its end, a read asks no server and returns at once."""


def place_of(file: Any) -> Place:
    """Tell where the data of *file* is.

    For worker threads, since it asks the file system. Asks only classes of the
    standard library, because a test may count the calls of its own objects.
    """
    if is_spooled(file) or _type_name(file) == "zipfile.ZipExtFile":
        return Place.DISK  # fileno() would roll it over; an archive is no pipe.
    file = _inner(file)
    if not issubclass(type(file), (io.IOBase, codecs.StreamReaderWriter)):
        return Place.UNKNOWN
    try:
        fd = file.fileno()
        status = os.fstat(fd)
    except (OSError, ValueError, TypeError, AttributeError):
        return Place.UNKNOWN
    if not stat.S_ISREG(status.st_mode):
        return Place.UNKNOWN
    return Place.LOCAL if device_of(fd, status).local else Place.DISK


def _inner(file: Any) -> Any:
    """Return the file in a `NamedTemporaryFile`, else *file* itself."""
    return file.file if _type_name(file) == "tempfile._TemporaryFileWrapper" else file


def _type_name(file: object) -> str:
    return f"{type(file).__module__}.{type(file).__qualname__}"


# -- Lines that the object has in memory ---------------------------------------------
# `peek()` shows what a buffered object holds. A readline() that finds its line end in
# there makes no system call, so it needs no other thread: this is how a line costs
# less than a hop without anything being read ahead of the object.

_PEEKABLE: Final = {
    "_io.BufferedReader",
    "_io.BufferedRandom",
    "bz2.BZ2File",
    "gzip.GzipFile",
    "lzma.LZMAFile",
}

_ASCII_SUPERSETS: Final = ("ascii", "utf-8", "iso8859-", "cp125", "koi8-")
"""Beginnings of the codec names in which a byte 10 is always a line feed."""


_TEXT_CHUNK: Final = 8192
"""Bytes that `io.TextIOWrapper` decodes at once, and so the most lines it can hold."""


def lines_in_memory(file: Any, last_line: str | bytes, place: Place) -> int:
    """Return how many lines, at least, `readline()` has without waiting.

    Args:
        file: The object. May be read from: for worker threads.
        last_line: What `readline()` has just returned; shows how lines end.
        place: Where the data is.
    """
    if place is Place.UNKNOWN:
        return 0
    file = _inner(file)
    end = b"\n"
    if isinstance(last_line, bytes):
        peekable = _type_name(file) in {*_PEEKABLE, "zipfile.ZipExtFile"}
    else:
        if type(file) is not io.TextIOWrapper or not last_line.endswith("\n"):
            return 0
        if last_line.endswith("\r\n"):
            end = b"\r\n"  # It may be newline="\r\n", where a "\n" ends no line.
        codec = codecs.lookup(file.encoding).name
        file = file.buffer
        # What it has decoded already does not show, and only adds to the count.
        peekable = codec.startswith(_ASCII_SUPERSETS) and (
            _type_name(file) in _PEEKABLE
        )
    if not peekable:
        return 0
    try:
        held: bytes = file.peek(1)
    except (OSError, EOFError, ValueError):
        return 0  # The readline() that meets the trouble raises it.
    if not held and place is Place.LOCAL:
        return _TEXT_CHUNK
    return held.count(end)


# -- One call -----------------------------------------------------------------------


class Call:
    """One call on the wrapped object, and what came of it."""

    __slots__ = (
        "_args",
        "_file",
        "_kwargs",
        "_name",
        "begun",
        "done",
        "error",
        "lines",
        "result",
    )

    def __init__(
        self,
        file: Any,
        name: str,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        self._file = file
        self._name = name
        self._args = args
        self._kwargs = kwargs or {}
        self.begun = False
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.lines = 0
        """After a `readline()`: what `lines_in_memory()` says."""

    def run(self, place: Place) -> Any:
        """Make the call on an object whose data is at *place*."""
        try:
            if self._name == "__next__":
                self.result = next(self._file, b"")
            else:
                method = getattr(self._file, self._name)
                self.result = method(*self._args, **self._kwargs)
            if self._name == "readline" and self.result:
                self.lines = lines_in_memory(self._file, self.result, place)
        except BaseException as error:
            self.error = error
            raise
        return self.result

    @property
    def changes(self) -> bool:
        """Whether it changes the file."""
        return self._name in CHANGING or self._name == "__exit__"

    def can_take_over(self, late: Call) -> bool:
        """Tell whether *late* is a read just like this one."""
        return (
            self._name in READING
            and self._name == late._name
            and len(self._args) == len(late._args)
            and all(map(_same, self._args, late._args))
            and not (self._kwargs or late._kwargs)
        )

    def outcome(self) -> Any:
        """Return the result or raise the error."""
        if self.error is not None:
            raise self.error
        return self.result

    @property
    def taken(self) -> int:
        """How many bytes a read took from a binary object."""
        if self._name not in READING or self.error is not None:
            return 0
        if self._name.startswith("readinto"):
            return self.result or 0
        pieces: list[Any] = self.result if self._name == "readlines" else [self.result]
        return sum(len(piece) for piece in pieces if isinstance(piece, bytes))

    def undo(self) -> None:
        """Put back what was taken, if the object can seek back."""
        try:
            self._file.seek(-self.taken, os.SEEK_CUR)
        except (OSError, ValueError):
            pass  # It cannot, or has been closed: the bytes are gone.


def _same(one: object, other: object) -> bool:
    return one is other or (type(one) is type(other) is int and one == other)


# -- The face -----------------------------------------------------------------------


class WrappedFile(Generic[AnyStr]):
    """The async face of a sync file-like object, as `wrap()` makes it.

    The methods of files that may wait are coroutines, as far as the object has
    them. Every other attribute is the object's own; only `buffer`, `raw` and
    `detach()` give faces again.

    Calls run one after another, in the order in which they were made, in a worker
    thread; on `BytesIO` and `StringIO` at once, without one. So are lines handed
    out that a buffered object is known to have in memory.

    Cancellation: changes to a regular file that have begun are carried out first.
    Anything else that has begun goes on in its thread, and the next call waits for
    it. If that is the same read again, it takes the result over; if not, the bytes
    are put back, where the object can seek.
    """

    wrapped: Any
    """The sync object."""

    def __init__(
        self,
        file: Any,
        executor: Executor | None = None,
        above: WrappedFile[Any] | None = None,
    ) -> None:
        self.wrapped = file
        self._executor: Executor | None = executor
        # The face that this one was taken from: one object, one turn.
        self._above: WrappedFile[Any] | None = above
        self._turns: Turns = above._turns if above is not None else Turns()
        self._running: threading.Lock = (
            above._running if above is not None else threading.Lock()
        )
        self._in_memory = is_in_memory(file)
        self._spooled = is_spooled(file)
        # Found out by the first job.
        self._place: Place | None = None
        # How many lines readline() has in memory, at least.
        self._lines = 0
        # A call that was left by a cancellation while it ran.
        self._late: Call | None = None

    @classmethod
    def over(
        cls,
        file: Any,
        executor: Executor | None = None,
        above: WrappedFile[Any] | None = None,
    ) -> WrappedFile[Any]:
        """Make a face with the methods that *file* has, so that hasattr() is true."""
        names = frozenset(name for name in LOOKING | CHANGING if hasattr(file, name))
        return cls._with_methods(names)(file, executor, above)

    @staticmethod
    @functools.cache
    def _with_methods(names: frozenset[str]) -> type[WrappedFile[Any]]:
        base: type[WrappedFile[Any]] = WrappedFile
        namespace: dict[str, Any] = {
            name: base._method(name) for name in names - {"close", "readline"}
        }
        if "readline" in names:
            namespace["readline"] = base._readline
        namespace.update(__module__=__name__, __doc__=base.__doc__)
        return type("WrappedFile", (base,), namespace)

    @staticmethod
    def _method(name: str) -> Callable[..., Awaitable[Any]]:
        async def method(self: WrappedFile[Any], *args: Any, **kwargs: Any) -> Any:
            return await self._call(name, args, kwargs)

        method.__name__ = name
        method.__qualname__ = f"WrappedFile.{name}"
        method.__doc__ = f"Call `{name}` of the wrapped object."
        return method

    @property
    def limiter(self) -> Limiter | None:
        """The limiter whose tokens its jobs wait for, if there is one."""
        return limiter_of(self._executor)

    # -- Calling --------------------------------------------------------------------

    async def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call any method of the object, also one that is no coroutine here."""
        if name == "readline":
            return await self._readline(*args, **kwargs)
        if name == "close":
            return await self.close()
        return await self._call(name, args, kwargs)

    async def _call(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Call a method of the object: at once, or in its turn and by the engine."""
        if self._is_inline(name, args):
            if budget.spend():
                await current_engine().checkpoint()
            counters.buffer_hits += 1
            return getattr(self.wrapped, name)(*args, **kwargs)
        async with self._turns:
            return await self._run(Call(self.wrapped, name, args, kwargs))

    def _is_inline(self, name: str, args: tuple[Any, ...]) -> bool:
        """Tell whether a call touches memory alone."""
        return self._in_memory or (
            self._spooled
            and not self._turns.held
            and stays_in_memory(self.wrapped, name, args)
        )

    @property
    def _ends(self) -> bool:
        """Whether calls are known to come back in time."""
        return self._place not in (None, Place.UNKNOWN)

    async def _run(self, call: Call) -> Any:
        """Make *call* as one job; the caller has the turn."""
        self._lines = 0
        if self._above is not None:
            self._above._lines = 0
        if self._late is not None:
            late = await self._come_back(self._late)
            if call.can_take_over(late):
                self._lines = late.lines
                return late.outcome()
            if late.taken:
                await current_engine().run(late.undo, executor=self._executor)
        return await self._submit(call)

    async def _come_back(self, late: Call) -> Call:
        """Wait for the call that a cancellation left."""
        # Looks again and again: it may have been begun in a loop that is gone.
        engine = current_engine()
        while not late.done:
            await engine.sleep(_SETTLE_PAUSE_S)
        self._late = None
        return late

    async def _submit(self, call: Call) -> Any:
        engine = current_engine()
        if budget.due:
            await engine.host.check()
        # What may wait for ever must be left by a cancellation all the same.
        finish = call.changes and self._ends
        job = engine.submit(
            self._make,
            call,
            lane=Lane.WORK if self._ends else Lane.WAIT,
            executor=self._executor,
        )
        try:
            result = await engine.outcome(job, "finish" if finish else "abandon")
        except BaseException as error:
            if error is call.error:
                call.error = None  # The error's traceback holds the call.
            elif not (finish or job.withdrawn):
                self._late = call
            raise
        self._lines = call.lines
        return result

    def _make(self, call: Call) -> Any:
        """Make *call*; in a worker."""
        # Turns keep calls apart; only a closing may come while one is still running.
        with self._running:
            call.begun = True
            try:
                if self._place is None:
                    self._place = place_of(self.wrapped)
                return call.run(self._place)
            finally:
                call.done = True

    # -- Lines ------------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AnyStr:
        if self._lines and not self._turns.held:
            line = self._line_in_memory()
        elif hasattr(self.wrapped, "readline"):
            line = await self._call("readline", (), {})
        elif hasattr(self.wrapped, "__next__"):
            line = await self._call("__next__", (), {})
        else:
            raise TypeError(
                f"{type(self.wrapped).__name__!r} object has no lines: it has neither "
                "readline() nor __next__()"
            )
        if not line:
            raise StopAsyncIteration
        result: AnyStr = line
        return result

    async def _readline(self, *args: Any, **kwargs: Any) -> AnyStr:
        """Call `readline` of the wrapped object."""
        if self._lines and not (args or kwargs or self._turns.held):
            return self._line_in_memory()
        line: AnyStr = await self._call("readline", args, kwargs)
        return line

    def _line_in_memory(self) -> AnyStr:
        self._lines -= 1
        counters.buffer_hits += 1
        line: AnyStr = self.wrapped.readline()
        if not line:
            self._lines = 0  # The next one waits for the file to grow.
        return line

    def chunks(self, size: int) -> Chunks[AnyStr]:
        """Iterate over pieces of exactly *size*; only the last may be shorter."""
        return Chunks(self._read_fully, size)

    async def _read_fully(self, size: int) -> AnyStr:
        piece: Any = await self._call("read", (size,), {})
        while piece and len(piece) < size:
            more = await self._call("read", (size - len(piece),), {})
            if not more:
                break
            piece += more
        result: AnyStr = piece
        return result

    # -- Closing ----------------------------------------------------------------------

    async def close(self) -> None:
        """Close the object, if it can be closed.

        Cancellation: it is closed first; where an earlier call on it may wait for
        ever, it is closed after that has come back.
        """
        if hasattr(self.wrapped, "close"):
            await self._end(Call(self.wrapped, "close"))

    async def aclose(self) -> None:
        """Close the object; see `close`."""
        await self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Leaving `with` may be more than close(): temporary files are then removed.
        sync: object = self.wrapped
        if hasattr(type(sync), "__exit__"):
            await self._end(Call(sync, "__exit__", (exc_type, exc, traceback)))
        else:
            await self.close()

    async def _end(self, call: Call) -> None:
        if self._is_inline("close", ()):
            call.run(Place.UNKNOWN)
            return
        if self._ends:
            with Shield():
                async with self._turns:
                    await self._run(call)
            return
        try:
            async with self._turns:
                await self._run(call)
        except BaseException:
            if not call.begun:
                current_engine().submit(self._make, call, lane=Lane.WAIT)
            raise

    # -- Everything else ---------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.wrapped, name)
        if name in ("buffer", "raw") and hasattr(value, "read"):
            return self.over(value, self._executor, self)
        if name == "detach":
            return lambda: self.over(value(), self._executor, self)
        return value

    def __dir__(self) -> list[str]:
        names: list[str] = dir(self.wrapped)
        own: Iterable[str] = object.__dir__(self)
        return sorted({*own, *(name for name in names if not name.startswith("_"))})

    def __repr__(self) -> str:
        return f"<headrace.wrap of {self.wrapped!r}>"

    # What follows is for type checkers alone: the methods are made for the methods
    # that the object has, and the mistakes are reported without help.

    if TYPE_CHECKING:
        buffer: WrappedFile[bytes]
        raw: WrappedFile[bytes]
        closed: bool
        encoding: str
        errors: str | None
        line_buffering: bool
        mode: str
        name: Any
        newlines: Any
        write_through: bool

        def detach(self) -> WrappedFile[bytes]: ...
        def fileno(self) -> int: ...
        async def flush(self) -> None: ...
        async def isatty(self) -> bool: ...
        async def peek(self, size: int = ..., /) -> bytes: ...
        async def read(self, size: int | None = ..., /) -> AnyStr: ...
        async def read1(self, size: int = ..., /) -> bytes: ...
        async def readable(self) -> bool: ...
        async def readall(self) -> bytes: ...
        async def readinto(self, buffer: WriteableBuffer, /) -> int: ...
        async def readinto1(self, buffer: WriteableBuffer, /) -> int: ...
        async def readline(self, size: int = ..., /) -> AnyStr: ...
        async def readlines(self, hint: int = ..., /) -> list[AnyStr]: ...
        async def rollover(self) -> None: ...
        async def seek(self, offset: int, whence: int = ..., /) -> int: ...
        async def seekable(self) -> bool: ...
        async def tell(self) -> int: ...
        async def truncate(self, size: int | None = ..., /) -> int: ...
        async def writable(self) -> bool: ...
        @overload
        async def write(self: WrappedFile[str], data: str, /) -> int: ...
        @overload
        async def write(self: WrappedFile[bytes], data: ReadableBuffer, /) -> int: ...
        async def write(self, data: Any, /) -> int: ...
        @overload
        async def writelines(
            self: WrappedFile[str], lines: Iterable[str], /
        ) -> None: ...
        @overload
        async def writelines(
            self: WrappedFile[bytes], lines: Iterable[ReadableBuffer], /
        ) -> None: ...
        async def writelines(self, lines: Iterable[Any], /) -> None: ...
    else:

        def __iter__(self):
            use_async_for("the face that headrace.wrap() gives")

        def __enter__(self):
            use_async_with("the face that headrace.wrap() gives")

        def __exit__(self, *exc_info):
            """Needed beside `__enter__` for `with` to get as far as its message."""


# -- The function -----------------------------------------------------------------

TextFile: TypeAlias = IO[str] | io.TextIOBase
BinaryFile: TypeAlias = IO[bytes] | io.BufferedIOBase | io.RawIOBase


@overload
def wrap(
    file: TextFile,
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
    limiter: Limiter | None = None,
) -> WrappedFile[str]: ...
@overload
def wrap(
    file: BinaryFile,
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
    limiter: Limiter | None = None,
) -> WrappedFile[bytes]: ...
@overload
def wrap(
    file: object,
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
    limiter: Limiter | None = None,
) -> WrappedFile[Any]: ...
def wrap(
    file: Any,
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
    limiter: Limiter | None = None,
) -> WrappedFile[Any]:
    """Give a sync file-like object an async face.

    ```python
    async with headrace.wrap(gzip.open("log.gz", "rt")) as f:
        async for line in f:
            ...
    ```

    Args:
        file: An open file object, or anything with `read`, `write` or `readline`.
        loop: Ignored; the running loop waits.
        executor: Runs the calls instead of headrace's threads.
        limiter: A capacity limiter (anyio's, Trio's) or a semaphore: calls that go
            to a thread wait for one of its tokens first.

    Returns:
        The face; `f.wrapped` is *file*.

    Raises:
        TypeError: *file* has none of those methods, or they are asynchronous.
    """
    del loop
    names = [name for name in ("read", "write", "readline") if hasattr(file, name)]
    if not names or isinstance(file, type):
        raise TypeError(
            "wrap() needs a file-like object with read(), write() or readline(), "
            f"not {file!r}"
        )
    if any(inspect.iscoroutinefunction(getattr(file, name)) for name in names):
        raise TypeError(f"wrap() needs a sync file-like object: {file!r} is async")
    return WrappedFile.over(file, limited(limiter, executor))
