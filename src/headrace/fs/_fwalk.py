"""`fwalk`: a walk that gives a descriptor of each directory; one job a directory.

`FWalk` is the asynchronous side, `Reading` what a worker thread does for one step.
"""

from __future__ import annotations

import inspect
import os
import stat
import sys
from dataclasses import dataclass, field
from typing import Any, AnyStr, Final, Generic, NamedTuple, cast

from headrace._platform import O_NONBLOCK
from headrace.engine import Shield, current_engine
from headrace.fs._closing import ClosingIterator
from headrace.fs._walk import OnError, report

__all__ = ["FWalk", "fwalk"]

_FLAGS: Final = os.O_RDONLY | O_NONBLOCK


@dataclass(slots=True)
class Step:
    """A directory that is to be read."""

    path: Any
    name: Any
    """Its name, relative to *parent*."""
    parent: int | None
    entry: os.DirEntry[Any] | None = None
    """What is known of it from reading its parent."""
    is_top: bool = False


class Handed(NamedTuple):
    """What is handed out after all that is below it, walking bottom-up."""

    path: Any
    dirs: list[Any]
    others: list[Any]
    fd: int


@dataclass(slots=True)
class Reading:
    """A directory that has been read, and its open descriptor."""

    fd: int = -1
    dirs: list[Any] = field(default_factory=list[Any])
    others: list[Any] = field(default_factory=list[Any])
    entries: list[os.DirEntry[Any]] = field(default_factory=list[Any])
    """Those of `dirs`; all, or none."""
    error: OSError | None = None
    same: bool = True
    """Whether it is what the parent said, and so to be handed out."""

    def close(self) -> None:
        """Close the descriptor."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)


def read_step(
    step: Step, done: list[int], keep_entries: bool, follow_symlinks: bool
) -> Reading:
    """Close the descriptors *done*, then open and read the next directory.

    Raises:
        OSError: The top cannot be opened, or a directory not be read.
    """
    close_all(done)
    reading = Reading()
    try:
        before = None if follow_symlinks else _status(step)
        reading.fd = os.open(step.name, _FLAGS, dir_fd=step.parent)
    except OSError as error:
        if step.is_top:
            raise
        reading.error = error
        return reading
    try:
        if before is not None and not _is_same(step, before, reading.fd):
            reading.same = False
        else:
            _list(reading, isinstance(step.path, bytes), keep_entries)
    except BaseException:
        reading.close()
        raise
    return reading


def _status(step: Step) -> os.stat_result:
    if step.entry is not None:
        return step.entry.stat(follow_symlinks=False)
    return os.stat(step.name, follow_symlinks=False, dir_fd=step.parent)


def _is_same(step: Step, before: os.stat_result, fd: int) -> bool:
    """Tell whether what was opened is what was looked at, and no symbolic link."""
    if step.is_top and not stat.S_ISDIR(before.st_mode):
        return False
    return os.path.samestat(before, os.fstat(fd))


def _list(reading: Reading, as_bytes: bool, keep_entries: bool) -> None:
    with os.scandir(reading.fd) as entries:
        for entry in entries:
            name = os.fsencode(entry.name) if as_bytes else entry.name
            try:
                if entry.is_dir():
                    reading.dirs.append(name)
                    if keep_entries:
                        reading.entries.append(entry)
                else:
                    reading.others.append(name)
            except OSError:
                _list_broken(reading, entry, name)


def _list_broken(reading: Reading, entry: os.DirEntry[Any], name: Any) -> None:
    """Take links that lead nowhere among the rest, and leave out what has vanished."""
    try:
        if entry.is_symlink():
            reading.others.append(name)
    except OSError:
        pass


class FWalk(
    ClosingIterator[tuple[AnyStr, list[AnyStr], list[AnyStr], int]], Generic[AnyStr]
):
    """The directories of a tree, as `headrace.os.fwalk()` gives them.

    An asynchronous iterator and an asynchronous context manager. Descriptors are
    closed as the walk goes on, at its end, on an error, by `aclose()`, at the end of
    `async with`, or when it is dropped after a `break`.
    """

    _name = "headrace.os.fwalk()"

    def __init__(
        self,
        top: Any,
        topdown: bool,
        onerror: OnError,
        follow_symlinks: bool,
        dir_fd: int | None,
    ) -> None:
        self._top = top
        self._topdown = topdown
        self._onerror = onerror
        self._follow_symlinks = follow_symlinks
        self._dir_fd = dir_fd
        #: Last first: a Step to read, a result to hand out, a descriptor to close.
        self._stack: list[Any] = []
        #: Descriptors that the next job closes.
        self._done: list[int] = []
        self._begun = False
        #: What was handed out last and decides where to go, walking top-down.
        self._last: tuple[Any, Reading] | None = None

    async def __anext__(self) -> tuple[AnyStr, list[AnyStr], list[AnyStr], int]:
        self._advance()
        while self._stack:
            item = self._stack[-1]
            if isinstance(item, Step):
                result = await self._read(item)
                if result is not None:
                    return result
                continue
            self._stack.pop()
            if isinstance(item, Handed):
                return item.path, item.dirs, item.others, item.fd
            self._done.append(item)
        await self.aclose()
        raise StopAsyncIteration

    def _advance(self) -> None:
        if not self._begun:
            self._begun = True
            sys.audit(
                "os.fwalk",
                self._top,
                self._topdown,
                self._onerror,
                self._follow_symlinks,
                self._dir_fd,
            )
            top = cast("Any", os.fspath(self._top))
            self._stack.append(Step(top, top, self._dir_fd, is_top=True))
        last, self._last = self._last, None
        if last is not None:
            self._go_below(*last)

    async def _read(
        self, step: Step
    ) -> tuple[AnyStr, list[AnyStr], list[AnyStr], int] | None:
        keep_entries = not self._topdown and not self._follow_symlinks
        try:
            reading = await current_engine().run(
                read_step,
                step,
                self._done,
                keep_entries,
                self._follow_symlinks,
                on_cancel="finish",
                discard=Reading.close,
            )
        except OSError:
            await self.aclose()
            raise
        self._stack.pop()
        if reading.error is not None:
            await self._report(reading.error)
            return None
        self._stack.append(reading.fd)
        if not reading.same:
            return None
        if self._topdown:
            self._last = step.path, reading
            return step.path, reading.dirs, reading.others, reading.fd
        handed = Handed(step.path, reading.dirs, reading.others, reading.fd)
        self._stack.append(handed)
        self._go_below(step.path, reading)
        return None

    def _go_below(self, path: Any, reading: Reading) -> None:
        base = cast("Any", os.path.join(path, path[:0]))  # With a separator at its end.
        known = dict(zip(reading.dirs, reading.entries, strict=False))
        for name in reversed(reading.dirs):
            step = Step(base + name, name, reading.fd, known.get(name))
            self._stack.append(step)

    async def _report(self, error: OSError) -> None:
        try:
            await report(self._onerror, error)
        except BaseException:
            await self.aclose()
            raise

    # -- Closing ------------------------------------------------------------------

    def _take_descriptors(self) -> list[int]:
        """Return what is open, for who closes it; the walk is at its end."""
        self._begun = True
        self._last = None
        taken = [item for item in self._stack if isinstance(item, int)]
        taken += self._done
        self._stack.clear()
        self._done.clear()
        return taken

    async def aclose(self) -> None:
        """Close what is open; iteration then stops."""
        taken = self._take_descriptors()
        if taken:
            with Shield():
                await current_engine().run(close_all, taken, on_cancel="finish")

    def __del__(self) -> None:
        # An early `break` ends here. Closing a directory waits for nothing.
        if hasattr(self, "_last"):
            close_all(self._take_descriptors())

    def __repr__(self) -> str:
        return f"<headrace.os.fwalk of {self._top!r}>"


def close_all(descriptors: list[int]) -> None:
    """Close each of *descriptors*, and take it off the list."""
    while descriptors:
        os.close(descriptors.pop())


def fwalk(
    top: Any = ".",
    topdown: bool = True,
    onerror: OnError = None,
    *,
    follow_symlinks: bool = False,
    dir_fd: int | None = None,
) -> FWalk[Any]:
    """Walk a tree as `walk` does, with a descriptor of each directory.

    Args:
        top: The directory to begin with.
        topdown: As for `walk`.
        onerror: As for `walk`.
        follow_symlinks: Walk into directories that symbolic links point to.
        dir_fd: A descriptor of the directory that *top* is relative to.

    Returns:
        An asynchronous iterator of (path, names of directories, names of the rest,
        descriptor). The descriptor is open until the next step.

    Raises:
        OSError: When iterated: *top* cannot be opened, or a directory not be read.

    Cancellation: is raised when the directory has been read; the step may be asked
        for again.
    Cost: one job for a directory.
    """
    return FWalk(top, topdown, onerror, follow_symlinks, dir_fd)


vars(fwalk)["__signature__"] = inspect.signature(os.fwalk)
