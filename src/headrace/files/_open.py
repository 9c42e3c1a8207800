"""`open()`: arguments to raw to buffered to text; the awaitable context manager."""

from __future__ import annotations

import errno
import io
import operator
import os
import stat
import sys
import warnings
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from dataclasses import replace
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    NoReturn,
    TypeAlias,
    TypeVar,
    overload,
)

from headrace._errors import NotAwaitedError, UnsupportedOperation
from headrace._typing import (
    WAIT,
    FileDescriptorOrPath,
    OpenBinaryMode,
    OpenBinaryModeReading,
    OpenBinaryModeUpdating,
    OpenBinaryModeWriting,
    Opener,
    OpenTextMode,
    Wait,
)
from headrace.engine import (
    Device,
    Limiter,
    Status,
    budget,
    current_engine,
    limited,
    running_loop_key,
)
from headrace.files._buffered import (
    DEFAULT_BUFFER_SIZE,
    WRITE_BUFFER_SIZE,
    AsyncBufferedRandom,
    AsyncBufferedReader,
    AsyncBufferedWriter,
)
from headrace.files._mode import Mode, parse_mode
from headrace.files._opening import (
    Descriptor,
    describe,
    open_descriptor,
    open_inline,
    wait_for_writer,
)
from headrace.files._protocols import AsyncBinaryFile
from headrace.files._raw import AsyncFileIO
from headrace.files._text import AsyncTextIOWrapper

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

F_co = TypeVar("F_co", covariant=True)

#: (With a type that says what it is given: anything.)
_fspath: Callable[[Any], Any] = os.fspath

AnyFile: TypeAlias = (
    AsyncTextIOWrapper
    | AsyncBufferedReader
    | AsyncBufferedWriter
    | AsyncBufferedRandom
    | AsyncFileIO
)


class Opening(Generic[F_co]):
    """What `open()` returns: awaitable, and an async context manager.

    Nothing is opened before it is awaited or entered. Used as if it were the file,
    it says what to write instead.
    """

    __slots__ = ("__weakref__", "_arguments", "_begun", "_file", "_used")

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        self._arguments = arguments
        self._file: Any = None
        #: Whether it has been awaited; and whether a warning is due if it is not.
        self._begun = False
        self._used = False

    def _begin(self) -> None:
        if self._begun:
            raise RuntimeError(
                f"{self._call} has been awaited before: each call opens one file, once"
            )
        self._begun = self._used = True

    async def _open(self) -> F_co:
        self._begin()
        file: Any = _open_now(*self._arguments)
        if file.__class__ not in _PLAIN:
            file = await _open_file(file, *self._arguments)
        self._file = file
        opened: F_co = file
        return opened

    def __await__(self) -> Generator[Any, Any, F_co]:
        return self._open().__await__()

    # Plain functions that return the coroutine: one less in between.

    def __aenter__(self) -> Coroutine[Any, Any, F_co]:
        return self._open()

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Coroutine[Any, Any, None]:
        close: Coroutine[Any, Any, None] = self._file.close()
        return close

    # -- Mistakes -------------------------------------------------------------

    def __enter__(self) -> NoReturn:
        self._refuse(f"use 'async with {self._call}', not 'with'")

    def __exit__(self, *exc_info: object) -> None:
        """Never reached: `__enter__` raises."""

    def __iter__(self) -> NoReturn:
        self._refuse(
            f"use 'async with {self._call} as f:' and then 'async for line in f:'"
        )

    def __aiter__(self) -> NoReturn:
        self._refuse(
            f"{self._call} has not been awaited: use 'async with {self._call} as f:' "
            "and then 'async for line in f:'"
        )

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse(
            f"{self._call} has not been awaited, so it has no {name!r} yet: use "
            f"'async with {self._call} as f:' or 'f = await {self._call}'"
        )

    def _refuse(self, text: str) -> NoReturn:
        # The error says it all; no warning has to follow.
        self._used = True
        raise NotAwaitedError(text)

    def __del__(self) -> None:
        if not self._used:
            warnings.warn(
                f"{self._call} was never awaited, and nothing was opened",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )

    def __repr__(self) -> str:
        return f"<{self._call}, not awaited yet>"

    @property
    def _call(self) -> str:
        return f"headrace.open({self._arguments[0]!r}, {self._arguments[1]!r})"


