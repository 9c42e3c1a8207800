"""aiofiles' base classes, over headrace's files or over any sync file object.

A file that `open()` gave stands on a headrace file, whose methods it lends: they sit
in the instance, so that a call costs nothing more. When a program reaches for the
sync file (`f._file`, `f.buffer`, `f.detach()`), one is made, and from then on the
object delegates to it, call by call, as all of them do in aiofiles.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager
from functools import partial
from operator import attrgetter
from types import TracebackType
from typing import Any, ClassVar, NoReturn, Self, TypeVar

from headrace._errors import NotAwaitedError
from headrace.compat.aiofiles._face import face_of, native_of
from headrace.compat.aiofiles._native import closed_like, shared_fileno
from headrace.fs._offload import offload

__all__ = ["AiofilesContextManager", "AsyncBase", "AsyncIndirectBase", "wrap"]

C = TypeVar("C", bound="type[AsyncBase]")
F = TypeVar("F")
T = TypeVar("T")


def wrap(func: Callable[..., T]) -> Callable[..., Coroutine[Any, Any, T]]:
    """Make a coroutine function of a blocking one; see `headrace.os.wrap`."""
    return offload(func)


def takes_executor(func: Callable[..., T]) -> Callable[..., T]:
    """Return *func*; type checkers then accept the `loop=` and `executor=` it takes."""
    return func


class AsyncBase:
    """An async file object over a sync one, or over a headrace file.

    Args:
        file: The sync file object.
        loop: Kept, and given by `_loop`; the running loop waits.
        executor: Runs the calls instead of headrace's threads.
    """

    # -- Over a sync object --------------------------------------------------------

    def __init__(
        self,
        file: Any,
        loop: AbstractEventLoop | None = None,
        executor: Executor | None = None,
    ) -> None:
        self._file = file
        self._executor = executor
        self._ref_loop = loop

    @property
    def _loop(self) -> AbstractEventLoop:
        return self._ref_loop or get_running_loop()

    @property
    def _file(self) -> Any:
        """The sync file object; made when it is asked for."""
        if native_of(self) is not None:
            self._surrender()
        return vars(self)["_sync"]

    @_file.setter
    def _file(self, file: Any) -> None:
        vars(self)["_sync"] = file

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Awaitable[Any]:
        return self._next_line()

    async def _next_line(self) -> Any:
        if line := await self.readline():
            return line
        raise StopAsyncIteration

    # -- Over a headrace file --------------------------------------------------------

    _lent_names: ClassVar[tuple[str, ...]] = ()
    _lent_methods: ClassVar[tuple[Any, ...]] = ()

    @classmethod
    def lend(cls, names: tuple[str, ...]) -> None:
        """Remember the methods *names*, for which those of a headrace file will do."""
        cls._lent_names = names
        cls._lent_methods = attrgetter(*names)(cls)

    @classmethod
    def over_native(
        cls,
        native: Any,
        hand_over: Callable[[], Any],
        loop: AbstractEventLoop | None,
        executor: Executor | None,
    ) -> Self:
        """Make an object over the headrace file *native*.

        Args:
            native: The open file.
            hand_over: Makes a sync file of it, when one is asked for.
            loop: As for the class.
            executor: As for the class.
        """
        self = cls.__new__(cls)
        self._executor = executor
        self._ref_loop = loop
        lent = vars(self)
        lent["_native"] = native
        lent["_hand_over"] = hand_over
        lent["_next_line"] = native.__anext__
        lent["fileno"] = partial(shared_fileno, native)
        methods = attrgetter(*cls._lent_names)
        if methods(cls) == cls._lent_methods:
            lent.update(zip(cls._lent_names, methods(native), strict=True))
        else:
            # A test has put something else in the place of a method of the class.
            for name, method in zip(cls._lent_names, cls._lent_methods, strict=True):
                if getattr(cls, name) is method:
                    lent[name] = getattr(native, name)
        return self

    def _surrender(self) -> None:
        """Go over from the headrace file to a sync one."""
        lent = vars(self)
        native = lent["_native"]
        lent["_sync"] = closed_like(native) if native.closed else lent["_hand_over"]()
        for name in ("_native", "_hand_over", "_next_line", "fileno", "readable"):
            lent.pop(name, None)
        for name in self._lent_names:
            lent.pop(name, None)

    def __getattr__(self, name: str) -> Any:
        # What aiofiles has not, and the headrace file has: pread(), chunks(), ...
        native = native_of(self)
        if native is None or name.startswith("_"):
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
            )
        return getattr(native, name)

    def __repr__(self) -> str:
        native = native_of(self)
        inner = self._file if native is None else native
        return f"{super().__repr__()} wrapping {inner!r}"


def lends(*names: str) -> Callable[[C], C]:
    """Name the methods of a class that a headrace file can stand in for."""

    def decorate(cls: C) -> C:
        cls.lend(names)
        return cls

    return decorate


class AsyncIndirectBase(AsyncBase):
    """An async file object over whatever *indirect* gives at each use.

    Args:
        name: What it is called.
        loop: As for `AsyncBase`.
        executor: As for `AsyncBase`.
        indirect: Returns the sync file object.
    """

    def __init__(
        self,
        name: str,
        loop: AbstractEventLoop | None,
        executor: Executor | None,
        indirect: Callable[[], Any],
    ) -> None:
        self._indirect = indirect
        self._name = name
        super().__init__(None, loop, executor)

    @property
    def _file(self) -> Any:
        return self._indirect()

    @_file.setter
    def _file(self, file: Any) -> None:
        """Accident of aiofiles: accepts any object, and drops it."""


class AiofilesContextManager(Awaitable[F], AbstractAsyncContextManager[F]):
    """What `open()` returns: to be awaited, or entered with `async with`.

    Accident of aiofiles: awaited again, it gives the same file, until `async with`
    has been left; then it cannot be used any more.
    """

    __slots__ = ("_coro", "_obj")

    def __init__(self, coro: Coroutine[Any, Any, F]) -> None:
        self._coro = coro
        self._obj: Any = None

    def __await__(self) -> Generator[Any, Any, F]:
        if self._obj is None:
            self._obj = yield from self._coro.__await__()
        obj: F = self._obj
        return obj

    async def __aenter__(self) -> F:
        return await self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self._leave(exc_type, exc_val, exc_tb)
        self._obj = None

    async def _leave(self, *exc_info: Any) -> None:
        native = native_of(self._obj)
        file: Any = face_of(self._obj) if native is None else native
        await file.__aexit__(*exc_info)

    def __enter__(self) -> NoReturn:
        self._coro.close()
        raise NotAwaitedError("use 'async with', not 'with'")

    def __exit__(self, *exc_info: object) -> None:
        """Never reached: `__enter__` raises."""
