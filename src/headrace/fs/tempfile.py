# ruff: noqa: N802 - the names are those of `tempfile`
"""`tempfile`, asynchronous: temporary files and directories that leave nothing behind.

The functions with their arguments, those of the newest Python on every one; what they
do is in `_temporary.py` and `_spooled.py`.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from functools import partial
from tempfile import TMP_MAX, gettempprefix, gettempprefixb
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from headrace._typing import (
    BytesPath,
    OpenBinaryMode,
    OpenBinaryModeReading,
    OpenBinaryModeUpdating,
    OpenBinaryModeWriting,
    OpenTextMode,
    StrPath,
)
from headrace.engine import current_engine
from headrace.files._buffered import (
    AsyncBufferedRandom,
    AsyncBufferedReader,
    AsyncBufferedWriter,
)
from headrace.files._raw import AsyncFileIO
from headrace.files._text import AsyncTextIOWrapper
from headrace.fs._offload import offload
from headrace.fs._spooled import AsyncSpooledTemporaryFile, make_spooled
from headrace.fs._temporary import (
    AsyncTemporaryDirectory,
    DirectoryMaking,
    Form,
    Making,
    Place,
    make_directory,
    make_named,
    make_nameless,
    unlink_if_there,
)

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = [
    "TMP_MAX",
    "AsyncSpooledTemporaryFile",
    "AsyncTemporaryDirectory",
    "NamedTemporaryFile",
    "SpooledTemporaryFile",
    "TemporaryDirectory",
    "TemporaryFile",
    "gettempdir",
    "gettempdirb",
    "gettempprefix",
    "gettempprefixb",
    "mkdtemp",
    "mkstemp",
    "mktemp",
    "template",
]

AnyPath: TypeAlias = StrPath | BytesPath


def _form(
    mode: str,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
) -> Form:
    if "b" not in mode:
        encoding = io.text_encoding(encoding, 3)  # Warns in the caller's name.
    return Form(mode, buffering, encoding, errors, newline)


# -- Files -------------------------------------------------------------------------


@overload
def NamedTemporaryFile(
    mode: OpenTextMode,
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    delete: bool = True,
    *,
    errors: str | None = None,
    delete_on_close: bool = True,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[AsyncTextIOWrapper]: ...
@overload
def NamedTemporaryFile(
    mode: OpenBinaryMode,
    buffering: Literal[0],
    encoding: None = None,
    newline: None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    delete: bool = True,
    *,
    errors: None = None,
    delete_on_close: bool = True,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[AsyncFileIO]: ...
@overload
def NamedTemporaryFile(
    mode: OpenBinaryModeUpdating = "w+b",
    buffering: Literal[-1, 1] = -1,
    encoding: None = None,
    newline: None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    delete: bool = True,
    *,
    errors: None = None,
    delete_on_close: bool = True,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[AsyncBufferedRandom]: ...
@overload
def NamedTemporaryFile(
    mode: OpenBinaryModeWriting,
    buffering: Literal[-1, 1] = -1,
    encoding: None = None,
    newline: None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    delete: bool = True,
    *,
    errors: None = None,
    delete_on_close: bool = True,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[AsyncBufferedWriter]: ...
@overload
def NamedTemporaryFile(
    mode: OpenBinaryModeReading,
    buffering: Literal[-1, 1] = -1,
    encoding: None = None,
    newline: None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    delete: bool = True,
    *,
    errors: None = None,
    delete_on_close: bool = True,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[AsyncBufferedReader]: ...
@overload
def NamedTemporaryFile(
    mode: str = "w+b",
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    delete: bool = True,
    *,
    errors: str | None = None,
    delete_on_close: bool = True,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[Any]: ...
def NamedTemporaryFile(
    mode: str = "w+b",
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    delete: bool = True,
    *,
    errors: str | None = None,
    delete_on_close: bool = True,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[Any]:
    """Make and open a temporary file that has a name, `f.name`.

    ```python
    async with NamedTemporaryFile("w", suffix=".txt") as f:
        await f.write("text")
        await f.flush()
        print(f.name)
    ```

    Args:
        mode: As for `open()`, like *buffering*, *encoding*, *newline* and *errors*.
        buffering: See *mode*.
        encoding: See *mode*.
        newline: See *mode*.
        suffix: The end of the name, as for `mkstemp`.
        prefix: The beginning of the name.
        dir: The directory, by default that of `gettempdir`.
        delete: Remove the file: when it is closed, or else when it is forgotten.
        errors: See *mode*.
        delete_on_close: If false, the file is removed when `async with` is left, or
            when it is forgotten, and may be closed and opened again before.
        loop: Ignored; the running loop waits.
        executor: Runs the jobs instead of headrace's threads.

    Returns:
        An awaitable context manager for a file as `open()` gives it.

    Raises:
        OSError, ValueError, TypeError, LookupError: When awaited or entered; no file
            is left then.

    Cancellation: no file is left behind.
    """
    del loop
    form = _form(mode, buffering, encoding, errors, newline)
    make = partial(
        make_named,
        Place(suffix, prefix, dir),
        form,
        delete,
        delete_on_close,
        executor,
    )
    return Making("NamedTemporaryFile()", make)


@overload
def TemporaryFile(
    mode: OpenTextMode,
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    *,
    errors: str | None = None,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[AsyncTextIOWrapper]: ...
@overload
def TemporaryFile(
    mode: OpenBinaryMode,
    buffering: Literal[0],
    encoding: None = None,
    newline: None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    *,
    errors: None = None,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[AsyncFileIO]: ...
@overload
def TemporaryFile(
    mode: OpenBinaryModeUpdating = "w+b",
    buffering: Literal[-1, 1] = -1,
    encoding: None = None,
    newline: None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    *,
    errors: None = None,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[AsyncBufferedRandom]: ...
@overload
def TemporaryFile(
    mode: OpenBinaryModeWriting,
    buffering: Literal[-1, 1] = -1,
    encoding: None = None,
    newline: None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    *,
    errors: None = None,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[AsyncBufferedWriter]: ...
@overload
def TemporaryFile(
    mode: OpenBinaryModeReading,
    buffering: Literal[-1, 1] = -1,
    encoding: None = None,
    newline: None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    *,
    errors: None = None,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[AsyncBufferedReader]: ...
@overload
def TemporaryFile(
    mode: str = "w+b",
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    *,
    errors: str | None = None,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[Any]: ...
def TemporaryFile(
    mode: str = "w+b",
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    *,
    errors: str | None = None,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[Any]:
    """Make and open a temporary file, which has no name where the system allows it.

    It is gone when it is closed, whatever becomes of the program. The arguments and
    the result are those of `NamedTemporaryFile`.
    """
    del loop
    form = _form(mode, buffering, encoding, errors, newline)
    make = partial(make_nameless, Place(suffix, prefix, dir), form, executor)
    return Making("TemporaryFile()", make)


@overload
def SpooledTemporaryFile(
    max_size: int = 0,
    mode: OpenBinaryMode = "w+b",
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    *,
    errors: str | None = None,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[AsyncSpooledTemporaryFile[bytes]]: ...
@overload
def SpooledTemporaryFile(
    max_size: int,
    mode: OpenTextMode,
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    *,
    errors: str | None = None,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[AsyncSpooledTemporaryFile[str]]: ...
@overload
def SpooledTemporaryFile(
    max_size: int = 0,
    *,
    mode: OpenTextMode,
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    errors: str | None = None,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[AsyncSpooledTemporaryFile[str]]: ...
@overload
def SpooledTemporaryFile(
    max_size: int = 0,
    mode: str = "w+b",
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    *,
    errors: str | None = None,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[AsyncSpooledTemporaryFile[Any]]: ...
def SpooledTemporaryFile(
    max_size: int = 0,
    mode: str = "w+b",
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: str | bytes | None = None,
    prefix: str | bytes | None = None,
    dir: AnyPath | None = None,
    *,
    errors: str | None = None,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Making[AsyncSpooledTemporaryFile[Any]]:
    """Make a temporary file in memory, which moves to the disk when it becomes large.

    In memory its operations need no thread hop.

    Args:
        max_size: The most bytes that stay in memory; 0 for no limit. The file also
            moves when `rollover` or `fileno` is called.
        mode: As for `NamedTemporaryFile`, like all other arguments; they are used
            when it moves.
        buffering: See *mode*.
        encoding: See *mode*.
        newline: See *mode*.
        suffix: See *mode*.
        prefix: See *mode*.
        dir: See *mode*.
        errors: See *mode*.
        loop: Ignored; the running loop waits.
        executor: Runs the jobs instead of headrace's threads.

    Returns:
        An awaitable context manager for the file.
    """
    del loop
    form = _form(mode, buffering, encoding, errors, newline)
    make = partial(make_spooled, max_size, Place(suffix, prefix, dir), form, executor)
    return Making("SpooledTemporaryFile()", make)


# -- Directories -------------------------------------------------------------------


@overload
def TemporaryDirectory(  # pyright: ignore[reportOverlappingOverload] # all None: str
    suffix: str | None = None,
    prefix: str | None = None,
    dir: StrPath | None = None,
    ignore_cleanup_errors: bool = False,
    *,
    delete: bool = True,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> DirectoryMaking[str]: ...
@overload
def TemporaryDirectory(
    suffix: bytes | None = None,
    prefix: bytes | None = None,
    dir: BytesPath | None = None,
    ignore_cleanup_errors: bool = False,
    *,
    delete: bool = True,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> DirectoryMaking[bytes]: ...
def TemporaryDirectory(
    suffix: Any = None,
    prefix: Any = None,
    dir: Any = None,
    ignore_cleanup_errors: bool = False,
    *,
    delete: bool = True,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> DirectoryMaking[Any]:
    """Make a directory that is removed with all that is in it.

    Args:
        suffix: The end of the name, as for `mkdtemp`.
        prefix: The beginning of the name.
        dir: The directory it is made in, by default that of `gettempdir`.
        ignore_cleanup_errors: Let what cannot be removed lie.
        delete: Remove it when `async with` is left, or when it is forgotten.
        loop: Ignored; the running loop waits.
        executor: Runs the jobs instead of headrace's threads.

    Returns:
        A context manager that gives the name; awaited, an `AsyncTemporaryDirectory`.

    Raises:
        OSError: When awaited or entered.

    Cancellation: no directory is left behind.
    """
    del loop
    place = Place(suffix, prefix, dir)
    make = partial(make_directory, place, ignore_cleanup_errors, delete, executor)
    return DirectoryMaking("TemporaryDirectory()", make)


#: How names begin, by default.
template = gettempprefix()

# A name that nobody had when it was chosen: whoever opens it needs O_EXCL.
_tempfile: Any = tempfile  # Type checkers warn of it here, and not where it is used.
mktemp: Callable[..., Coroutine[Any, Any, Any]] = offload(_tempfile.mktemp)

# -- Names -----------------------------------------------------------------------


@overload
async def mkstemp(
    suffix: str | None = None,
    prefix: str | None = None,
    dir: StrPath | None = None,
    text: bool = False,
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> tuple[int, str]: ...
@overload
async def mkstemp(
    suffix: bytes | None = None,
    prefix: bytes | None = None,
    dir: BytesPath | None = None,
    text: bool = False,
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> tuple[int, bytes]: ...
async def mkstemp(
    suffix: Any = None,
    prefix: Any = None,
    dir: Any = None,
    text: bool = False,
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> tuple[int, Any]:
    """Make a file that only this user can read and write.

    Returns:
        Its descriptor, which the caller closes, and its absolute path, which the
        caller removes.

    Cancellation: no file and no descriptor are left behind.
    """
    del loop
    made: tuple[int, Any] = await current_engine().run(
        tempfile.mkstemp,
        suffix,
        prefix,
        dir,
        text,
        on_cancel="finish",
        discard=_close_and_unlink,
        executor=executor,
    )
    return made


def _close_and_unlink(made: tuple[int, Any]) -> None:
    fd, path = made
    os.close(fd)
    unlink_if_there(path)


@overload
async def mkdtemp(
    suffix: str | None = None,
    prefix: str | None = None,
    dir: StrPath | None = None,
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> str: ...
@overload
async def mkdtemp(
    suffix: bytes | None = None,
    prefix: bytes | None = None,
    dir: BytesPath | None = None,
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> bytes: ...
async def mkdtemp(
    suffix: Any = None,
    prefix: Any = None,
    dir: Any = None,
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Any:
    """Make a directory that only this user can use.

    Returns:
        Its absolute path; the caller removes it.

    Cancellation: no directory is left behind.
    """
    del loop
    made: Any = await current_engine().run(
        tempfile.mkdtemp,
        suffix,
        prefix,
        dir,
        on_cancel="finish",
        discard=os.rmdir,
        executor=executor,
    )
    return made


async def gettempdir() -> str:
    """Return the directory for temporary files.

    The first call looks for one that can be written, in a worker thread.
    """
    if tempfile.tempdir is None:
        return await current_engine().run(tempfile.gettempdir)
    return tempfile.gettempdir()


async def gettempdirb() -> bytes:
    """Return the directory for temporary files as bytes; see `gettempdir`."""
    return os.fsencode(await gettempdir())
