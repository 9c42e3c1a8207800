"""Copying and deleting trees for `Path.copy()` and `Path.move()`, as Python 3.14 does.

Blocking generators that yield between entries and between chunks: `in_steps` runs
them in jobs of a bounded time, so that a cancellation stops between two.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor
from time import monotonic
from typing import Final

from headrace.engine import Shield, current_engine

__all__ = ["copied", "deleted", "in_steps", "moved"]

STEP_TIME_S: Final = 0.05
"""The time of one job: a cancellation waits for it, and other jobs may."""

CHUNK_SIZE: Final = 8 * 1024 * 1024  # bytes; arbitrary, milliseconds of copying


# -- Running it --------------------------------------------------------------------


class _Steps:
    """Runs a generator a little while at a time; for worker threads."""

    def __init__(self, generator: Generator[None, None, None]) -> None:
        self._generator = generator

    def step(self) -> bool:
        """Go on for `STEP_TIME_S`; True when it is at its end."""
        deadline = monotonic() + STEP_TIME_S
        return all(monotonic() < deadline for _ in self._generator)

    def close(self) -> None:
        self._generator.close()


async def in_steps(
    generator: Generator[None, None, None], executor: Executor | None
) -> None:
    """Run *generator* to its end in worker threads.

    Cancellation: takes effect where it yields next; it is closed before that.
    """
    engine = current_engine()
    steps = _Steps(generator)
    try:
        while not await engine.run(steps.step, on_cancel="finish", executor=executor):
            pass
    except BaseException:
        with Shield():
            await engine.run(steps.close, on_cancel="finish")
        raise


# -- What is done ------------------------------------------------------------------


def copied(
    source: str, target: str, follow_symlinks: bool, preserve_metadata: bool
) -> Generator[None, None, None]:
    """Copy a file, a link or a tree."""
    _refuse_overlap(source, target)
    yield from _copy(source, target, follow_symlinks, preserve_metadata)


def moved(source: str, target: str) -> Generator[None, None, None]:
    """Rename; where that is another file system, copy and delete."""
    _refuse_same_file(source, target)
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    else:
        return
    yield from copied(source, target, False, True)
    yield from deleted(source)


def deleted(path: str) -> Generator[None, None, None]:
    """Delete a file, a link or a tree."""
    if os.path.isdir(path) and not os.path.islink(path) and not _is_junction(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)
    yield


def _is_junction(path: str) -> bool:
    test: Callable[[str], bool] = getattr(os.path, "isjunction", lambda path: False)
    return test(path)


def _copy(
    source: str, target: str, follow_symlinks: bool, preserve_metadata: bool
) -> Generator[None, None, None]:
    if not follow_symlinks and os.path.islink(source):
        os.symlink(os.readlink(source), target, os.path.isdir(source))
    elif os.path.isdir(source):
        with os.scandir(source) as entries:
            names = [entry.name for entry in entries]
        os.mkdir(target)
        for name in names:
            inner = os.path.join(source, name), os.path.join(target, name)
            yield from _copy(*inner, follow_symlinks, preserve_metadata)
    else:
        _refuse_same_file(source, target)
        yield from _copy_file(source, target)
    if preserve_metadata:
        shutil.copystat(source, target, follow_symlinks=follow_symlinks)
    yield


def _copy_file(source: str, target: str) -> Generator[None, None, None]:
    with open(source, "rb", 0) as reader, open(target, "wb", 0) as writer:
        yield from _copy_descriptor(reader.fileno(), writer.fileno(), target)


def _copy_descriptor(
    reader: int, writer: int, target: str
) -> Generator[None, None, None]:
    for way in _ways():
        try:
            while way(reader, writer):
                yield
        except OSError as error:
            # Not between these two files, or not on this kernel: all ways go on from
            # the descriptors' own positions.
            if error.errno not in _NOT_THIS_WAY:
                error.filename = target
                raise
        else:
            # A file of /proc says that it is empty: see whether there is more.
            if way is _read_write:
                return


_NOT_THIS_WAY: Final = {
    errno.EINVAL, errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF,
    errno.EPERM, errno.ETXTBSY,
}  # fmt: skip


def _ways() -> Iterator[Callable[[int, int], int]]:
    """Yield the ways to copy the next chunk, quickest first; each gives its size."""
    if hasattr(os, "copy_file_range"):
        yield lambda reader, writer: os.copy_file_range(reader, writer, CHUNK_SIZE)
    yield _read_write


def _read_write(reader: int, writer: int) -> int:
    data = memoryview(os.read(reader, CHUNK_SIZE))
    size = len(data)
    while data:
        data = data[os.write(writer, data) :]
    return size


# -- What is refused ---------------------------------------------------------------


def _refuse_overlap(source: str, target: str) -> None:
    """Refuse to copy a path onto itself or into itself."""
    if source == target:
        text = "Source and target are the same path"
    elif target.startswith(os.path.join(source, "")):
        text = "Source path is a parent of target path"
    else:
        return
    raise OSError(errno.EINVAL, text, source, None, target)


def _refuse_same_file(source: str, target: str) -> None:
    try:
        same = os.path.samestat(os.stat(source), os.stat(target))
    except OSError:
        return
    if same:
        text = "Source and target are the same file"
        raise OSError(errno.EINVAL, text, source, None, target)
