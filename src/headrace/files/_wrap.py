"""`wrap()`: the async face of a file object that is there already.

The sync object stays the authority: nothing is read ahead of it or held back from
it here, so it can be used beside its face between two operations. Files that
headrace opens itself do not come through here.
"""

from __future__ import annotations

import functools
import inspect
import io
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
    limited,
    limiter_of,
)
from headrace.files._chunks import Chunks
from headrace.files._given import (
    CHANGING,
    LOOKING,
    Place,
    is_in_memory,
    is_spooled,
    place_of,
    stays_in_memory,
)
from headrace.files._given_call import Call
from headrace.files._turns import Turns

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["WrappedFile", "wrap"]

_SETTLE_PAUSE_S: Final = 0.001
"""Between two looks whether a cancelled call has come back."""


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
