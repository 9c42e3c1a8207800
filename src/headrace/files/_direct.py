"""`open(direct=True)`: files that bypass the page cache, with plain file semantics.

With O_DIRECT the kernel wants offsets, sizes and memory aligned. A read fetches the
aligned window around what is asked for, and cuts. A write sends its aligned middle
from aligned memory; what is left of it at both ends goes through the page cache, by a
second descriptor without O_DIRECT: the kernel keeps the two views of one file coherent
(open(2), NOTES), and no block has to be read in order to be written.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import mmap
import os
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from headrace._typing import ReadableBuffer
from headrace.engine import Device, Status
from headrace.engine._ring_calls import RingKind, by_ring
from headrace.files import _calls
from headrace.files._raw import AsyncFileIO

if TYPE_CHECKING:
    from collections.abc import Generator
    from concurrent.futures import Executor

    from headrace.files._mode import Mode

T = TypeVar("T")

#: open(2); 0 where there is none.
O_DIRECT: int = getattr(os, "O_DIRECT", 0)

#: A multiple of what every file system asks for: the page size at the most.
COMMON_ALIGNMENT = 4096  # bytes

#: The most that goes in one call; the memory for it is kept.
LARGEST_PIECE = 1024 * 1024  # bytes

#: Buffers of one size that are kept for reuse: as many as a full ring has in flight.
MOST_KEPT = 128


def no_direct_io(path: object) -> OSError:
    """Return the error for a file that cannot be opened with O_DIRECT."""
    text = (
        f"{os.strerror(errno.EINVAL)}: the file system has no direct I/O (O_DIRECT) "
        "for this file; open it without direct=True"
    )
    return OSError(errno.EINVAL, text, path)


# -- Alignment ----------------------------------------------------------------

_AT_EMPTY_PATH = 0x1000
_STATX_DIOALIGN = 0x2000
_STATX_SIZE = 256
_DIO_OFFSET_ALIGN = slice(156, 160)


@functools.cache
def _statx() -> Any:
    """Return the C library's statx(2); None where it has none."""
    try:
        return ctypes.CDLL(None).statx
    except (AttributeError, OSError):
        return None


def alignment_of(fd: int) -> int:
    """Return the alignment of direct I/O in bytes; 0 if the file has none.

    At least 4096, which is a multiple of every smaller one. statx(2) has
    STATX_DIOALIGN since Linux 6.1, and says nothing on most file systems before.
    """
    statx = _statx()
    if statx is None:
        return COMMON_ALIGNMENT
    answer = ctypes.create_string_buffer(_STATX_SIZE)
    if statx(fd, b"", _AT_EMPTY_PATH, _STATX_DIOALIGN, answer):
        return COMMON_ALIGNMENT
    if not int.from_bytes(answer.raw[:4], "little") & _STATX_DIOALIGN:
        return COMMON_ALIGNMENT
    found = int.from_bytes(answer.raw[_DIO_OFFSET_ALIGN], "little")
    return max(found, COMMON_ALIGNMENT) if found else 0


# -- Aligned memory -----------------------------------------------------------

_kept: dict[int, list[memoryview]] = {}


def take_buffer(size: int) -> memoryview:
    """Return *size* bytes of aligned memory, a multiple of the page size."""
    kept = _kept.get(size)
    if kept:
        try:
            return kept.pop()
        except IndexError:  # another thread was quicker
            pass
    return memoryview(mmap.mmap(-1, size))


def keep_buffer(buffer: memoryview) -> None:
    """Keep a buffer that nobody uses any more, the kernel neither, for the next."""
    kept = _kept.setdefault(len(buffer), [])
    if len(kept) * len(buffer) < MOST_KEPT * COMMON_ALIGNMENT or not kept:
        kept.append(buffer)


# -- The calls, in a worker ---------------------------------------------------


def read_into(fd: int, buffer: memoryview, offset: int) -> int:
    """Read with one call at *offset*; returns the count."""
    return os.preadv(fd, [buffer], offset)


