"""`Path.walk()`: the walk of `headrace.os`, with paths and pathlib's idea of links."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import Executor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from headrace._errors import use_async_for, use_async_with
from headrace.fs._walk import OnError, Walk

__all__ = ["WalkIterator"]

T = TypeVar("T")


class WalkIterator(AsyncIterator[tuple[T, list[str], list[str]]], Generic[T]):
    """Asynchronous iterator over ``(path, dirnames, filenames)`` of a tree.

    Awaited, it gives the list of them all. It holds nothing open between two steps.
    """

    __slots__ = ("_convert", "_steps")

    def __init__(
        self,
        top: str,
        top_down: bool,
        on_error: OnError,
        follow_symlinks: bool,
        convert: Callable[[str], T],
        executor: Executor | None,
    ) -> None:
        self._convert: Callable[[str], T] = convert
        self._steps: Walk[str] = Walk(
            top,
            top_down,
            on_error,
            follow_symlinks,
            links_are_files=not follow_symlinks,
            executor=executor,
            event="pathlib.Path.walk",
        )

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[T, list[str], list[str]]:
        path, dirnames, filenames = await self._steps.__anext__()
        return self._convert(path), dirnames, filenames

    def __await__(
        self,
    ) -> Generator[Any, Any, list[tuple[T, list[str], list[str]]]]:
        return self._all().__await__()

    async def _all(self) -> list[tuple[T, list[str], list[str]]]:
        return [step async for step in self]

    async def aclose(self) -> None:
        """End the iteration."""
        await self._steps.aclose()

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
            use_async_for("Path.walk()")

        def __enter__(self) -> None:
            use_async_with("Path.walk()")

        def __exit__(self, *_: object) -> None:
            """Needed beside `__enter__` for `with` to reach its explanation."""
