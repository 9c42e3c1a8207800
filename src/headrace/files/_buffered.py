"""`AsyncBufferedReader`, `AsyncBufferedWriter`, `AsyncBufferedRandom`.

They stand on a raw file (`_raw.py`) and know nothing of text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from headrace._errors import UnsupportedOperation, closed_file
from headrace._typing import ReadableBuffer, WriteableBuffer
from headrace.files._buffer_reading import DEFAULT_BUFFER_SIZE, BufferedReading
from headrace.files._buffer_writing import WRITE_BUFFER_SIZE, BufferedWriting

__all__ = [
    "DEFAULT_BUFFER_SIZE",
    "WRITE_BUFFER_SIZE",
    "AsyncBufferedRandom",
    "AsyncBufferedReader",
    "AsyncBufferedWriter",
]


class AsyncBufferedReader(BufferedReading):
    """A file opened for reading bytes: what `io.BufferedReader` is to `open()`."""

    async def write(self, data: ReadableBuffer, /) -> NoReturn:
        """Raise UnsupportedOperation: the file is not open for writing."""
        raise UnsupportedOperation("write")

    async def writelines(self, lines: Iterable[ReadableBuffer], /) -> None:
        """Raise UnsupportedOperation: the file is not open for writing."""
        self._check_open("I/O operation on closed file.")
        for _ in lines:
            raise UnsupportedOperation("write")


class AsyncBufferedWriter(BufferedWriting):
    """A file opened for writing bytes: what `io.BufferedWriter` is to `open()`."""

    async def read(self, size: int | None = -1, /) -> NoReturn:
        """Raise UnsupportedOperation: the file is not open for reading."""
        raise UnsupportedOperation("read")

    async def read1(self, size: int = -1, /) -> NoReturn:
        """Raise UnsupportedOperation: the file is not open for reading."""
        raise UnsupportedOperation("read1")

    async def readinto(self, buffer: WriteableBuffer, /) -> NoReturn:
        """Raise UnsupportedOperation: the file is not open for reading."""
        raise UnsupportedOperation("read")

    readinto1 = readinto

    async def readline(self, size: int | None = -1, /) -> bytes:
        """Raise UnsupportedOperation: the file is not open for reading."""
        if size == 0:
            return b""  # as with io
        raise UnsupportedOperation("read")

    async def readlines(self, hint: int | None = -1, /) -> NoReturn:
        """Raise UnsupportedOperation: the file is not open for reading."""
        self._check_open("I/O operation on closed file.")
        raise UnsupportedOperation("read")

    def __aiter__(self) -> AsyncBufferedWriter:
        if self.closed:
            closed_file()
        return self

    async def __anext__(self) -> bytes:
        raise UnsupportedOperation("read")


class AsyncBufferedRandom(BufferedReading, BufferedWriting):
    """A file opened for both: what `io.BufferedRandom` is to `open()`."""

    def _arm(self) -> None:
        BufferedReading._arm(self)
        BufferedWriting._arm(self)

    def _freeze(self) -> None:
        self._settle_lines()
        self._settle_writes()
