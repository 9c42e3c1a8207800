"""From a path to an open descriptor: inline, in one job, or by waiting for a FIFO.

Knows flags and descriptors; what is made of them is `_open.py`'s business.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from headrace._errors import os_error
from headrace._native import Raw
from headrace._platform import IS_LINUX, O_NONBLOCK
from headrace._typing import Opener, StrOrBytesPath
from headrace.engine import (
    UNKNOWN,
    Device,
    Lane,
    Status,
    current_engine,
    device_of,
    known_device,
    open_for_reading,
)
from headrace.engine._described import (
    Answer,
    Request,
    check,
    is_special,
    natively,
    path_name,
)
from headrace.files._mode import Mode, parse_mode

T = TypeVar("T")
R = TypeVar("R", bound=Raw)

#: What `open()` for reading asks of the kernel; for its audit event.
READ_FLAGS = parse_mode("rb").flags

#: How long a FIFO's other end is waited for between two looks: from, up to.
_FIFO_PAUSES_S = (0.001, 0.025)


@dataclass(slots=True)
class Descriptor:
    """An open descriptor that nobody owns yet: closed when it is dropped."""

    fd: int
    status: Status | os.stat_result
    device: Device
    stash: bytes = b""
    """What a look at a FIFO took out of it."""

    def hand_over(self) -> tuple[int, Status | os.stat_result, Device]:
        """Give the descriptor, and what is known of it, to who will close it."""
        fd, self.fd = self.fd, -1
        return fd, self.status, self.device

    def close(self) -> None:
        """Close the descriptor, if it was not handed over."""
        if self.fd >= 0:
            os.close(self.hand_over()[0])

    def __del__(self) -> None:
        self.close()


async def open_descriptor(
    file: StrOrBytesPath,
    mode: Mode,
    opener: Opener | None,
    executor: Executor | None,
) -> Descriptor:
    """Open *file*, a path; raises as builtin `open()` does.

    Cancellation: nothing is leaked; a descriptor that comes late is closed.
    """
    engine = current_engine()
    opened = await engine.run(
        _open_job, file, mode, opener, discard=_discard, executor=executor
    )
    if opened is None:
        return await _open_special(file, mode)
    if opened.device is UNKNOWN:
        # The first file there that a native thread opened, which does not look.
        opened.device = await engine.run(
            device_of, opened.fd, opened.status, keep=opened
        )
    return opened


def open_inline(
    kind: type[R], path: str | bytes, mode: Mode
) -> R | tuple[int, Status, Device] | None:
    """Open *path* for reading without waiting: the raw file, of type *kind*.

    None if that cannot be. A FIFO, or a file on a device that was not seen before, is
    given as its descriptor and what is known of it. A FIFO's writer has been let in
    by that, but may not be there yet: `wait_for_writer`.
    """
    opened = open_for_reading(kind, path, mode, READ_FLAGS)
    if opened is None or not isinstance(opened, tuple):
        return opened
    fd, status, _ = opened
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISFIFO(status.st_mode):
        # A directory or a device: by the book, from the beginning.
        os.close(fd)
        return None
    try:
        # Only now: where this way is not taken, os.open() raises it (PEP 578).
        sys.audit("open", path, "r", READ_FLAGS)
    except BaseException:
        os.close(fd)
        raise
    return opened


def _discard(opened: Descriptor | None) -> None:
    if opened is not None:
        opened.close()


def _open_job(
    file: StrOrBytesPath, mode: Mode, opener: Opener | None
) -> Descriptor | None:
    """Open and look, in one job; None for what may wait for ever to be opened."""
    if opener is not None:
        return describe(_call_opener(opener, file, mode), file)
    path = os.fspath(file)
    if may_wait(path):
        return None
    return describe(os.open(path, mode.flags, 0o666), file)


def _open_natively(
    file: StrOrBytesPath, mode: Mode, opener: Opener | None
) -> tuple[Request, Any] | None:
    path = os.fspath(file)
    name = path_name(path)
    if opener is not None or name is None:
        return None
    sys.audit("open", path, None, mode.flags)
    return Request("OPEN", path=name, flags=mode.flags, mode=0o666), (path, file)


def _opened_natively(answer: Answer, names: tuple[Any, Any]) -> Descriptor | None:
    path, file = names
    if is_special(answer):
        return None
    check(answer, (path,))
    status = Status._make(answer.brief())
    fd = answer.take_descriptor()
    if stat.S_ISDIR(status.st_mode):
        os.close(fd)
        raise os_error(errno.EISDIR, file)
    return Descriptor(fd, status, known_device(status) or UNKNOWN)


natively(_open_job, _open_natively, _opened_natively)


def _call_opener(opener: Opener, file: Any, mode: Mode) -> int:
    fd = opener(file, mode.flags)
    if not isinstance(fd, int):
        raise TypeError("expected integer from opener")
    if fd < 0:
        raise ValueError(f"opener returned {fd}")
    os.set_inheritable(fd, False)
    return fd


def may_wait(path: str | bytes) -> bool:
    """Tell whether opening *path* may wait for ever: a FIFO, a device."""
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False
    return kind in (stat.S_IFIFO, stat.S_IFCHR)


def describe(fd: int, file: Any) -> Descriptor:
    """Look at an open descriptor of *file*; raises if it is a directory.

    A descriptor that was given (*file* is an int) then stays open.
    """
    status = os.fstat(fd)
    if stat.S_ISDIR(status.st_mode):
        if not isinstance(file, int):
            os.close(fd)
        raise os_error(errno.EISDIR, file)
    return Descriptor(fd, status, device_of(fd, status))


# -- FIFOs and devices --------------------------------------------------------


async def _open_special(file: StrOrBytesPath, mode: Mode) -> Descriptor:
    path = os.fspath(file)
    engine = current_engine()
    status = await engine.run(os.stat, path)
    if not stat.S_ISFIFO(status.st_mode) or (mode.reading and mode.writing):
        # A device; or a FIFO opened for both, which on Linux never waits, fifo(7).
        opened: Descriptor = await engine.run(
            _open_device, file, mode, lane=Lane.WAIT, discard=_discard
        )
        return opened
    # No thread waits for the other end: that could never be cancelled.
    if not mode.reading:
        return await _until_found(partial(_look_for_reader, path, mode), _discard)
    reader = await engine.run(_open_fifo, path, mode, discard=_discard)
    return await wait_for_writer(reader)


async def wait_for_writer(reader: Descriptor) -> Descriptor:
    """Wait until the FIFO that was opened for reading has a writer.

    Cancellation: takes effect at once; the descriptor is closed.
    """
    try:
        return await _until_found(partial(_look_for_writer, reader))
    except BaseException:
        # Explicitly: the traceback keeps the object alive.
        reader.close()
        raise


async def _until_found(
    look: Callable[[], T | None], discard: Callable[[T | None], object] | None = None
) -> T:
    """Look again and again, with longer and longer pauses."""
    engine = current_engine()
    pause, longest = _FIFO_PAUSES_S
    while True:
        found: T | None = await engine.run(look, on_cancel="finish", discard=discard)
        if found is not None:
            return found
        await engine.sleep(pause)
        pause = min(pause * 2, longest)


def _open_device(file: StrOrBytesPath, mode: Mode) -> Descriptor:
    return describe(os.open(os.fspath(file), mode.flags, 0o666), file)


def _open_fifo(path: str | bytes, mode: Mode) -> Descriptor:
    """Open the reading end without waiting for a writer, fifo(7)."""
    return describe(os.open(path, mode.flags | O_NONBLOCK), path)


def _look_for_writer(reader: Descriptor) -> Descriptor | None:
    """Tell whether the FIFO has a writer; fifo(7): a read without one gives nothing."""
    try:
        reader.stash = os.read(reader.fd, 64 * 1024)
        if not reader.stash and not _has_left(reader.fd):
            return None
    except BlockingIOError:
        pass  # A writer is there and has written nothing yet.
    os.set_blocking(reader.fd, True)
    return reader


def _has_left(fd: int) -> bool:
    """Tell whether the FIFO *fd* has had a writer, which is gone.

    Linux gives POLLHUP only then, fs/pipe.c; others also before one came.
    """
    if not IS_LINUX:
        return False
    poll = select.poll()
    poll.register(fd, 0)
    return bool(poll.poll(0))


def _look_for_reader(path: str | bytes, mode: Mode) -> Descriptor | None:
    """Open the writing end, if there is a reader; fifo(7): ENXIO if not."""
    try:
        fd = os.open(path, mode.flags | O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise
    os.set_blocking(fd, True)
    return describe(fd, path)
