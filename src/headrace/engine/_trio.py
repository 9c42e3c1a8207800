"""Trio: the only file that knows it. Imported when Trio is, and something runs in it.

A host offers what `headrace._typing.Host` lists; nothing here knows of jobs, files
or threads beyond waking the run from one.

Trio cancels by level: whatever waits in a cancelled scope is cancelled, again and
again, and `Cancelled` may be raised in that scope alone. So nothing is kept for later
here, as it is under asyncio: what has to be finished runs in a shielded scope, and
the next checkpoint behind it raises.
"""

from __future__ import annotations

import math
import os
import sys
import time
import types
import weakref
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext

import trio
from sniffio import thread_local as _library
from trio.lowlevel import Abort, RaiseCancelT, Task, TrioToken

from headrace.engine._budget import budget


def in_trio() -> bool:
    """Tell whether Trio runs in this thread, now.

    Not so while the other loop of a guest run has its turn, nor in the asyncio parts
    of a program that uses trio-asyncio.
    """
    if _stale is None:
        return _library.name == "trio"
    return _library.name == "trio" and trio.lowlevel.current_trio_token() is not _stale


#: The run that this process was forked in. It does not go on here, and does not know.
_stale: TrioToken | None = None


def _forget() -> None:
    global _stale
    try:
        _stale = trio.lowlevel.current_trio_token()
    except RuntimeError:
        pass  # It was forked outside of one.


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def running_token() -> TrioToken:
    """Return the token of the run in this thread."""
    return trio.lowlevel.current_trio_token()


def running_task() -> Task | None:
    """Return the task that runs in this thread; None in a callback between two."""
    try:
        return trio.lowlevel.current_task()
    except RuntimeError:
        return None


class TrioSignal:
    """A one-time event for one waiting task."""

    __slots__ = ("_task", "is_set")

    def __init__(self) -> None:
        self._task: Task | None = None
        self.is_set = False

    def set(self) -> None:
        """Wake the waiting task; on the run's thread."""
        self.is_set = True
        task, self._task = self._task, None
        if task is not None:
            trio.lowlevel.reschedule(task)

    async def wait(self, leave: Callable[[], bool] | None = None) -> None:
        """Suspend until `set()`; may be awaited again after a cancellation.

        Args:
            leave: Asked when the task is cancelled. If it says no, the cancellation
                is not raised here but by the next checkpoint.
        """
        if self.is_set:
            return

        def abort(raise_cancel: RaiseCancelT) -> Abort:
            if leave is not None and not leave():
                return Abort.FAILED
            self._task = None
            return Abort.SUCCEEDED

        self._task = trio.lowlevel.current_task()
        budget.account.suspensions += 1
        await trio.lowlevel.wait_task_rescheduled(abort)


