"""The process's worker threads: two pools, made when first needed.

A job that may wait for ever (a terminal, a device, a lock) must not take a thread
from those that end: it goes to a lane of its own.
"""

from __future__ import annotations

import enum
import functools
import os

from headrace._native import Workers
from headrace._platform import worker_limit

#: Threads for jobs that may wait for ever. Arbitrary; they are started as needed.
WAIT_LANE_LIMIT = 64


class Lane(enum.Enum):
    """Which threads a job goes to."""

    WORK = "work"
    """Jobs that end: min(32, CPUs + 4) threads."""
    WAIT = "wait"
    """Jobs that may wait for ever: at most 64 threads, never waited for at exit."""


@functools.cache
def workers(lane: Lane) -> Workers:
    """Return the pool of *lane*, the same for every loop of the process."""
    if lane is Lane.WORK:
        return Workers(worker_limit(), "headrace")
    return Workers(WAIT_LANE_LIMIT, "headrace-wait")


if hasattr(os, "register_at_fork"):
    # The child has the parent's pools but none of their threads.
    os.register_at_fork(after_in_child=workers.cache_clear)
