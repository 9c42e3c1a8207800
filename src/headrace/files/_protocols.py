"""What open files have in common, for annotations: `AsyncFile` and its two kinds.

Protocols: headrace's files have them by their methods, and so do those of others that
have the same ones. At run time `isinstance` looks whether the names are there.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Iterable
from types import TracebackType
from typing import Any, AnyStr, Protocol, Self, runtime_checkable

from headrace._typing import ReadableBuffer, WriteableBuffer

__all__ = ["AsyncBinaryFile", "AsyncFile", "AsyncTextFile"]


@runtime_checkable
class AsyncFile(Protocol[AnyStr]):
    """An open asynchronous file: of text, `AsyncFile[str]`, or of bytes.

    What `typing.IO` is to the files of builtin `open()`.
    """

    # -- Facts ----------------------------------------------------------------

    @property
    def name(self) -> Any:
        """The name or descriptor that it was opened with."""

    @property
    def mode(self) -> str:
        """The mode that it was opened with."""
        ...

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        ...

    def fileno(self) -> int:
        """Return the descriptor."""
        ...

    def isatty(self) -> Awaitable[bool]:
        """Tell whether it is a terminal."""
        ...

    def readable(self) -> Awaitable[bool]:
        """Tell whether it can be read."""
        ...

    def writable(self) -> Awaitable[bool]:
        """Tell whether it can be written."""
        ...

    def seekable(self) -> Awaitable[bool]:
        """Tell whether it has positions."""
        ...

    # -- Reading and writing --------------------------------------------------

    def read(self, size: int = -1, /) -> Awaitable[AnyStr]:
        """Read at most *size* characters or bytes; all if negative."""
        ...

    def readline(self, size: int = -1, /) -> Awaitable[AnyStr]:
        """Read a line; an empty one is the end of the file."""
        ...

    def readlines(self, hint: int = -1, /) -> Awaitable[list[AnyStr]]:
        """Read all lines, or until they have *hint* characters or bytes."""
        ...

    def write(self, data: AnyStr, /) -> Awaitable[int]:
        """Write *data*; gives how much of it was taken."""
        ...

    def writelines(self, lines: Iterable[AnyStr], /) -> Awaitable[None]:
        """Write each of *lines*."""
        ...

    def flush(self) -> Awaitable[None]:
        """Hand what is buffered to the kernel."""
        ...

    def __aiter__(self) -> AsyncIterator[AnyStr]: ...
    def __anext__(self) -> Awaitable[AnyStr]: ...

    # -- Positioning ----------------------------------------------------------

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> Awaitable[int]:
        """Move the position, and give it."""
        ...

    def tell(self) -> Awaitable[int]:
        """Give the position."""
        ...

    def truncate(self, size: int | None = None, /) -> Awaitable[int]:
        """Cut the file at *size* bytes, or the position; or make it longer."""
        ...

    # -- Closing --------------------------------------------------------------

    def close(self) -> Awaitable[None]:
        """Write what is buffered, and close."""
        ...

    def aclose(self) -> Awaitable[None]:
        """Close: the name that anyio and Trio use."""
        ...

    def __aenter__(self) -> Awaitable[Self]: ...
    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Awaitable[None]: ...


@runtime_checkable
class AsyncTextFile(AsyncFile[str], Protocol):
    """An open asynchronous file of text: what `typing.TextIO` is to others."""

    @property
    def encoding(self) -> str:
        """Of the file's bytes."""
        ...

    @property
    def errors(self) -> str | None:
        """How errors of the encoding are handled."""
        ...

    @property
    def newlines(self) -> Any:
        """The line ends that were read so far."""

    @property
    def line_buffering(self) -> bool:
        """Whether each line is flushed."""
        ...

    @property
    def buffer(self) -> Any:
        """The binary file below."""


@runtime_checkable
class AsyncBinaryFile(AsyncFile[bytes], Protocol):
    """An open asynchronous file of bytes: what `typing.BinaryIO` is to others."""

    def readinto(self, buffer: WriteableBuffer, /) -> Awaitable[int]:
        """Read into *buffer*; gives how many bytes."""
        ...

    def write(self, data: ReadableBuffer, /) -> Awaitable[int]:
        """Write *data*, anything bytes-like; gives how many bytes were taken."""
        ...
