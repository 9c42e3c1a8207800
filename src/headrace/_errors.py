"""Error texts and the small helpers that raise them: one place for the words.

Where CPython's `io` raises for the same mistake, type and text are the same.
Nothing here knows of files, engines or event loops.
"""

from __future__ import annotations

import io
import os
from typing import NoReturn

__all__ = [
    "FileInUseError",
    "NotAwaitedError",
    "UnsupportedOperation",
    "closed_file",
    "os_error",
    "unclosed_warning",
    "use_async_for",
    "use_async_with",
]

UnsupportedOperation = io.UnsupportedOperation


class NotAwaitedError(TypeError, AttributeError):
    """The result of `open()` was used as if it were the open file.

    A `TypeError`, because that is what the mistake is; an `AttributeError` as
    well, so that `hasattr()` and `getattr(..., default)` keep their meaning.
    """


class FileInUseError(RuntimeError):
    """A file object was used in one event loop while another one is using it."""


def closed_file(text: str = "I/O operation on closed file.") -> NoReturn:
    """Raise the `ValueError` that `io` raises for an operation on a closed file."""
    raise ValueError(text)


def os_error(
    number: int, filename: int | str | bytes | os.PathLike[str] | None = None
) -> OSError:
    """Build the `OSError` subclass for *number* with its text and the file name."""
    if filename is None:
        return OSError(number, os.strerror(number))
    name = filename if isinstance(filename, int) else os.fspath(filename)
    return OSError(number, os.strerror(number), name)


def unclosed_warning(file: object) -> str:
    """Say which file was not closed, and what to write instead."""
    return (
        f"unclosed file {file!r}: close it with 'await f.close()' "
        "or open it with 'async with'"
    )


def use_async_with(thing: str) -> NoReturn:
    """Raise the explanation for `with` where `async with` is needed."""
    raise TypeError(f"{thing} is asynchronous: use 'async with', not 'with'")


def use_async_for(thing: str) -> NoReturn:
    """Raise the explanation for `for` where `async for` is needed."""
    raise TypeError(f"{thing} is asynchronous: use 'async for', not 'for'")
