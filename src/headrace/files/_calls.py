"""The blocking system calls that the jobs of files consist of.

Plain functions over descriptors, run in a worker; each is one job. EINTR is
retried by `os` itself (PEP 475). Knows no file object and no event loop. At the end
stands how native threads do the same.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable
from typing import Any

from headrace._native import Call
from headrace._typing import ReadableBuffer, WriteableBuffer
from headrace.engine._described import (
    Answer,
    Request,
    error_of,
    natively,
    read_bytes,
)
from headrace.engine._ring_calls import RingKind, by_ring

#: Linux moves at most 0x7ffff000 bytes in one call, read(2) and write(2).
MAX_TRANSFER = 0x7FFFF000  # bytes

#: A file whose size is not known (/proc, pipes) is read in pieces from this size on.
FIRST_PIECE = 64 * 1024  # bytes
LARGEST_PIECE = 8 * 1024 * 1024  # bytes

#: What a pipe that polls writable takes without blocking, pipe(7).
PIPE_BUF: int = getattr(select, "PIPE_BUF", 512)


def source_view(data: ReadableBuffer) -> memoryview:
    """Return *data* as plain bytes to be written; refuses what `io` refuses."""
    try:
        view = memoryview(data)
    except TypeError:
        kind = type(data).__name__
        raise TypeError(f"a bytes-like object is required, not {kind!r}") from None
    if not view.c_contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return view.cast("B")


def target_view(buffer: WriteableBuffer) -> memoryview:
    """Return *buffer* as plain bytes to be read into; refuses what `io` refuses."""
    try:
        view = memoryview(buffer)
        if not view.readonly and view.c_contiguous:
            return view.cast("B")
    except TypeError:
        pass
    kind = type(buffer).__name__
    raise TypeError(
        f"readinto() argument must be read-write bytes-like object, not {kind}"
    )


def read_once(fd: int, size: int, offset: int) -> bytes:
    """Read with one call: at *offset*, or at the descriptor's position if -1."""
    size = min(size, MAX_TRANSFER)
    return os.read(fd, size) if offset < 0 else os.pread(fd, size, offset)


def _remaining(fd: int, offset: int) -> int:
    """Return how many bytes a regular file has from *offset* on; 0 if unknown."""
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return 0
        position = offset if offset >= 0 else os.lseek(fd, 0, os.SEEK_CUR)
    except OSError:
        return 0
    return max(0, status.st_size - position)


def read_up_to(fd: int, size: int, offset: int) -> bytes:
    """Read *size* bytes, fewer only at the end of the file."""
    if size > FIRST_PIECE:
        # Room for 1 GiB must not be made for a file of one page.
        remaining = _remaining(fd, offset)
        piece = min(size, remaining or FIRST_PIECE)
    else:
        piece = size
    data = read_once(fd, piece, offset)
    if len(data) == size or not data:
        return data
    pieces = [data]
    total = len(data)
    while total < size:
        at = offset + total if offset >= 0 else -1
        data = read_once(fd, min(size - total, LARGEST_PIECE), at)
        if not data:
            break
        pieces.append(data)
        total += len(data)
    return b"".join(pieces) if len(pieces) > 1 else pieces[0]


def read_to_end(fd: int, offset: int, expected: int = 0) -> bytes:
    """Read all there is from *offset* (or the position, if -1) on.

    Until the kernel says end of file, whatever st_size is: files of /proc have none.
    Native threads are given room for *expected* bytes, which is only ever a hint.
    """
    # One byte more than the size: a short answer is then the end of the file.
    piece = _remaining(fd, offset) + 1
    piece = piece if piece > 1 else FIRST_PIECE
    pieces: list[bytes] = []
    total = 0
    while True:
        at = offset + total if offset >= 0 else -1
        data = read_once(fd, piece, at)
        if not data:
            return b"".join(pieces) if len(pieces) != 1 else pieces[0]
        pieces.append(data)
        total += len(data)
        piece = min(max(FIRST_PIECE, total), LARGEST_PIECE)


def write_all(fd: int, data: ReadableBuffer, offset: int) -> tuple[int, OSError | None]:
    """Write all of *data*, continuing after short writes.

    Returns:
        How many bytes were written, and the error that ended it, if one did.
    """
    view = memoryview(data)
    done = 0
    try:
        while done < len(view):
            piece = view[done : done + MAX_TRANSFER]
            if offset >= 0:
                done += os.pwrite(fd, piece, offset + done)
            else:
                done += os.write(fd, piece)
    except OSError as error:
        return done, error
    finally:
        view.release()
    return done, None


