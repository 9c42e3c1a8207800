"""A whole file in one call: open + read (or write) + close as one job at the most."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from headrace import _native
from headrace._stats import counters
from headrace._typing import WAIT, ReadableBuffer, StrOrBytesPath, Wait
from headrace.engine import (
    UNKNOWN,
    Lane,
    budget,
    current_engine,
    device_of,
    limits,
    open_elsewhere,
    read_for_good,
    workers,
)
from headrace.files import _calls
from headrace.files._mode import Mode, parse_mode
from headrace.files._open import check_path
from headrace.files._open import open as open_file
from headrace.files._opening import (
    READ_FLAGS,
    Descriptor,
    may_wait,
    wait_for_writer,
)
from headrace.files._text_form import TextForm

T = TypeVar("T")

# -- Reading ------------------------------------------------------------------


async def read_bytes(file: StrOrBytesPath) -> bytes:
    """Return the contents of *file*.

    Args:
        file: A path: str, bytes or PathLike.

    Raises:
        OSError: As builtin `open()` and `read()` raise it.

    Cost: four system calls and no thread where the kernel has the path and the pages
    cached, up to 256 KiB; else one job.
    """
    path = os.fspath(file)
    found = None if budget.spend() else read_for_good(path)
    if found.__class__ is bytes:
        # Only now: where this way is not taken, os.open() raises the event (PEP 578).
        sys.audit("open", path, "r", READ_FLAGS)
        return found
    data = await _read(path, _same, found)
    if data is WAIT:
        async with open_file(path, "rb") as special:
            return await special.read()
    return data


async def read_text(
    file: StrOrBytesPath,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> str:
    """Return the contents of *file* as text; see `read_bytes`.

    Args:
        file: A path.
        encoding: As for `open()`.
        errors: As for `open()`.
        newline: As for `open()`.

    Raises:
        UnicodeDecodeError: As builtin `open()` raises it, besides what
            `read_bytes` raises.
    """
    path = os.fspath(file)
    codec = TextForm(encoding, errors, newline)
    found = None if budget.spend() else read_for_good(path)
    text = await _read(path, codec.decode, found)
    if text is WAIT:
        async with open_file(path, "r", -1, encoding, errors, newline) as special:
            return await special.read()
    return text


async def _read(
    path: str | bytes, convert: Callable[[bytes], T], data: bytes | int | None
) -> T | Wait:
    """Read and convert the whole of *path*; WAIT for what may wait to be opened.

    *data* is what `read_for_good` made of it, None where the budget forbade that.
    """
    if data is None:
        if budget.spend():
            await current_engine().checkpoint()
            data = read_for_good(path)
        if data is None:
            data = _read_elsewhere(path)
    if isinstance(data, int):
        data = await _read_given(data)
    if data is None:
        return await current_engine().run(_read_job, path, convert)
    # Only now: where this way is not taken, os.open() raises the event (PEP 578).
    sys.audit("open", path, "r", READ_FLAGS)
    return convert(data)


async def _read_given(fd: int) -> bytes | None:
    """Read the FIFO that was opened; None for another file, whose closing may wait."""
    status = os.fstat(fd)
    if not stat.S_ISFIFO(status.st_mode):
        # The last close of a deleted file frees its blocks: not here.
        workers(Lane.WORK).submit(partial(os.close, fd))
        return None
    reader = await wait_for_writer(Descriptor(fd, status, UNKNOWN))
    try:
        async with open_file(fd, "rb", closefd=False) as fifo:
            return reader.stash + await fifo.read()
    finally:
        reader.close()


def _read_elsewhere(path: str | bytes) -> bytes | int | None:
    """Read a file inline that is on another mount; see `read_for_good`."""
    opened = open_elsewhere(path)
    if opened is None:
        return None
    fd, status, device = opened
    if stat.S_ISFIFO(status.st_mode):
        return fd
    data = None
    try:
        if device.nowait and stat.S_ISREG(status.st_mode):
            data = _read_cached(fd, status.st_size)
    finally:
        if not _native.close_linked(fd):
            workers(Lane.WORK).submit(partial(os.close, fd))
    return data


def _read_cached(fd: int, size: int) -> bytes | None:
    """Read a file of *size* bytes inline; None if that does not give all of it."""
    if size >= limits.inline:
        return None
    try:
        # One byte more than there should be: a short answer is the end of the file.
        data = _native.read_at(fd, size + 1, 0)
    except OSError:
        return None
    counters.inline_calls += 1
    return data if data is not None and len(data) == size else None


def _read_job(path: str | bytes, convert: Callable[[bytes], T]) -> T | Wait:
    check_path(path)
    if may_wait(path):
        return WAIT
    fd = os.open(path, READ_FLAGS)
    try:
        device_of(fd, os.fstat(fd))
        data = _calls.read_to_end(fd, -1)
    except OSError as error:
        # open() gives its errors a name; reading a directory fails only here.
        error.filename = path
        raise
    finally:
        os.close(fd)
    return convert(data)


def _same(data: bytes) -> bytes:
    return data


# -- Writing ------------------------------------------------------------------


async def write_bytes(file: StrOrBytesPath, data: ReadableBuffer) -> int:
    """Write *data* to *file*, which is created or emptied first; in one job.

    Args:
        file: A path.
        data: A bytes-like object.

    Returns:
        The number of bytes written: all of them.

    Raises:
        OSError: As builtin `open()` and `write()` raise it, with the file name.

    Cancellation: a write that has begun is carried out first.
    """
    return await _write_buffer(file, data, "wb")


async def append_bytes(file: StrOrBytesPath, data: ReadableBuffer) -> int:
    """Write *data* at the end of *file*, created if need be; see `write_bytes`."""
    return await _write_buffer(file, data, "ab")


async def write_text(
    file: StrOrBytesPath,
    data: str,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> int:
    """Write *data* to *file*, which is created or emptied first; see `write_bytes`.

    Args:
        file: A path.
        data: The text.
        encoding: As for `open()`.
        errors: As for `open()`.
        newline: As for `open()`.

    Returns:
        The number of characters written: all of them.

    Raises:
        UnicodeEncodeError: Before the file is touched.
    """
    return await _write_str(file, data, TextForm(encoding, errors, newline), "wb")


async def append_text(
    file: StrOrBytesPath,
    data: str,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> int:
    """Write *data* at the end of *file*; see `write_text`.

    A byte order mark is written only where the file is empty, as by `open()`.
    """
    form = TextForm(encoding, errors, newline)
    if form.start_matters:
        # Whether the file is empty decides what is written: `open()` sees to that.
        async with open_file(file, "a", -1, encoding, errors, newline) as appended:
            return await appended.write(data)
    return await _write_str(file, data, form, "ab")


async def _write_buffer(file: StrOrBytesPath, data: ReadableBuffer, mode: str) -> int:
    with _calls.source_view(data) as source:
        await _write(os.fspath(file), lambda: source, parse_mode(mode))
        return len(source)


async def _write_str(file: StrOrBytesPath, data: str, form: TextForm, mode: str) -> int:
    if not isinstance(data, str):
        raise TypeError(f"data must be str, not {type(data).__name__}")
    path = os.fspath(file)
    if len(data) <= limits.inline:
        encoded = form.encode(data)
        await _write(path, lambda: encoded, parse_mode(mode))
    else:
        await _write(path, lambda: form.encode(data), parse_mode(mode))
    return len(data)


async def _write(
    path: str | bytes, make: Callable[[], ReadableBuffer], mode: Mode
) -> None:
    run = current_engine().run
    if await run(_write_job, path, make, mode, on_cancel="finish") is WAIT:
        async with open_file(path, mode.raw) as special:
            await special.write(make())


def _write_job(
    path: str | bytes, make: Callable[[], ReadableBuffer], mode: Mode
) -> Wait | None:
    check_path(path)
    if may_wait(path):
        return WAIT
    data = make()
    fd = os.open(path, mode.flags, 0o666)
    error = _calls.write_and_close(fd, data, -1)
    if error is not None:
        error.filename = path
        raise error
    return None
