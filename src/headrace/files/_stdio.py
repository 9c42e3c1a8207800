"""`stdin`, `stdout`, `stderr` and their `_bytes`: the streams of `sys`, at use.

A real stream is read and written through a file object of headrace's own over the
same descriptor, so that a pending read can be cancelled and no thread is left in
it at exit. Anything else that was put in its place (a StringIO, a test's capture),
and a regular file, is wrapped.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, cast

from headrace._typing import ReadableBuffer
from headrace.files._buffered import (
    DEFAULT_BUFFER_SIZE,
    WRITE_BUFFER_SIZE,
    AsyncBufferedReader,
    AsyncBufferedWriter,
)
from headrace.files._mode import parse_mode
from headrace.files._raw import AsyncFileIO
from headrace.files._text import AsyncTextIOWrapper
from headrace.files._wrap import wrap


class _SharedFileIO(AsyncFileIO):
    """The descriptor of a standard output that `print()` writes to as well."""

    def __init__(self, fd: int, stream: Any, status: os.stat_result) -> None:
        super().__init__(
            fd, stream.name, parse_mode("wb"), status, closefd=False, adopted=True
        )
        self._stream = stream

    def _call(self, call: Callable[..., Any], *args: Any) -> Any:
        # What was printed before comes first.
        self._stream.flush()
        return call(*args)


class _SharedWriter(AsyncBufferedWriter):
    """Writes through: what is printed afterwards comes afterwards."""

    async def write(self, data: ReadableBuffer, /) -> int:
        count = await super().write(data)
        await self.flush()
        return count


class _SharedText(AsyncTextIOWrapper):
    """Writes through, like `_SharedWriter`."""

    async def write(self, text: str, /) -> int:
        count = await super().write(text)
        await self.flush()
        return count


def _is_real(stream: object) -> bool:
    """Tell whether *stream* is a text file over a descriptor, as Python makes them."""
    buffer: Any = getattr(stream, "buffer", None)
    raw: Any = getattr(buffer, "raw", None)
    return (
        isinstance(stream, io.TextIOWrapper)
        and isinstance(buffer, (io.BufferedReader, io.BufferedWriter))
        and isinstance(raw, io.FileIO)
        and not stream.closed
    )


def _wrapped(stream: Any) -> Any:
    return cast("Any", wrap(stream))


def _open_input(stream: Any) -> Any:
    fd: int = stream.fileno()
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode):
        # Never waits for ever; and wrapped, it shares its place with input().
        return _wrapped(stream)
    raw = AsyncFileIO(
        fd, stream.name, parse_mode("rb"), status, closefd=False, adopted=True
    )
    buffer = AsyncBufferedReader(raw, DEFAULT_BUFFER_SIZE)
    return AsyncTextIOWrapper(buffer, stream.encoding, stream.errors)


def _open_output(stream: Any) -> Any:
    fd: int = stream.fileno()
    raw = _SharedFileIO(fd, stream, os.fstat(fd))
    buffer = _SharedWriter(raw, WRITE_BUFFER_SIZE)
    return _SharedText(buffer, stream.encoding, stream.errors)


class StandardStream:
    """The async face of ``sys.<name>``, whatever that is when it is used.

    Has the methods and attributes of the file object behind it. Closing it, or
    leaving `async with`, closes the stream of `sys`.
    """

    def __init__(self, name: str, *, text: bool) -> None:
        self._name = name
        self._text = text

    def _file(self) -> Any:
        stream = getattr(sys, self._name)
        if stream is None:
            raise ValueError(f"sys.{self._name} is None: the process has none")
        face = _faces.get(self._name)
        if face is None or face[0] is not stream or stream.closed:
            face = _faces[self._name] = (stream, self._make(stream))
        file = face[1]
        return file if self._text else file.buffer

    def _make(self, stream: Any) -> Any:
        if not _is_real(stream):
            return _wrapped(stream)
        return _open_input(stream) if self._name == "stdin" else _open_output(stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file(), name)

    async def close(self) -> None:
        """Flush, and close the stream of `sys`."""
        file, stream = self._file(), getattr(sys, self._name)
        await file.close()
        stream.close()

    async def aclose(self) -> None:
        """Close the stream; see `close`."""
        await self.close()

    async def __aenter__(self) -> Any:
        return await self._file().__aenter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __aiter__(self) -> Any:
        return self._file().__aiter__()

    async def __anext__(self) -> Any:
        return await self._file().__anext__()

    def __repr__(self) -> str:
        suffix = "" if self._text else "_bytes"
        return f"<headrace.{self._name}{suffix}>"


#: For each stream of `sys` in use: the stream, and its async face.
_faces: dict[str, tuple[Any, Any]] = {}

stdin = cast(AsyncTextIOWrapper, StandardStream("stdin", text=True))
stdout = cast(AsyncTextIOWrapper, StandardStream("stdout", text=True))
stderr = cast(AsyncTextIOWrapper, StandardStream("stderr", text=True))
stdin_bytes = cast(AsyncBufferedReader, StandardStream("stdin", text=False))
stdout_bytes = cast(AsyncBufferedWriter, StandardStream("stdout", text=False))
stderr_bytes = cast(AsyncBufferedWriter, StandardStream("stderr", text=False))
