"""Temporary files and directories: made in one job, gone when closed or forgotten.

What is made too late, because its caller was cancelled, is removed again. The public
functions, with their arguments, are in `tempfile.py`.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import threading
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import partial
from types import TracebackType
from typing import Any, AnyStr, Final, Generic, NamedTuple, TypeVar

from headrace._errors import os_error
from headrace._platform import IS_WINDOWS
from headrace.engine import Shield, current_engine
from headrace.files._buffered import (
    AsyncBufferedRandom,
    AsyncBufferedReader,
    AsyncBufferedWriter,
)
from headrace.files._open import Opening, open
from headrace.files._raw import AsyncFileIO
from headrace.files._text import AsyncTextIOWrapper

__all__ = [
    "AsyncTemporaryDirectory",
    "DirectoryMaking",
    "Form",
    "Making",
    "Place",
    "make_directory",
    "make_named",
    "make_nameless",
    "unlink_if_there",
]

F = TypeVar("F")

O_TMPFILE: Final[int] = getattr(os, "O_TMPFILE", 0)
"""A file without a name, open(2), Linux 3.11."""


# The path is str or bytes, as the arguments are.
_mkstemp: Final[Callable[[Any, Any, Any], tuple[int, Any]]] = tempfile.mkstemp


class Place(NamedTuple):
    """Where something temporary is to be: the arguments of `tempfile.mkstemp`."""

    suffix: Any
    prefix: Any
    dir: Any

    def make_file(self) -> tuple[int, Any]:
        """Make a file; blocks."""
        return _mkstemp(self.suffix, self.prefix, self.dir)


class Form(NamedTuple):
    """What kind of file it is to be: the arguments of `open()`."""

    mode: str
    buffering: int
    encoding: str | None
    errors: str | None
    newline: str | None


# -- Blocking calls, for worker threads ---------------------------------------------


class NamedOpener:
    """An opener for `open()` that makes a file, unless nobody wants it any more."""

    def __init__(self, place: Place) -> None:
        self._place = place
        # Guards the meeting of "it is made" and "nobody wants it".
        self._lock = threading.Lock()
        self._given_up = False
        self.path: Any = None

    def __call__(self, path: str, flags: int) -> int:
        fd, made = self._place.make_file()
        with self._lock:
            self.path = made
            late = self._given_up
        if late:
            os.close(fd)
            unlink_if_there(made)
            raise os_error(errno.ECANCELED, made)
        return fd

    def give_up(self) -> None:
        """Remove the file, now or when it has been made."""
        with self._lock:
            self._given_up = True
        if self.path is not None:
            unlink_if_there(self.path)


class NamelessOpener:
    """An opener for `open()` that makes a file without a name."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __call__(self, path: str, flags: int) -> int:
        given = [part for part in self._place if part is not None]
        if given:
            os.path.join(*given)  # A TypeError for what no name can be made of.
        if O_TMPFILE:
            folder = self._place.dir
            if folder is None:
                folder = tempfile.gettempdir()
            try:
                return os.open(folder, os.O_RDWR | os.O_EXCL | O_TMPFILE, 0o600)
            except OSError:
                # EISDIR before Linux 3.11, EOPNOTSUPP where the file system has no
                # such files. Whatever else is wrong, mkstemp() meets as well.
                pass
        fd, made = self._place.make_file()
        try:
            os.unlink(made)
        except BaseException:
            os.close(fd)
            raise
        return fd


