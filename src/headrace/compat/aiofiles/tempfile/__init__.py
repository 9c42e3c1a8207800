# ruff: noqa: N802, N816 - the names are those of `tempfile`
"""aiofiles' `tempfile`: temporary files and directories.

Files are headrace's own, unless a test has put something else in the place of one of
the ``sync...`` names, or has registered a class with `wrap`.
"""

from __future__ import annotations

import sys
import tempfile
from asyncio import AbstractEventLoop
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial, singledispatch
from io import (
    BufferedRandom,
    BufferedReader,
    BufferedWriter,
    FileIO,
    TextIOBase,
    TextIOWrapper,
)
from tempfile import NamedTemporaryFile as syncNamedTemporaryFile
from tempfile import SpooledTemporaryFile as syncSpooledTemporaryFile
from tempfile import TemporaryDirectory as syncTemporaryDirectory
from tempfile import TemporaryFile as syncTemporaryFile
from types import TracebackType
from typing import Any, Final, TypeAlias

from headrace.compat.aiofiles._native import hand_over, raw_of
from headrace.compat.aiofiles.base import AiofilesContextManager, AsyncBase
from headrace.compat.aiofiles.tempfile.temptypes import (
    AsyncSpooledTemporaryFile,
    AsyncTemporaryDirectory,
)
from headrace.compat.aiofiles.threadpool import file_types
from headrace.compat.aiofiles.threadpool.binary import (
    AsyncBufferedIOBase,
    AsyncBufferedReader,
    AsyncFileIO,
)
from headrace.compat.aiofiles.threadpool.text import AsyncTextIOWrapper
from headrace.engine import current_engine
from headrace.fs import tempfile as _headrace_tempfile

__all__ = [
    "NamedTemporaryFile",
    "SpooledTemporaryFile",
    "TemporaryDirectory",
    "TemporaryFile",
]

_tempfile: Any = tempfile
syncTemporaryFileWrapper: Any = _tempfile._TemporaryFileWrapper

Loop: TypeAlias = AbstractEventLoop | None


# -- Classes by kind of file -----------------------------------------------------


@singledispatch
def wrap(
    base_io_obj: Any,
    file: Any,
    *,
    loop: Loop = None,
    executor: Executor | None = None,
) -> Any:
    """Give the sync *file* the async class for the type of *base_io_obj*, its inside.

    Raises:
        TypeError: No class is registered for it.
    """
    raise TypeError(f"Unsupported IO type: {base_io_obj}")


def _factory(kind: type[AsyncBase]) -> Callable[..., AsyncBase]:
    def make(
        base_io_obj: Any,
        file: Any,
        *,
        loop: Loop = None,
        executor: Executor | None = None,
    ) -> AsyncBase:
        return kind(file, loop=loop, executor=executor)

    return make


wrap.register(TextIOBase)(_factory(AsyncTextIOWrapper))
wrap.register(BufferedWriter)(_factory(AsyncBufferedIOBase))
wrap.register(BufferedReader)(_factory(AsyncBufferedReader))
wrap.register(BufferedRandom)(_factory(AsyncBufferedReader))
wrap.register(FileIO)(_factory(AsyncFileIO))

_WRAP: Final = wrap
_FACTORIES: Final[dict[type, Any]] = {
    kind: wrap.dispatch(kind)
    for kind in (TextIOWrapper, BufferedWriter, BufferedReader, BufferedRandom, FileIO)
}
_NAMED: Final[Any] = syncNamedTemporaryFile
_NAMELESS: Final[Any] = syncTemporaryFile


def _is_as_it_was(make: Any, kind: type) -> bool:
    """Tell whether files of *kind* come from nowhere but here."""
    return (
        make in (_NAMED, _NAMELESS)
        and wrap is _WRAP
        and wrap.dispatch(kind) is _FACTORIES[kind]
    )


# -- Files -----------------------------------------------------------------------


def NamedTemporaryFile(
    mode: str = "w+b",
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: Any = None,
    prefix: Any = None,
    dir: Any = None,
    delete: bool = True,
    delete_on_close: bool = True,
    loop: Loop = None,
    executor: Executor | None = None,
) -> AiofilesContextManager[Any]:
    """Make and open a temporary file with a name.

    Args:
        mode: As for `headrace.tempfile.NamedTemporaryFile`, like all other arguments.
        buffering: See *mode*.
        encoding: See *mode*.
        newline: See *mode*.
        suffix: See *mode*.
        prefix: See *mode*.
        dir: See *mode*.
        delete: See *mode*.
        delete_on_close: See *mode*; accepted before Python 3.12, too.
        loop: Kept in the file; the running loop waits.
        executor: See *mode*.
    """
    keywords: dict[str, Any] = {"delete": delete}
    if sys.version_info >= (3, 12) or not delete_on_close:
        keywords["delete_on_close"] = delete_on_close
    return AiofilesContextManager(
        _temporary_file(
            syncNamedTemporaryFile,
            (mode, buffering, encoding, newline, suffix, prefix, dir),
            keywords,
            loop,
            executor,
        )
    )


