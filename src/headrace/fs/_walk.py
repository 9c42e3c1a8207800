"""`walk`: whole directories, often several, in one job.

`Walk` is the asynchronous side; the functions above it, what worker threads do.
"""

from __future__ import annotations

import inspect
import os
import stat
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from time import monotonic, time
from typing import (
    Any,
    AnyStr,
    Final,
    Generic,
    NamedTuple,
    TypeAlias,
)

from headrace._typing import WAIT
from headrace.engine import budget, current_engine, device_of, learn_root, opens_inline
from headrace.fs._closing import ClosingIterator
from headrace.fs._look import stat_now

__all__ = ["OnError", "Walk", "report", "walk"]

AHEAD_TIME_S: Final = 0.002
"""How long a job reads directories ahead: some eighty small ones that are cached, and
twenty times a hop. Less than a heartbeat may be late."""

AHEAD_DIRECTORIES: Final = 256
"""Most directories that are read ahead. Arbitrary; it bounds what is kept."""

UNUSABLE_AHEAD: Final = 4
"""A job stops reading ahead after so many directories that cannot be. Arbitrary."""

SETTLED_S: Final = 3.0
"""A directory is read ahead if it did not change for so long: then every change that
comes later shows in its times. The coarsest clock of a local file system is that of
FAT, 2 seconds."""

OnError: TypeAlias = Callable[[OSError], object] | None
Stamp: TypeAlias = tuple[int, int, int, int]


_join: Final[Callable[[Any, Any], Any]] = os.path.join


async def report(onerror: OnError, error: OSError) -> None:
    """Tell the caller's function, which may be a coroutine function."""
    if onerror is not None:
        answer = onerror(error)
        if inspect.isawaitable(answer):
            await answer


# -- Reading directories, in worker threads ------------------------------------------


class Options(NamedTuple):
    """How a tree is walked: what matters to a job."""

    followlinks: bool
    ahead: bool
    """Whether directories may be read before they are asked for."""
    links_are_files: bool = False
    """Whether a symbolic link to a directory is no directory, as pathlib has it."""


class Handed(NamedTuple):
    """What is handed out after all that is below it, walking bottom-up."""

    path: Any
    dirs: list[Any]
    others: list[Any]


@dataclass(slots=True)
class Folder:
    """One directory, as it was read."""

    dirs: list[Any] = field(default_factory=list[Any])
    others: list[Any] = field(default_factory=list[Any])
    below: list[Any] = field(default_factory=list[Any])
    """The paths to walk into, as they are known without asking again."""
    has_links: bool = False
    error: OSError | None = None
    is_link: bool = False
    """It is a symbolic link by now, and not to be followed."""
    stamp: Stamp | None = None
    """By which it can be told whether it has changed; None if it was not looked at."""


def read_folder(path: Any, checked: bool, options: Options) -> Folder:
    """Read one directory to its end.

    Args:
        path: The directory.
        checked: It is not walked into if it has become a symbolic link.
        options: Whether links are followed.
    """
    folder = Folder()
    if checked and os.path.islink(path):
        folder.is_link = True
        return folder
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                _sort_in(folder, entry, options)
    except OSError as error:
        return Folder(error=error)
    return folder


def _sort_in(folder: Folder, entry: os.DirEntry[Any], options: Options) -> None:
    if options.links_are_files:
        _sort_in_as_it_is(folder, entry)
        return
    try:
        is_dir = entry.is_dir()
    except OSError:
        is_dir = False
    try:
        is_link = entry.is_symlink()
    except OSError:
        is_link = False
    if is_link:
        folder.has_links = True
    if not is_dir:
        folder.others.append(entry.name)
        return
    folder.dirs.append(entry.name)
    if options.followlinks or not is_link:
        folder.below.append(entry.path)