def unlink_if_there(path: str | bytes) -> None:
    """Remove the file *path*, if somebody else has not done so."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


# -- Files that are removed ----------------------------------------------------------


class _RemovedWhenClosed(AsyncFileIO):
    """The raw file of a temporary file: closing and removing it is one job."""

    remove: Callable[[], object]

    def _job(self, call: Callable[..., Any]) -> Callable[..., Any]:
        return partial(self._and_remove, call) if self.closed else call

    def _and_remove(self, call: Callable[..., Any], *args: Any) -> Any:
        try:
            return call(*args)
        finally:
            self.remove()

    def close_blocking(self) -> None:
        """Close and remove the file, synchronously."""
        try:
            super().close_blocking()
        finally:
            self.remove()


async def _close_and_remove(file: Any, *exc_info: object) -> None:
    """What leaving `async with` does where closing alone does not remove the file."""
    with Shield():
        try:
            await file.close()
        finally:
            await current_engine().run(file.remove, on_cancel="finish")


def _removed_on_exit(kind: type) -> type:
    """Make the class of files that are *kind*, only removed when they are left."""
    namespace = {
        "__slots__": (),  # So that a file of *kind* can become one.
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__aexit__": _close_and_remove,
    }
    return type(kind.__name__, (kind,), namespace)


_REMOVED_ON_EXIT: Final[dict[type, type]] = {
    kind: _removed_on_exit(kind)
    for kind in (
        AsyncBufferedRandom,
        AsyncBufferedReader,
        AsyncBufferedWriter,
        AsyncFileIO,
        AsyncTextIOWrapper,
    )
}


def _raw_of(file: Any) -> AsyncFileIO:
    buffer = file.buffer if isinstance(file, AsyncTextIOWrapper) else file
    raw: AsyncFileIO = buffer if isinstance(buffer, AsyncFileIO) else buffer.raw
    return raw


# -- Making files --------------------------------------------------------------------


async def _open(form: Form, opener: Callable[[str, int], int], executor: Any) -> Any:
    # No path: the opener knows. It shows in no error, for the opener raises its own.
    return await open(
        "temporary file",
        form.mode,
        form.buffering,
        form.encoding,
        form.errors,
        form.newline,
        opener=opener,
        executor=executor,
    )


async def make_named(
    place: Place,
    form: Form,
    delete: bool,
    delete_on_close: bool,
    executor: Executor | None,
) -> Any:
    """Make and open a named temporary file.

    Cancellation: the file is removed.
    """
    opener = NamedOpener(place)
    try:
        file = await _open(form, opener, executor)
    except BaseException:
        with Shield():
            await current_engine().run(opener.give_up, executor=executor)
        raise
    raw = _raw_of(file)
    raw.name = opener.path
    if delete:
        # Also if it is never closed, or the program ends.
        remove = weakref.finalize(raw, unlink_if_there, opener.path)
        if delete_on_close:
            _become(raw, _RemovedWhenClosed, remove)
            # Removing may wait.
            raw._closes = False
        else:
            _become(file, _REMOVED_ON_EXIT[type(file)], remove)
    return file


def _become(file: Any, kind: type, remove: Callable[[], object]) -> None:
    """Give a file that `open()` has made the class that removes it."""
    file.__class__ = kind
    file.remove = remove


async def make_nameless(place: Place, form: Form, executor: Executor | None) -> Any:
    """Make and open a temporary file without a name."""
    if IS_WINDOWS:
        # An open file has a name there.
        return await make_named(place, form, True, True, executor)
    file = await _open(form, NamelessOpener(place), executor)
    raw = _raw_of(file)
    raw.name = raw.fileno()
    return file


class Making(Opening[F]):
    """What the functions for temporary files return: as what `open()` returns.

    Args:
        call: What was called, for messages.
        make: Makes the file.
    """

    __slots__ = ("_make", "_what")

    def __init__(self, call: str, make: Callable[[], Awaitable[F]]) -> None:
        super().__init__(())
        self._what = call
        self._make = make

    async def _open(self) -> F:
        self._used = True
        self._file = await self._make()
        file: F = self._file
        return file

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._file.__aexit__(exc_type, exc, traceback)

    @property
    def _call(self) -> str:
        return self._what


# -- Directories -----------------------------------------------------------------------


class AsyncTemporaryDirectory(Generic[AnyStr]):
    """A directory that is removed with all that is in it.

    Made by `headrace.tempfile.TemporaryDirectory()`. One that is forgotten is
    removed when it is collected, with a `ResourceWarning`.
    """

    name: AnyStr
    """The absolute path of the directory."""

    def __init__(
        self,
        directory: tempfile.TemporaryDirectory[AnyStr],
        delete: bool,
        executor: Executor | None,
    ) -> None:
        self._directory: tempfile.TemporaryDirectory[AnyStr] = directory
        self._delete = delete
        self._executor = executor
        self.name = directory.name

    async def cleanup(self) -> None:
        """Remove the directory and what is in it, in one job.

        Raises:
            OSError: Unless it was made with *ignore_cleanup_errors*.

        Cancellation: the directory is removed first.
        """
        with Shield():
            await current_engine().run(
                self._directory.cleanup, on_cancel="finish", executor=self._executor
            )

    async def close(self) -> None:
        """Remove the directory; see `cleanup`."""
        await self.cleanup()

    async def aclose(self) -> None:
        """Remove the directory; see `cleanup`."""
        await self.cleanup()

    async def __aenter__(self) -> AnyStr:
        return self.name

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._delete:
            await self.cleanup()

    def __repr__(self) -> str:
        return f"<headrace.tempfile.TemporaryDirectory {self.name!r}>"


class DirectoryMaking(Making[AsyncTemporaryDirectory[AnyStr]]):
    """What `TemporaryDirectory()` returns: entered, it gives the name."""

    __slots__ = ()

    async def __aenter__(self) -> AnyStr:  # type: ignore[override] # as in tempfile
        return (await self._open()).name


def _new_directory(
    place: Place, ignore_cleanup_errors: bool, delete: bool
) -> tempfile.TemporaryDirectory[Any]:
    if sys.version_info >= (3, 12):
        return tempfile.TemporaryDirectory(
            *place, ignore_cleanup_errors=ignore_cleanup_errors, delete=delete
        )
    made: Any = tempfile.TemporaryDirectory(
        *place, ignore_cleanup_errors=ignore_cleanup_errors
    )
    if not delete:
        # `delete` came with 3.12. This is what removes it when it is forgotten.
        made._finalizer.detach()
    directory: tempfile.TemporaryDirectory[Any] = made
    return directory


async def make_directory(
    place: Place, ignore_cleanup_errors: bool, delete: bool, executor: Executor | None
) -> AsyncTemporaryDirectory[Any]:
    """Make a temporary directory, in one job.

    Cancellation: the directory is removed.
    """
    directory = await current_engine().run(
        _new_directory,
        place,
        ignore_cleanup_errors,
        delete,
        on_cancel="finish",
        discard=lambda made: made.cleanup(),
        executor=executor,
    )
    return AsyncTemporaryDirectory(directory, delete, executor)
