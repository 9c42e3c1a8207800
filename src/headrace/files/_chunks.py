"""`chunks(size)`: a file as a stream of pieces of one size."""

from __future__ import annotations

import operator
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

AnyStr_co = TypeVar("AnyStr_co", bound=str | bytes, covariant=True)


class Chunks(Generic[AnyStr_co]):
    """An async iterator over pieces of exactly *size*, from the position on.

    Only the last piece may be shorter. It uses the file's own position, so other
    reads of the same file in between take their share.
    """

    def __init__(self, read: Callable[[int], Awaitable[AnyStr_co]], size: int) -> None:
        size = operator.index(size)
        if size <= 0:
            raise ValueError(f"size must be greater than 0, not {size}")
        self._read = read
        self._size = size

    def __aiter__(self) -> Chunks[AnyStr_co]:
        return self

    async def __anext__(self) -> AnyStr_co:
        piece = await self._read(self._size)
        if not piece:
            raise StopAsyncIteration
        return piece
