"""What can be told of a sync file that was given: where its data is, what it holds.

Asks the object as little as possible, and never takes anything out of it.
"""

from __future__ import annotations

import codecs
import enum
import io
import os
import stat
import sys
from typing import Any, Final

from headrace.engine import device_of

CHANGING: Final = frozenset(
    {"close", "flush", "rollover", "truncate", "write", "writelines"}
)
"""Methods that are carried out once begun, even if cancelled."""

READING: Final = frozenset(
    {
        "__next__",
        "read",
        "read1",
        "readall",
        "readinto",
        "readinto1",
        "readline",
        "readlines",
    }
)
"""Methods that take something out of the file."""

LOOKING: Final = (READING - {"__next__"}) | frozenset(
    {"isatty", "peek", "readable", "seek", "seekable", "tell", "writable"}
)
"""The methods, beside the changing ones, that become coroutines."""

_BUFFERED: Final = {"_io.BufferedReader", "_io.BufferedWriter", "_io.BufferedRandom"}


# -- What kind of object it is -----------------------------------------------------


def is_in_memory(file: object) -> bool:
    """Tell whether *file* is a `BytesIO` or `StringIO`, or stands on one.

    A subclass that brings a method of its own is not: that may do anything.
    """
    for base in (io.BytesIO, io.StringIO):
        if issubclass(type(file), base):
            return all(
                getattr(type(file), name, None) is getattr(base, name, None)
                for name in LOOKING | CHANGING
            )
    try:
        if type(file) is io.TextIOWrapper:
            return is_in_memory(file.buffer)
        if _type_name(file) in _BUFFERED:
            below: object = getattr(file, "raw", None)
            return is_in_memory(below)
    except ValueError:  # It has been detached.
        pass
    return False


def is_spooled(file: Any) -> bool:
    """Tell whether *file* is a `tempfile.SpooledTemporaryFile`; imports nothing."""
    module = sys.modules.get("tempfile")
    return module is not None and type(file) is module.SpooledTemporaryFile


def stays_in_memory(file: Any, name: str, args: tuple[Any, ...]) -> bool:
    """Tell whether the call on the spooled *file* touches no disk."""
    if file._rolled or name in ("rollover", "truncate", "writelines"):
        return False
    if name != "write" or not file._max_size:
        return True
    # A character has 4 bytes at the most; what is no data raises, and writes nothing.
    data = args[0] if args else b""
    size = len(data) * 4 if isinstance(data, str) else memoryview(data).nbytes
    room: int = file._max_size - file._file.tell()
    return size <= room


class Place(enum.Enum):
    """Where the data of an object is, as far as that can be told."""

    UNKNOWN = "unknown"
    """A pipe, a terminal, an object of the program's own: calls may wait for ever."""
    DISK = "disk"
    LOCAL = "local disk"
    """At its end, a read asks no server and returns at once."""


def place_of(file: Any) -> Place:
    """Tell where the data of *file* is.

    For worker threads, since it asks the file system. Asks only classes of the
    standard library, because a test may count the calls of its own objects.
    """
    if is_spooled(file) or _type_name(file) == "zipfile.ZipExtFile":
        return Place.DISK  # fileno() would roll it over; an archive is no pipe.
    file = _inner(file)
    if not issubclass(type(file), (io.IOBase, codecs.StreamReaderWriter)):
        return Place.UNKNOWN
    try:
        fd = file.fileno()
        status = os.fstat(fd)
    except (OSError, ValueError, TypeError, AttributeError):
        return Place.UNKNOWN
    if not stat.S_ISREG(status.st_mode):
        return Place.UNKNOWN
    return Place.LOCAL if device_of(fd, status).local else Place.DISK


def _inner(file: Any) -> Any:
    """Return the file in a `NamedTemporaryFile`, else *file* itself."""
    return file.file if _type_name(file) == "tempfile._TemporaryFileWrapper" else file


def _type_name(file: object) -> str:
    return f"{type(file).__module__}.{type(file).__qualname__}"


# -- Lines that the object has in memory ---------------------------------------------
# `peek()` shows what a buffered object holds. A readline() that finds its line end in
# there makes no system call, so it needs no other thread: this is how a line costs
# less than a hop without anything being read ahead of the object.

_PEEKABLE: Final = {
    "_io.BufferedReader",
    "_io.BufferedRandom",
    "bz2.BZ2File",
    "gzip.GzipFile",
    "lzma.LZMAFile",
}

_ASCII_SUPERSETS: Final = ("ascii", "utf-8", "iso8859-", "cp125", "koi8-")
"""Beginnings of the codec names in which a byte 10 is always a line feed."""


_TEXT_CHUNK: Final = 8192
"""Bytes that `io.TextIOWrapper` decodes at once, and so the most lines it can hold."""


def lines_in_memory(file: Any, last_line: str | bytes, place: Place) -> int:
    """Return how many lines, at least, `readline()` has without waiting.

    Args:
        file: The object. May be read from: for worker threads.
        last_line: What `readline()` has just returned; shows how lines end.
        place: Where the data is.
    """
    if place is Place.UNKNOWN:
        return 0
    file = _inner(file)
    end = b"\n"
    if isinstance(last_line, bytes):
        peekable = _type_name(file) in {*_PEEKABLE, "zipfile.ZipExtFile"}
    else:
        if type(file) is not io.TextIOWrapper or not last_line.endswith("\n"):
            return 0
        if last_line.endswith("\r\n"):
            end = b"\r\n"  # It may be newline="\r\n", where a "\n" ends no line.
        codec = codecs.lookup(file.encoding).name
        file = file.buffer
        # What it has decoded already does not show, and only adds to the count.
        peekable = codec.startswith(_ASCII_SUPERSETS) and (
            _type_name(file) in _PEEKABLE
        )
    if not peekable:
        return 0
    try:
        held: bytes = file.peek(1)
    except (OSError, EOFError, ValueError):
        return 0  # The readline() that meets the trouble raises it.
    if not held and place is Place.LOCAL:
        return _TEXT_CHUNK
    return held.count(end)
