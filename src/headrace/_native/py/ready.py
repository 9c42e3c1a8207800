"""The awaitable that is finished already.

Twin of `c/ready.c`. There, the methods of readers and writers return such awaitables
too: they begin when they are first resumed, as a coroutine does. Here those methods
are `async def`, so that only the finished value is left.
"""

from __future__ import annotations

from types import TracebackType
from typing import Generic, NoReturn, TypeVar, cast

T_co = TypeVar("T_co", covariant=True)


class Ready(Generic[T_co]):
    """Awaiting it gives *value* at once.

    It has the methods of a coroutine, so that tasks take it as one.
    """

    __slots__ = ("_begun", "_value")

    def __init__(self, value: T_co, /) -> None:
        self._value = value
        self._begun = False

    def __await__(self) -> Ready[T_co]:
        if self._begun:
            raise RuntimeError("cannot reuse already awaited coroutine")
        return self

    def __iter__(self) -> Ready[T_co]:
        return self

    def __next__(self) -> NoReturn:
        self.send(None)

    def send(self, value: None, /) -> NoReturn:
        """Raise StopIteration with the value."""
        if self._begun:
            raise RuntimeError("cannot reuse already awaited coroutine")
        if value is not None:
            raise TypeError("can't send non-None value to a just-started coroutine")
        self._begun = True
        raise StopIteration(self._value)

    def throw(
        self,
        kind: type[BaseException] | BaseException,
        value: object = None,
        traceback: TracebackType | None = None,
        /,
    ) -> NoReturn:
        """Raise what is given; the value is then never handed over."""
        if self._begun:
            raise RuntimeError("cannot reuse already awaited coroutine")
        self._begun = True
        error = kind if isinstance(kind, BaseException) else _made(kind, value)
        raise error if traceback is None else error.with_traceback(traceback)

    def close(self) -> None:
        """Let the value never be handed over."""
        self._begun = True


def _made(kind: type[BaseException], value: object) -> BaseException:
    if isinstance(value, kind):
        return value
    if isinstance(value, tuple):
        return kind(*cast("tuple[object, ...]", value))
    return kind() if value is None else kind(value)
