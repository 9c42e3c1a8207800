"""Raw files made by hand, and comparisons with what builtin `open()` does."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from headrace.engine import Device
from headrace.files._mode import parse_mode
from headrace.files._raw import AsyncFileIO
from tests import tasks

BOUND_S = 10.0


def fast() -> Device:
    """A device where everything can be done inline."""
    return Device(local=True, nowait=True)


def slow() -> Device:
    """A device where nothing can be done inline."""
    return Device(local=False, nowait=False)


def raw_over(
    fd: int, mode: str = "rb", device: Device | None = None, **how: Any
) -> AsyncFileIO:
    """Make a raw file over an open descriptor."""
    name = how.pop("name", fd)
    return AsyncFileIO(
        fd, name, parse_mode(mode), os.fstat(fd), device or fast(), **how
    )


@asynccontextmanager
async def raw_file(
    path: Path, mode: str = "rb", device: Device | None = None, **how: Any
) -> AsyncIterator[AsyncFileIO]:
    """Open *path*, give a raw file over the descriptor, and close it.

    Closes without a job, so that a test that fails does not wait for one for ever.
    """
    fd = os.open(path, parse_mode(mode).flags, 0o666)
    file = raw_over(fd, mode, device, name=str(path), **how)
    try:
        yield file
    finally:
        file.close_blocking()


def is_open(fd: int) -> bool:
    """Tell whether *fd* is an open descriptor."""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until *condition* holds."""
    deadline = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < deadline, "it never came so far"
        await tasks.sleep(0)


# -- Comparing --

#: Details that headrace adds to an error on purpose.
Outcome = tuple[str, Any]


def outcome_of(error: BaseException) -> Outcome:
    """Return what is compared of an error: its class, and errno or its text."""
    if isinstance(error, OSError) and error.errno is not None:
        return type(error).__name__, error.errno
    return type(error).__name__, str(error)


def outcome(call: Callable[[], Any]) -> Outcome:
    """Return what *call* returns or raises, so that it can be compared."""
    try:
        return "returned", call()
    except Exception as error:
        return outcome_of(error)


async def async_outcome(call: Callable[[], Awaitable[Any]]) -> Outcome:
    """Return what *call* returns when awaited, or raises."""
    try:
        return "returned", await call()
    except Exception as error:
        return outcome_of(error)
