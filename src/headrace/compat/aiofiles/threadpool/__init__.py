"""aiofiles' `open()`, its `wrap()` dispatcher, and the standard streams.

`open()` gives headrace's own files, unless a test has put something else in the place
of `sync_open`, or has registered a class of its own with `wrap`: then the file comes
from there, as in aiofiles.
"""

from __future__ import annotations

import builtins
import sys
from asyncio import AbstractEventLoop
from concurrent.futures import Executor
from functools import partial, singledispatch
from io import (
    BufferedIOBase,
    BufferedRandom,
    BufferedReader,
    BufferedWriter,
    FileIO,
    TextIOBase,
    TextIOWrapper,
)
from typing import Any, Final, Literal, TypeAlias, overload

from headrace._typing import (
    FileDescriptorOrPath,
    OpenBinaryMode,
    OpenBinaryModeReading,
    OpenBinaryModeUpdating,
    OpenBinaryModeWriting,
    Opener,
    OpenTextMode,
)
from headrace.compat.aiofiles._face import StreamFace
from headrace.compat.aiofiles._native import hand_over
from headrace.compat.aiofiles.base import AiofilesContextManager, AsyncBase
from headrace.compat.aiofiles.threadpool.binary import (
    AsyncBufferedIOBase,
    AsyncBufferedReader,
    AsyncFileIO,
    AsyncIndirectBufferedIOBase,
)
from headrace.compat.aiofiles.threadpool.text import (
    AsyncTextIndirectIOWrapper,
    AsyncTextIOWrapper,
)
from headrace.engine import current_engine
from headrace.files import _stdio
from headrace.files._open import open as _headrace_open

# "wrap" and "sync_open" are meant for tests; aiofiles does not list them either.
__all__ = (
    "open",
    "stderr",
    "stderr_bytes",
    "stdin",
    "stdin_bytes",
    "stdout",
    "stdout_bytes",
)

sync_open: Any = builtins.open
"""What files are opened with; tests put a mock here."""

Loop: TypeAlias = AbstractEventLoop | None


# -- Classes by kind of file -----------------------------------------------------


@singledispatch
def wrap(file: Any, *, loop: Loop = None, executor: Executor | None = None) -> Any:
    """Give a sync file object the async class for its type.

    ``wrap.register(type)(factory)`` names the class for another type.

    Raises:
        TypeError: No class is registered for it.
    """
    raise TypeError(f"Unsupported io type: {file}.")


@wrap.register(TextIOBase)
def _wrap_text(
    file: Any, *, loop: Loop = None, executor: Executor | None = None
) -> Any:
    return AsyncTextIOWrapper(file, loop=loop, executor=executor)


@wrap.register(BufferedWriter)
@wrap.register(BufferedIOBase)
def _wrap_binary(
    file: Any, *, loop: Loop = None, executor: Executor | None = None
) -> Any:
    return AsyncBufferedIOBase(file, loop=loop, executor=executor)


@wrap.register(BufferedReader)
@wrap.register(BufferedRandom)
def _wrap_reader(
    file: Any, *, loop: Loop = None, executor: Executor | None = None
) -> Any:
    return AsyncBufferedReader(file, loop=loop, executor=executor)


@wrap.register(FileIO)
def _wrap_raw(file: Any, *, loop: Loop = None, executor: Executor | None = None) -> Any:
    return AsyncFileIO(file, loop=loop, executor=executor)


_SYNC_OPEN: Final = sync_open
_WRAP: Final = wrap
_FACTORIES: Final[dict[type, Any]] = {
    kind: wrap.dispatch(kind)
    for kind in (TextIOWrapper, BufferedWriter, BufferedReader, BufferedRandom, FileIO)
}


def _is_as_it_was(kind: type) -> bool:
    """Tell whether files of *kind* come from nowhere but here."""
    return (
        sync_open is _SYNC_OPEN
        and wrap is _WRAP
        and wrap.dispatch(kind) is _FACTORIES[kind]
    )


def file_types(mode: Any, buffering: Any) -> tuple[type, type[AsyncBase]]:
    """Return the types that builtin `open()` and aiofiles give for the arguments."""
    if not isinstance(mode, str) or "b" not in mode:
        return TextIOWrapper, AsyncTextIOWrapper
    if buffering == 0:
        return FileIO, AsyncFileIO
    if "+" in mode:
        return BufferedRandom, AsyncBufferedReader
    if "r" in mode:
        return BufferedReader, AsyncBufferedReader
    return BufferedWriter, AsyncBufferedIOBase


# -- Opening ---------------------------------------------------------------------


