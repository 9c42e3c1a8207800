"""A synchronous face over headrace, so that CPython's own tests can drive it.

Every method runs the coroutine of the same name on one private event loop until it
is done. The classes subclass the ABCs of `io`, because the tests ask `isinstance`.

What lives here: the translation, and nothing that would repair a difference. A call
that headrace refuses must be refused through this face as well.
"""

from __future__ import annotations

import asyncio
import io
import os
import queue
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import headrace

T = TypeVar("T")

# One loop for the whole process: files of headrace belong to the loop they are used
# in. The lock lets the threaded tests of CPython share a file through the face.
_loop: asyncio.AbstractEventLoop | None = None
_turn = threading.RLock()


def run(awaitable: Awaitable[T]) -> T:
    """Run *awaitable* to its end on the private loop and return its result.

    With HEADRACE_SYNC_HOST=trio, in a run of Trio of its own.
    """
    global _loop
    if os.environ.get("HEADRACE_SYNC_HOST") == "trio":
        return _run_in_trio(awaitable)
    with _turn:
        if _loop is None or _loop.is_closed():
            _loop = asyncio.SelectorEventLoop()

        async def drive() -> T:
            return await awaitable

        return _loop.run_until_complete(drive())


class _Guest:
    """A run of Trio that goes on between calls: a guest of the thread that calls.

    A run for each call would take the descriptors that a test has just closed.
    """

    def __init__(self) -> None:
        import trio

        self.thread = threading.get_ident()
        self._due: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._sender, self._receiver = trio.open_memory_channel[Any](1)
        self._outcome: Any = None
        trio.lowlevel.start_guest_run(
            self._main,
            run_sync_soon_threadsafe=self._due.put,
            done_callback=lambda outcome: None,
            host_uses_signal_set_wakeup_fd=True,
            restrict_keyboard_interrupt_to_checkpoints=True,
        )
        # Where it cannot hurt, for it is where it begins.
        self.token: Any = None
        while self.token is None:
            self._due.get()()

    async def _main(self) -> None:
        import outcome
        import trio

        self.token = trio.lowlevel.current_trio_token()
        async for awaitable in self._receiver:

            async def drive(awaitable: Any = awaitable) -> Any:
                return await awaitable

            self._outcome = await outcome.acapture(drive)
            # A file must be collected when the test lets go of it.
            del awaitable, drive

    def run(self, awaitable: Awaitable[T]) -> T:
        self.token.run_sync_soon(self._sender.send_nowait, awaitable)
        while self._outcome is None:
            self._due.get()()
        found, self._outcome = self._outcome, None
        result: T = found.unwrap()
        return result


_guest: _Guest | None = None


def _run_in_trio(awaitable: Awaitable[T]) -> T:
    global _guest
    with _turn:
        if _guest is None:
            _guest = _Guest()
        if _guest.thread == threading.get_ident():
            return _guest.run(awaitable)
    import trio

    async def drive() -> T:
        return await awaitable

    result: T = trio.run(drive)
    return result


def close_loop() -> None:
    """Close the private loop; the next call makes a new one."""
    global _loop
    with _turn:
        if _loop is not None:
            _loop.close()
            _loop = None


def _method(name: str) -> Callable[..., Any]:
    def method(self: _Face, *args: Any, **kwargs: Any) -> Any:
        return run(getattr(self._inner, name)(*args, **kwargs))

    method.__name__ = name
    return method


def _plain(name: str) -> Callable[..., Any]:
    def method(self: _Face, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._inner, name)(*args, **kwargs)

    method.__name__ = name
    return method


def _attribute(name: str) -> property:
    def get(self: _Face) -> Any:
        return getattr(self._inner, name)

    return property(get)


class _Uninitialised:
    """Stands where `__init__` has not put a headrace object yet."""

    def __getattr__(self, name: str) -> Any:
        raise ValueError("I/O operation on uninitialized object")


_UNINITIALISED: Any = _Uninitialised()


