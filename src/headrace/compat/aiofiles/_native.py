"""A headrace file as a sync one: for programs that reach below aiofiles' surface.

The only place where compat knows the inside of headrace's files.
"""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from headrace._errors import UnsupportedOperation
from headrace.files._raw import AsyncFileIO
from headrace.files._text import AsyncTextIOWrapper

__all__ = ["closed_like", "hand_over", "raw_of", "shared_fileno"]

T = TypeVar("T")


def raw_of(file: Any) -> AsyncFileIO:
    """Return the raw file of a headrace file."""
    buffer = file.buffer if isinstance(file, AsyncTextIOWrapper) else file
    raw: AsyncFileIO = buffer if isinstance(buffer, AsyncFileIO) else buffer.raw
    return raw


def shared_fileno(file: Any) -> int:
    """Return the descriptor, for others to use: its position is the file's own.

    headrace reads and writes regular files by position, and leaves that of the
    kernel where it was. A child process that gets the descriptor goes by the latter.
    """
    raw: Any = raw_of(file)
    fd: int = raw.fileno()
    if raw._position >= 0 and not (file._turns.held or raw._turns.held):
        os.lseek(fd, raw._position, os.SEEK_SET)
        raw._position = -1
    return fd


# -- The file as a sync one ------------------------------------------------------


def hand_over(file: Any, newline: str | None) -> Any:
    """Make the sync file that `open()` would have given, out of an open headrace file.

    Blocks while what is buffered is written. The headrace file is unusable then, as
    after `detach()`.

    Raises:
        UnsupportedOperation: It is read, and cannot seek: what was read ahead of the
            program cannot be put back.
        RuntimeError: An operation is under way.
        OSError: Of the writing.
    """
    raw = raw_of(file)
    if raw.can_read and not raw.can_seek:
        raise UnsupportedOperation("a pipe or terminal has no sync file to hand over")
    place = _run_elsewhere(_flush_and_tell(file))
    if isinstance(file, AsyncTextIOWrapper):
        mode, form = file.mode, (file.encoding, file.errors, newline)
        flags = (file.line_buffering, file.write_through)
        sync: Any = io.TextIOWrapper(_sync_buffer(file.detach()), *form, *flags)
        sync.mode = mode
    elif isinstance(file, AsyncFileIO):
        sync = _sync_raw(file)
    else:
        sync = _sync_buffer(file)
    if place is not None:
        sync.seek(place)
    return sync


async def _flush_and_tell(file: Any) -> int | None:
    if await file.writable():
        await file.flush()
    return await file.tell() if await file.seekable() else None


def _run_elsewhere(work: Coroutine[Any, Any, T]) -> T:
    """Run *work* in a loop and a thread of its own, while this loop stands still."""
    outcome: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001 - the caller raises it
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return outcome[0]


def _sync_buffer(buffer: Any) -> Any:
    kind: Any = io.BufferedReader
    if buffer.can_write:
        kind = io.BufferedRandom if buffer.can_read else io.BufferedWriter
    return kind(_sync_raw(buffer.detach()))


def _sync_raw(raw: AsyncFileIO) -> io.FileIO:
    sync = io.FileIO(raw.fileno(), raw.mode, closefd=raw.closefd)
    if not isinstance(raw.name, int):
        sync.name = raw.name
    raw.closefd = False
    raw.close_blocking()
    return sync


def closed_like(file: Any) -> Any:
    """Make a closed sync file with the name and the kind of a closed headrace file."""
    mode: str = file.mode.replace("x", "w")
    buffering = 0 if isinstance(file, AsyncFileIO) else -1
    sync: Any
    with open(os.devnull, mode, buffering) as sync:
        raw: Any = getattr(sync, "buffer", sync)
        raw = getattr(raw, "raw", raw)
        raw.name = file.name
    return sync
