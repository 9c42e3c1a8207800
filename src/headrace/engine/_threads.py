"""The thread engine: jobs go to worker threads, results come back to the loop.

One for each running loop. It owns no thread itself (the lanes do) and holds the
loop weakly, so it ends with the loop and needs no closing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from typing import Any, Literal, TypeVar

from headrace._stats import counters
from headrace._typing import Host, Signal
from headrace.engine._budget import OPERATIONS_PER_LOOK, budget
from headrace.engine._inflight import Job, Operation
from headrace.engine._lanes import Lane, workers
from headrace.engine._limits import Limited
from headrace.engine._shield import Shield, current_shield

T = TypeVar("T")

#: Jobs that change something and are running; the exit waits for them.
_effects: set[Operation] = set()


def effect_begins(job: Operation) -> None:
    """Note that *job* changes something: the exit waits for it."""
    _effects.add(job)


def operation_ended(job: Operation) -> None:
    """Note that *job* is complete: the exit need not wait for it."""
    _effects.discard(job)


class ThreadsEngine:
    """Runs blocking calls in headrace's own threads for one event loop."""

    name = "threads"
    #: Whether it says itself that it is in use: once it knows.
    announces_itself = False
    #: Whether a job runs while the task that submitted it goes on. Not in Python's
    #: threads: they begin when the loop lets go of the GIL.
    overlaps = False
    #: Why this engine was chosen.
    reason = "the default"

    def __init__(self, host: Host) -> None:
        self.host = host
        self._cancelled = host.cancelled
        self._finished: deque[Job] = deque()
        self._signalled = False
        #: Jobs that wait for a token of a limiter, or have one; and their lanes.
        self._limited: dict[Operation, tuple[Limited, Lane]] = {}

    # -- Jobs ---------------------------------------------------------------

    async def run(
        self,
        func: Callable[..., T],
        *args: Any,
        lane: Lane = Lane.WORK,
        on_cancel: Literal["abandon", "finish"] = "abandon",
        discard: Callable[[T], object] | None = None,
        executor: Executor | None = None,
        keep: object = None,
    ) -> T:
        """Run ``func(*args)`` as one job, in one hop.

        Args:
            func: A blocking call; runs with the caller's context variables.
            args: Its arguments, kept alive until it has come back.
            lane: `Lane.WAIT` for what may wait for ever.
            on_cancel: What a cancellation does once the job runs. "abandon" raises
                at once; "finish" waits for the end first, for all that changes
                something; under Trio it then returns, and the next checkpoint
                raises, unless there is a *discard*. A job that no thread has begun
                never runs.
            discard: Takes, in a worker thread, the result that nobody waits for.
            executor: Runs the job instead of headrace's threads; or a `Limited`,
                which has it wait for a token first.
            keep: What has to live until the call has come back, besides *args*.

        Returns:
            What *func* returns.

        Raises:
            BaseException: What *func* raises.
        """
        if budget.strict:
            await self.host.check()
        job = self.submit(
            func, *args, lane=lane, discard=discard, executor=executor, keep=keep
        )
        result: T = await self.outcome(job, on_cancel)
        return result

    async def outcome(
        self, job: Operation, on_cancel: Literal["abandon", "finish"] = "abandon"
    ) -> Any:
        """Wait for a submitted *job*; see `run`.

        If that is cancelled, the job is `withdrawn`, `completed`, or in flight.
        """
        if self._limited and isinstance(job, Job) and job in self._limited:
            await self._admit(job)
        polls = self._polls(job)
        turn_is_due = polls and budget.spend(OPERATIONS_PER_LOOK)
        if polls and not turn_is_due and self._over_soon(job):
            return job.outcome()
        if on_cancel == "finish":
            _effects.add(job)
            if job.completed:
                # It may be so quick that it was taken off before it was put on.
                _effects.discard(job)
        finish = on_cancel == "finish"
        signal = job.signal
        assert signal is not None
        suspended = monotonic()
        try:
            if turn_is_due:
                # Polling is inline work, and the time for it over: the loop gets its
                # turn, which takes no longer than a short call.
                await self.host.checkpoint()
            # (`self.wait()`, written out: each call that is not inline comes by.)
            if not (turn_is_due and self._over_soon(job)):
                await signal.wait(_leave(job) if finish else None)
        except self._cancelled as cancellation:
            shield = current_shield()
            if shield is None:
                await self._leave_cancelled(job, signal, finish)
                raise
            await self._wait_through(cancellation, shield, signal)
        except GeneratorExit:
            # The coroutine is dropped, perhaps with its loop: nobody will wait.
            self._give_up(job)
            raise
        if on_cancel == "finish":
            _effects.discard(job)
        budget.renew(suspended)
        return job.outcome()

    def _polls(self, job: Operation) -> bool:
        """Tell whether `_over_soon(job)` is worth a try."""
        return False

    def _over_soon(self, job: Operation) -> bool:
        """Tell whether *job* was so quick that its task need not be suspended."""
        return False

    async def _leave_cancelled(
        self, job: Operation, signal: Signal, finish: bool
    ) -> None:
        """Do what a cancellation of the task that waits for *job* asks for."""
        if job.withdrawn or job.withdraw():
            _effects.discard(job)
            self._give_token_back(job)
            return
        try:
            if finish:
                with Shield():
                    await self.wait(signal)
        finally:
            self._give_up(job)

    def submit(
        self,
        func: Callable[..., Any],
        *args: Any,
        lane: Lane = Lane.WORK,
        discard: Callable[[Any], object] | None = None,
        executor: Executor | None = None,
        keep: object = None,
    ) -> Operation:
        """Start a job without waiting for it; `outcome(job)` then does.

        One that has to wait for a token begins only there.
        """
        counters.engine_jobs += 1
        counters.hops += 1
        job = Job(func, args, self.host.signal(), self._deliver, discard, keep)
        if isinstance(executor, Limited):
            self._limited[job] = executor, lane
        else:
            _start(job, lane, executor)
        return job

    async def _admit(self, job: Job) -> None:
        """Start a job once it has a token."""
        place, lane = self._limited[job]
        try:
            await place.acquire(job)
        except BaseException as error:
            del self._limited[job]
            shield = current_shield()
            if shield is None or not isinstance(error, self._cancelled):
                job.withdraw()
                raise
            # It has to be done, and at once: without a token.
            shield.note(error)
        _start(job, lane, place.executor)

    def _give_token_back(self, job: Operation) -> None:
        """On the loop's thread, once *job* has run or will not run."""
        held = self._limited.pop(job, None)
        if held is not None:
            held[0].release(job)

    def _give_up(self, job: Operation) -> None:
        """Leave *job* to itself; a result that is here already goes to a worker."""
        if job.abandon() and job.discards:
            workers(Lane.WORK).submit(job.drop_result)

    def _deliver(self, job: Job) -> None:
        """Take a completed job from a worker's thread to the loop's."""
        _effects.discard(job)
        self._finished.append(job)
        # The flag is cleared before the queue is emptied, so a job that finds it
        # set is always seen; two wake-ups for one job do no harm.
        if self._signalled:
            return
        self._signalled = True
        try:
            self.host.call_threadsafe(self._reap)
        except RuntimeError:
            # The loop is closed or gone: nobody waits any more.
            self._signalled = False
            self._drop_finished()

    def _reap(self) -> None:
        self._signalled = False
        while self._finished:
            job = self._finished.popleft()
            if self._limited:
                self._give_token_back(job)
            job.signal.set()

    def _drop_finished(self) -> None:
        while True:
            try:
                job = self._finished.popleft()
            except IndexError:
                return
            job.drop_result()

    # -- Waiting ------------------------------------------------------------

    async def wait(
        self, signal: Signal, leave: Callable[[], bool] | None = None
    ) -> None:
        """Wait for *signal*; inside a `Shield`, through cancellations.

        Args:
            signal: What is waited for.
            leave: Asked on a cancellation whether it may be raised, under Trio.

        Raises:
            The loop's cancellation. The signal may be set all the same.
        """
        try:
            return await signal.wait(leave)
        except self._cancelled as cancellation:
            shield = current_shield()
            if shield is None:
                raise
            await self._wait_through(cancellation, shield, signal)

    async def _wait_through(
        self, cancellation: BaseException, shield: Shield, signal: Signal
    ) -> None:
        """Wait for *signal* whatever is cancelled, now that it has been once."""
        shield.note(cancellation)
        with self.host.calm():
            while True:
                try:
                    return await signal.wait()
                except self._cancelled as another:
                    shield.note(another)

    async def checkpoint(self) -> None:
        """Give every other ready task a turn; renews the inline budget."""
        counters.yields += 1
        suspended = monotonic()
        await self._unless_shielded(self.host.checkpoint())
        budget.renew(suspended)

    async def sleep(self, seconds: float) -> None:
        """Suspend the task for *seconds*; inside a `Shield` perhaps for less."""
        await self._unless_shielded(self.host.sleep(seconds))

    async def _unless_shielded(self, pause: Coroutine[Any, Any, None]) -> None:
        shield = current_shield()
        if shield is not None and shield.cancellation is not None:
            with self.host.calm():
                await self._noting(pause, shield)
        else:
            await self._noting(pause, shield)

    async def _noting(
        self, pause: Coroutine[Any, Any, None], shield: Shield | None
    ) -> None:
        try:
            await pause
        except self._cancelled as cancellation:
            if shield is None:
                raise
            shield.note(cancellation)

    async def wait_readable(self, fd: int) -> bool:
        """Wait until *fd* can be read; False if the loop cannot watch it.

        Can be cancelled even inside a `Shield`, also by a cancellation that came
        before: it may take for ever.
        """
        with _unshielded():
            return await self.host.wait_readable(fd)

    async def wait_writable(self, fd: int) -> bool:
        """Wait until *fd* can be written; see `wait_readable`."""
        with _unshielded():
            return await self.host.wait_writable(fd)


def _start(job: Job, lane: Lane, executor: Executor | None) -> None:
    if executor is None:
        workers(lane).submit(job)
    else:
        executor.submit(job)


def _leave(job: Operation) -> Callable[[], bool] | None:
    """Return what says whether the task that waits for the change may be cancelled."""
    if job.discards:
        # What is made, and not wanted any more, is undone; what is changed is not.
        return None
    # In a shield, that can only be KeyboardInterrupt.
    return job.withdraw if current_shield() is None else _never


def _never() -> bool:
    return False


def _unshielded() -> AbstractContextManager[object]:
    """Let cancellations through the shield around this task, if there is one."""
    shield = current_shield()
    return nullcontext() if shield is None else shield.lifted()


def wait_for_effects() -> None:
    """Block until no job that changes something runs: for the interpreter's exit."""
    pause = threading.Event()
    for job in tuple(_effects):
        while not job.completed and not job.withdraw():
            # Nobody fetches a ring's completions once its loop is gone.
            pursue = getattr(job, "pursue", None)
            if pursue is None or not pursue(0.001):
                pause.wait(0.001)
