"""aiofiles' classes for text files.

Accident of aiofiles: `buffer` and `detach()` give sync files.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from headrace.compat.aiofiles.base import AsyncBase, AsyncIndirectBase, lends
from headrace.compat.aiofiles.threadpool.utils import (
    delegate_to_executor,
    proxy_method_directly,
    proxy_property_directly,
)

# What the classes have, for type checkers; the decorators below make it.


class _Text:
    if TYPE_CHECKING:

        @property
        def buffer(self) -> Any: ...
        @property
        def closed(self) -> bool: ...
        @property
        def encoding(self) -> str: ...
        @property
        def errors(self) -> str | None: ...
        @property
        def line_buffering(self) -> bool: ...
        @property
        def newlines(self) -> str | tuple[str, ...] | None: ...
        @property
        def name(self) -> Any: ...
        @property
        def mode(self) -> str: ...
        def detach(self) -> Any: ...
        def fileno(self) -> int: ...
        async def close(self) -> None: ...
        async def flush(self) -> None: ...
        async def isatty(self) -> bool: ...
        async def read(self, size: int | None = ..., /) -> str: ...
        async def readable(self) -> bool: ...
        async def readline(self, size: int = ..., /) -> str: ...
        async def readlines(self, hint: int = ..., /) -> list[str]: ...
        async def seek(self, cookie: int, whence: int = ..., /) -> int: ...
        async def seekable(self) -> bool: ...
        async def tell(self) -> int: ...
        async def truncate(self, size: int | None = ..., /) -> int: ...
        async def write(self, text: str, /) -> int: ...
        async def writable(self) -> bool: ...
        async def writelines(self, lines: Iterable[str], /) -> None: ...
        async def __anext__(self) -> str: ...


_METHODS = (
    "close",
    "flush",
    "isatty",
    "read",
    "readable",
    "readline",
    "readlines",
    "seek",
    "seekable",
    "tell",
    "truncate",
    "writable",
    "write",
    "writelines",
)
_PROPERTIES = (
    "buffer",
    "closed",
    "encoding",
    "errors",
    "line_buffering",
    "newlines",
    "name",
    "mode",
)


@lends(*_METHODS)
@delegate_to_executor(*_METHODS)
@proxy_method_directly("detach", "fileno")
@proxy_property_directly(*_PROPERTIES)
class AsyncTextIOWrapper(_Text, AsyncBase):
    """A text file."""


@delegate_to_executor(*_METHODS)
@proxy_method_directly("detach", "fileno")
@proxy_property_directly(*_PROPERTIES)
class AsyncTextIndirectIOWrapper(_Text, AsyncIndirectBase):
    """A text file that is looked up at each use."""