def _sort_in_as_it_is(folder: Folder, entry: os.DirEntry[Any]) -> None:
    try:
        is_dir = entry.is_dir(follow_symlinks=False)
    except OSError:
        is_dir = False
    if is_dir:
        folder.dirs.append(entry.name)
        folder.below.append(entry.path)
    else:
        folder.others.append(entry.name)


def read_ahead(
    path: Any, checked: bool, pending: list[Any], options: Options
) -> tuple[Folder, dict[Any, Folder]]:
    """Read *path*, and with it what will be asked for next, for a short time.

    Args:
        path: The directory that is wanted now.
        checked: See `read_folder`.
        pending: Those that will be asked for after it and below it, the last first.
        options: How the tree is walked.

    Returns:
        The directory, and by their paths those read ahead.
    """
    deadline = monotonic() + AHEAD_TIME_S
    wanted = read_folder(path, checked, options)
    found: dict[Any, Folder] = {}
    learn_root()
    if not options.ahead:
        return wanted, found
    settled, unusable = time() - SETTLED_S, 0
    pending = [*pending, *reversed(wanted.below)]
    while pending and len(found) < AHEAD_DIRECTORIES and monotonic() < deadline:
        next_path = pending.pop()
        folder = _read_settled(next_path, options, settled)
        if folder is not None:
            found[next_path] = folder
            pending.extend(reversed(folder.below))
        elif (unusable := unusable + 1) == UNUSABLE_AHEAD:
            break
    return wanted, found


def _read_settled(path: Any, options: Options, settled: float) -> Folder | None:
    """Read a directory ahead, if it can be told later whether it has changed."""
    try:
        status = os.stat(path, follow_symlinks=options.followlinks)
        if not stat.S_ISDIR(status.st_mode) or not _is_local(path, status):
            return None
    except OSError:
        return None
    if max(status.st_mtime, status.st_ctime) > settled:
        return None
    folder = read_folder(path, False, options)
    if folder.error is not None or folder.has_links:
        # What a link points to can change and leave no trace in this directory.
        return None
    folder.stamp = stamp_of(status)
    return folder


def stamp_of(status: os.stat_result) -> Stamp:
    """Return what changes when a directory changes, or another takes its place."""
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns


#: By st_dev, whether its file system keeps its times with this machine's clock.
_local_devices: dict[int, bool] = {}


def _is_local(path: Any, status: os.stat_result) -> bool:
    local = _local_devices.get(status.st_dev)
    if local is None:
        fd = os.open(path, os.O_RDONLY)
        try:
            local = device_of(fd, status).local
        finally:
            os.close(fd)
        _local_devices[status.st_dev] = local
    return local


# -- walk ----------------------------------------------------------------------------


