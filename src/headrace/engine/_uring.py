"""The engine of io_uring: reads that would wait for a disk, syncs, asynchronous writes.

Everything else, and whatever the kernel refuses, goes the way of `_workers.py`. Each
loop has one small ring, made when first needed; it tells of completions through the
loop's channel. Imported only where the C core has rings.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from headrace import _native
from headrace._platform import is_android
from headrace._settings import settings
from headrace._stats import counters
from headrace._typing import Host
from headrace.engine._announce import say_once
from headrace.engine._inflight import Operation
from headrace.engine._inline import Device
from headrace.engine._lanes import Lane
from headrace.engine._ring_calls import READS, SYNCS, RingKind, ring_kind
from headrace.engine._shield import shield_variable
from headrace.engine._threads import effect_begins
from headrace.engine._workers import Completed, WorkersEngine

#: The longest operation: the kernel copies in the loop's thread what need not wait, as
#: an inline read does.
LARGEST_CACHED = 256 * 1024  # bytes

#: As many are submitted without waiting for the end of the loop's turn, so that the
#: disk has work while a turn of many tasks goes on. With 64 random cold reads in flight
#: that gave, in two runs each, beside fio: 4: 1.09 and 1.03; 8: 0.94 and 0.95; 16: 0.91
#: and 0.87 (2 CPUs, ext4, Linux 6.18; benchmarks/cold.py).
BATCH = 4

#: How long a loop that has ended waits for what is in flight; a disk takes 0.1 ms.
LAST_WAIT_S = 1.0

#: Answers that speak of the ring and not of the file: a worker makes the call again.
_REDONE = frozenset(
    -number
    for number in (
        errno.EAGAIN,
        errno.ENOMEM,
        errno.EOPNOTSUPP,
        errno.EINVAL,
        errno.ENOSYS,
        errno.EBUSY,
        errno.EINTR,
        errno.ECANCELED,
        errno.EPERM,
        errno.EACCES,
    )
)

#: Refusals of a moment: another loop, or a later one, may have more luck.
_PASSING = (errno.EMFILE, errno.ENFILE, errno.EAGAIN)

#: Why this process cannot use io_uring; None until it was refused.
_refusal: str | None = None


def obstacle() -> str:
    """Say why there is no ring here, without a system call; "" if there may be one."""
    if _refusal is not None:
        return _refusal
    if is_android():
        return "is off on Android, which kills processes that try it"
    machine = os.uname().machine
    if machine.startswith(("armv", "ppc64")) or sys.maxsize < 2**32:
        # libuv#4187, #4285: kernels there corrupt or crash.
        return f"is off on {machine}"
    if _native.Ring is None:
        return "is not in this build of the C core"
    return ""


def _refuse(error: int) -> str:
    """Note, once for the process, that the system has no io_uring for it."""
    global _refusal
    reason = f"was refused by the system: {os.strerror(error)}"
    if error not in _PASSING:
        _refusal = reason
    return reason


# -- The rings of one loop ----------------------------------------------------


class Rings:
    """A loop's ring, and earlier ones that have something to finish: a source."""

    __slots__ = ("_fd", "_old", "_reads", "_ring", "announced", "refusal")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._ring: _native.Ring | None = None
        self._reads: _native.RingReads | None = None
        self._old: list[_native.Ring] = []
        self.announced = False
        #: Why this loop has no ring; "" while it may have one.
        self.refusal = ""

    def ring(self) -> _native.Ring | None:
        """Return the ring, made when first needed; None where it is refused."""
        if self._ring is None and not self.refusal:
            self._make()
        return self._ring

    def _make(self) -> None:
        self.refusal = _refusal or ""
        if self.refusal:
            return
        chosen = settings()
        try:
            self._ring = _native.Ring(
                chosen.ring_entries, 0, self._fd, chosen.max_workers
            )
        except OSError as error:
            self.refusal = _refuse(error.errno or errno.ENOSYS)

    def reads(self, host: Host) -> _native.RingReads | None:
        """Return what files of this loop are read by without asking Python."""
        if self._reads is None:
            functions = host.task_functions()
            if functions is None:
                return None
            self._reads = _native.RingReads(
                functions.loop,
                functions.running_loop,
                functions.current_task,
                shield_variable(),
                functions.cancelled,
                self.flush,
                BATCH,
            )
        self._reads.ring = self._ring
        return self._reads

    def ask_python(self) -> None:
        """Have the core submit nothing by itself, until the engine has once more."""
        if self._reads is not None:
            self._reads.ring = None

    def _let_go(self) -> None:
        self._ring = None
        self.ask_python()

    def flush(self) -> None:
        """Hand to the kernel what is queued; what it does not take, workers do."""
        ring = self._ring
        if ring is None or not ring.queued:
            return
        if not ring.same_owner():
            # Operations run with the credentials of their submitter; CVE-2024-22017
            # is what came of relying on that. The next one gets a ring of its own.
            self._retire(ring)
            return
        error = ring.flush()
        if error:
            self._refused(ring, -error)
        # What has completed at once waits for the loop's next turn all the same: a task
        # that reads what is cached must not keep the others from theirs.

    def _refused(self, ring: _native.Ring, error: int) -> None:
        taken = ring.take_queue()
        if error == errno.EEXIST:
            # The loop goes on in another thread: completions come to the first alone.
            taken += ring.disown()
            self._let_go()
        elif error not in (errno.EAGAIN, errno.ENOMEM, errno.EBUSY):
            self.refusal = _refuse(error)
            self._retire(ring)
        for job in taken:
            _redo(job)

    def _retire(self, ring: _native.Ring) -> None:
        self._let_go()
        for job in ring.take_queue():
            _redo(job)
        self._old.append(ring)
        self._drop_finished()

    def _drop_finished(self) -> None:
        for ring in [ring for ring in self._old if not ring.in_flight]:
            ring.close(0)
            self._old.remove(ring)

    # -- As a source of the channel -----------------------------------------

    def end(self) -> bool:
        """Close the rings, after a moment's wait for what is in flight: reads only.

        Nobody waits for them any more, and the loop's thread alone can fetch them.
        """
        self.close()
        return True

    def reap(self) -> None:
        """Complete what the kernel has done; on the loop's thread."""
        if self._ring is not None:
            self._reap(self._ring)
        if self._old:
            for ring in tuple(self._old):
                self._reap(ring)
            self._drop_finished()

    def _reap(self, ring: _native.Ring) -> None:
        try:
            for job in ring.reap() or ():
                _failed(job)
        finally:
            # What tasks have submitted that the core has told of their last read.
            self.flush()

    def drain(self) -> None:
        """Do nothing: nothing is left by now."""

    def close(self) -> None:
        """End the rings; what they do not finish in time keeps its memory."""
        rings, self._old = [*self._old], []
        if self._ring is not None:
            rings.append(self._ring)
        self._let_go()
        self._reads = None
        self.refusal = self.refusal or "has ended with its loop"
        for ring in rings:
            ring.close(LAST_WAIT_S)

    def forget(self) -> None:
        """Leave the rings to the parent process."""
        for ring in [*self._old, self._ring]:
            if ring is not None:
                ring.forget()
        self._old.clear()
        self._let_go()


