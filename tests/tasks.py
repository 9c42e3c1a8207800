"""Tasks for tests, on whatever host runs: started, cancelled, waited for.

The names and meanings are those of asyncio, as far as tests need them, and under
asyncio that is what they are. Under Trio a task is a scope in the test's nursery:
cancelled, it ends at its next checkpoint. One that has changed something, and was
cancelled meanwhile, counts as cancelled, as its caller would be; one that has got
something hands it over.
"""

from __future__ import annotations

import asyncio
import functools
import math
import sys
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest


def on_trio() -> bool:
    """Tell whether Trio runs the test."""
    trio = sys.modules.get("trio")
    if trio is None:
        return False
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return False
    return True


class TaskCancelled(BaseException):
    """What awaiting a cancelled task raises, where the loop has nothing for it."""


#: What a cancelled task raises, and what awaiting it raises; for `except` and
#: `pytest.raises`.
Cancelled: tuple[type[BaseException], ...] = (asyncio.CancelledError, TaskCancelled)
try:
    import trio
except ImportError:
    pass
else:
    Cancelled += (trio.Cancelled,)


_running: ContextVar[TrioTask | None] = ContextVar("running", default=None)


class TrioTask:
    """What `asyncio.Task` is there."""

    #: Of the host that runs now.
    nursery: Any = None
    started: list[TrioTask]

    def __init__(self, work: Awaitable[Any]) -> None:
        self._work = work
        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        self._value: Any = None
        self._error: BaseException | None = None
        self._retrieved = False
        self.nursery.start_soon(self._run)
        self.started.append(self)

    async def _run(self) -> None:
        _running.set(self)
        with self._scope:
            try:
                self._value = await self._work
                if self._value is None or isinstance(self._value, int):
                    await trio.lowlevel.checkpoint_if_cancelled()
            except pytest.fail.Exception:
                raise
            except Exception as error:
                self._error = error
        if self._scope.cancelled_caught:
            self._error = TaskCancelled()
        self._ended.set()

    def cancel(self) -> bool:
        if self.done():
            return False
        self._scope.cancel()
        return True

    def done(self) -> bool:
        return self._ended.is_set()

    def cancelled(self) -> bool:
        return isinstance(self._error, TaskCancelled)

    def exception(self) -> BaseException | None:
        assert self.done()
        self._retrieved = True
        if isinstance(self._error, TaskCancelled):
            raise self._error
        return self._error

    def result(self) -> Any:
        assert self.done()
        self._retrieved = True
        if self._error is not None:
            raise self._error
        return self._value

    async def wait(self) -> Any:
        try:
            await self._ended.wait()
        except trio.Cancelled:
            self.cancel()
            raise
        return self.result()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.wait().__await__()

    @property
    def complaint(self) -> str | None:
        """What asyncio says of a task whose error nobody looked at."""
        unseen = self._error is not None and not self._retrieved
        if unseen and not self.cancelled():
            return f"Task exception was never retrieved: {self._error!r}"
        return None


Task = TrioTask | asyncio.Task[Any]


def start(work: Awaitable[Any]) -> Any:
    """Start a task, `asyncio.ensure_future`; it runs when this one waits."""
    if isinstance(work, TrioTask):
        return work
    return TrioTask(work) if on_trio() else asyncio.ensure_future(work)


def current() -> Any:
    """Return the task that runs, if `start` started it."""
    return _running.get() if on_trio() else asyncio.current_task()


async def sleep(seconds: float) -> None:
    """Let the other tasks run, for *seconds*; 0 lets each run once."""
    if not on_trio():
        await asyncio.sleep(seconds)
    elif seconds > 0:
        await trio.sleep(seconds)
    else:
        await trio.lowlevel.checkpoint()


