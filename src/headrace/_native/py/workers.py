"""Threads that run one job each; bounded, reused, ended when idle.

Twin of `c/workers.c`. Knows no event loop: a job is a callable without arguments
that never raises and says itself where its result goes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

#: How long a thread stays without work. Arbitrary: long enough to outlive the
#: pauses of a program under load.
IDLE_TIMEOUT_S = 10.0

Job = Callable[[], object]


class Workers:
    """A pool of daemon threads, started as jobs come, at most *limit* of them.

    Daemon threads, because one that is stuck in a read must not hold up the exit;
    whoever needs a job's end waits for the job, not for the thread.
    """

    def __init__(
        self, limit: int, name: str, idle_timeout: float = IDLE_TIMEOUT_S
    ) -> None:
        self.limit = limit
        self._name = name
        self.idle_timeout = idle_timeout
        self._queue: SimpleQueue[Job] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._started = 0
        # Threads waiting for a job, less the jobs that wait for a thread.
        self._spare = 0

    @property
    def threads(self) -> int:
        """The number of threads alive."""
        return self._threads

    def submit(self, job: Job) -> None:
        """Have *job* run in a thread of the pool.

        Where no thread can be started (the process is at its limit, or the
        interpreter is exiting) and none is there, it runs in the caller's.
        """
        with self._lock:
            self._spare -= 1
            grow = self._spare < 0 and self._threads < self.limit
            if grow:
                self._threads += 1
                self._started += 1
                self._spare += 1
        self._queue.put(job)
        if grow and not self._start():
            self._run_queued()

    def _start(self) -> bool:
        thread = threading.Thread(
            target=self._work, name=f"{self._name}-{self._started}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            with self._lock:
                self._threads -= 1
                self._spare -= 1
                return self._threads > 0
        return True

    def _run_queued(self) -> None:
        """Do in this thread what no thread of the pool is there to do."""
        while True:
            try:
                job = self._queue.get_nowait()
            except Empty:
                return
            with self._lock:
                self._spare += 1
            job()

    def _work(self) -> None:
        while True:
            try:
                job = self._queue.get(timeout=self.idle_timeout)
            except Empty:
                if self._retire():
                    return
                continue
            job()
            # The job must not live on here until the next one comes.
            del job
            with self._lock:
                self._spare += 1

    def _retire(self) -> bool:
        """Count this thread out, unless a job is on its way to it."""
        with self._lock:
            if self._spare <= 0:
                return False
            self._spare -= 1
            self._threads -= 1
            return True
