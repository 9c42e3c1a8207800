"""The engine of native worker threads: calls that need no GIL, the rest as before.

A job whose call has a description goes to native threads, which hand it back through
the loop's channel; every other one goes the way of `_threads.py`. Imported only where
the C core has such threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from headrace._native import Call, CallWorkers, Completions
from headrace._platform import usable_cpus
from headrace._settings import Settings, on_change, settings
from headrace._stats import counters
from headrace._typing import Host, Signal
from headrace.engine._channel import Channel
from headrace.engine._described import Decode, Request, described
from headrace.engine._inflight import Operation
from headrace.engine._lanes import Lane, counted
from headrace.engine._threads import ThreadsEngine, operation_ended


def _number(lane: Lane) -> int:
    """Return what `workers.h` calls *lane*."""
    return 0 if lane is Lane.WORK else 1


#: What `Request.kind` names.
_KINDS: dict[str, int] = {
    name: value for name, value in vars(Call).items() if type(value) is int
}


class NativeJob(Call):
    """One call by a native thread; has the life of `_inflight.Job`."""

    __slots__ = ("_decode", "_hint", "signal")

    signal: Signal | None
    _decode: Decode
    _hint: Any

    def outcome(self) -> Any:
        """Return the result or raise the error of a completed job."""
        return self._decode(self, self._hint)

    def leftover(self) -> Any:
        """Return the result of a completed job that was given up; None if it failed."""
        return None if self.errno else self.outcome()

    def abandon(self) -> bool:
        """Give the outcome up; see `Job.abandon`."""
        # The signal holds the loop, which may end before the call does.
        self.signal = None
        return super().abandon()

    def drop_result(self) -> None:
        """Undo a success that came too late: close the descriptor."""
        self.drop()


class Completed:
    """A loop's completed calls, as a source of its channel."""

    __slots__ = ("channel", "completions")

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.completions = Completions(channel.fd)

    def end(self) -> bool:
        """Tell whether all calls have been handed out."""
        return not self.completions.in_flight

    def reap(self) -> None:
        """Hand out all that is complete; on the loop's thread."""
        for job in self.completions.reap():
            assert isinstance(job, NativeJob)
            operation_ended(job)
            if job.signal is not None:
                job.signal.set()

    def drain(self) -> None:
        """Wait for what is in flight, and drop it: the loop has ended."""
        while self.completions.in_flight:
            self.completions.wait(10)
            for job in self.completions.reap():
                assert isinstance(job, NativeJob)
                operation_ended(job)
                job.drop_result()

    def close(self) -> None:
        """Nothing is held but memory."""

    def forget(self) -> None:
        """Expect nothing, in a forked child."""
        self.completions.forget()


class WorkersEngine(ThreadsEngine):
    """Runs described calls in native threads, and others in Python's."""

    name = "workers"
    overlaps = True

    def __init__(
        self,
        host: Host,
        connect: Callable[[], Completed | None],
    ) -> None:
        super().__init__(host)
        # Asked once there is a call: most loops read from caches only.
        self._connect = connect
        self._completed: Completed | None = None

    def submit(
        self,
        func: Callable[..., Any],
        *args: Any,
        lane: Lane = Lane.WORK,
        discard: Callable[[Any], object] | None = None,
        executor: Executor | None = None,
        keep: object = None,
    ) -> Operation:
        """Start a job without waiting for it; see `ThreadsEngine.submit`."""
        if executor is None:
            description = described(func, args)
            if description is not None:
                job = self._start(*description, lane, keep)
                if job is not None:
                    return job
        return super().submit(
            func, *args, lane=lane, discard=discard, executor=executor, keep=keep
        )

    def _start(
        self, request: Request, hint: Any, decode: Decode, lane: Lane, keep: object
    ) -> NativeJob | None:
        completed = self._completed
        if completed is None:
            completed = self._completed = self._connect()
        if completed is None or completed.channel.closed:
            # It cannot be woken, or is about to end: Python's threads know how.
            counters.fallbacks += 1
            return None
        kind, details = request[0], list[Any](request[1:])
        job = NativeJob()
        job.signal = self.host.signal()
        job._decode = decode
        job._hint = hint
        if not job.start(
            _pool or _new_pool(),
            completed.completions,
            _number(lane),
            keep,
            _KINDS[kind],
            *details,
        ):
            # No thread can be started: Python's say what is then done.
            counters.fallbacks += 1
            return None
        counters.engine_jobs += 1
        counters.native_jobs += 1
        counters.hops += 1
        return job

    def _polls(self, job: Operation) -> bool:
        """Tell whether the loop has nothing better to do than to look for its end.

        Suspending the task and waking the loop takes several times as long as a short
        call, and the GIL, which another thread may have got meanwhile.
        """
        return _poll_ns > 0 and type(job) is NativeJob and self.host.idle()

    def _over_soon(self, job: Operation) -> bool:
        """Look for a moment whether *job* is complete; tell whether it is."""
        completed = self._completed
        assert isinstance(job, NativeJob)
        if completed is None or not completed.completions.poll(job, _poll_ns):
            return False
        operation_ended(job)
        counters.polled += 1
        return True


# -- The process's native threads ---------------------------------------------

_pool: CallWorkers | None = None
#: How long a thread polls, in nanoseconds: those of the pool for the next call, those
#: of loops for the end of one. 0 where one CPU cannot do both.
_poll_ns = 0


def _new_pool() -> CallWorkers:
    global _pool
    made = CallWorkers(*_sizes(settings()))
    # Two loops may come at once; the pool that loses has no thread yet.
    _pool = _pool or made
    return _pool


def _sizes(chosen: Settings) -> tuple[int, int, float, int]:
    global _poll_ns
    _poll_ns = round(chosen.busy_poll * 1e9) if usable_cpus() > 1 else 0
    return chosen.max_workers, chosen.max_waiting, chosen.idle_timeout, _poll_ns


def _resize(chosen: Settings) -> None:
    if _pool is not None:
        _pool.configure(*_sizes(chosen))


def _alive(lane: Lane) -> int:
    return _pool.threads(_number(lane)) if _pool is not None else 0


def _forget() -> None:
    global _pool
    if _pool is not None:
        _pool.forget()
        _pool = None


on_change(_resize)
counted.append(_alive)
os.register_at_fork(after_in_child=_forget)