# -- What the ring refused ----------------------------------------------------


def _failed(job: _native.Operation) -> None:
    """Complete an operation that the ring handed back: elsewhere, or by its error."""
    if job.failure not in _REDONE or job.abandoned:
        number = -job.failure
        _settle_error(job, OSError(number, os.strerror(number)))
        return
    device = job.keep.device
    if job.failure == -errno.EOPNOTSUPP and device is not None:
        device.ring = False
    _redo(job)


def _settle_error(job: _native.Operation, error: OSError) -> None:
    request = job.keep
    if isinstance(request, _Request) and request.kind is RingKind.WRITE_ALL:
        job.settle((job.done, error), None)
    else:
        job.settle(None, error)


def _redo(job: _native.Operation) -> None:
    """Have a worker do what the ring did not; the operation completes by it."""
    if job.restart():
        return
    if job.abandoned:
        _settle_error(job, OSError(errno.ECANCELED, os.strerror(errno.ECANCELED)))
        return
    counters.fallbacks += 1
    job.keep.again(job)


class _Relay:
    """The signal of a worker's job that an operation of the ring completes by."""

    __slots__ = ("_job", "is_set", "worker")

    def __init__(self, job: _native.Operation) -> None:
        self._job = job
        self.worker: Operation | None = None
        self.is_set = False

    def set(self) -> None:
        """Take the outcome over; on the loop's thread."""
        worker, self.worker = self.worker, None
        if worker is None:
            return
        self.is_set = True
        try:
            result = worker.outcome()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._job.settle(None, error)
            return
        if self._job.keep.kind is RingKind.WRITE_ALL:
            count, failure = result
            result = (self._job.done + count, failure)
        self._job.settle(result, None)

    async def wait(self, leave: Callable[[], bool] | None = None) -> None:
        """Never called: the operation's own signal is waited for."""


