"""`Path.walk()`: a job lists a directory, and those that follow it while it is there.

What was listed ahead counts only if the directory has not changed until its turn
comes, and if it still is its turn: the user may have taken it out of `dirnames`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import Executor
from dataclasses import dataclass
from time import monotonic, time_ns
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from headrace.engine import budget, current_engine, status_of

__all__ = ["WalkIterator"]

T = TypeVar("T")

AHEAD_TIME_S: Final = 0.002
"""How long a job lists directories ahead; see `_batches.BATCH_TIME_S`."""

AHEAD_DIRECTORIES: Final = 64
"""Directories that wait for their turn and are told to a job. Arbitrary."""

SETTLED_NS: Final = 50_000_000
"""A directory changed more recently than that may change once more within the same
tick of the file system's clock (1-10 ms), unnoticed in its time of modification."""


@dataclass(slots=True)
class _Listed:
    """A directory's names, and what tells whether it has changed since."""

    dirnames: list[str]
    filenames: list[str]
    error: OSError | None = None
    stamp: tuple[int, int, int] | None = None


class _Listing:
    """The blocking part, for worker threads."""

    def __init__(self, follow_symlinks: bool) -> None:
        self._follow = follow_symlinks

    def ahead(self, path: str, pending: tuple[str, ...]) -> dict[str, _Listed]:
        """List *path*, and in the time left what comes after it."""
        deadline = monotonic() + AHEAD_TIME_S
        listed = {path: self._listed(path)}
        stack = [*pending, *below(path, listed[path].dirnames)]
        while stack and monotonic() < deadline:
            path = stack.pop()
            try:
                stamp = _stamp(os.stat(path))
            except OSError:
                continue
            entry = self._listed(path)
            # An error is told by the listing that is made when its turn has come.
            if stamp is not None and entry.error is None:
                entry.stamp = stamp
                listed[path] = entry
            stack += below(path, entry.dirnames)
        return listed

    def _listed(self, path: str) -> _Listed:
        dirnames: list[str] = []
        filenames: list[str] = []
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    names = dirnames if self._is_dir(entry) else filenames
                    names.append(entry.name)
        except OSError as error:
            return _Listed([], [], error)
        return _Listed(dirnames, filenames)

    def _is_dir(self, entry: os.DirEntry[str]) -> bool:
        try:
            return entry.is_dir(follow_symlinks=self._follow)
        except OSError:
            return False


def below(path: str, dirnames: list[str]) -> list[str]:
    """Return the paths of *dirnames*, last first: a stack's order."""
    prefix = os.path.join(path, "") if path != "." else ""
    return [prefix + name for name in reversed(dirnames)]


def _stamp(status: os.stat_result) -> tuple[int, int, int] | None:
    if time_ns() - status.st_mtime_ns < SETTLED_NS:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


class WalkIterator(AsyncIterator[tuple[T, list[str], list[str]]], Generic[T]):
    """Asynchronous iterator over ``(path, dirnames, filenames)`` of a tree.

    Awaited, it gives the list of them all. It holds nothing open between two steps.
    """

    __slots__ = (
        "_ahead", "_convert", "_executor", "_listing", "_on_error", "_stack",
        "_top_down", "_unseen",
    )  # fmt: skip

    def __init__(
        self,
        top: str,
        top_down: bool,
        on_error: Callable[[OSError], object] | None,
        follow_symlinks: bool,
        convert: Callable[[str], T],
        executor: Executor | None,
    ) -> None:
        self._top_down = top_down
        self._on_error = on_error
        self._listing = _Listing(follow_symlinks)
        self._convert: Callable[[str], T] = convert
        self._executor = executor
        self._ahead: dict[str, _Listed] = {}
        #: What is to be listed; from the bottom up, also what is listed and waits.
        self._stack: list[str | tuple[str, _Listed]] = [top]
        #: The directory that was handed out last: what is below it comes next.
        self._unseen: tuple[str, list[str]] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[T, list[str], list[str]]:
        if self._unseen is not None:
            # Only now: the user may have changed the list until here.
            self._stack += below(*self._unseen)
            self._unseen = None
        while self._stack:
            path = self._stack.pop()
            if isinstance(path, tuple):
                return self._handed_out(*path)
            listed = await self._list(path)
            if listed.error is not None:
                if self._on_error is not None:
                    self._on_error(listed.error)
            elif self._top_down:
                self._unseen = path, listed.dirnames
                return self._handed_out(path, listed)
            else:
                self._stack.append((path, listed))
                self._stack += below(path, listed.dirnames)
        if budget.due:
            await current_engine().checkpoint()
        raise StopAsyncIteration

    def _handed_out(self, path: str, listed: _Listed) -> tuple[T, list[str], list[str]]:
        return self._convert(path), listed.dirnames, listed.filenames

    async def _list(self, path: str) -> _Listed:
        if budget.spend():
            await current_engine().checkpoint()
        listed = self._ahead.pop(path, None)
        if listed is not None and self._is_unchanged(path, listed):
            return listed
        pending = [path for path in self._stack if isinstance(path, str)]
        try:
            self._ahead = await current_engine().run(
                self._listing.ahead,
                path,
                tuple(pending[-AHEAD_DIRECTORIES:]),
                executor=self._executor,
            )
        except BaseException:
            # Cancelled: whoever goes on finds it where it was.
            self._stack.append(path)
            raise
        return self._ahead.pop(path)

    def _is_unchanged(self, path: str, listed: _Listed) -> bool:
        try:
            status = status_of(path)
        except OSError:
            return False
        return status is not None and _stamp(status) == listed.stamp

    # -- All at once, and closing ---------------------------------------------

    def __await__(
        self,
    ) -> Generator[Any, Any, list[tuple[T, list[str], list[str]]]]:
        return self._all().__await__()

    async def _all(self) -> list[tuple[T, list[str], list[str]]]:
        return [step async for step in self]

    async def aclose(self) -> None:
        """End the iteration."""
        self._stack.clear()
        self._ahead.clear()
        self._unseen = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
