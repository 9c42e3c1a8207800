"""A whole file in one call: open + read (or write) + close as one job at the most."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias, TypeVar

from headrace import _native
from headrace._platform import O_PATH
from headrace._stats import counters
from headrace._typing import WAIT, ReadableBuffer, StrOrBytesPath, Wait
from headrace.engine import (
    UNKNOWN,
    Lane,
    Status,
    budget,
    current_engine,
    device_of,
    known_device,
    limits,
    open_elsewhere,
    opens_inline,
    read_for_good,
    status_of,
    workers,
)
from headrace.engine._described import (
    Answer,
    Request,
    check,
    is_special,
    is_too_large,
    natively,
    path_name,
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
    if isinstance(found, bytes):
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
        found = await current_engine().run(_read_job, path, convert)
        return await _converted(found, convert) if isinstance(found, _Found) else found
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


def _read_job(path: str | bytes, convert: Callable[[bytes], T]) -> T | Wait | _Found:
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


class _Found(NamedTuple):
    """What a native thread found: the contents, or the open file if it is large."""

    data: bytes
    opened: Descriptor | None


def _read_natively(
    path: str | bytes, convert: Callable[[bytes], T]
) -> tuple[Request, Any] | None:
    name = path_name(path)
    if name is None or not opens_inline():
        return None  # Nothing is known yet: somebody has to look.
    sys.audit("open", path, None, READ_FLAGS)
    try:
        seen = status_of(path)
    except FileNotFoundError:
        seen = None
    # With room for all of it, it need not be copied; a hint, as all sizes are.
    size = seen.st_size if seen is not None and stat.S_ISREG(seen.st_mode) else 0
    return Request("READ_FILE", path=name, size=size), path


def _read_by_native(answer: Answer, path: str | bytes) -> Wait | _Found:
    if is_special(answer):
        return WAIT
    if not is_too_large(answer):
        check(answer, (path,))
    status = Status._make(answer.brief())
    if known_device(status) is None:
        workers(Lane.WORK).submit(partial(_learn_device, path))
    if not is_too_large(answer):
        return _Found(answer.data(), None)
    return _Found(b"", Descriptor(answer.take_descriptor(), status, UNKNOWN))


natively(_read_job, _read_natively, _read_by_native)


def _learn_device(path: str | bytes) -> None:
    try:
        fd = os.open(path, READ_FLAGS | O_PATH)
    except OSError:
        return
    try:
        device_of(fd, os.fstat(fd))
    finally:
        os.close(fd)


async def _converted(found: _Found, convert: Callable[[bytes], T]) -> T:
    """Read what is left to be read, and convert it: not here if that takes long."""
    data, opened = found
    if opened is not None:
        data = await current_engine().run(
            _calls.read_to_end, opened.fd, 0, opened.status.st_size, keep=opened
        )
        # After a cancellation, it is closed by its last user.
        if _native.close_linked(opened.fd):
            opened.hand_over()
        else:
            workers(Lane.WORK).submit(opened.close)
    if len(data) <= limits.inline or convert is _same:
        return convert(data)
    return await current_engine().run(convert, data)


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
        await _write(os.fspath(file), source, parse_mode(mode))
        return len(source)


async def _write_str(file: StrOrBytesPath, data: str, form: TextForm, mode: str) -> int:
    if not isinstance(data, str):
        raise TypeError(f"data must be str, not {type(data).__name__}")
    path = os.fspath(file)
    if len(data) <= limits.inline:
        encoded = form.encode(data)
        await _write(path, encoded, parse_mode(mode))
    else:
        await _write(path, lambda: form.encode(data), parse_mode(mode))
    return len(data)


#: What is written, or what makes it in the job.
Source: TypeAlias = ReadableBuffer | Callable[[], ReadableBuffer]


async def _write(path: str | bytes, source: Source, mode: Mode) -> None:
    run = current_engine().run
    if await run(_write_job, path, source, mode, on_cancel="finish") is WAIT:
        async with open_file(path, mode.raw) as special:
            await special.write(_made(source))


def _made(source: Source) -> ReadableBuffer:
    return source() if callable(source) else source


def _write_job(path: str | bytes, source: Source, mode: Mode) -> Wait | None:
    check_path(path)
    if may_wait(path):
        return WAIT
    data = _made(source)
    fd = os.open(path, mode.flags, 0o666)
    error = _calls.write_and_close(fd, data, -1)
    if error is not None:
        error.filename = path
        raise error
    return None


def _write_natively(
    path: str | bytes, source: Source, mode: Mode
) -> tuple[Request, Any] | None:
    name = path_name(path)
    if name is None or callable(source):
        return None
    sys.audit("open", path, None, mode.flags)
    flags = mode.flags
    return Request(
        "WRITE_FILE", path=name, buffer=source, flags=flags, mode=0o666
    ), path


def _written_natively(answer: Answer, path: str | bytes) -> Wait | None:
    if is_special(answer):
        return WAIT
    check(answer, (path,))
    return None


natively(_write_job, _write_natively, _written_natively)
