"""A shield: what is awaited inside is finished, the cancellation comes at its end."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Generator

import pytest

from headrace.engine import Shield, current_engine, current_shield
from tests import tasks
from tests.fakes import SteppedEngine, begun, turns

pytestmark = pytest.mark.asyncio_only(
    "about a cancellation that is raised once; for Trio's, see test_trio.py"
)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> SteppedEngine:
    return SteppedEngine.install(monkeypatch)


class Body:
    """A coroutine with a job inside a shield, and how far it came."""

    def __init__(self, engine: SteppedEngine) -> None:
        self.engine = engine
        self.steps: list[str] = []

    async def __call__(self) -> str:
        with Shield():
            self.steps.append(await current_engine().run(lambda: "job"))
            self.steps.append("block")
        self.steps.append("after")
        return "returned"


@pytest.fixture
def body(engine: SteppedEngine) -> Body:
    return Body(engine)


# -- Without a cancellation --


async def test_block_without_cancellation_goes_on(
    body: Body, engine: SteppedEngine
) -> None:
    assert await engine.carry(body()) == "returned"
    assert body.steps == ["job", "block", "after"]


async def test_error_in_the_block_is_raised(engine: SteppedEngine) -> None:
    with pytest.raises(ZeroDivisionError):
        with Shield():
            raise ZeroDivisionError


async def test_shield_ends_with_its_block() -> None:
    with Shield() as shield:
        assert current_shield() is shield
    assert current_shield() is None


async def test_shield_ends_with_its_block_that_failed() -> None:
    with pytest.raises(ZeroDivisionError):
        with Shield():
            raise ZeroDivisionError
    assert current_shield() is None


# -- Cancelled --


async def test_cancellation_is_raised_when_the_block_ends(
    body: Body, engine: SteppedEngine
) -> None:
    task = await begun(body())
    task.cancel()
    await turns()
    assert not task.done()
    engine.run_all()
    with pytest.raises(tasks.Cancelled):
        await task
    assert task.cancelled()
    assert body.steps == ["job", "block"]


async def test_message_of_the_cancellation_is_kept(
    body: Body, engine: SteppedEngine
) -> None:
    task = await begun(body())
    task.cancel("because")
    await turns()
    engine.run_all()
    with pytest.raises(tasks.Cancelled) as caught:
        await task
    assert caught.value.args == ("because",)


async def test_cancelled_twice_still_finishes(
    body: Body, engine: SteppedEngine
) -> None:
    task = await begun(body())
    for _ in range(2):
        task.cancel()
        await turns()
    assert not task.done()
    engine.run_all()
    with pytest.raises(tasks.Cancelled):
        await task
    assert body.steps == ["job", "block"]
    assert task.cancelling() == 2


async def test_job_in_a_shield_is_not_withdrawn(
    body: Body, engine: SteppedEngine
) -> None:
    task = await begun(body())
    task.cancel()
    await turns()
    assert len(engine.waiting) == 1
    engine.run_all()
    await tasks.wait([task])
    assert body.steps[0] == "job"


async def test_cancelled_before_the_shield_never_enters_it(body: Body) -> None:
    task = tasks.start(body())
    task.cancel()
    with pytest.raises(tasks.Cancelled):
        await task
    assert body.steps == []


async def test_cancelled_after_the_job_ran_and_before_it_was_delivered(
    body: Body, engine: SteppedEngine
) -> None:
    task = await begun(body())
    engine.run_all()
    task.cancel()
    with pytest.raises(tasks.Cancelled):
        await task
    assert body.steps == ["job", "block"]


async def test_error_in_a_cancelled_block_is_the_context(
    engine: SteppedEngine,
) -> None:
    async def work() -> None:
        with Shield():
            await current_engine().run(lambda: None)
            raise ZeroDivisionError

    task = await begun(work())
    task.cancel()
    await turns()
    engine.run_all()
    with pytest.raises(tasks.Cancelled) as caught:
        await task
    assert isinstance(caught.value.__context__, ZeroDivisionError)


async def test_error_of_the_job_in_a_cancelled_block_is_the_context(
    engine: SteppedEngine,
) -> None:
    async def work() -> None:
        with Shield():
            await current_engine().run(lambda: 1 / 0)

    task = await begun(work())
    task.cancel()
    await turns()
    engine.run_all()
    with pytest.raises(tasks.Cancelled) as caught:
        await task
    assert isinstance(caught.value.__context__, ZeroDivisionError)


@pytest.mark.parametrize(
    "pause",
    [
        pytest.param(lambda: current_engine().checkpoint(), id="checkpoint"),
        pytest.param(lambda: current_engine().sleep(60), id="sleep"),
    ],
)
async def test_pause_in_a_shield_ends_and_keeps_the_cancellation(
    pause: Callable[[], Awaitable[None]],
) -> None:
    steps = []

    async def work() -> None:
        with Shield():
            await pause()
            steps.append("block")
        steps.append("after")

    task = tasks.start(work())
    await tasks.sleep(0)
    task.cancel()
    with pytest.raises(tasks.Cancelled):
        await task
    assert steps == ["block"]


# -- Nested --


async def test_only_the_outermost_shield_raises(engine: SteppedEngine) -> None:
    steps = []

    async def work() -> None:
        with Shield():
            with Shield():
                await current_engine().run(lambda: None)
            steps.append("between")
            await current_engine().run(lambda: None)
            steps.append("end")
        steps.append("after")

    task = await begun(work())
    task.cancel()
    await turns()
    engine.run_all()
    await turns()
    assert steps == ["between"]
    engine.run_all()
    with pytest.raises(tasks.Cancelled):
        await task
    assert steps == ["between", "end"]


async def test_outermost_shield_is_the_current_one() -> None:
    with Shield() as outer:
        with Shield():
            assert current_shield() is outer
        assert current_shield() is outer


async def test_shields_one_after_another_are_cancelled_each_for_itself(
    engine: SteppedEngine,
) -> None:
    caught: list[str] = []

    async def work() -> None:
        for name in ("first", "second"):
            try:
                with Shield():
                    await current_engine().run(lambda: None)
            except tasks.Cancelled:
                caught.append(name)

    task = await begun(work())
    task.cancel()
    await turns()
    await engine.carry(tasks.wait_for(task, None))
    assert caught == ["first"]


# -- Other tasks --


async def test_shield_is_of_one_task_only(body: Body, engine: SteppedEngine) -> None:
    shielded = await begun(body())
    other = await begun(current_engine().run(lambda: "other"))
    other.cancel()
    await turns()
    assert other.cancelled()
    await engine.carry(tasks.wait_for(shielded, None))


async def test_task_that_outlives_the_shield_it_began_in_can_be_cancelled(
    engine: SteppedEngine,
) -> None:
    """A task copies the context it is made in, and so the shield."""
    with Shield():
        child = await begun(current_engine().run(lambda: None))
    child.cancel()
    await turns()
    assert child.cancelled()


async def test_member_of_a_task_group_inside_a_shield_can_be_cancelled(
    engine: SteppedEngine,
) -> None:
    """Its cancellation is not one of the task that the shield is of."""

    async def fail() -> None:
        await tasks.sleep(0)
        raise ZeroDivisionError

    async def work() -> None:
        with Shield():
            async with asyncio.TaskGroup() as group:
                group.create_task(current_engine().run(lambda: None))
                group.create_task(fail())

    task = await begun(work())
    await turns(10)
    assert task.done()
    assert isinstance(task.exception(), ExceptionGroup)


async def test_member_of_a_task_group_inside_a_shield_has_shields_of_its_own(
    body: Body, engine: SteppedEngine
) -> None:
    with Shield():
        member = await begun(body())
        member.cancel()
        await turns()
        engine.run_all()
        await tasks.wait([member])
    assert member.cancelled()
    assert body.steps == ["job", "block"]


def test_shield_in_a_coroutine_that_is_dropped_in_another_context_ends() -> None:
    """As when a loop was closed with the task still waiting."""

    class Waiting:
        def __await__(self) -> Generator[None, None, None]:
            yield

    async def work() -> None:
        with Shield():
            await Waiting()

    coroutine = work()
    contextvars.copy_context().run(coroutine.send, None)
    coroutine.close()
    assert current_shield() is None


# -- asyncio's own scopes --


async def test_timeout_around_a_shield_is_a_timeout(
    body: Body, engine: SteppedEngine
) -> None:
    async def work() -> None:
        async with tasks.timeout(0):
            await body()

    task = await begun(work())
    await turns()
    assert not task.done()
    engine.run_all()
    with pytest.raises(TimeoutError):
        await task
    assert body.steps == ["job", "block"]
    assert task.cancelling() == 0


async def test_timeout_and_cancellation_together_are_a_cancellation(
    body: Body, engine: SteppedEngine
) -> None:
    async def work() -> None:
        async with tasks.timeout(0):
            await body()

    task = await begun(work())
    await turns()
    task.cancel()
    await turns()
    engine.run_all()
    with pytest.raises(tasks.Cancelled):
        await task
    assert body.steps == ["job", "block"]


async def test_task_group_waits_for_the_shield_of_a_cancelled_member(
    body: Body, engine: SteppedEngine
) -> None:
    async def fail() -> None:
        await tasks.sleep(0)
        raise ZeroDivisionError

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(body())
            group.create_task(fail())

    task = await begun(work())
    await turns()
    assert not task.done()
    engine.run_all()
    with pytest.raises(ExceptionGroup) as caught:
        await task
    assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]
    assert body.steps == ["job", "block"]


async def test_task_group_inside_a_shield_ends_with_its_members_error(
    engine: SteppedEngine,
) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        with Shield():
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
    assert current_shield() is None