class DirectOpening(Opening[F_co]):
    """What `open(direct=True)` returns."""

    __slots__ = ()

    async def _open(self) -> F_co:
        self._begin()
        file, mode, buffering, encoding, errors, newline, closefd, *how = (
            self._arguments
        )
        parsed = _check(file, mode, buffering, encoding, errors, newline, closefd)
        self._file = await _open_direct(file, parsed, buffering, *how)
        opened: F_co = self._file
        return opened


async def _open_direct(
    file: FileDescriptorOrPath,
    mode: Mode,
    buffering: int,
    opener: Opener | None,
    executor: Executor | None,
    loop: AbstractEventLoop | None,
) -> AnyFile:
    """Open a file with O_DIRECT; see `files/_direct.py`."""
    if loop is not None and loop is not running_loop_key():
        raise RuntimeError("loop= is not the running event loop")
    if mode.text:
        raise ValueError("direct=True needs a binary mode")
    if isinstance(file, int):
        raise ValueError("direct=True needs a path, not a file descriptor")
    # Not at the top: few programs need it.
    from headrace.files import _direct

    path = os.fspath(file)
    if not _direct.O_DIRECT:
        raise _direct.no_direct_io(path)
    wanted = replace(mode, flags=mode.flags | _direct.O_DIRECT, inline=False)
    try:
        descriptor = await open_descriptor(path, wanted, opener, executor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise _direct.no_direct_io(path) from None
    alignment = 0
    if stat.S_ISREG(descriptor.status.st_mode) or stat.S_ISBLK(
        descriptor.status.st_mode
    ):
        alignment = _direct.alignment_of(descriptor.fd)
    if not alignment:
        # Closes the descriptor.
        del descriptor
        raise _direct.no_direct_io(path)
    raw = _direct.DirectFileIO(
        descriptor.fd,
        path,
        wanted,
        descriptor.status,
        descriptor.device,
        alignment,
        executor,
    )
    descriptor.hand_over()
    try:
        if wanted.appending:
            os.lseek(raw.fileno(), 0, os.SEEK_END)
        return _layers(raw, wanted, buffering, None, None, None)
    except BaseException:
        await raw.close()
        raise


#: What `_open_now` opens.
_PLAIN = frozenset({AsyncBufferedReader, AsyncTextIOWrapper})
#: Modes that open a file for reading alone.
_READING = {mode: parse_mode(mode) for mode in ("r", "rt", "tr", "rb", "br")}


def _open_now(
    file: Any,
    mode: Any,
    buffering: Any,
    encoding: Any,
    errors: Any,
    newline: Any,
    closefd: Any,
    opener: Any,
    executor: Executor | None,
    loop: object,
) -> Any:
    """Open an existing file for reading, if that is plain and cannot wait.

    Returns:
        The file; what `open_inline` gives where it gives none; WAIT if it was not
        asked.

    Raises:
        OSError, ValueError, LookupError: As builtin `open()` raises them.
    """
    parsed = _READING.get(mode) if mode.__class__ is str else None
    if (
        parsed is None
        or buffering != -1
        or errors is not None
        or newline is not None
        or closefd is not True
        or opener is not None
        or loop is not None
        or isinstance(file, int)
        or (encoding is not None and not (parsed.text and encoding.__class__ is str))
        or budget.spend()
    ):
        return WAIT
    raw = open_inline(AsyncFileIO, _fspath(file), parsed)
    if not isinstance(raw, AsyncFileIO):
        return raw
    raw.take_over(executor)
    buffer = AsyncBufferedReader(raw, DEFAULT_BUFFER_SIZE)
    if not parsed.text:
        return buffer
    try:
        text = AsyncTextIOWrapper(buffer, encoding)
    except BaseException:
        raw.close_blocking()
        raise
    # As it was given, "rt" too: so it is with io.TextIOWrapper.
    text.mode = mode
    return text


async def _open_file(
    begun: tuple[int, Status, Device] | Wait | None,
    file: FileDescriptorOrPath,
    mode: str,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
    closefd: bool,
    opener: Opener | None,
    executor: Executor | None,
    loop: AbstractEventLoop | None,
) -> AnyFile:
    """Open a file, with all that may have to be checked and waited for.

    *begun* is what opening it inline gave: None if that was in vain, WAIT if it has
    not been tried. The others are as for `open()`.
    """
    if loop is not None and loop is not running_loop_key():
        raise RuntimeError("loop= is not the running event loop")
    parsed = _check(file, mode, buffering, encoding, errors, newline, closefd)
    if isinstance(file, int):
        descriptor = await _adopt(file, parsed, executor)
        raw = _raw_over(descriptor, file, parsed, bool(closefd), True, executor)
    else:
        path = os.fspath(file)
        opened = await _open_path(path, parsed, opener, executor, begun)
        if isinstance(opened, AsyncFileIO):
            raw = opened
            raw.take_over(executor)
        else:
            adopted = opener is not None
            raw = _raw_over(opened, path, parsed, True, adopted, executor)
    try:
        if parsed.appending and raw.can_seek:
            # So that tell() is right before the first write, as with io.FileIO.
            os.lseek(raw.fileno(), 0, os.SEEK_END)
        opened_file = _layers(raw, parsed, buffering, encoding, errors, newline)
        if isinstance(opened_file, AsyncTextIOWrapper):
            # As it was given, "w+" and "rt" too: so it is with io.TextIOWrapper.
            opened_file.mode = mode
        return opened_file
    except BaseException:
        await raw.close()
        raise


async def _open_path(
    path: str | bytes,
    mode: Mode,
    opener: Opener | None,
    executor: Executor | None,
    begun: tuple[int, Status, Device] | Wait | None,
) -> AsyncFileIO | Descriptor:
    opened: AsyncFileIO | tuple[int, Status, Device] | None
    if begun is WAIT:
        inline = mode.inline and opener is None
        # What the engine does is no inline work, or counts itself.
        if inline and budget.spend():
            await current_engine().checkpoint()
        opened = open_inline(AsyncFileIO, path, mode) if inline else None
    else:
        opened = begun
    if opened is None:
        return await open_descriptor(path, mode, opener, executor)
    if isinstance(opened, AsyncFileIO):
        return opened
    descriptor = Descriptor(*opened)
    if stat.S_ISFIFO(descriptor.status.st_mode):
        return await wait_for_writer(descriptor)
    return descriptor


def _raw_over(
    descriptor: Descriptor,
    name: FileDescriptorOrPath,
    mode: Mode,
    closefd: bool,
    adopted: bool,
    executor: Executor | None,
) -> AsyncFileIO:
    stash = descriptor.stash
    raw = AsyncFileIO(
        descriptor.fd,
        name,
        mode,
        descriptor.status,
        descriptor.device,
        closefd=closefd,
        adopted=adopted,
        executor=executor,
    )
    descriptor.hand_over()
    raw.put_back(stash)
    return raw


def _check(
    file: FileDescriptorOrPath,
    mode: str,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
    closefd: bool,
) -> Mode:
    """Refuse what builtin `open()` refuses, in its order and its words."""
    if not isinstance(file, int):
        check_path(os.fspath(file))
    elif isinstance(file, bool) and sys.version_info >= (3, 13):
        warnings.warn("bool is used as a file descriptor", RuntimeWarning, stacklevel=4)
    elif file > _INT_MAX:
        raise TypeError("expected str, bytes or os.PathLike object, not int")
    if not -_INT_MAX <= operator.index(buffering) <= _INT_MAX:
        raise OverflowError("Python int too large to convert to C int")
    if mode.__class__ is str and encoding is errors is newline is None:
        parsed = parse_mode(mode)
    else:
        parsed = _check_strings(mode, encoding, errors, newline)
    if buffering == 1 and not parsed.text:
        warnings.warn(
            "line buffering (buffering=1) isn't supported in binary mode, the "
            "default buffer size will be used",
            RuntimeWarning,
            stacklevel=4,
        )
    if buffering == 0 and parsed.text:
        raise ValueError("can't have unbuffered text I/O")
    if not closefd and not isinstance(file, int):
        raise ValueError("Cannot use closefd=False with file name")
    return parsed


#: The largest C int, which open() takes for descriptors and sizes.
_INT_MAX = 2**31 - 1


def check_path(path: str | bytes) -> None:
    if (b"\0" if isinstance(path, bytes) else "\0") in path:  # type: ignore[operator]
        raise ValueError("embedded null byte")


def _check_strings(
    mode: str, encoding: str | None, errors: str | None, newline: str | None
) -> Mode:
    optional = {"encoding": encoding, "errors": errors, "newline": newline}
    if not isinstance(mode, str):
        raise TypeError(
            f"open() argument 'mode' must be str, not {type(mode).__name__}"
        )
    for name, value in optional.items():
        if value is not None and not isinstance(value, str):
            raise TypeError(
                f"open() argument {name!r} must be str or None, "
                f"not {type(value).__name__}"
            )
        if value is not None and "\0" in value:
            raise ValueError("embedded null character")
    parsed = parse_mode(mode)
    for name, value in optional.items():
        if value is not None and not parsed.text:
            article = "an" if name[0] in "aeiou" else "a"
            raise ValueError(f"binary mode doesn't take {article} {name} argument")
    return parsed


async def _adopt(fd: int, mode: Mode, executor: Executor | None) -> Descriptor:
    if fd < 0:
        raise ValueError("negative file descriptor")
    sys.audit("open", fd, mode.raw.replace("b", ""), mode.flags)
    return await current_engine().run(
        describe, fd, fd, discard=Descriptor.hand_over, executor=executor
    )


def _layers(
    raw: AsyncFileIO,
    mode: Mode,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
) -> AnyFile:
    line_buffering = mode.text and buffering == 1
    if buffering == 0:
        return raw
    if buffering < 0 and raw._special and os.isatty(raw.fileno()):
        line_buffering = True
    reading = buffering if buffering > 1 else DEFAULT_BUFFER_SIZE
    writing = buffering if buffering > 1 else WRITE_BUFFER_SIZE
    buffer: AsyncBufferedReader | AsyncBufferedWriter | AsyncBufferedRandom
    if mode.updating:
        if not raw.can_seek:
            raise UnsupportedOperation("File or stream is not seekable.")
        buffer = AsyncBufferedRandom(raw, reading)
    elif mode.writing:
        buffer = AsyncBufferedWriter(raw, writing)
    else:
        buffer = AsyncBufferedReader(raw, reading)
    if not mode.text:
        return buffer
    return AsyncTextIOWrapper(buffer, encoding, errors, newline, line_buffering)


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
    executor: Executor | None = None,
    limiter: Limiter | None = None,
    direct: Literal[False] = False,
    loop: AbstractEventLoop | None = None,
) -> Opening[AsyncTextIOWrapper]: ...
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
    executor: Executor | None = None,
    limiter: Limiter | None = None,
    direct: bool = False,
    loop: AbstractEventLoop | None = None,
) -> Opening[AsyncFileIO]: ...
@overload
def open(
    file: FileDescriptorOrPath,
    mode: OpenBinaryModeUpdating,
    buffering: Literal[-1, 1] = -1,
    encoding: None = None,
    errors: None = None,
    newline: None = None,
    closefd: bool = True,
    opener: Opener | None = None,
    *,
    executor: Executor | None = None,
    limiter: Limiter | None = None,
    direct: bool = False,
    loop: AbstractEventLoop | None = None,
) -> Opening[AsyncBufferedRandom]: ...
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
    executor: Executor | None = None,
    limiter: Limiter | None = None,
    direct: bool = False,
    loop: AbstractEventLoop | None = None,
) -> Opening[AsyncBufferedWriter]: ...
@overload
def open(
    file: FileDescriptorOrPath,
    mode: OpenBinaryModeReading,
    buffering: Literal[-1, 1] = -1,
    encoding: None = None,
    errors: None = None,
    newline: None = None,
    closefd: bool = True,
    opener: Opener | None = None,
    *,
    executor: Executor | None = None,
    limiter: Limiter | None = None,
    direct: bool = False,
    loop: AbstractEventLoop | None = None,
) -> Opening[AsyncBufferedReader]: ...
@overload
def open(
    file: FileDescriptorOrPath,
    mode: OpenBinaryMode,
    buffering: int = -1,
    encoding: None = None,
    errors: None = None,
    newline: None = None,
    closefd: bool = True,
    opener: Opener | None = None,
    *,
    executor: Executor | None = None,
    limiter: Limiter | None = None,
    direct: bool = False,
    loop: AbstractEventLoop | None = None,
) -> Opening[AsyncBinaryFile]: ...
@overload
def open(
    file: FileDescriptorOrPath,
    mode: str,
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Opener | None = None,
    *,
    executor: Executor | None = None,
    limiter: Limiter | None = None,
    direct: bool = False,
    loop: AbstractEventLoop | None = None,
) -> Opening[Any]: ...
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
    executor: Executor | None = None,
    limiter: Limiter | None = None,
    direct: bool = False,
    loop: AbstractEventLoop | None = None,
) -> Opening[Any]:
    r"""Open a file: builtin `open()`, to be awaited or entered with `async with`.

    ``async with open(...) as f``, ``f = await open(...)`` and ``async with await
    open(...) as f`` all work; without either, nothing is opened.

    Args:
        file: A path (str, bytes, PathLike), or an open file descriptor.
        mode: As for builtin `open()`: "r", "w", "a", "x", with "b" and "+".
        buffering: -1 for headrace's default, 0 for none (binary only), 1 for line
            buffering (text only), else the size of the buffer in bytes.
        encoding: Of text; the locale's if None, as for builtin `open()`.
        errors: How errors of the encoding are handled; "strict" if None.
        newline: How line ends are treated in text: None, "", "\n", "\r", "\r\n".
        closefd: Whether closing the file closes a descriptor that was given.
        opener: Called as ``opener(file, flags)``, in a worker thread, to open it.
        executor: Does what has to wait, instead of headrace's own threads. What
            the buffer or the kernel's cache can answer does not go there.
        limiter: A capacity limiter (anyio's, Trio's) or a semaphore: what has to
            wait in a thread waits for one of its tokens first.
        direct: Bypass the page cache with O_DIRECT (Linux, binary modes, a path):
            for data that is larger than memory, or that another cache keeps.
            Alignment is taken care of inside. A file system without it is an
            OSError that says so.
        loop: For `aiofiles`' callers: the running event loop, or None.

    Returns:
        An awaitable context manager for an `AsyncTextIOWrapper` (text),
        `AsyncBufferedReader`, `AsyncBufferedWriter`, `AsyncBufferedRandom`
        (binary) or `AsyncFileIO` (unbuffered).

    Raises:
        OSError, ValueError, TypeError, LookupError: When awaited or entered, as
            builtin `open()` raises them.

    Cancellation: nothing is leaked; a file that is opened too late is closed.
    """
    if encoding is None and sys.flags.warn_default_encoding:
        encoding = _warn_of_locale(mode)
    kind: Any = DirectOpening if direct else Opening
    opening: Opening[Any] = kind(
        (
            file,
            mode,
            buffering,
            encoding,
            errors,
            newline,
            closefd,
            opener,
            limited(limiter, executor),
            loop,
        )
    )
    return opening


def _warn_of_locale(mode: object) -> str | None:
    """Warn of the locale's encoding where Python is asked to (PEP 597)."""
    return None if "b" in str(mode) else io.text_encoding(None, 3)
