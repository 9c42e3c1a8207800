"""`Path.walk()`: the walk of `headrace.os`, with paths and pathlib's idea of links."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Executor
from typing import Any, Generic, TypeVar

from headrace.fs._closing import ClosingIterator
from headrace.fs._walk import OnError, Walk

__all__ = ["WalkIterator"]

T = TypeVar("T")


class WalkIterator(ClosingIterator[tuple[T, list[str], list[str]]], Generic[T]):
    """Asynchronous iterator over ``(path, dirnames, filenames)`` of a tree.

    Awaited, it gives the list of them all. It holds nothing open between two steps.
    """

    __slots__ = ("_convert", "_steps")

    _name = "Path.walk()"

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
