"""The thread engine: jobs go to threads, outcomes come back, cancellation is obeyed."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from headrace._stats import stats
from headrace.engine import Lane, Shield, budget, current_engine
from headrace.engine import _threads as threads_module
from tests import tasks
from tests.fakes import SteppedEngine, begun, turns
from tests.hosts import AsyncioHost

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> SteppedEngine:
    return SteppedEngine.install(monkeypatch)


def run(func: Callable[..., Any], *args: Any, **how: Any) -> Any:
    """`current_engine().run`, found when the task runs."""
    return current_engine().run(func, *args, **how)


class InlineExecutor(Executor):
    """Runs what it is given at once, in the caller's thread."""

    def submit(self, func: Any, /, *args: Any, **kwargs: Any) -> Any:
        done: Future[Any] = Future()
        done.set_result(func(*args, **kwargs))
        return done


# -- Outcomes --


async def test_run_gives_what_the_call_returns() -> None:
    assert await run(divmod, 7, 2) == (3, 1)


async def test_call_runs_in_another_thread() -> None:
    assert await run(threading.get_ident) != threading.get_ident()


async def test_call_sees_the_context_variables_of_the_task() -> None:
    variable.set("task")
    assert await run(variable.get) == "task"


async def test_call_cannot_change_the_context_of_the_task() -> None:
    variable.set("task")
    await run(variable.set, "worker")
    assert variable.get() == "task"


async def test_error_of_the_call_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        await run(lambda: 1 / 0)


async def test_stop_iteration_is_an_error_as_in_any_coroutine() -> None:
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        await run(next, iter([]))


async def test_base_exception_of_the_call_is_raised_in_the_task() -> None:
    def leave() -> None:
        raise GeneratorExit

    with pytest.raises(GeneratorExit):
        await run(leave)


async def test_jobs_at_once_each_get_their_own_outcome(engine: SteppedEngine) -> None:
    started = [await begun(run(str, number)) for number in range(5)]
    engine.run_all()
    assert await tasks.gather(*started) == ["0", "1", "2", "3", "4"]


async def test_job_is_counted_as_one_hop() -> None:
    before = stats()
    await run(lambda: None)
    cost = stats() - before
    assert (cost.engine_jobs, cost.hops) == (1, 1)


async def test_run_renews_the_budget() -> None:
    budget.account.operations = 1000
    await run(lambda: None)
    assert budget.account.operations == 0


# -- Cancelled, and the job withdrawn --


@pytest.mark.parametrize("on_cancel", ["abandon", "finish"])
async def test_job_that_no_thread_has_begun_never_runs(
    engine: SteppedEngine, on_cancel: str
) -> None:
    ran: list[None] = []
    task = await begun(run(lambda: ran.append(None), on_cancel=on_cancel))
    task.cancel()
    await turns()
    assert task.cancelled()
    engine.run_all()
    assert ran == []
    assert not threads_module._effects


async def test_task_cancelled_before_it_began_submits_nothing(
    engine: SteppedEngine,
) -> None:
    task = tasks.start(run(lambda: None))
    task.cancel()
    await tasks.wait([task])
    assert not engine.waiting


# -- Cancelled while the job runs --


