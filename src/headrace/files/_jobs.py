"""The jobs of one descriptor: which are under way, and what a cancelled one leaves.

A descriptor may be closed only when no call uses it, and bytes that a cancelled read
took from the kernel must not be lost. Stands on the engine alone.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Literal, TypeVar

from headrace._native import Raw
from headrace.engine import Device, Lane, Operation, budget, current_engine
from headrace.files._mode import Mode

T = TypeVar("T")

#: How often an operation looks whether an earlier, cancelled one is over.
SETTLE_PAUSE_S = 0.001


class DescriptorJobs(Raw):
    """Runs jobs that use a descriptor, and keeps account of them."""

    name: Any
    _mode: Mode
    _device: Device
    _executor: Executor | None
    #: Calls that use the descriptor, also those whose task was cancelled meanwhile.
    _in_flight: set[Operation] | None

    # Of the class, because few files ever have others: opening has to be quick.

    #: What a cancelled read took from a file that cannot seek back, or the look for
    #: a FIFO's writer.
    _stash = b""
    _late: Operation | None

    async def _run(
        self,
        call: Callable[..., T],
        *args: Any,
        on_cancel: Literal["abandon", "finish"] = "abandon",
        lane: Lane = Lane.WORK,
        discard: Callable[[T], object] | None = None,
    ) -> T:
        """Run one job that uses the descriptor; its errors get the file's name."""
        engine = current_engine()
        if budget.due:
            await engine.host.check()
        job = engine.submit(
            self._job(call),
            *args,
            lane=lane,
            discard=discard,
            executor=self._executor,
            # This object, and so its descriptor, stays open until the call is back.
            keep=self,
        )
        if self._in_flight is None:
            self._in_flight = set()
        self._in_flight.add(job)
        try:
            result: T = await engine.outcome(job, on_cancel)
        except OSError as error:
            raise self._named(error) from None
        finally:
            if job.completed or job.withdrawn or lane is Lane.WAIT:
                self._in_flight.discard(job)
            else:
                # Left in flight by a cancellation, it stays: closing has to wait for
                # it. (Not for one that may wait for ever.) Earlier ones may be over.
                self._in_flight -= {left for left in self._in_flight if left.completed}
        return result

    def _job(self, call: Callable[..., T]) -> Callable[..., T]:
        """Return what the job of *call* consists of."""
        return call

    async def _read_owned(
        self, call: Callable[..., bytes], *args: Any, lane: Lane = Lane.WORK
    ) -> bytes:
        """Run a read that moves the kernel's position: its bytes may not get lost."""
        engine = current_engine()
        job = engine.submit(call, *args, lane=lane, executor=self._executor, keep=self)
        try:
            data: bytes = await engine.outcome(job)
        except BlockingIOError:
            raise
        except OSError as error:
            raise self._named(error) from None
        except BaseException:
            if not job.withdrawn:
                self._late = job
            raise
        return data

    async def _collect_late(self, put_back: Callable[[bytes], object]) -> None:
        """Wait for a cancelled read, and have its bytes put back."""
        if self._late is not None:
            await self._wait_for(self._late)
            job, self._late = self._late, None
            data = job.leftover()
            if data:
                put_back(data)

    async def _wait_for_calls(self) -> None:
        """Wait until no call uses the descriptor."""
        while self._in_flight:
            job = next(iter(self._in_flight))
            await self._wait_for(job)
            self._in_flight.discard(job)

    async def _wait_for(self, job: Operation) -> None:
        # Looks again and again, because the job may have been begun in a loop that
        # is gone; that only happens after a cancellation.
        engine = current_engine()
        while not (job.completed or job.withdrawn):
            await engine.sleep(SETTLE_PAUSE_S)

    def _named(self, error: OSError) -> OSError:
        """Put the file's name on an error of the kernel's."""
        if error.filename is None and not isinstance(self.name, int):
            error.filename = self.name
        return error