async def _open(
    file: FileDescriptorOrPath,
    mode: Any = "r",
    buffering: Any = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Opener | None = None,
    *,
    loop: Loop = None,
    executor: Executor | None = None,
) -> Any:
    """Open a file; what `open()` makes an awaitable context manager of."""
    form = (mode, buffering, encoding, errors, newline, closefd, opener)
    kind, face = file_types(mode, buffering)
    if _is_as_it_was(kind):
        native: Any = await _headrace_open(file, *form, executor=executor)
        return face.over_native(
            native, partial(hand_over, native, newline), loop, executor
        )
    names = ("mode", "buffering", "encoding", "errors", "newline", "closefd", "opener")
    call = partial(sync_open, file, **dict(zip(names, form, strict=True)))
    sync = await current_engine().run(call, discard=_close, executor=executor)
    return wrap(sync, loop=loop, executor=executor)


def _close(file: Any) -> None:
    if hasattr(file, "close"):
        file.close()


@overload
def open(
    file: FileDescriptorOrPath,
    mode: OpenTextMode = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Opener | None = None,
    *,
    loop: Loop = None,
    executor: Executor | None = None,
) -> AiofilesContextManager[AsyncTextIOWrapper]: ...
@overload
def open(
    file: FileDescriptorOrPath,
    mode: OpenBinaryMode,
    buffering: Literal[0],
    encoding: None = None,
    errors: None = None,
    newline: None = None,
    closefd: bool = True,
    opener: Opener | None = None,
    *,
    loop: Loop = None,
    executor: Executor | None = None,
) -> AiofilesContextManager[AsyncFileIO]: ...
@overload
def open(
    file: FileDescriptorOrPath,
    mode: OpenBinaryModeReading | OpenBinaryModeUpdating,
    buffering: Literal[-1, 1] = -1,
    encoding: None = None,
    errors: None = None,
    newline: None = None,
    closefd: bool = True,
    opener: Opener | None = None,
    *,
    loop: Loop = None,
    executor: Executor | None = None,
) -> AiofilesContextManager[AsyncBufferedReader]: ...
@overload
def open(
    file: FileDescriptorOrPath,
    mode: OpenBinaryModeWriting,
    buffering: Literal[-1, 1] = -1,
    encoding: None = None,
    errors: None = None,
    newline: None = None,
    closefd: bool = True,
    opener: Opener | None = None,
    *,
    loop: Loop = None,
    executor: Executor | None = None,
) -> AiofilesContextManager[AsyncBufferedIOBase]: ...
@overload
def open(
    file: FileDescriptorOrPath,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Opener | None = None,
    *,
    loop: Loop = None,
    executor: Executor | None = None,
) -> AiofilesContextManager[Any]: ...
def open(
    file: FileDescriptorOrPath,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Opener | None = None,
    *,
    loop: Loop = None,
    executor: Executor | None = None,
) -> AiofilesContextManager[Any]:
    """Open a file, as builtin `open()` does; to be awaited, or entered.

    Args:
        file: As for `headrace.open`, like all arguments but *loop*.
        mode: See *file*.
        buffering: See *file*.
        encoding: See *file*.
        errors: See *file*.
        newline: See *file*.
        closefd: See *file*.
        opener: See *file*.
        loop: Kept in the file; the running loop waits.
        executor: See *file*.
    """
    return AiofilesContextManager(
        _open(
            file,
            mode,
            buffering,
            encoding,
            errors,
            newline,
            closefd,
            opener,
            loop=loop,
            executor=executor,
        )
    )


# -- Standard streams ------------------------------------------------------------


def _standard_text(name: str) -> AsyncTextIndirectIOWrapper:
    stream = AsyncTextIndirectIOWrapper(
        f"sys.{name}", None, None, indirect=lambda: getattr(sys, name)
    )
    vars(stream)["_face"] = StreamFace(getattr(_stdio, name), stream)
    return stream


def _standard_bytes(name: str) -> AsyncIndirectBufferedIOBase:
    stream = AsyncIndirectBufferedIOBase(
        f"sys.{name}.buffer", None, None, indirect=lambda: getattr(sys, name).buffer
    )
    vars(stream)["_face"] = StreamFace(getattr(_stdio, f"{name}_bytes"), stream)
    return stream


stdin = _standard_text("stdin")
stdout = _standard_text("stdout")
stderr = _standard_text("stderr")
stdin_bytes = _standard_bytes("stdin")
stdout_bytes = _standard_bytes("stdout")
stderr_bytes = _standard_bytes("stderr")
