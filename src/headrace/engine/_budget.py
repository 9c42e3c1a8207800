"""Fairness: how much inline work runs before the event loop gets a turn.

An `await` that never suspends starves every other task. As in Tokio's cooperative
scheduling there is a budget; here it is time, about a millisecond of inline work
in a thread, looked at once every few operations. One yield costs 5-10 µs, so this
costs about one percent.
"""

from __future__ import annotations

import threading
from time import monotonic

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

    def spend(self, operations: int = 1) -> bool:
        """Count *operations* that will be done without suspending.

        Returns:
            True if the caller has to yield to the loop first.
        """
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


budget = Budget()
