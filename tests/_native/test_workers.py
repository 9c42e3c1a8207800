"""The pool of threads: bounded, reused, ended when idle."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from headrace._native import Workers

BOUND_S = 10.0


def until(condition: Callable[[], object]) -> None:
    """Wait for what other threads are about to do."""
    deadline = time.monotonic() + BOUND_S
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it never came so far"
        pause.wait(0.0005)


@pytest.fixture
def pool() -> Iterator[Workers]:
    made = Workers(2, "test-worker", idle_timeout=0.01)
    yield made
    until(lambda: made.threads == 0)


class Blocked:
    """Jobs that stay in their threads until they are let go."""

    def __init__(self) -> None:
        self.inside = threading.Semaphore(0)
        self.let_go = threading.Event()

    def __call__(self) -> None:
        self.inside.release()
        assert self.let_go.wait(BOUND_S)

    def wait_inside(self, count: int) -> None:
        for _ in range(count):
            assert self.inside.acquire(timeout=BOUND_S)


@pytest.fixture
def blocked() -> Iterator[Blocked]:
    jobs = Blocked()
    yield jobs
    jobs.let_go.set()


def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every start of a thread fail, as at the limit of the process."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)


def test_job_runs_in_a_named_daemon_thread(pool: Workers) -> None:
    seen: list[threading.Thread] = []
    pool.submit(lambda: seen.append(threading.current_thread()))
    until(lambda: seen)
    assert seen[0].daemon
    assert seen[0].name == "test-worker-1"


def test_no_thread_before_the_first_job() -> None:
    assert Workers(4, "test-worker").threads == 0


def test_no_more_threads_than_the_limit(pool: Workers, blocked: Blocked) -> None:
    for _ in range(10):
        pool.submit(blocked)
    blocked.wait_inside(2)
    assert pool.threads == 2


def test_jobs_beyond_the_limit_run_in_the_order_they_came(
    pool: Workers, blocked: Blocked
) -> None:
    order: list[int] = []
    alone = Workers(1, "test-alone", idle_timeout=0.01)
    alone.submit(blocked)
    for number in range(20):
        alone.submit(partial(order.append, number))
    blocked.let_go.set()
    until(lambda: len(order) == 20)
    assert order == list(range(20))
    until(lambda: alone.threads == 0)


def test_a_waiting_thread_takes_the_next_job() -> None:
    pool = Workers(8, "test-worker", idle_timeout=BOUND_S)
    names: list[str] = []
    for number in range(5):
        pool.submit(lambda: names.append(threading.current_thread().name))
        until(lambda: pool._spare == 1 and len(names) > number)  # noqa: B023
    assert names == ["test-worker-1"] * 5
    assert pool.threads == 1
    pool.idle_timeout = 0
    pool.submit(lambda: None)  # wakes the thread, which then finds nothing to do
    until(lambda: pool.threads == 0)


def test_a_busy_thread_is_joined_by_another(pool: Workers, blocked: Blocked) -> None:
    pool.submit(blocked)
    blocked.wait_inside(1)
    done = threading.Event()
    pool.submit(done.set)
    assert done.wait(BOUND_S)


def test_idle_thread_ends(pool: Workers) -> None:
    pool.submit(lambda: None)
    until(lambda: pool.threads == 0)


def test_pool_works_again_after_its_threads_have_ended(pool: Workers) -> None:
    for _ in range(3):
        done = threading.Event()
        pool.submit(done.set)
        assert done.wait(BOUND_S)
        until(lambda: pool.threads == 0)


def test_no_job_is_lost_to_a_thread_that_is_about_to_end() -> None:
    pool = Workers(2, "test-worker", idle_timeout=0)
    for _ in range(300):
        done = threading.Event()
        pool.submit(done.set)
        assert done.wait(BOUND_S)
    until(lambda: pool.threads == 0)


def test_counts_are_even_when_all_is_done() -> None:
    pool = Workers(4, "test-worker", idle_timeout=0)
    done = threading.Semaphore(0)
    for _ in range(200):
        pool.submit(lambda: done.release())
    for _ in range(200):
        assert done.acquire(timeout=BOUND_S)
    until(lambda: pool.threads == 0)
    assert pool._spare == 0


def test_job_is_not_kept_after_it_has_run() -> None:
    class Job:
        def __call__(self) -> None:
            pass

    pool = Workers(1, "test-worker", idle_timeout=BOUND_S)
    job = Job()
    gone = weakref.ref(job)
    pool.submit(job)
    del job
    until(lambda: gone() is None)
    pool.idle_timeout = 0
    pool.submit(lambda: None)
    until(lambda: pool.threads == 0)


# -- Where no thread can be started --


def test_job_runs_in_the_caller_if_no_thread_starts(
    pool: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_threads(monkeypatch)
    seen: list[threading.Thread] = []
    pool.submit(lambda: seen.append(threading.current_thread()))
    assert seen == [threading.current_thread()]


def test_job_waits_for_a_thread_that_is_there_if_no_other_starts(
    pool: Workers, blocked: Blocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.submit(blocked)
    blocked.wait_inside(1)
    no_threads(monkeypatch)
    seen: list[str] = []
    pool.submit(lambda: seen.append(threading.current_thread().name))
    assert not seen
    blocked.let_go.set()
    until(lambda: seen)
    assert seen == ["test-worker-1"]


def test_pool_recovers_when_threads_can_be_started_again(
    pool: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as failing:
        no_threads(failing)
        for _ in range(5):
            pool.submit(lambda: None)
    assert (pool.threads, pool._spare) == (0, 0)
    seen: list[str] = []
    pool.submit(lambda: seen.append(threading.current_thread().name))
    until(lambda: seen)
    assert seen[0].startswith("test-worker")