def write_pieces(
    fd: int, pieces: tuple[bytes, ...], offset: int
) -> tuple[int, OSError | None]:
    """Write all of *pieces*, one behind the other; see `write_all`."""
    return write_all(fd, b"".join(pieces), offset)


def write_while_ready(fd: int, data: ReadableBuffer) -> tuple[int, OSError | None]:
    """Write to a pipe, terminal or socket as long as it takes without blocking.

    Returns:
        How many bytes were written, and the error that ended it, if one did.
    """
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    view = memoryview(data)
    done = 0
    try:
        while done < len(view) and poll.poll(0):
            done += os.write(fd, view[done : done + PIPE_BUF])
    except BlockingIOError:
        pass
    except OSError as error:
        return done, error
    finally:
        view.release()
    return done, None


def write_and_close(fd: int, data: ReadableBuffer, offset: int) -> OSError | None:
    """Write all of *data*, then close *fd* whatever happened; returns the error."""
    _, error = write_all(fd, data, offset)
    try:
        os.close(fd)
    except OSError as closing:
        return error or closing
    return error


def write_and_sync(
    fd: int, data: ReadableBuffer, offset: int, data_only: bool
) -> tuple[int, OSError | None]:
    """Write all of *data*, then have it on the storage; see `write_all`.

    By fsync(2), or by fdatasync(2) if *data_only*.
    """
    return sync_written(fd, write_all(fd, data, offset), data_only)


def sync_written(
    fd: int, written: tuple[int, OSError | None], data_only: bool
) -> tuple[int, OSError | None]:
    """Have on the storage what a call wrote, unless it failed; returns what it did."""
    count, error = written
    if error is None:
        try:
            sync_call(data_only)(fd)
        except OSError as failure:
            error = failure
    return count, error


def sync_call(data_only: bool) -> Callable[[int], None]:
    """Return fsync(2), or fdatasync(2) where there is one if *data_only*."""
    return getattr(os, "fdatasync", os.fsync) if data_only else os.fsync


# -- By native threads ------------------------------------------------------------

#: Beyond this, room is not made before it is known what the file has.
_MOST_ROOM = 64 * 1024 * 1024  # bytes


def _reading(kind: str, fd: int, size: int, offset: int) -> tuple[Request, Any] | None:
    if not 0 <= size <= _MOST_ROOM:
        return None
    return Request(kind, fd, size=size, offset=offset), ()


def _read_once(fd: int, size: int, offset: int) -> tuple[Request, Any] | None:
    return _reading("READ_ONCE", fd, size, offset)


def _read_up_to(fd: int, size: int, offset: int) -> tuple[Request, Any] | None:
    return _reading("READ_FULL", fd, size, offset)


def _read_to_end(fd: int, offset: int, expected: int = 0) -> tuple[Request, Any] | None:
    return Request("READ_TO_END", fd, size=max(0, expected), offset=offset), ()


def _write_all(fd: int, data: ReadableBuffer, offset: int) -> tuple[Request, Any]:
    return Request("WRITE_ALL", fd, buffer=data, offset=offset), ()


def _write_pieces(
    fd: int, pieces: tuple[bytes, ...], offset: int
) -> tuple[Request, Any]:
    # The thread is given their addresses; what `_written` gets keeps them alive.
    vector = Call.vector(pieces)
    return Request("WRITE_VECTOR", fd, buffer=vector, offset=offset), pieces


def _written(answer: Answer, _: Any) -> tuple[int, OSError | None]:
    return answer.count, error_of(answer)


def _write_and_close(fd: int, data: ReadableBuffer, offset: int) -> tuple[Request, Any]:
    return Request("WRITE_CLOSE", fd, buffer=data, offset=offset), ()


def _write_and_sync(
    fd: int, data: ReadableBuffer, offset: int, data_only: bool
) -> tuple[Request, Any]:
    return Request("WRITE_SYNC", fd, buffer=data, offset=offset, flags=data_only), ()


def _closed(answer: Answer, _: Any) -> OSError | None:
    return error_of(answer)


by_ring(read_once, RingKind.READ_ONCE)
by_ring(read_up_to, RingKind.READ_FULL)
by_ring(write_all, RingKind.WRITE_ALL)
natively(read_once, _read_once, read_bytes)
natively(read_up_to, _read_up_to, read_bytes)
natively(read_to_end, _read_to_end, read_bytes)
natively(write_all, _write_all, _written)
natively(write_pieces, _write_pieces, _written)
natively(write_and_sync, _write_and_sync, _written)
natively(write_and_close, _write_and_close, _closed)
