"""asyncio and uvloop: the only file that knows them.

A host offers what `headrace._typing.Host` lists; nothing here knows of jobs, files
or threads beyond waking the loop from one.
"""

from __future__ import annotations

import asyncio
import os
import sys
import types
import weakref
from collections import deque
from collections.abc import Callable, Generator, Sized
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from headrace._typing import TaskFunctions
from headrace.engine._budget import budget


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the asyncio loop that runs in this thread, if one does."""
    return asyncio._get_running_loop()


def running_task() -> asyncio.Task[Any] | None:
    """Return the task that runs in this thread, if one does."""
    loop = asyncio._get_running_loop()
    return None if loop is None else asyncio.current_task(loop)


@types.coroutine
def _bare_yield() -> Generator[None, None, None]:
    """Suspend once: what `asyncio.sleep(0)` does, one coroutine less."""
    yield


class AsyncioSignal:
    """A one-time event for one waiting task."""

    __slots__ = ("_future", "_loop", "is_set")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._future: asyncio.Future[None] | None = None
        self.is_set = False

    def set(self) -> None:
        """Wake the waiting task; on the loop's thread."""
        self.is_set = True
        future = self._future
        if future is not None and not future.done():
            future.set_result(None)

    async def wait(self, leave: Callable[[], bool] | None = None) -> None:
        """Suspend until `set()`; may be awaited again after a cancellation.

        Args:
            leave: Not asked: asyncio raises a cancellation whatever is waited for.
        """
        if self.is_set:
            return
        self._future = self._loop.create_future()
        try:
            await self._future
        finally:
            self._future = None


class AsyncioHost:
    """One running asyncio or uvloop loop; refers to it weakly."""

    cancelled: tuple[type[BaseException], ...] = (asyncio.CancelledError,)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Engines are kept in a table by loop, weakly: a strong reference here
        # would keep each loop that ever ran alive.
        self._loop = weakref.ref(loop)
        # The module that the loop is of, "uvloop" say.
        self.name = type(loop).__module__.partition(".")[0]
        # Those of asyncio keep what is ready there; uvloop's cannot be seen.
        ready = getattr(loop, "_ready", None)
        self._ready: Sized | None = ready if isinstance(ready, deque) else None
        self._last: weakref.ref[asyncio.Task[Any]] | None = None
        # Tasks that yield while others do; whether `_let_next_go_on` is scheduled.
        self._yielding: deque[AsyncioSignal] = deque()
        self._pacing = False

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop; RuntimeError when it is gone."""
        loop = self._loop()
        if loop is None:
            raise RuntimeError("the event loop is gone")
        return loop

    @property
    def closed(self) -> bool:
        """Whether the loop has ended for good."""
        loop = self._loop()
        return loop is None or loop.is_closed()

    def watch(
        self,
        fd: int,
        callback: Callable[[], object],
        ended: Callable[[], object],
    ) -> bool:
        """Call *callback* on the loop's thread whenever *fd* can be read."""
        del ended  # Nobody is told when a loop is closed.
        try:
            # Never removed: closing the loop closes its selector.
            self.loop.add_reader(fd, callback)
        except (OSError, NotImplementedError, ValueError):
            return False
        return True

    def idle(self) -> bool:
        """Tell whether no task is known to be ready besides the running one."""
        if self._ready is not None:
            return not self._ready
        # The task that asked last is probably the only one that does.
        task = running_task()
        last, self._last = self._last, None if task is None else weakref.ref(task)
        return last is not None and last() is task

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Run *callback* in the loop's next turn; on the loop's thread."""
        self.loop.call_soon(callback)

    def call_threadsafe(self, callback: Callable[[], object]) -> None:
        """Run *callback* on the loop's thread; RuntimeError if the loop is closed."""
        self.loop.call_soon_threadsafe(callback)

    def signal(self) -> AsyncioSignal:
        """Return a new one-time signal of this loop."""
        return AsyncioSignal(self.loop)

    def task_functions(self) -> TaskFunctions | None:
        """Return what the core needs to suspend a task itself; None where it cannot."""
        if hasattr(asyncio, "_nest_patched"):
            # nest_asyncio runs the loop inside a task: what waits in C would not be
            # told of while that task, told first, runs it.
            return None
        return TaskFunctions(
            self.loop,
            asyncio._get_running_loop,
            asyncio.current_task,
            asyncio.CancelledError,
        )

    async def checkpoint(self) -> None:
        """Let every other ready task run once; the inline budget then begins anew.

        Of the tasks that wait here, one goes on in each turn of the loop, in the order
        in which they came, with a whole slice. Were all woken in each turn, the first
        would use up the slice over and over, and the others be woken for nothing.
        """
        if self._pacing:
            turn = self.signal()
            self._yielding.append(turn)
            try:
                await turn.wait()
            except BaseException:
                if not turn.is_set:
                    self._yielding.remove(turn)
                raise
        else:
            self._pacing = True
            self.call_soon(self._let_next_go_on)
            await _bare_yield()
        budget.renew()

    def _let_next_go_on(self) -> None:
        # In a turn of the loop in which one of them has gone on, or none has to.
        self._pacing = bool(self._yielding)
        if self._pacing:
            self._yielding.popleft().set()
            self.call_soon(self._let_next_go_on)

    async def check(self) -> None:
        """Do nothing: a cancellation is raised where the task waits next."""

    async def turn(self) -> None:
        """Let every other ready task run once: as `checkpoint`."""
        await _bare_yield()

    def calm(self) -> AbstractContextManager[object]:
        """Keep anyio from raising its cancellation again in each turn of the loop.

        It does so in a scope of its own, as long as the task is in there. Where it
        is not in use, a cancellation is raised once, and nothing has to be done.
        """
        anyio = sys.modules.get("anyio")
        if anyio is None:
            return nullcontext()
        scope: AbstractContextManager[object] = anyio.CancelScope(shield=True)
        return scope

    async def sleep(self, seconds: float) -> None:
        """Suspend the task for *seconds*."""
        await asyncio.sleep(seconds)

    async def wait_readable(self, fd: int) -> bool:
        """Wait until *fd* can be read; False if the loop cannot watch it."""
        loop = self.loop
        return await self._watch(fd, loop.add_reader, loop.remove_reader)

    async def wait_writable(self, fd: int) -> bool:
        """Wait until *fd* can be written; False if the loop cannot watch it."""
        loop = self.loop
        return await self._watch(fd, loop.add_writer, loop.remove_writer)

    async def _watch(
        self,
        fd: int,
        add: Callable[..., object],
        remove: Callable[[int], object],
    ) -> bool:
        # A duplicate, because the loop keeps one watcher a descriptor number, and
        # that of the program's own (a transport over stdin, say) must stay.
        watched = os.dup(fd)
        try:
            ready = self.signal()
            blocking = hasattr(os, "get_blocking") and os.get_blocking(fd)
            try:
                add(watched, ready.set)
            except (OSError, NotImplementedError, ValueError):
                # EPERM: epoll(7) does not take regular files and some devices.
                # NotImplementedError: the Proactor loop of Windows.
                return False
            finally:
                if blocking:
                    # uvloop sets O_NONBLOCK, for everybody who shares the file: the
                    # terminal's other processes too.
                    os.set_blocking(fd, True)
            try:
                await ready.wait()
            finally:
                remove(watched)
        finally:
            os.close(watched)
        return True