class _Face:
    """What all four kinds of file have in common."""

    _inner: Any = _UNINITIALISED

    read = _method("read")
    readline = _method("readline")
    readlines = _method("readlines")
    write = _method("write")
    writelines = _method("writelines")
    seek = _method("seek")
    tell = _method("tell")
    truncate = _method("truncate")
    flush = _method("flush")
    close = _method("close")
    isatty = _method("isatty")
    readable = _method("readable")
    writable = _method("writable")
    seekable = _method("seekable")
    fileno = _plain("fileno")
    closed = _attribute("closed")
    mode = _attribute("mode")

    @property
    def name(self) -> Any:
        return self._inner.name

    def __iter__(self) -> Any:
        self._inner.__aiter__()
        return self

    def __next__(self) -> Any:
        try:
            return run(self._inner.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def __enter__(self) -> Any:
        run(self._inner.__aenter__())
        return self

    def __exit__(self, *exc_info: Any) -> None:
        run(self._inner.__aexit__(*exc_info))

    def __del__(self) -> None:
        # Replaces the finalizer of `io.IOBase`, which would close the file here:
        # what happens to a file that nobody closed is headrace's own affair.
        self.__dict__.pop("_inner", None)

    def __repr__(self) -> str:
        return repr(self._inner)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._inner.__reduce_ex__(protocol)


class FileIO(_Face, io.RawIOBase):
    """`io.FileIO` over `headrace.open(..., buffering=0)`."""

    def __init__(
        self,
        file: Any,
        mode: str = "r",
        closefd: Any = True,
        opener: Any = None,
    ) -> None:
        inner = run(
            headrace.open(
                file, _binary(mode), buffering=0, closefd=closefd, opener=opener
            )
        )
        self._inner = inner

    readall = _method("readall")
    readinto = _method("readinto")
    closefd = _attribute("closefd")
    _blksize = _attribute("_blksize")


def _binary(mode: str) -> str:
    """Say the mode of a `FileIO` in the words of `open()`."""
    if isinstance(mode, str) and "b" not in mode:
        return f"{mode}b"
    return mode


class _BufferedFace(_Face, io.BufferedIOBase):
    read1 = _method("read1")
    readinto = _method("readinto")
    readinto1 = _method("readinto1")

    @property
    def raw(self) -> Any:
        return _face_of(self, self._inner.raw)

    def detach(self) -> Any:
        return _face_of(self, self._inner.detach())


class BufferedReader(_BufferedFace):
    """A file that `headrace.open` made for reading bytes."""

    peek = _method("peek")


class BufferedWriter(_BufferedFace):
    """A file that `headrace.open` made for writing bytes."""


class BufferedRandom(_BufferedFace):
    """A file that `headrace.open` made for reading and writing bytes."""

    peek = _method("peek")


class TextIOWrapper(_Face, io.TextIOBase):
    """A file that `headrace.open` made for text."""

    encoding = _attribute("encoding")
    errors = _attribute("errors")
    newlines = _attribute("newlines")
    line_buffering = _attribute("line_buffering")
    write_through = _attribute("write_through")

    @property
    def buffer(self) -> Any:
        return _face_of(self, self._inner.buffer)

    def detach(self) -> Any:
        return _face_of(self, self._inner.detach())

    def reconfigure(self, **kwargs: Any) -> Any:
        result = self._inner.reconfigure(**kwargs)
        return run(result) if hasattr(result, "__await__") else result


_FACES: dict[str, type[_Face]] = {
    "AsyncFileIO": FileIO,
    "AsyncBufferedReader": BufferedReader,
    "AsyncBufferedWriter": BufferedWriter,
    "AsyncBufferedRandom": BufferedRandom,
    "AsyncTextIOWrapper": TextIOWrapper,
}


def face(inner: Any) -> Any:
    """Return a synchronous file over *inner*, an open file object of headrace."""
    cls = _FACES[type(inner).__name__]
    made = cls.__new__(cls)
    made._inner = inner
    return made


def _face_of(owner: _Face, inner: Any) -> Any:
    """Return the one face of a layer below *owner*, so that `f.raw is f.raw`."""
    below = owner.__dict__.get("_below")
    if below is None or below._inner is not inner:
        below = owner.__dict__["_below"] = face(inner)
    return below


def open(
    file: Any,
    mode: Any = "r",
    buffering: Any = -1,
    encoding: Any = None,
    errors: Any = None,
    newline: Any = None,
    closefd: Any = True,
    opener: Any = None,
) -> Any:
    """Open *file* with headrace and return its synchronous face."""
    return face(
        run(
            headrace.open(
                file, mode, buffering, encoding, errors, newline, closefd, opener
            )
        )
    )