async def wait(
    tasks: Iterable[Any], *, timeout: float | None = None
) -> tuple[set[Any], set[Any]]:
    """Wait until all *tasks* have ended: those that have, and those that have not."""
    tasks = list(tasks)
    if not on_trio():
        return await asyncio.wait(tasks, timeout=timeout)
    with trio.move_on_after(math.inf if timeout is None else timeout):
        for task in tasks:
            await task._ended.wait()
    return (
        {task for task in tasks if task.done()},
        {task for task in tasks if not task.done()},
    )


async def gather(*works: Awaitable[Any], return_exceptions: bool = False) -> list[Any]:
    """Run *works* side by side, and return what they return."""
    if not on_trio():
        return await asyncio.gather(*works, return_exceptions=return_exceptions)
    tasks = [start(work) for work in works]
    try:
        for task in tasks:
            await task._ended.wait()
    except trio.Cancelled:
        for task in tasks:
            task.cancel()
        raise
    for task in tasks:
        task._retrieved = True
    if return_exceptions:
        return [task._error or task._value for task in tasks]
    return [task.result() for task in tasks]


async def wait_for(work: Awaitable[Any], timeout: float | None) -> Any:
    """Await *work*; raise TimeoutError and cancel it after *timeout*."""
    if not on_trio():
        return await asyncio.wait_for(work, timeout)
    with trio.move_on_after(math.inf if timeout is None else timeout):
        return await work
    raise TimeoutError


async def watch(task: Any, seconds: float) -> Any:
    """Await *task* and leave it alone if that takes more than *seconds*."""
    done, _ = await wait([task], timeout=seconds)
    if not done:
        raise TimeoutError
    return await task


@asynccontextmanager
async def _trio_timeout(seconds: float) -> AsyncIterator[None]:
    with trio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise TimeoutError


def timeout(seconds: float) -> AbstractAsyncContextManager[Any]:
    """`asyncio.timeout`."""
    return _trio_timeout(seconds) if on_trio() else asyncio.timeout(seconds)


def Event() -> Any:  # noqa: N802 - it stands for the class
    """`asyncio.Event`, without `clear`."""
    return trio.Event() if on_trio() else asyncio.Event()


def Semaphore(value: int) -> Any:  # noqa: N802 - it stands for the class
    """`asyncio.Semaphore`."""
    return trio.Semaphore(value) if on_trio() else asyncio.Semaphore(value)


async def in_thread(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a blocking function in a thread that is none of headrace's."""
    if on_trio():
        call = functools.partial(func, *args, **kwargs)
        return await trio.to_thread.run_sync(call, abandon_on_cancel=True)
    return await asyncio.to_thread(func, *args, **kwargs)


def from_thread() -> Callable[[Callable[[], object]], object]:
    """Return what, called in another thread, has this loop call a function."""
    if on_trio():
        call: Callable[..., object] = trio.lowlevel.current_trio_token().run_sync_soon
        return call
    return asyncio.get_running_loop().call_soon_threadsafe


def later(seconds: float, callback: Callable[[], object]) -> None:
    """Call *callback* in the loop's thread after *seconds*."""
    if not on_trio():
        asyncio.get_running_loop().call_later(seconds, callback)
        return

    async def call() -> None:
        await trio.sleep(seconds)
        callback()

    TrioTask.nursery.start_soon(call)


async def run_test(
    func: Callable[..., Coroutine[Any, Any, Any]], complaints: list[str]
) -> Any:
    """Run *func* under Trio; what it leaves running is cancelled."""
    error: BaseException | None = None
    value: Any = None
    async with trio.open_nursery() as nursery:
        before = TrioTask.nursery
        TrioTask.nursery = nursery
        started = TrioTask.started = []
        try:
            value = await func()
        except trio.Cancelled:
            raise
        except BaseException as raised:
            # Not through the nursery, which would make a group of it.
            error = raised
        finally:
            TrioTask.nursery = before
        nursery.cancel_scope.cancel()
    complaints += [task.complaint for task in started if task.complaint]
    started.clear()
    if error is not None:
        try:
            raise error
        finally:
            del error
    return value