class Walk(ClosingIterator[tuple[AnyStr, list[AnyStr], list[AnyStr]]], Generic[AnyStr]):
    """The directories of a tree, as `headrace.os.walk()` gives them.

    An asynchronous iterator and an asynchronous context manager. It keeps no
    descriptor open between two steps, so there is nothing to close.
    """

    _name = "headrace.os.walk()"

    def __init__(
        self,
        top: Any,
        topdown: bool,
        onerror: OnError,
        followlinks: bool,
        *,
        links_are_files: bool = False,
        executor: Executor | None = None,
        event: str = "os.walk",
    ) -> None:
        self._links_are_files = links_are_files
        self._executor = executor
        #: What the auditing hooks (PEP 578) are told.
        self._event: tuple[Any, ...] = (event, top, onerror, followlinks)
        if event == "os.walk":
            self._event = (event, top, topdown, onerror, followlinks)
        self._top = top
        self._topdown = topdown
        self._onerror = onerror
        self._followlinks = followlinks
        #: Paths to read and, walking bottom-up, results to hand out; last first.
        self._stack: list[Any] = []
        self._begun = False
        #: What was handed out last and decides where to go, walking top-down.
        self._last: tuple[Any, list[Any]] | None = None
        self._ahead: dict[Any, Folder] = {}

    async def __anext__(self) -> tuple[AnyStr, list[AnyStr], list[AnyStr]]:
        at_top = self._advance()
        while self._stack:
            path = self._stack[-1]
            if type(path) is Handed:
                self._stack.pop()
                return path.path, path.dirs, path.others
            checked = (
                self._topdown
                and not (self._followlinks or self._links_are_files)
                and not at_top
            )
            folder = await self._read(path, checked)
            self._stack.pop()
            at_top = False
            if folder.error is not None:
                await self._report(folder.error)
            elif folder.is_link:
                pass
            elif self._topdown:
                self._last = path, folder.dirs
                return path, folder.dirs, folder.others
            else:
                self._stack.append(Handed(path, folder.dirs, folder.others))
                self._stack.extend(reversed(folder.below))
        raise StopAsyncIteration

    def _advance(self) -> bool:
        """Put on the stack what comes next; tell whether that is the top."""
        if not self._begun:
            self._begun = True
            sys.audit(*self._event)
            self._stack.append(os.fspath(self._top))
            return True
        last = self._last
        self._last = None
        if last is not None:
            path, dirs = last
            # By now: the caller may have changed the list.
            self._stack += [_join(path, name) for name in reversed(dirs)]
        return False

    async def _report(self, error: OSError) -> None:
        try:
            await report(self._onerror, error)
        except BaseException:
            await self.aclose()
            raise

    async def _read(self, path: Any, checked: bool) -> Folder:
        ahead = opens_inline()
        early = self._ahead.pop(path, None)
        if early is not None and ahead and await self._is_current(path, early):
            return early
        if len(self._ahead) > AHEAD_DIRECTORIES:
            self._ahead.clear()  # Of a part of the tree that the caller took out.
        pending = [
            other
            for other in self._stack[-AHEAD_DIRECTORIES:-1]
            if type(other) is not Handed and other not in self._ahead
        ]
        options = Options(self._followlinks, ahead, self._links_are_files)
        wanted, found = await current_engine().run(
            read_ahead, path, checked, pending, options, executor=self._executor
        )
        self._ahead.update(found)
        return wanted

    async def _is_current(self, path: Any, folder: Folder) -> bool:
        """Tell whether what was read ahead is what would be read now."""
        if budget.spend():
            await current_engine().checkpoint()
        try:
            status = stat_now(path, follow_symlinks=self._followlinks)
        except OSError:
            return False
        return status is not WAIT and stamp_of(status) == folder.stamp

    async def aclose(self) -> None:
        """End the walk; iteration then stops."""
        self._begun = True
        self._last = None
        self._stack.clear()
        self._ahead.clear()

    def __repr__(self) -> str:
        return f"<headrace.os.walk of {self._top!r}>"


def walk(
    top: AnyStr | os.PathLike[AnyStr],
    topdown: bool = True,
    onerror: OnError = None,
    followlinks: bool = False,
) -> Walk[AnyStr]:
    """Walk a tree of directories, as `os.walk` does, off the loop.

    ```python
    async for folder, dirs, files in os.walk("."):
        dirs[:] = [name for name in dirs if name != ".git"]
    ```

    Args:
        top: The directory to begin with.
        topdown: Give a directory before those in it; the list of its directories may
            then be changed, which decides where the walk goes.
        onerror: Called on the loop with the `OSError` of a directory that cannot be
            read, and awaited if it is a coroutine function. By default such a
            directory is left out.
        followlinks: Walk into directories that symbolic links point to.

    Returns:
        An asynchronous iterator of (path, names of directories, names of the rest).

    Cancellation: takes effect at once; the step may be asked for again.
    Cost: one job for a directory, or for many: those that have not changed for
        three seconds are read ahead for 2 ms. Each is looked at again when its turn
        comes (a `stat` from the kernel's caches, Linux 5.12), and read again if it
        changed, so what is given is what `os.walk` would give.
    """
    return Walk(top, topdown, onerror, followlinks)


vars(walk)["__signature__"] = inspect.signature(os.walk)
