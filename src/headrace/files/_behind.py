"""A write that is under way while its caller goes on.

The descriptor's next operation waits for it; what did not reach the file then goes back
to who gave it, and the error is raised there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import monotonic, sleep

from headrace.engine import (
    Engine,
    Operation,
    budget,
    current_engine,
    effect_begins,
    operation_ended,
)

#: How often a synchronous close looks whether the write is over; and how long at most
#: while the interpreter is being taken down, when threads may be gone.
_LOOK_S = 0.0005
_LAST_WAIT_S = 5.0


class WriteBehind:
    """One job that writes *pieces*, and who takes what it leaves."""

    __slots__ = ("_engine", "_job", "give_back", "pieces", "size")

    def __init__(
        self,
        engine: Engine,
        job: Operation,
        pieces: tuple[bytes, ...],
        give_back: Callable[[bytes], object],
    ) -> None:
        self._engine = engine
        self._job = job
        self.pieces = pieces
        self.size = sum(map(len, pieces))
        self.give_back = give_back
        # The interpreter's exit waits for it.
        effect_begins(job)
        if job.completed:
            # It may be so quick that it was taken off before it was put on.
            operation_ended(job)

    async def wait(self, poll: Callable[[Operation], object]) -> None:
        """Wait until it is over; by *poll* where its event loop is another one.

        Cancellation: it goes on.
        """
        job = self._job
        if job.completed or job.withdrawn:
            return
        engine = current_engine()
        signal = job.signal
        if engine is not self._engine or signal is None:
            await poll(job)  # type: ignore[misc]
            return
        suspended = monotonic()
        await engine.wait(signal)
        budget.renew(suspended)

    def wait_blocking(self) -> None:
        """Wait until it is over, synchronously; takes it back if it has not begun."""
        job = self._job
        give_up = monotonic() + _LAST_WAIT_S
        while not (job.completed or job.withdrawn or job.withdraw()):
            # Nobody fetches a ring's completions once its loop is gone.
            pursue = getattr(job, "pursue", None)
            if pursue is None or not pursue(_LOOK_S):
                sleep(_LOOK_S)
            if sys.is_finalizing() and monotonic() > give_up:
                return

    def rest(self, count: int) -> bytes:
        """Return all but the first *count* bytes."""
        return b"".join(self.pieces)[count:]

    def outcome(self) -> tuple[int, OSError | None]:
        """Return how many bytes were written, and the error that ended it, if any."""
        operation_ended(self._job)
        if not self._job.completed:
            return 0, None
        done: tuple[int, OSError | None] = self._job.outcome()
        return done
