"""Long work in worker threads, a little while at a time: trees and large copies.

The work is a generator that blocks, and yields wherever it may be stopped: between two
entries, between two chunks. Jobs of a bounded time go on with it, so that a
cancellation waits for one of them at the most and no thread is held for long.
"""

from __future__ import annotations

import inspect
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, Generic, TypeAlias, TypeVar

from headrace.engine import Operation, Shield, current_engine

__all__ = [
    "Ask",
    "Progress",
    "Tally",
    "Work",
    "give",
    "in_steps",
    "is_async",
    "side_by_side",
]

T = TypeVar("T")

STEP_TIME_S: Final = 0.02
"""The time of one job, by the clock: two hundred times a hop, and what a cancellation
may have to wait for."""

Progress: TypeAlias = Callable[[int, int], object]
"""Takes the bytes done and their total; may be a coroutine function."""


class Ask:
    """What a generator yields to have a coroutine function called on the loop.

    The generator goes on with its result, or its error.
    """

    __slots__ = ("args", "func")

    def __init__(self, func: Callable[..., Any], *args: Any) -> None:
        self.func = func
        self.args = args


Work: TypeAlias = Generator[Ask | None, Any, T]


@dataclass(slots=True)
class Tally:
    """Bytes, counted in worker threads and told to the user on the loop."""

    progress: Progress | None
    done: int = 0
    total: int = 0
    _told: tuple[int, int] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, done: int, total: int = 0) -> None:
        """Count bytes; in any thread."""
        with self._lock:
            self.done += done
            self.total += total

    async def tell(self, *, at_end: bool = False) -> None:
        """Call the user's function if there is something new, or it is the end."""
        now = self.done, self.total
        new = now != self._told if self._told is not None else bool(self.done)
        if self.progress is None or not (new or (at_end and self._told is None)):
            return
        self._told = now
        answer = self.progress(*now)
        if inspect.isawaitable(answer):
            await answer


class _Stepped(Generic[T]):
    """A generator that is run a little while at a time, by one job after another."""

    def __init__(self, work: Work[T]) -> None:
        self._work = work
        self._answer: Any = None
        self._error: BaseException | None = None
        self.ended = False
        self.result: Any = None

    def step(self) -> Ask | None:
        """Go on until the time is over, it asks for something, or it ends."""
        deadline = monotonic() + STEP_TIME_S
        work = self._work
        try:
            asked = self._resume()
            while asked is None and monotonic() < deadline:
                asked = next(work)
        except StopIteration as end:
            self.ended = True
            self.result = end.value
            return None
        except BaseException:
            self.ended = True
            raise
        return asked

    def _resume(self) -> Ask | None:
        error, self._error = self._error, None
        if error is not None:
            return self._work.throw(error)
        answer, self._answer = self._answer, None
        return self._work.send(answer)

    async def answer(self, asked: Ask) -> None:
        """Make the call that it asked for."""
        try:
            answer = asked.func(*asked.args)
            if inspect.isawaitable(answer):
                answer = await answer
            self._answer = answer
        except Exception as error:  # noqa: BLE001 - it is raised in the generator
            self._error = error

    def close(self) -> None:
        """Stop where it is; it closes what it has open."""
        self._work.close()


async def in_steps(
    work: Work[T], tally: Tally | None = None, executor: Executor | None = None
) -> T:
    """Run a generator to its end in worker threads and return what it returns.

    Args:
        work: The generator.
        tally: What it counts, told between two jobs.
        executor: Runs the jobs instead of headrace's threads.

    Cancellation: takes effect where the generator yields next, at the end of the job
        that runs; it is closed before the cancellation is raised.
    """
    stepped = _Stepped(work)
    engine = current_engine()
    try:
        while not stepped.ended:
            asked = await engine.run(
                stepped.step, on_cancel="finish", executor=executor
            )
            if tally is not None and not stepped.ended:
                await tally.tell()
            if asked is not None:
                await stepped.answer(asked)
    except BaseException:
        with Shield():
            await engine.run(stepped.close, on_cancel="finish")
        raise
    if tally is not None:
        await tally.tell(at_end=True)
    result: T = stepped.result
    return result


async def side_by_side(
    start: Callable[[], Work[None] | None],
    limit: int,
    tally: Tally,
    stop: Callable[[], object],
) -> None:
    """Run generators, at most *limit* at a time, until *start* has no more.

    Args:
        start: Returns the next generator to begin, or None for now. Asked again
            when one has made a step.
        limit: Most jobs at a time.
        tally: Told after each step.
        stop: Called when one has failed or the caller is cancelled; what runs then
            ends soon.

    Cancellation: takes effect where the generators yield next.
    """
    engine = current_engine()
    running: deque[tuple[_Stepped[None], Operation]] = deque()
    waiting: deque[_Stepped[None]] = deque()

    def fill() -> None:
        while len(running) < limit:
            if waiting:
                stepped = waiting.popleft()
            else:
                work = start()
                if work is None:
                    return
                stepped = _Stepped(work)
            running.append((stepped, engine.submit(stepped.step)))

    try:
        fill()
        while running:
            stepped, job = running[0]
            asked = await engine.outcome(job, "finish")
            running.popleft()
            # Under Trio a job that is finished has not raised the cancellation.
            await engine.checkpoint()
            if not stepped.ended:
                waiting.append(stepped)
            await tally.tell()
            if asked is not None:
                await stepped.answer(asked)
            fill()
    except BaseException:
        stop()
        with Shield():
            await _end(running, waiting)
        raise
    await tally.tell(at_end=True)


async def _end(
    running: deque[tuple[_Stepped[None], Operation]], waiting: deque[_Stepped[None]]
) -> None:
    """Wait for the jobs under way and close all generators."""
    engine = current_engine()
    while running:
        stepped, job = running.popleft()
        waiting.append(stepped)
        if job.completed or job.withdrawn or job.withdraw():
            continue
        try:
            await engine.outcome(job, "finish")
        except Exception:  # noqa: BLE001 - the first error is the one that counts
            pass
    for stepped in waiting:
        await engine.run(stepped.close, on_cancel="finish")


def is_async(func: Callable[..., Any]) -> bool:
    """Tell whether calling *func* gives something to be awaited."""
    call: Any = type(func).__call__
    return inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(call)


def give(value: T) -> T:
    """Return *value*; for an `Ask` to await it."""
    return value
