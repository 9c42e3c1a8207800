"""The functions of `os` for open descriptors that may wait for ever, and `open`.

A pipe, a socket or a terminal is waited for by the event loop before a thread touches
it, so that waiting can be cancelled and takes no thread.
"""

from __future__ import annotations

import functools
import inspect
import os
import stat
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from headrace._native import cached_kind
from headrace._platform import O_NONBLOCK
from headrace._typing import StrOrBytesPath
from headrace.engine import Lane, budget, current_engine
from headrace.fs._offload import extend_doc, twin

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["at_once", "open", "reads", "writes"]

P = ParamSpec("P")
T = TypeVar("T")

_AT_ONCE: Final = "Asynchronous in form: the kernel never waits, and no thread is used."
_WAITS: Final = (
    "Asynchronous: the event loop waits for a pipe, a socket or a terminal; then, or "
    "for a file, a worker thread makes the call."
)


def at_once(func: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return the asynchronous twin of a function in which the kernel never waits."""

    async def run(
        *args: Any,
        loop: AbstractEventLoop | None = None,
        executor: Executor | None = None,
        **kwargs: Any,
    ) -> T:
        del loop
        if executor is not None:
            call = functools.partial(func, *args, **kwargs)
            return await current_engine().run(call, executor=executor)
        if budget.spend():
            await current_engine().checkpoint()
        return func(*args, **kwargs)

    functools.update_wrapper(run, func)
    run.__doc__ = extend_doc(func, _AT_ONCE)
    as_func: Callable[..., Coroutine[Any, Any, T]] = run
    return as_func


# -- Reading and writing -------------------------------------------------------------


def reads(func: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return the twin of a function that reads from its first argument."""
    return _ready_first(func, "wait_readable", ("fd", "src"))


def writes(func: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return the twin of a function that writes to its first argument."""
    return _ready_first(func, "wait_writable", ("fd", "out_fd"))


def _ready_first(
    func: Callable[P, T], wait: str, names: tuple[str, ...]
) -> Callable[P, Coroutine[Any, Any, T]]:
    look: Callable[..., Coroutine[Any, Any, T]] = twin(func, lane=Lane.WAIT)
    # A file is written before a cancellation is raised; what a pipe's reader lets
    # wait for ever is not.
    change: Callable[..., Coroutine[Any, Any, T]] = twin(
        func, on_cancel="finish" if wait == "wait_writable" else "abandon"
    )

    async def run(*args: Any, **kwargs: Any) -> T:
        fd: object = args[0] if args else None
        for name in names:
            fd = kwargs.get(name, fd)
        if isinstance(fd, int) and is_stream(fd):
            if _blocks(fd):
                await getattr(current_engine(), wait)(fd)
            return await look(*args, **kwargs)
        return await change(*args, **kwargs)

    functools.update_wrapper(run, func)
    run.__doc__ = extend_doc(func, _WAITS)
    as_func: Callable[..., Coroutine[Any, Any, T]] = run
    return as_func


def _blocks(fd: int) -> bool:
    if sys.platform == "win32" and sys.version_info < (3, 12):
        return True
    return os.get_blocking(fd)


def is_stream(fd: int) -> bool:
    """Tell whether *fd* is something whose other end can keep one waiting."""
    seen = cached_kind(fd)
    if seen is not None:
        return not is_file(seen[1])
    try:
        os.lseek(fd, 0, os.SEEK_CUR)
    except OSError:
        return True  # ESPIPE; or EBADF, which the call itself then reports.
    return False


def is_file(mode: int) -> bool:
    """Tell whether what has this st_mode ends each operation by itself."""
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISBLK(mode)


# -- Opening -------------------------------------------------------------------------


async def open(
    path: StrOrBytesPath,
    flags: int,
    mode: int = 0o777,
    *,
    dir_fd: int | None = None,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> int:
    """Open a file, as `os.open` does; returns a descriptor, which the caller closes.

    Args:
        path: The file.
        flags: `O_RDONLY`, `O_CREAT`, ...
        mode: The permissions of a file that is created, less the umask.
        dir_fd: A descriptor of the directory that *path* is relative to.
        loop: Ignored; the running loop waits.
        executor: Runs the jobs instead of headrace's threads.

    Raises:
        OSError: As the kernel reports it, with the path.

    Cancellation: no descriptor is leaked: one that comes late is closed. A file that
        is being created or truncated is so before the cancellation is raised. The
        thread that waits for the other end of a FIFO stays until that comes: without
        waiting, a writer shows only by what it wrote, which `headrace.open` can keep
        for its file and a bare descriptor cannot.
    Cost: one job; where a FIFO or a device may keep it waiting, another one, in a
        thread for what may wait for ever.
    """
    del loop
    call = functools.partial(os.open, path, flags, mode, dir_fd=dir_fd)
    engine = current_engine()
    given: object = flags
    known = given if isinstance(given, int) else 0  # os.open() says what is wrong.
    changes = known & (os.O_CREAT | os.O_TRUNC)
    fd: int | None = await engine.run(
        _open_file,
        call,
        functools.partial(os.stat, path, dir_fd=dir_fd),
        bool(known & O_NONBLOCK),
        on_cancel="finish" if changes else "abandon",
        discard=_close_opened,
        executor=executor,
    )
    if fd is not None:
        return fd
    return await engine.run(call, lane=Lane.WAIT, discard=os.close, executor=executor)


def _open_file(
    call: Callable[[], int], look: Callable[[], os.stat_result], nonblocking: bool
) -> int | None:
    """Make the call, unless it may wait for ever."""
    if not nonblocking:
        try:
            kind = stat.S_IFMT(look().st_mode)
        except (OSError, ValueError, TypeError):
            kind = 0  # The call itself says what is wrong, or makes the file.
        if kind in (stat.S_IFIFO, stat.S_IFCHR):
            return None
    return call()


def _close_opened(fd: int | None) -> None:
    if fd is not None:
        os.close(fd)


vars(open)["__signature__"] = inspect.signature(os.open)

# -- Locking -------------------------------------------------------------------------

if sys.platform != "win32":
    import fcntl

    async def lockf(
        fd: int,
        command: int,
        length: int,
        /,
        *,
        loop: AbstractEventLoop | None = None,
        executor: Executor | None = None,
    ) -> None:
        """Apply, test or remove a POSIX lock, as `os.lockf` does.

        Args:
            fd: An open file; the section begins at its position.
            command: `F_LOCK`, `F_TLOCK`, `F_ULOCK` or `F_TEST`.
            length: The length of the section in bytes; 0 for all that follows.
            loop: Ignored; the running loop waits.
            executor: Runs the job instead of headrace's threads.

        Raises:
            OSError: As the kernel reports it.

        Cancellation: is raised at once. A lock that is got later is given back.
        """
        del loop
        locking = command == os.F_LOCK
        await current_engine().run(
            _lock,
            fd,
            command,
            length,
            lane=Lane.WAIT if locking else Lane.WORK,
            discard=_unlock if locking else None,
            executor=executor,
        )

    def _lock(fd: int, command: int, length: int) -> tuple[int, int, int]:
        # Of the end that a cancellation may bring: the position may move meanwhile.
        start = os.lseek(fd, 0, os.SEEK_CUR) if command == os.F_LOCK else 0
        os.lockf(fd, command, length)
        return fd, length, start

    def _unlock(held: tuple[int, int, int]) -> None:
        fd, length, start = held
        fcntl.lockf(fd, fcntl.LOCK_UN, length, start)

    vars(lockf)["__signature__"] = inspect.signature(os.lockf)
