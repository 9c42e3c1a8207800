"""Fairness: when inline work has to let the loop turn."""

from __future__ import annotations

import threading

import pytest

from headrace.engine import WINDOW, WINDOW_OPERATIONS, current_engine
from headrace.engine import _budget as module
from headrace.engine._budget import OPERATIONS_PER_LOOK, SLICE_S, Budget
from tests import tasks


class Clock:
    """A clock that goes when the test says so, and counts who looks at it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "monotonic", made)
    return made


@pytest.fixture
def budget(clock: Clock) -> Budget:
    made = Budget()
    assert made.account.operations == 0
    clock.looks = 0
    return made


def test_a_few_operations_do_not_look_at_the_clock(
    budget: Budget, clock: Clock
) -> None:
    clock.now += 60
    assert not any(budget.spend() for _ in range(OPERATIONS_PER_LOOK))
    assert clock.looks == 0


def test_many_operations_in_no_time_do_not_yield(budget: Budget, clock: Clock) -> None:
    assert not any(budget.spend() for _ in range(1000))
    assert 0 < clock.looks <= 1000 // OPERATIONS_PER_LOOK


def test_operations_that_took_their_time_yield(budget: Budget, clock: Clock) -> None:
    clock.now += SLICE_S * 1.5
    assert [budget.spend() for _ in range(OPERATIONS_PER_LOOK + 1)][-1]


def test_time_alone_does_not_yield_at_once(budget: Budget, clock: Clock) -> None:
    """A task that comes back from a long sleep may do a few operations first."""
    clock.now += 3600
    assert not budget.spend()


def test_spent_budget_stays_spent_until_it_is_renewed(
    budget: Budget, clock: Clock
) -> None:
    clock.now += SLICE_S * 2
    budget.spend(OPERATIONS_PER_LOOK)
    assert [budget.spend(), budget.spend(0), budget.spend()] == [True] * 3
    budget.renew()
    assert not budget.spend()


def test_asking_for_nothing_spends_nothing(budget: Budget, clock: Clock) -> None:
    clock.now += SLICE_S * 2
    assert not any(budget.spend(0) for _ in range(100))


def test_one_spending_of_many_operations_is_looked_at(
    budget: Budget, clock: Clock
) -> None:
    clock.now += SLICE_S * 2
    assert budget.spend(OPERATIONS_PER_LOOK + 1)


def test_renewing_begins_a_new_slice(budget: Budget, clock: Clock) -> None:
    clock.now += SLICE_S * 2
    budget.renew()
    assert not budget.spend(OPERATIONS_PER_LOOK + 1)


def test_tasks_of_one_turn_share_a_slice(budget: Budget, clock: Clock) -> None:
    first, second = clock.now, clock.now + SLICE_S / 2
    clock.now += SLICE_S * 2
    budget.renew(first)
    clock.now += SLICE_S * 2
    budget.renew(second)
    assert budget.spend(OPERATIONS_PER_LOOK + 1)
    budget.renew(clock.now)
    assert not budget.spend(OPERATIONS_PER_LOOK + 1)


def test_a_window_of_user_space_work_does_not_look_at_once() -> None:
    assert WINDOW_OPERATIONS <= OPERATIONS_PER_LOOK
    assert WINDOW > 0


def test_each_thread_has_a_budget_of_its_own(budget: Budget, clock: Clock) -> None:
    clock.now += SLICE_S * 2
    assert budget.spend(OPERATIONS_PER_LOOK + 1)
    seen: list[bool] = []
    thread = threading.Thread(
        target=lambda: seen.append(budget.spend(OPERATIONS_PER_LOOK + 1))
    )
    thread.start()
    thread.join()
    assert seen == [False]


async def test_tight_loop_that_asks_lets_another_task_run(clock: Clock) -> None:
    """The way that inline operations ask: spend, and yield if that is so."""
    other: list[int] = []
    steps = 0

    async def note() -> None:
        while len(other) < 3:
            other.append(steps)
            await tasks.sleep(0)

    module.budget.renew()
    task = tasks.start(note())
    while not task.done():
        clock.now += SLICE_S / 4
        if module.budget.spend():
            await current_engine().checkpoint()
        steps += 1
        assert steps < 1000
    assert len(other) == 3
