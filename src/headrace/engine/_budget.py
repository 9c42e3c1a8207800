"""Fairness: how much inline work runs before the event loop gets a turn.

An `await` that never suspends starves every other task. As in Tokio's cooperative
scheduling there is a budget; here it is time, about a millisecond of inline work
in a thread, looked at once every few operations. One yield costs 5-10 µs, so this
costs about one percent.

Trio asks for more: there, each operation is a checkpoint, and nothing may be done
inline but inside one; docs/explanation/trio.md.
"""

from __future__ import annotations

import threading
from time import monotonic

from headrace.engine import _hosts

#: The longest that inline work may keep the loop from turning.
SLICE_S = 0.001
#: Operations between two looks at the clock. Also the most that a task, coming
#: back from a long sleep with its time long over, may do before it yields.
OPERATIONS_PER_LOOK = 8
#: How much user-space work (bytes handed out from a buffer, however small the
#: pieces) may pass before it counts as operations. 16 Ki one-byte reads or writes
#: take some 3 ms in pure Python.
WINDOW = 16 * 1024
#: What such a window counts as.
WINDOW_OPERATIONS = 4


class Budget(threading.local):
    """The inline work of one thread, and so of the loop that runs in it."""

    def __init__(self) -> None:
        self.operations = 0
        self.turned_at = monotonic()
        #: Under Trio: whether the running task is inside an operation that is a
        #: checkpoint; whether the last `spend` was refused because it was not; how
        #: often a task of this thread has been suspended by headrace.
        self.granted = False
        self.refused = False
        self.suspensions = 0
        # The first operation of a thread finds out what it runs in.
        self.spend = self._spend_first  # type: ignore[method-assign]

    def _spend_first(self, operations: int = 1) -> bool:
        del self.spend
        _hosts.runs_trio()
        return self.spend(operations)

    def spend(self, operations: int = 1) -> bool:
        """Count *operations* that will be done without suspending.

        Returns:
            True if the caller has to yield to the loop first.
        """
        if _hosts.in_trio is not None and _hosts.in_trio():
            if operations:
                self.refused = not self.granted
            return self.refused
        self.operations += operations
        if self.operations <= OPERATIONS_PER_LOOK:
            return False
        if monotonic() - self.turned_at > SLICE_S:
            return True
        self.operations = 0
        return False

    def renew(self) -> None:
        """Begin anew: the loop has just had a turn."""
        self.operations = 0
        self.turned_at = monotonic()

    # -- Where each operation is a checkpoint -----------------------------------

    @property
    def strict(self) -> bool:
        """Whether each operation of the running task has to be a checkpoint."""
        return _hosts.in_trio is not None and _hosts.in_trio()

    @property
    def due(self) -> bool:
        """Whether what begins here is such an operation, and not part of one."""
        return _hosts.in_trio is not None and _hosts.in_trio() and not self.granted

    def grant(self) -> int:
        """Let what is done inline from now on be done: it is inside a checkpoint.

        Returns:
            What `revoke` needs.
        """
        self.granted = True
        return self.suspensions

    def revoke(self, suspensions: int) -> bool:
        """End that; tell whether the task has not been suspended meanwhile."""
        self.granted = False
        return self.suspensions == suspensions


budget = Budget()
