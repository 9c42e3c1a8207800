"""A synchronous file over the descriptor of an asynchronous one: `f.wrapped`.

For code that wants a file of `io`, as `wrapped` of anyio's and Trio's files is one.
The descriptor stays the asynchronous file's: the view never closes it, and is closed
as soon as that is.
"""

from __future__ import annotations

import io
import os
from typing import Any, Protocol

from headrace._typing import ReadableBuffer, WriteableBuffer

__all__ = ["SyncView", "sync_text"]


class _Owner(Protocol):
    """What the view needs of the raw file that owns the descriptor."""

    name: Any
    can_read: bool
    can_write: bool
    closed: bool

    @property
    def mode(self) -> str: ...
    @property
    def can_seek(self) -> bool: ...
    def fileno(self) -> int: ...


class SyncView(io.RawIOBase):
    """An unbuffered synchronous file: what `io.FileIO` is, on somebody's descriptor.

    It uses the kernel's position, which files that headrace opened do not.
    """

    def __init__(self, owner: _Owner) -> None:
        self._owner = owner

    @property
    def name(self) -> Any:
        """The name of the file."""
        return self._owner.name

    @property
    def mode(self) -> str:
        """The mode of the file."""
        return self._owner.mode

    @property
    def closed(self) -> bool:
        """Whether the file that owns the descriptor is closed."""
        return self._owner.closed

    def close(self) -> None:
        """Do nothing: the descriptor is not this object's."""

    def fileno(self) -> int:
        """Return the descriptor; ValueError if it is closed."""
        return self._owner.fileno()

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return os.isatty(self.fileno())

    def readable(self) -> bool:
        """Tell whether it can be read."""
        return self._owner.can_read

    def writable(self) -> bool:
        """Tell whether it can be written."""
        return self._owner.can_write

    def seekable(self) -> bool:
        """Tell whether it has positions."""
        return self._owner.can_seek

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into *buffer* with one system call."""
        if not self._owner.can_read:
            raise io.UnsupportedOperation("File not open for reading")
        view = memoryview(buffer).cast("B")
        data = os.read(self.fileno(), len(view))
        view[: len(data)] = data
        return len(data)

    def write(self, data: ReadableBuffer, /) -> int:
        """Write *data* with one system call; returns how much of it."""
        if not self._owner.can_write:
            raise io.UnsupportedOperation("File not open for writing")
        return os.write(self.fileno(), data)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the kernel's position."""
        return os.lseek(self.fileno(), offset, whence)

    def truncate(self, size: int | None = None, /) -> int:
        """Cut the file, or make it longer."""
        size = self.tell() if size is None else size
        os.ftruncate(self.fileno(), size)
        return size


def sync_text(
    raw: SyncView, encoding: str, errors: str, newline: str | None
) -> io.TextIOWrapper:
    """Return a synchronous text file over *raw*, that keeps nothing it was given."""
    # It reads from whatever has read() and so on, raw files too; that is not said.
    buffer: Any = raw
    return io.TextIOWrapper(buffer, encoding, errors, newline, write_through=True)