by_ring(read_into, RingKind.READ_INTO)


def window(alignment: int, size: int, offset: int) -> tuple[int, int]:
    """Return where the aligned window around a piece begins, and its size."""
    start = offset - offset % alignment
    return start, -(-(offset + size) // alignment) * alignment - start


def read_full(alignment: int, fd: int, size: int, offset: int) -> bytes:
    """Read *size* bytes, fewer only at the end of the file; -1 for all there is."""
    pieces: list[bytes] = []
    while size:
        wanted = LARGEST_PIECE if size < 0 else min(size, LARGEST_PIECE)
        start, room = window(alignment, wanted, offset)
        buffer = take_buffer(room)
        count = read_into(fd, buffer, start)
        piece = bytes(buffer[offset - start : min(count, offset - start + wanted)])
        keep_buffer(buffer)
        if not piece:
            break
        pieces.append(piece)
        offset += len(piece)
        size = size - len(piece) if size >= 0 else size
        if len(piece) < wanted and start + count >= os.fstat(fd).st_size:
            break
    return b"".join(pieces) if len(pieces) != 1 else pieces[0]


def read_at_position(alignment: int, fd: int, size: int) -> bytes:
    """Read at the descriptor's own position, and move it."""
    offset = os.lseek(fd, 0, os.SEEK_CUR)
    data = read_full(alignment, fd, size, offset)
    os.lseek(fd, offset + len(data), os.SEEK_SET)
    return data


@contextmanager
def _through_the_cache(fd: int) -> Generator[int, None, None]:
    """Open the file of *fd* once more for writing, without O_DIRECT."""
    flags = os.O_WRONLY | os.O_CLOEXEC
    plain = os.open(f"/proc/self/fd/{fd}", flags)
    try:
        yield plain
    finally:
        os.close(plain)


def _write_plain(fd: int, data: memoryview, offset: int) -> tuple[int, OSError | None]:
    try:
        with _through_the_cache(fd) as plain:
            return _calls.write_all(plain, data, offset)
    except OSError as error:
        # /proc may be missing, or the file's permissions not allow it any more.
        error.filename = None
        return 0, error


def _write_aligned(
    fd: int, data: memoryview, offset: int
) -> tuple[int, OSError | None]:
    """Write from aligned memory; size and offset are aligned as well."""
    done = 0
    while done < len(data):
        size = min(len(data) - done, LARGEST_PIECE)
        buffer = take_buffer(size)
        buffer[:] = data[done : done + size]
        count, error = _calls.write_all(fd, buffer, offset + done)
        keep_buffer(buffer)
        done += count
        if error is not None:
            return done, error
    return done, None


def write_all(
    alignment: int, fd: int, data: ReadableBuffer, offset: int
) -> tuple[int, OSError | None]:
    """Write all of *data* at *offset*; see `_calls.write_all`."""
    view = memoryview(data).cast("B")
    head = min(-offset % alignment, len(view))
    middle = (len(view) - head) // alignment * alignment
    done = 0
    for write, size in (
        (_write_plain, head),
        (_write_aligned, middle),
        (_write_plain, len(view) - head - middle),
    ):
        if size:
            count, error = write(fd, view[done : done + size], offset + done)
            done += count
            if error is not None:
                return done, error
    return done, None


def append_all(fd: int, data: ReadableBuffer) -> tuple[int, OSError | None]:
    """Write all of *data* at the end of the file, and move the position there."""
    view = memoryview(data).cast("B")
    try:
        plain = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    except OSError as error:
        error.filename = None
        return 0, error
    try:
        result = _calls.write_all(plain, view, -1)
        os.lseek(fd, os.lseek(plain, 0, os.SEEK_CUR), os.SEEK_SET)
    finally:
        os.close(plain)
    return result


def write(
    alignment: int, fd: int, data: ReadableBuffer, offset: int
) -> tuple[int, OSError | None]:
    """Write all of *data*: at *offset*, or at the end of the file if that is -1."""
    if offset < 0:
        return append_all(fd, data)
    return write_all(alignment, fd, data, offset)


def write_and_sync(
    alignment: int, fd: int, data: ReadableBuffer, offset: int, data_only: bool
) -> tuple[int, OSError | None]:
    """Write all of *data*, then have it on the storage; see `_calls.write_and_sync`."""
    return _calls.sync_written(fd, write(alignment, fd, data, offset), data_only)


def write_and_close(
    alignment: int, fd: int, data: ReadableBuffer, offset: int
) -> OSError | None:
    """Write all of *data*, then close *fd* whatever happened; returns the error."""
    _, error = write(alignment, fd, data, offset)
    try:
        os.close(fd)
    except OSError as closing:
        return error or closing
    return error


# -- The raw file -------------------------------------------------------------


class DirectFileIO(AsyncFileIO):
    """The raw file of `headrace.open(..., direct=True)`.

    Like `AsyncFileIO`; what is read and written does not stay in the page cache.
    """

    def __init__(
        self,
        fd: int,
        name: Any,
        mode: Mode,
        status: Status | os.stat_result,
        device: Device,
        alignment: int,
        executor: Executor | None = None,
    ) -> None:
        super().__init__(fd, name, mode, status, device, executor=executor)
        # There is nothing in the page cache to be had without waiting.
        self._inline = False
        self._alignment = alignment

    async def _run(self, call: Callable[..., T], *args: Any, **how: Any) -> T:
        if call in (_calls.read_up_to, _calls.read_once):
            _, size, offset = args
            return cast("T", await self._read(size, offset))
        if call is _calls.read_to_end:
            return cast("T", await self._read(-1, args[1]))
        return await super()._run(call, *args, **how)

    @property
    def writes_behind(self) -> bool:
        """Never: the pieces of a buffer are not aligned."""
        return False

    def _job(self, call: Callable[..., T]) -> Callable[..., T]:
        aligned: Any
        if call is _calls.write_all:
            aligned = write
        elif call is _calls.write_and_sync:
            aligned = write_and_sync
        elif call is _calls.write_and_close:
            aligned = write_and_close
        else:
            return call
        return functools.partial(aligned, self._alignment)

    async def _read(self, size: int, offset: int) -> bytes:
        """Read *size* bytes, fewer only at the end of the file; -1 for all there is."""
        pieces: list[bytes] = []
        while size:
            wanted = LARGEST_PIECE if size < 0 else min(size, LARGEST_PIECE)
            start, room = window(self._alignment, wanted, offset)
            buffer = take_buffer(room)
            # If it is cancelled, the kernel may still write there: it is not kept.
            count = await super()._run(read_into, self._fd, buffer, start)
            piece = bytes(buffer[offset - start : min(count, offset - start + wanted)])
            keep_buffer(buffer)
            if len(piece) == size:
                pieces.append(piece)
                break
            if not piece:
                break
            pieces.append(piece)
            offset += len(piece)
            size = size - len(piece) if size >= 0 else size
            if len(piece) < wanted and start + count >= self._current_size():
                break
        return b"".join(pieces) if len(pieces) != 1 else pieces[0]

    async def _read_owned(
        self, call: Callable[..., bytes], *args: Any, **how: Any
    ) -> bytes:
        size = -1 if call is _calls.read_to_end else args[1]
        at_position = functools.partial(read_at_position, self._alignment)
        return await super()._read_owned(at_position, self._fd, size, **how)

    def _write_once(self, data: memoryview) -> int:
        count, error = write(self._alignment, self._fd, data, self._position)
        if error is not None and not count:
            raise error
        return count

    def write_blocking(self, data: bytes) -> None:
        """Write synchronously what is owed and *data*; see `close_blocking`."""
        data, self._owed = self._owed + data, b""
        count, error = write(self._alignment, self._fd, data, self._position)
        self._moved(count)
        if error is not None:
            raise self._named(error)