class _Request:
    """What an operation of the ring keeps alive, and how it is done without it."""

    __slots__ = ("args", "device", "engine", "func", "keep", "kind")

    def __init__(
        self,
        engine: UringEngine,
        kind: RingKind,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        keep: object,
        device: Device | None,
    ) -> None:
        self.engine = engine
        self.kind = kind
        self.func = func
        self.args = args
        self.keep = keep
        self.device = device

    def again(self, job: _native.Operation) -> None:
        """Submit the call to the workers."""
        args = self.args
        if self.kind is RingKind.WRITE_ALL and job.done:
            fd, data, offset = args
            args = (fd, memoryview(data)[job.done :], offset + job.done)
        relay = _Relay(job)
        # Both kinds of jobs let their signal be set, on the loop's thread.
        worker: Any = self.engine.submit_to_workers(self.func, args, self.keep)
        worker.signal = relay
        relay.worker = worker
        if self.kind not in READS:
            effect_begins(worker)


# -- The engine ---------------------------------------------------------------


class UringEngine(WorkersEngine):
    """Sends to the ring what is quicker there, and the rest to workers."""

    name = "uring"
    announces_itself = True

    def __init__(
        self,
        host: Host,
        completed: Callable[[], Completed | None],
        rings: Callable[[], Rings | None],
    ) -> None:
        super().__init__(host, completed)
        self._find_rings = rings
        self._rings: Rings | None = None
        self._flush_is_due = False

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
            kind = ring_kind(func)
            if kind is not None:
                device: Device | None = getattr(keep, "_device", None)
                if _suits(kind, args, device):
                    job = self._submit_to_ring(kind, func, args, keep, device)
                    if job is not None:
                        return job
        return super().submit(
            func, *args, lane=lane, discard=discard, executor=executor, keep=keep
        )

    def submit_to_workers(
        self, func: Callable[..., Any], args: tuple[Any, ...], keep: object
    ) -> Operation:
        """Start a job that the ring has refused."""
        return super().submit(func, *args, keep=keep)

    def _submit_to_ring(
        self,
        kind: RingKind,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        keep: object,
        device: Device | None,
    ) -> _native.Operation | None:
        rings = self._rings or self._first_rings()
        ring = rings.ring() if rings is not None else None
        if rings is None or ring is None:
            self._do_without()
            return None
        request = _Request(self, kind, func, args, keep, device)
        if not rings.announced:
            rings.announced = True
            say_once(f"engine {self.name}: {self.reason}")
        signal = self.host.signal()
        if kind in READS:
            fd, size, offset = args
            full = kind is RingKind.READ_FULL
            job = ring.submit_read(fd, size, offset, full, signal, request)
            if isinstance(keep, _native.Raw):
                keep._ring_reads = rings.reads(self.host)
        elif kind is RingKind.WRITE_ALL:
            fd, data, offset = args
            job = ring.submit_write(fd, data, offset, signal, request)
        else:
            data_only = kind is RingKind.SYNC_DATA
            job = ring.submit_fsync(args[0], data_only, signal, request)
        counters.engine_jobs += 1
        counters.ring_jobs += 1
        counters.hops += 1
        self._flush_soon(rings, ring)
        return job

    def _first_rings(self) -> Rings | None:
        self._rings = self._find_rings()
        return self._rings

    def _flush_soon(self, rings: Rings, ring: _native.Ring) -> None:
        """Submit at once if nothing is in flight, else together with what follows."""
        if ring.queued >= BATCH:
            rings.flush()
        elif self._flush_is_due:
            return
        elif ring.in_flight:
            self._flush_is_due = True
            self.host.call_soon(self._flush)
        else:
            rings.flush()

    def _flush(self) -> None:
        self._flush_is_due = False
        if self._rings is not None:
            self._rings.flush()

    def _do_without(self) -> None:
        """Say, once, that workers do everything."""
        if self.name != WorkersEngine.name:
            self.name = WorkersEngine.name
            why = self._rings.refusal if self._rings else "has no loop to wake"
            self.reason = f"{UringEngine.name}, {self.reason}, {why}"
            say_once(f"engine {self.name}: {self.reason}")


def _suits(kind: RingKind, args: tuple[Any, ...], device: Device | None) -> bool:
    """Tell whether the ring does this without holding up the loop."""
    if device is not None and not device.ring:
        return False
    if kind in SYNCS:
        return True
    _, what, offset = args
    if kind is RingKind.READ_INTO:
        # Nothing is copied: the disk writes there.
        return True
    if device is None or offset < 0:
        # The kernel's own position: a read that is given up must not move it.
        return False
    if kind is RingKind.WRITE_ALL:
        return device.async_writes and 0 < len(what) <= LARGEST_CACHED
    return device.nowait and what <= LARGEST_CACHED