class Slow:
    """A call that stays in its thread until it is let go."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.let_go = threading.Event()
        self.discarded: list[tuple[str, threading.Thread]] = []
        self.was_discarded = threading.Event()

    def __call__(self) -> str:
        self.inside.set()
        assert self.let_go.wait(10)
        return "late"

    def discard(self, result: str) -> None:
        self.discarded.append((result, threading.current_thread()))
        self.was_discarded.set()

    async def begin(self, **how: Any) -> Any:
        task = await begun(run(self, discard=self.discard, **how))
        assert self.inside.wait(10)
        return task


@pytest.fixture
def slow() -> Slow:
    return Slow()


async def test_abandoned_job_lets_the_task_go_at_once(slow: Slow) -> None:
    task = await slow.begin()
    task.cancel()
    await turns()
    assert task.cancelled()
    slow.let_go.set()
    assert slow.was_discarded.wait(10)


async def test_late_result_is_discarded_in_the_worker(slow: Slow) -> None:
    task = await slow.begin()
    task.cancel()
    await turns()
    slow.let_go.set()
    assert slow.was_discarded.wait(10)
    [(result, thread)] = slow.discarded
    assert (result, thread.name.startswith("headrace")) == ("late", True)


async def test_result_cancelled_before_delivery_is_discarded_in_a_worker(
    engine: SteppedEngine,
) -> None:
    discarded: list[str] = []
    task = await begun(run(lambda: "result", discard=discarded.append))
    engine.run_one()
    task.cancel()
    await turns()
    assert task.cancelled()
    assert discarded == []  # not on the loop's thread
    engine.run_all()
    assert discarded == ["result"]


async def test_result_that_was_delivered_is_not_discarded(
    engine: SteppedEngine,
) -> None:
    """The task has its result before it is cancelled: that is too late."""
    discarded: list[str] = []
    got: list[str] = []

    async def work() -> None:
        got.append(await run(lambda: "result", discard=discarded.append))
        await tasks.sleep(60)

    task = await begun(work())
    engine.run_one()
    await turns()
    task.cancel()
    await turns()
    engine.run_all()
    assert (got, discarded) == (["result"], [])


async def test_late_error_is_dropped(engine: SteppedEngine) -> None:
    discarded: list[Any] = []
    task = await begun(run(lambda: 1 / 0, discard=discarded.append))
    engine.run_one()
    task.cancel()
    await turns()
    engine.run_all()
    assert task.cancelled()
    assert discarded == []


@pytest.mark.asyncio_only("under Trio, the result is returned; see test_trio.py")
async def test_job_to_be_finished_holds_the_task_until_it_is(slow: Slow) -> None:
    task = await slow.begin(on_cancel="finish")
    task.cancel()
    await turns()
    assert not task.done()
    slow.let_go.set()
    await tasks.wait([task])
    assert task.cancelled()
    assert slow.was_discarded.wait(10)


@pytest.mark.asyncio_only("under Trio, the result is returned; see test_trio.py")
async def test_job_to_be_finished_is_finished_though_cancelled_twice(
    slow: Slow,
) -> None:
    task = await slow.begin(on_cancel="finish")
    for _ in range(2):
        task.cancel()
        await turns()
    assert not task.done()
    slow.let_go.set()
    await tasks.wait([task])
    assert task.cancelled()
    assert slow.was_discarded.wait(10), "the result of a job cancelled twice is lost"
    assert len(slow.discarded) == 1


async def test_job_in_a_shield_gives_its_result(engine: SteppedEngine) -> None:
    got: list[str] = []

    async def work() -> None:
        with Shield():
            got.append(await run(lambda: "result"))

    task = await begun(work())
    task.cancel()
    await turns()
    engine.run_all()
    await tasks.wait([task])
    assert got == ["result"]


# -- Loops that end --


def test_result_for_a_loop_that_is_closed_is_discarded() -> None:
    slow = Slow()
    loop = asyncio.new_event_loop()

    async def begin() -> None:
        job = current_engine().submit(slow, discard=slow.discard)
        assert not job.completed
        assert slow.inside.wait(10)

    loop.run_until_complete(begin())
    loop.close()
    slow.let_go.set()
    assert slow.was_discarded.wait(10)
    assert [result for result, _ in slow.discarded] == ["late"]


def test_results_for_a_loop_that_is_gone_are_discarded(
    engine: SteppedEngine,
) -> None:
    discarded: list[int] = []

    async def begin() -> None:
        for number in range(3):
            current_engine().submit(int, number, discard=discarded.append)

    AsyncioHost().run(begin)
    engine.run_all()
    assert discarded == [0, 1, 2]


def test_end_of_the_loop_cancels_and_the_result_is_discarded_once(
    engine: SteppedEngine,
) -> None:
    discarded: list[str] = []

    async def begin() -> None:
        await begun(run(lambda: "result", discard=discarded.append))
        engine.run_one()

    AsyncioHost().run(begin)
    engine.run_all()
    assert discarded == ["result"]


# -- Delivery --


async def test_jobs_done_together_wake_the_loop_once(
    engine: SteppedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = [await begun(run(str, number)) for number in range(5)]
    host = current_engine().host
    wakes: list[None] = []
    call = host.call_threadsafe

    def counted(callback: Callable[[], object]) -> None:
        wakes.append(None)
        call(callback)

    monkeypatch.setattr(host, "call_threadsafe", counted)
    engine.run_all()
    await tasks.gather(*started)
    assert len(wakes) == 1


async def test_jobs_done_one_after_another_all_arrive(engine: SteppedEngine) -> None:
    for number in range(3):
        task = await begun(run(str, number))
        engine.run_one()
        assert await task == str(number)


async def test_many_jobs_from_real_threads_all_arrive() -> None:
    results = await tasks.gather(*[run(abs, -number) for number in range(500)])
    assert results == list(range(500))


# -- executor= --


async def test_executor_runs_the_job() -> None:
    with ThreadPoolExecutor(1, thread_name_prefix="mine") as executor:
        thread = await run(threading.current_thread, executor=executor)
    assert thread.name.startswith("mine")


async def test_executor_gets_the_context_too() -> None:
    variable.set("task")
    with ThreadPoolExecutor(1) as executor:
        assert await run(variable.get, executor=executor) == "task"


async def test_job_withdrawn_from_an_executor_never_runs() -> None:
    let_go, inside = threading.Event(), threading.Event()
    ran: list[None] = []

    def occupy() -> None:
        inside.set()
        assert let_go.wait(10)

    with ThreadPoolExecutor(1) as executor:
        first = await begun(run(occupy, executor=executor))
        assert inside.wait(10)
        second = await begun(run(lambda: ran.append(None), executor=executor))
        second.cancel()
        await turns()
        assert second.cancelled()
        let_go.set()
        await first
    assert ran == []


async def test_executor_that_was_shut_down_says_so() -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="shutdown"):
        await run(lambda: None, executor=executor)


async def test_executor_may_run_the_job_before_submit_returns() -> None:
    assert await run(lambda: "done", executor=InlineExecutor()) == "done"


# -- Lanes --


async def test_job_goes_to_the_lane_that_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lanes: list[Lane] = []
    stepped = SteppedEngine()

    def workers(lane: Lane) -> SteppedEngine:
        lanes.append(lane)
        return stepped

    monkeypatch.setattr(threads_module, "workers", workers)
    await stepped.carry(run(lambda: None))
    await stepped.carry(run(lambda: None, lane=Lane.WAIT))
    assert lanes == [Lane.WORK, Lane.WAIT]


async def test_late_result_of_the_waiting_lane_is_discarded_in_the_working_lane(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lanes = {lane: SteppedEngine() for lane in Lane}
    monkeypatch.setattr(threads_module, "workers", lanes.__getitem__)
    discarded: list[str] = []
    task = await begun(run(lambda: "x", lane=Lane.WAIT, discard=discarded.append))
    lanes[Lane.WAIT].run_one()
    task.cancel()
    await turns()
    lanes[Lane.WORK].run_one()
    assert discarded == ["x"]


# -- What the exit waits for --


async def test_job_with_an_effect_is_known_until_it_is_done(
    engine: SteppedEngine,
) -> None:
    task = await begun(run(lambda: None, on_cancel="finish"))
    assert len(threads_module._effects) == 1
    engine.run_one()
    assert not threads_module._effects
    await task


async def test_job_that_changes_nothing_is_not_waited_for(
    engine: SteppedEngine,
) -> None:
    task = await begun(run(lambda: None))
    assert not threads_module._effects
    engine.run_one()
    await task


async def test_job_that_was_done_at_once_is_not_waited_for_for_ever() -> None:
    await run(lambda: None, on_cancel="finish", executor=InlineExecutor())
    assert not threads_module._effects


async def test_exit_waits_for_a_job_that_is_running(slow: Slow) -> None:
    task = await slow.begin(on_cancel="finish")
    waiting = threading.Thread(target=threads_module.wait_for_effects)
    waiting.start()
    waiting.join(0.01)
    assert waiting.is_alive()
    slow.let_go.set()
    waiting.join(10)
    assert not waiting.is_alive()
    await task


async def test_exit_withdraws_a_job_that_has_not_begun(engine: SteppedEngine) -> None:
    ran: list[None] = []
    job = current_engine().submit(lambda: ran.append(None))
    threads_module._effects.add(job)
    try:
        threads_module.wait_for_effects()
    finally:
        threads_module._effects.discard(job)
    engine.run_all()
    assert (ran, job.withdrawn) == ([], True)


# -- Pauses --


async def test_checkpoint_lets_every_ready_task_run() -> None:
    order: list[int] = []

    async def note(number: int) -> None:
        order.append(number)

    started = [tasks.start(note(number)) for number in range(3)]
    await current_engine().checkpoint()
    assert order == [0, 1, 2]
    await tasks.gather(*started)


async def test_checkpoint_is_counted_and_renews_the_budget() -> None:
    budget.account.operations = 1000
    before = stats()
    await current_engine().checkpoint()
    assert ((stats() - before).yields, budget.account.operations) == (1, 0)


async def test_checkpoint_can_be_cancelled() -> None:
    async def work() -> None:
        await current_engine().checkpoint()

    task = await begun(work())
    task.cancel()
    await tasks.wait([task])
    assert task.cancelled()


async def test_signal_that_is_set_before_the_wait_is_seen() -> None:
    engine = current_engine()
    signal = engine.host.signal()
    signal.set()
    await engine.wait(signal)


async def test_signal_can_be_waited_for_again_after_a_cancellation() -> None:
    engine = current_engine()
    signal = engine.host.signal()
    first = await begun(engine.wait(signal))
    first.cancel()
    await turns()
    second = await begun(engine.wait(signal))
    signal.set()
    await second
    assert first.cancelled()
