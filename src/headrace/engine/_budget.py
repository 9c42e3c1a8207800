"""Fairness: how much inline work runs before the event loop gets a turn.

An `await` that never suspends starves every other task. As in Tokio's cooperative
scheduling there is a budget; here it is time, half a millisecond of inline work
in a thread, looked at once every few operations. One yield costs 5-10 µs, so this
costs one or two percent.

Trio asks for more: there, each operation is a checkpoint, and nothing may be done
inline but inside one; docs/explanation/trio.md.
"""

from __future__ import annotations

import functools
import threading
from math import inf
from time import monotonic

from headrace.engine import _hosts

#: The longest that inline work may keep the loop from turning.
SLICE_S = 0.0005
#: Operations between two looks at the clock. Also the most that a task, coming
#: back from a long sleep with its time long over, may do before it yields.
OPERATIONS_PER_LOOK = 8
#: How much user-space work (bytes handed out from a buffer, however small the
#: pieces) may pass before it counts as operations. 16 Ki one-byte reads or writes
#: take some 3 ms in pure Python.
WINDOW = 16 * 1024
#: What such a window counts as.
WINDOW_OPERATIONS = 4


class Account:
    """The inline work of one thread, and so of the loop that runs in it."""

    __slots__ = ("granted", "operations", "refused", "suspensions", "turned_at")

    def __init__(self) -> None:
        self.operations = 0
        self.turned_at = monotonic()
        #: Under Trio: the tasks that are inside an operation that is a checkpoint;
        #: whether the last `spend` was refused because its task is not; how often a
        #: task of this thread has been suspended by headrace.
        self.granted: set[object] = set()
        self.refused = False
        self.suspensions = 0


class _Here(threading.local):
    def __init__(self) -> None:
        self.account = Account()
        # The first operation of a thread finds out what it runs in.
        _hosts.runs_trio()


class Budget:
    """What each thread may still do before it yields."""

    @functools.cached_property
    def _here(self) -> _Here:
        # Not before the first operation: only then it can be told what it runs in.
        return _Here()

    @property
    def account(self) -> Account:
        """The account of the running thread."""
        return self._here.account

    def spend(self, operations: int = 1) -> bool:
        """Count *operations* that will be done without suspending.

        Returns:
            True if the caller has to yield to the loop first.
        """
        # One look at what is the thread's own: each takes longer than all the rest.
        account = self._here.account
        if _hosts.in_trio is not None and _hosts.in_trio():
            if operations:
                account.refused = _hosts.trio_task() not in account.granted
            return account.refused
        account.operations += operations
        if account.operations <= OPERATIONS_PER_LOOK:
            return False
        if monotonic() - account.turned_at > SLICE_S:
            return True
        account.operations = 0
        return False

    def renew(self, since: float = inf) -> None:
        """Begin anew: the loop has just had a turn.

        Args:
            since: When the task was suspended (`time.monotonic()`). Of all tasks that
                go on in one turn of the loop, only the first begins anew: together
                they have one slice, and what is not theirs waits for no more.
        """
        account = self._here.account
        if account.turned_at <= since:
            account.operations = 0
            account.turned_at = monotonic()
        account.refused = False

    # -- Where each operation is a checkpoint -----------------------------------

    @property
    def strict(self) -> bool:
        """Whether each operation of the running task has to be a checkpoint."""
        return _hosts.in_trio is not None and _hosts.in_trio()

    @property
    def due(self) -> bool:
        """Whether what begins here is such an operation, and not part of one."""
        if _hosts.in_trio is None or not _hosts.in_trio():
            return False
        return _hosts.trio_task() not in self._here.account.granted

    def grant(self) -> tuple[object, int]:
        """Let the task do inline what it does from now on: it is inside a checkpoint.

        Returns:
            What `revoke` needs.
        """
        account = self._here.account
        task = _hosts.trio_task()
        account.granted.add(task)
        account.refused = False
        return task, account.suspensions

    def revoke(self, grant: tuple[object, int]) -> bool:
        """End that; tell whether the task has not been suspended meanwhile."""
        account = self._here.account
        task, suspensions = grant
        account.granted.discard(task)
        return account.suspensions == suspensions


budget = Budget()
