"""The life of one job: every order of running, withdrawing, abandoning, delivering."""

from __future__ import annotations

import contextvars
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from headrace.engine import Job

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")


class Signal:
    """A signal that nobody waits for."""

    is_set = False

    def set(self) -> None:
        self.is_set = True

    async def wait(self, leave: Callable[[], bool] | None = None) -> None: ...


class Caller:
    """What a job is given, and what it did with it."""

    def __init__(self) -> None:
        self.delivered: list[Job] = []
        self.discarded: list[Any] = []

    def job(
        self,
        func: Callable[..., Any] = lambda: "result",
        *args: Any,
        discards: bool = True,
    ) -> Job:
        discard = self.discarded.append if discards else None
        return Job(func, args, Signal(), self.delivered.append, discard)


@pytest.fixture
def caller() -> Caller:
    return Caller()


def fail(error: BaseException) -> None:
    raise error


# -- Run and delivered --


def test_job_calls_with_its_arguments(caller: Caller) -> None:
    job = caller.job(divmod, 7, 2)
    job()
    assert job.outcome() == (3, 1)


def test_job_is_delivered_once_it_is_completed(caller: Caller) -> None:
    seen: list[bool] = []
    job = Job(lambda: None, (), Signal(), lambda job: seen.append(job.completed))
    job()
    assert seen == [True]


def test_job_runs_once_however_often_it_is_called(caller: Caller) -> None:
    runs: list[None] = []
    job = caller.job(lambda: runs.append(None))
    job()
    job()
    assert (len(runs), caller.delivered) == (1, [job])


def test_outcome_that_is_wanted_is_not_discarded(caller: Caller) -> None:
    job = caller.job()
    job()
    assert (job.outcome(), caller.discarded) == ("result", [])


def test_job_runs_in_a_copy_of_the_callers_context(caller: Caller) -> None:
    def look_and_change() -> str:
        seen = variable.get()
        variable.set("changed")
        return seen

    token = variable.set("caller")
    try:
        job = caller.job(look_and_change)
        variable.set("later")
        worker = threading.Thread(target=job)
        worker.start()
        worker.join()
        assert (job.outcome(), variable.get()) == ("caller", "later")
    finally:
        variable.reset(token)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(OSError(5, "disk"), id="Exception"),
        pytest.param(StopIteration(1), id="StopIteration"),
        pytest.param(KeyboardInterrupt(), id="KeyboardInterrupt"),
        pytest.param(SystemExit(3), id="SystemExit"),
        pytest.param(GeneratorExit(), id="GeneratorExit"),
    ],
)
def test_any_error_is_raised_for_the_caller_and_not_in_the_worker(
    caller: Caller, error: BaseException
) -> None:
    job = caller.job(fail, error)
    job()
    with pytest.raises(type(error)) as caught:
        job.outcome()
    assert caught.value is error


def test_error_is_not_kept_in_a_cycle_with_its_traceback(caller: Caller) -> None:
    class Error(Exception):
        pass

    def run() -> None:
        raise Error

    def outcome_of_a_failure() -> weakref.ref[Error]:
        job = caller.job(run)
        job()
        caller.delivered.clear()
        try:
            job.outcome()
        except Error as error:
            return weakref.ref(error)
        raise AssertionError

    gc.disable()
    try:
        assert outcome_of_a_failure()() is None
    finally:
        gc.enable()


def test_arguments_live_until_the_call_has_come_back(caller: Caller) -> None:
    class Buffer:
        pass

    buffer = Buffer()
    alive = weakref.ref(buffer)
    job = caller.job(lambda buf: alive() is buf, buffer)
    del buffer
    gc.collect()
    job()
    assert job.outcome() is True
    assert alive() is None


# -- Withdrawn --


def test_withdrawn_job_never_runs(caller: Caller) -> None:
    runs: list[None] = []
    job = caller.job(lambda: runs.append(None))
    assert job.withdraw()
    job()
    assert (runs, caller.delivered, caller.discarded) == ([], [], [])


def test_withdrawn_job_says_so_and_is_not_completed(caller: Caller) -> None:
    job = caller.job()
    job.withdraw()
    assert (job.withdrawn, job.completed) == (True, False)


def test_withdrawn_job_lets_its_arguments_go(caller: Caller) -> None:
    class Buffer:
        pass

    buffer = Buffer()
    alive = weakref.ref(buffer)
    job = caller.job(id, buffer)
    del buffer
    job.withdraw()
    assert alive() is None


def test_job_that_runs_cannot_be_withdrawn(caller: Caller) -> None:
    tried: list[bool] = []
    job = caller.job(lambda: tried.append(job.withdraw()))
    job()
    assert (tried, job.withdrawn) == ([False], False)


def test_job_that_has_run_cannot_be_withdrawn(caller: Caller) -> None:
    job = caller.job()
    job()
    assert not job.withdraw()
    assert job.outcome() == "result"


# -- Abandoned --


def test_result_that_comes_after_the_abandoning_is_discarded_by_the_worker(
    caller: Caller,
) -> None:
    abandoned: list[bool] = []

    def run() -> str:
        abandoned.append(job.abandon())
        return "late"

    job = caller.job(run)
    job()
    assert (abandoned, caller.discarded) == ([False], ["late"])


def test_result_that_was_there_before_is_left_to_who_abandons(caller: Caller) -> None:
    job = caller.job()
    job()
    assert job.abandon()
    assert caller.discarded == []
    job.drop_result()
    assert caller.discarded == ["result"]


def test_result_is_discarded_once(caller: Caller) -> None:
    job = caller.job()
    job()
    job.abandon()
    job.drop_result()
    job.drop_result()
    assert caller.discarded == ["result"]


def test_abandoned_job_is_delivered_all_the_same(caller: Caller) -> None:
    job = caller.job(lambda: job.abandon())
    job()
    assert caller.delivered == [job]


def test_late_error_is_not_discarded_as_if_it_were_a_result(caller: Caller) -> None:
    def run() -> None:
        job.abandon()
        raise OSError(5, "disk")

    job = caller.job(run)
    job()
    assert caller.discarded == []
    assert isinstance(job.error, OSError)


def test_late_result_of_none_is_discarded_too(caller: Caller) -> None:
    job = caller.job(lambda: None)
    job()
    job.drop_result()
    assert caller.discarded == [None]


def test_job_without_discard_keeps_its_late_result(caller: Caller) -> None:
    """Who abandoned a read comes back for its bytes."""
    job = caller.job(discards=False)
    job()
    job.drop_result()
    assert (job.discards, job.result, caller.discarded) == (False, "result", [])


def test_abandoning_and_completing_at_once_discards_once() -> None:
    """Both ends race for real; whoever comes second sees the first."""
    for _ in range(300):
        discarded: list[str] = []
        job = Job(lambda: "x", (), Signal(), lambda job: None, discarded.append)
        worker = threading.Thread(target=job)
        worker.start()
        if job.withdraw():
            worker.join()
            assert discarded == []
            continue
        if job.abandon():
            job.drop_result()
        worker.join()
        assert discarded == ["x"]
