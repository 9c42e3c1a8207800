"""The process's worker threads: two pools, made when first needed.

A job that may wait for ever (a terminal, a device, a lock) must not take a thread
from those that end: it goes to a lane of its own.
"""

from __future__ import annotations

import enum
import os
import threading
from collections.abc import Callable

from headrace._native import Workers
from headrace._settings import Settings, on_change, settings


class Lane(enum.Enum):
    """Which threads a job goes to."""

    WORK = "work"
    """Jobs that end: min(32, CPUs + 4) threads unless configured otherwise."""
    WAIT = "wait"
    """Jobs that may wait for ever: 64 threads at most, never waited for at exit."""


_lanes: dict[Lane, Workers] = {}
_making = threading.Lock()


def workers(lane: Lane) -> Workers:
    """Return the pool of *lane*, the same for every loop of the process."""
    return _lanes.get(lane) or _new_workers(lane)


def _new_workers(lane: Lane) -> Workers:
    chosen = settings()
    name = "headrace" if lane is Lane.WORK else "headrace-wait"
    with _making:
        pool = _lanes.get(lane)
        if pool is None:
            pool = Workers(_limit(lane, chosen), name, chosen.idle_timeout)
            _lanes[lane] = pool
    return pool


def _limit(lane: Lane, chosen: Settings) -> int:
    return chosen.max_workers if lane is Lane.WORK else chosen.max_waiting


#: Tell how many threads of a lane there are besides Python's.
counted: list[Callable[[Lane], int]] = []


def threads_alive(lane: Lane) -> int:
    """Return how many threads of *lane* are alive."""
    pool = _lanes.get(lane)
    threads = pool.threads if pool is not None else 0
    return threads + sum(count(lane) for count in counted)


def _resize(chosen: Settings) -> None:
    for lane, pool in tuple(_lanes.items()):
        pool.limit = _limit(lane, chosen)
        pool.idle_timeout = chosen.idle_timeout


def _forget() -> None:
    """Have the child make pools of its own: it has none of the parent's threads."""
    global _making
    _making = threading.Lock()
    _lanes.clear()


on_change(_resize)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
