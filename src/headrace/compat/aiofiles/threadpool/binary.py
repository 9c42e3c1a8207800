"""aiofiles' classes for binary files.

Accidents of aiofiles: `readable()` is no coroutine here, though `writable()` and
`seekable()` are; and `raw` and `detach()` give sync files.
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

if TYPE_CHECKING:
    from headrace._typing import ReadableBuffer, WriteableBuffer

# What the classes have, for type checkers; the decorators below make it.


class _Binary:
    if TYPE_CHECKING:

        @property
        def closed(self) -> bool: ...
        @property
        def name(self) -> Any: ...
        @property
        def mode(self) -> str: ...
        def fileno(self) -> int: ...
        def readable(self) -> bool: ...
        async def close(self) -> None: ...
        async def flush(self) -> None: ...
        async def isatty(self) -> bool: ...
        async def read(self, size: int | None = ..., /) -> bytes: ...
        async def readinto(self, buffer: WriteableBuffer, /) -> int: ...
        async def readline(self, size: int | None = ..., /) -> bytes: ...
        async def readlines(self, hint: int | None = ..., /) -> list[bytes]: ...
        async def seek(self, offset: int, whence: int = ..., /) -> int: ...
        async def seekable(self) -> bool: ...
        async def tell(self) -> int: ...
        async def truncate(self, size: int | None = ..., /) -> int: ...
        async def writable(self) -> bool: ...
        async def write(self, data: ReadableBuffer, /) -> int: ...
        async def writelines(self, lines: Iterable[ReadableBuffer], /) -> None: ...
        async def __anext__(self) -> bytes: ...


class _Buffered(_Binary):
    if TYPE_CHECKING:

        @property
        def raw(self) -> Any: ...
        def detach(self) -> Any: ...
        async def read1(self, size: int = ..., /) -> bytes: ...


class _Peeking(_Buffered):
    if TYPE_CHECKING:

        async def peek(self, size: int = ..., /) -> bytes: ...


class _Raw(_Binary):
    if TYPE_CHECKING:

        async def readall(self) -> bytes: ...


_COMMON = (
    "close",
    "flush",
    "isatty",
    "read",
    "readinto",
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
_BUFFERED = (*_COMMON, "read1")
_RAW = (*_COMMON, "readall")


@lends(*_BUFFERED)
@delegate_to_executor(*_BUFFERED)
@proxy_method_directly("detach", "fileno", "readable")
@proxy_property_directly("closed", "raw", "name", "mode")
class AsyncBufferedIOBase(_Buffered, AsyncBase):
    """A buffered file for writing, or any other binary one."""


@lends(*_BUFFERED, "peek")
@delegate_to_executor("peek")
class AsyncBufferedReader(_Peeking, AsyncBufferedIOBase):
    """A buffered file for reading, or for reading and writing."""


@lends(*_RAW)
@delegate_to_executor(*_RAW)
@proxy_method_directly("fileno", "readable")
@proxy_property_directly("closed", "name", "mode")
class AsyncFileIO(_Raw, AsyncBase):
    """A file without a buffer."""


@delegate_to_executor(*_BUFFERED)
@proxy_method_directly("detach", "fileno", "readable")
@proxy_property_directly("closed", "raw", "name", "mode")
class AsyncIndirectBufferedIOBase(_Buffered, AsyncIndirectBase):
    """A buffered file that is looked up at each use."""


@delegate_to_executor("peek")
class AsyncIndirectBufferedReader(_Peeking, AsyncIndirectBufferedIOBase):
    """A buffered file for reading that is looked up at each use."""


@delegate_to_executor(*_RAW)
@proxy_method_directly("fileno", "readable")
@proxy_property_directly("closed", "name", "mode")
class AsyncIndirectFileIO(_Raw, AsyncIndirectBase):
    """A file without a buffer that is looked up at each use."""
