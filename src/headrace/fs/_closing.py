"""What the asynchronous iterators share: they are entered, left and explained."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from headrace._errors import use_async_for, use_async_with

__all__ = ["ClosingIterator"]

T_co = TypeVar("T_co", covariant=True)


class ClosingIterator(AsyncIterator[T_co]):
    """An asynchronous iterator that `async with` closes; `for` and `with` say so.

    The subclass has `__anext__`, `aclose` and its name.
    """

    __slots__ = ()

    #: What the user has called to get it.
    _name: str

    if TYPE_CHECKING:

        async def aclose(self) -> None: ...

    def __aiter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    if not TYPE_CHECKING:  # Type checkers report these by themselves.

        def __iter__(self) -> None:
            use_async_for(self._name)

        def __enter__(self) -> None:
            use_async_with(self._name)

        def __exit__(self, *_: object) -> None:
            """Needed beside `__enter__` for `with` to reach its explanation."""