def TemporaryFile(
    mode: str = "w+b",
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: Any = None,
    prefix: Any = None,
    dir: Any = None,
    loop: Loop = None,
    executor: Executor | None = None,
) -> AiofilesContextManager[Any]:
    """Make and open a temporary file; the arguments are as for `NamedTemporaryFile`."""
    return AiofilesContextManager(
        _temporary_file(
            syncTemporaryFile,
            (mode, buffering, encoding, newline, suffix, prefix, dir),
            {},
            loop,
            executor,
        )
    )


async def _temporary_file(
    make: Any,
    form: tuple[Any, ...],
    keywords: dict[str, Any],
    loop: Loop,
    executor: Executor | None,
) -> Any:
    mode, buffering, _, newline, *_ = form
    kind, face = file_types(mode, buffering)
    if not _is_as_it_was(make, kind):
        return await _from_hook(make, form, keywords, loop, executor)
    function: Any = _headrace_tempfile.TemporaryFile
    if make is _NAMED:
        function = _headrace_tempfile.NamedTemporaryFile
    native: Any = await function(*form, **keywords, executor=executor)
    give = partial(hand_over, native, newline)
    if make is _NAMED:
        give = partial(_hand_over_named, native, newline, keywords)
    file = face.over_native(native, give, loop, executor)
    if make is _NAMED:
        # Accident of tempfile before Python 3.12.
        vars(file)["delete"] = keywords["delete"]
    return file


async def _from_hook(
    make: Any,
    form: tuple[Any, ...],
    keywords: dict[str, Any],
    loop: Loop,
    executor: Executor | None,
) -> Any:
    names = ("mode", "buffering", "encoding", "newline", "suffix", "prefix", "dir")
    call = partial(make, **dict(zip(names, form, strict=True)), **keywords)
    file: Any = await current_engine().run(
        call, on_cancel="finish", discard=_close, executor=executor
    )
    inside = file.file if type(file) is syncTemporaryFileWrapper else file
    return wrap(inside, file, loop=loop, executor=executor)


def _close(file: Any) -> None:
    file.close()


def _hand_over_named(native: Any, newline: str | None, keywords: dict[str, Any]) -> Any:
    """Make the sync object of `tempfile`, which removes the file from now on."""
    path = native.name
    for holder in (raw_of(native), native):
        remove = vars(holder).get("remove")
        if remove is not None:
            remove.detach()
    return syncTemporaryFileWrapper(hand_over(native, newline), path, **keywords)


def SpooledTemporaryFile(
    max_size: int = 0,
    mode: str = "w+b",
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: Any = None,
    prefix: Any = None,
    dir: Any = None,
    loop: Loop = None,
    executor: Executor | None = None,
) -> AiofilesContextManager[AsyncSpooledTemporaryFile]:
    """Make a temporary file that stays in memory until it becomes large.

    Args:
        max_size: The most bytes that stay in memory; 0 for no limit.
        mode: As for `NamedTemporaryFile`, like all other arguments.
        buffering: See *mode*.
        encoding: See *mode*.
        newline: See *mode*.
        suffix: See *mode*.
        prefix: See *mode*.
        dir: See *mode*.
        loop: See *mode*.
        executor: See *mode*.
    """
    form = (max_size, mode, buffering, encoding, newline, suffix, prefix, dir)
    return AiofilesContextManager(_spooled_temporary_file(form, loop, executor))


async def _spooled_temporary_file(
    form: tuple[Any, ...], loop: Loop, executor: Executor | None
) -> AsyncSpooledTemporaryFile:
    # In memory: it waits for nothing. The caller closes it.
    file: Any = syncSpooledTemporaryFile(*form)  # noqa: SIM115
    return AsyncSpooledTemporaryFile(file, loop=loop, executor=executor)


# -- Directories -----------------------------------------------------------------


def TemporaryDirectory(
    suffix: Any = None,
    prefix: Any = None,
    dir: Any = None,
    loop: Loop = None,
    executor: Executor | None = None,
) -> AiofilesContextManagerTempDir:
    """Make a directory that is removed with all that is in it.

    Args:
        suffix: As for `headrace.tempfile.TemporaryDirectory`, like *prefix*, *dir*.
        prefix: See *suffix*.
        dir: See *suffix*.
        loop: Kept; the running loop waits.
        executor: Runs the calls instead of headrace's threads.
    """
    return AiofilesContextManagerTempDir(
        _temporary_directory((suffix, prefix, dir), loop, executor)
    )


async def _temporary_directory(
    place: tuple[Any, ...], loop: Loop, executor: Executor | None
) -> AsyncTemporaryDirectory:
    directory: Any = await current_engine().run(
        partial(syncTemporaryDirectory, *place),
        on_cancel="finish",
        discard=_clean_up,
        executor=executor,
    )
    return AsyncTemporaryDirectory(directory, loop=loop, executor=executor)


def _clean_up(directory: Any) -> None:
    directory.cleanup()


class AiofilesContextManagerTempDir(AiofilesContextManager[Any]):
    """What `TemporaryDirectory()` returns: entered, it gives the name."""

    __slots__ = ()

    async def __aenter__(self) -> Any:
        return (await self).name

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self._obj.__aexit__(exc_type, exc_val, exc_tb)
        self._obj = None