class TrioHost:
    """One run of Trio, also in guest mode."""

    name = "trio"
    #: KeyboardInterrupt is raised where a cancellation would be, in the main task.
    cancelled: tuple[type[BaseException], ...] = (trio.Cancelled, KeyboardInterrupt)

    def __init__(self, token: TrioToken) -> None:
        # Engines are kept in a table by token, weakly; see `AsyncioHost`.
        self._token = weakref.ref(token)

    @property
    def closed(self) -> bool:
        """Whether the run has ended."""
        try:
            self.call_threadsafe(_nothing)
        except (RuntimeError, OSError):  # The latter if Trio has crashed.
            return True
        return False

    def watch(
        self,
        fd: int,
        callback: Callable[[], object],
        ended: Callable[[], object],
    ) -> bool:
        """Call *callback* on the run's thread whenever *fd* can be read."""
        # A system task: it ends with the run, and no scope of the program's has it.
        trio.lowlevel.spawn_system_task(_keep_watching, fd, callback, ended)
        return True

    def idle(self) -> bool:
        """Say no: each operation is a checkpoint, which gives the others a turn."""
        return False

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Run *callback* before long; on the run's thread."""
        self.call_threadsafe(callback)

    def call_threadsafe(self, callback: Callable[[], object]) -> None:
        """Run *callback* on the run's thread; RuntimeError if the run has ended."""
        token = self._token()
        if token is None:
            raise RuntimeError("the run of Trio is gone")
        token.run_sync_soon(callback, idempotent=True)

    def signal(self) -> TrioSignal:
        """Return a new one-time signal."""
        return TrioSignal()

    def task_functions(self) -> None:
        """Return None: each operation is a checkpoint, which is Python's business."""

    async def checkpoint(self) -> None:
        """Raise the cancellation, if there is one, and let the other tasks run."""
        budget.account.suspensions += 1
        await trio.lowlevel.checkpoint()

    async def check(self) -> None:
        """Raise the cancellation, if there is one: half of a checkpoint."""
        await trio.lowlevel.checkpoint_if_cancelled()

    async def turn(self) -> None:
        """Let the other tasks run, whoever is cancelled: the other half."""
        budget.account.suspensions += 1
        await trio.lowlevel.cancel_shielded_checkpoint()

    def calm(self) -> AbstractContextManager[object]:
        """Do nothing: a shielded scope is one already."""
        return nullcontext()

    async def sleep(self, seconds: float) -> None:
        """Suspend the task for *seconds*.

        By the run's clock if that goes on by itself. One of a test may stand still,
        `trio.testing.MockClock`; what is waited for here is another process, or the
        kernel, which do not.
        """
        budget.account.suspensions += 1
        if _stands_still(trio.lowlevel.current_clock(), seconds):
            await trio.to_thread.run_sync(time.sleep, seconds, abandon_on_cancel=True)
        else:
            await trio.sleep(seconds)

    async def wait_readable(self, fd: int) -> bool:
        """Wait until *fd* can be read; False if the run cannot watch it."""
        return await self._watch(fd, trio.lowlevel.wait_readable)

    async def wait_writable(self, fd: int) -> bool:
        """Wait until *fd* can be written; False if the run cannot watch it."""
        return await self._watch(fd, trio.lowlevel.wait_writable)

    async def _watch(self, fd: int, wait: Callable[[int], Awaitable[None]]) -> bool:
        # A duplicate, because only one task may wait for a descriptor number, and that
        # may be one of the program's own.
        watched = os.dup(fd)
        budget.account.suspensions += 1
        try:
            await wait(watched)
        except OSError:
            # EPERM: epoll(7) does not take regular files and some devices.
            return False
        finally:
            # Also from the set of epoll(7), which knows the file by its description.
            trio.lowlevel.notify_closing(watched)
            os.close(watched)
        return True


def _stands_still(clock: trio.abc.Clock, seconds: float) -> bool:
    """Tell whether *seconds* of *clock* take much longer, or never pass."""
    if getattr(clock, "autojump_threshold", math.inf) < math.inf:
        return False
    deadline = clock.current_time() + seconds
    return clock.deadline_to_sleep_time(deadline) > 10 * seconds


def _nothing() -> None:
    """Do nothing: what a run is asked to do, to find out whether it still goes on."""


async def _keep_watching(
    fd: int, callback: Callable[[], object], ended: Callable[[], object]
) -> None:
    try:
        while True:
            await trio.lowlevel.wait_readable(fd)
            callback()
    except trio.Cancelled:
        # The run ends. The program's own system tasks do now, and may have files.
        nursery = trio.lowlevel.current_task().parent_nursery
        while nursery is not None and len(nursery.child_tasks) > 1:
            await trio.lowlevel.cancel_shielded_checkpoint()
            callback()
        raise
    finally:
        trio.lowlevel.notify_closing(fd)
        ended()


def new_scope() -> trio.CancelScope:
    """Return a scope in which nothing is cancelled from outside, while it says so."""
    return trio.CancelScope(shield=True)


def _protect() -> None:
    """Have KeyboardInterrupt wait for a checkpoint while headrace's own code runs.

    Trio raises it wherever the main task is, but for functions that are known to it:
    a turn could be taken and never be handed on.
    """
    for name, module in tuple(sys.modules.items()):
        if name.startswith(("headrace.engine.", "headrace.files.")):
            for holder in (module, *vars(module).values()):
                if holder is module or isinstance(holder, type):
                    _protect_functions(holder, name)


def _protect_functions(holder: object, module: str) -> None:
    for value in vars(holder).values():
        function = value.fget if isinstance(value, property) else value
        # Trio knows them by their code objects, of which it gives each a new one.
        # (Before 0.29 it gave a new function, which would be of no use.)
        if isinstance(function, types.FunctionType) and function.__module__ == module:
            trio.lowlevel.enable_ki_protection(function)


_protect()
