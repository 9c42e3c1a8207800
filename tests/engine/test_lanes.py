"""The process's two pools of threads."""

from __future__ import annotations

import os
import threading

import pytest

from headrace._platform import worker_limit
from headrace._settings import configure, settings
from headrace.engine import Lane, workers
from headrace.engine._lanes import threads_alive


def test_every_loop_gets_the_same_pool() -> None:
    assert workers(Lane.WORK) is workers(Lane.WORK)


def test_what_may_wait_for_ever_has_threads_of_its_own() -> None:
    assert workers(Lane.WAIT) is not workers(Lane.WORK)


@pytest.mark.parametrize(
    ("lane", "limit"),
    [
        pytest.param(Lane.WORK, worker_limit(), id="work"),
        pytest.param(Lane.WAIT, 64, id="wait"),
    ],
)
def test_lanes_are_bounded(lane: Lane, limit: int) -> None:
    assert workers(lane).limit == limit


def test_lanes_follow_the_settings() -> None:
    pools = [workers(Lane.WORK), workers(Lane.WAIT)]
    before = settings()
    try:
        configure(max_workers=3, max_waiting=5, idle_timeout=0.5)
        assert [pool.limit for pool in pools] == [3, 5]
        assert [pool.idle_timeout for pool in pools] == [0.5, 0.5]
    finally:
        configure(
            max_workers=before.max_workers,
            max_waiting=before.max_waiting,
            idle_timeout=before.idle_timeout,
        )


def test_threads_alive_are_told() -> None:
    done = threading.Event()
    workers(Lane.WORK).submit(done.set)
    assert done.wait(10)
    # Native ones and Python's: as many of each.
    assert 1 <= threads_alive(Lane.WORK) <= 2 * workers(Lane.WORK).limit


@pytest.mark.parametrize("cpus", [1, 2, 8, 28, 64, None])
def test_working_lane_is_bounded_as_the_standard_librarys_pool_is(
    cpus: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cpu_count", "process_cpu_count"):
        monkeypatch.setattr(os, name, lambda: cpus, raising=False)
    assert worker_limit() == min(32, (cpus or 1) + 4)


def test_stuck_waiting_lane_leaves_the_working_lane_alone() -> None:
    let_go, done = threading.Event(), threading.Event()
    stuck = threading.Semaphore(0)

    def wait() -> None:
        stuck.release()
        assert let_go.wait(10)

    for _ in range(settings().max_waiting + 3):
        workers(Lane.WAIT).submit(wait)
    try:
        for _ in range(settings().max_waiting):
            assert stuck.acquire(timeout=10)
        workers(Lane.WORK).submit(done.set)
        assert done.wait(10)
    finally:
        let_go.set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_forked_child_has_pools_of_its_own() -> None:
    before = {lane: workers(lane) for lane in Lane}
    pid = os.fork()
    if not pid:
        fresh = [workers(lane) is not before[lane] for lane in Lane]
        done = threading.Event()
        workers(Lane.WORK).submit(done.set)
        os._exit(0 if all(fresh) and done.wait(10) else 1)
    assert os.waitpid(pid, 0)[1] == 0
