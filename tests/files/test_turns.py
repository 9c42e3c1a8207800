"""Turns: in call order, handed on whoever is cancelled, in one loop at a time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from headrace import FileInUseError
from headrace.engine import Shield
from headrace.files._turns import Turns
from tests import tasks
from tests.fakes import begun
from tests.hosts import AsyncioHost, Host


class Holder:
    """Tasks that take the turn, note it, and keep it until they are told."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.order: list[str] = []
        self.let_go: dict[str, asyncio.Event] = {}

    async def _work(self, name: str) -> None:
        async with self.turns:
            self.order.append(name)
            await self.let_go[name].wait()

    async def start(self, *names: str) -> list[asyncio.Task[None]]:
        self.let_go.update((name, tasks.Event()) for name in names)
        return [await begun(self._work(name)) for name in names]


async def settle() -> None:
    for _ in range(5):
        await tasks.sleep(0)


async def test_turn_is_held_inside_and_free_outside() -> None:
    turns = Turns()
    async with turns:
        assert turns.held
    assert not turns.held


async def test_free_turn_is_taken_without_suspending() -> None:
    turns = Turns()
    with pytest.raises(StopIteration):
        turns.__aenter__().send(None)
    assert turns.held


async def test_error_inside_hands_the_turn_on() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError):
        async with turns:
            raise ZeroDivisionError
    assert not turns.held


async def test_turns_are_taken_in_call_order() -> None:
    holder = Holder(Turns())
    names = ["a", "b", "c", "d"]
    started = await holder.start(*names)
    for name in names:
        await settle()
        assert holder.order[-1] == name
        holder.let_go[name].set()
    await tasks.gather(*started)
    assert holder.order == names


async def test_turn_stays_held_while_it_is_handed_on() -> None:
    """Nobody who asks just then gets in between."""
    holder = Holder(Turns())
    first, second = await holder.start("first", "second")
    holder.let_go["first"].set()
    await first
    assert holder.turns.held
    third = (await holder.start("third"))[0]
    await settle()
    assert holder.order == ["first", "second"]
    for event in holder.let_go.values():
        event.set()
    await tasks.gather(second, third)


@pytest.mark.parametrize("waiting", [0, 1, 3])
async def test_contended_says_whether_somebody_waits(waiting: int) -> None:
    holder = Holder(Turns())
    started = await holder.start(*"abcd"[: waiting + 1])
    assert holder.turns.contended == bool(waiting)
    for event in holder.let_go.values():
        event.set()
    await tasks.gather(*started)
    assert not holder.turns.contended


async def test_task_cancelled_while_it_waits_is_passed_over() -> None:
    holder = Holder(Turns())
    a, b, c = await holder.start("a", "b", "c")
    b.cancel()
    await settle()
    for event in holder.let_go.values():
        event.set()
    await tasks.gather(a, c)
    assert (holder.order, b.cancelled()) == (["a", "c"], True)
    assert not holder.turns.held


async def test_task_cancelled_after_it_was_woken_hands_the_turn_on() -> None:
    holder = Holder(Turns())
    a, b, c = await holder.start("a", "b", "c")
    holder.let_go["a"].set()
    await tasks.sleep(0)  # the turn is b's now, which has not run yet
    assert holder.order == ["a"]
    b.cancel()
    await settle()
    assert holder.order == ["a", "c"]
    holder.let_go["c"].set()
    await tasks.gather(a, c)
    assert b.cancelled()
    assert not holder.turns.held


async def test_last_task_cancelled_after_it_was_woken_frees_the_turn() -> None:
    holder = Holder(Turns())
    a, b = await holder.start("a", "b")
    holder.let_go["a"].set()
    await tasks.sleep(0)
    b.cancel()
    await tasks.wait([a, b])
    assert (holder.order, holder.turns.held) == (["a"], False)


async def test_task_cancelled_inside_hands_the_turn_on() -> None:
    holder = Holder(Turns())
    a, b = await holder.start("a", "b")
    a.cancel()
    await settle()
    assert holder.order == ["a", "b"]
    holder.let_go["b"].set()
    await b


async def test_shielded_task_waits_for_its_turn_though_cancelled() -> None:
    holder = Holder(Turns())
    steps: list[str] = []

    async def close() -> None:
        with Shield():
            async with holder.turns:
                steps.append("closed")

    [a] = await holder.start("a")
    closing = await begun(close())
    closing.cancel()
    await settle()
    assert steps == []
    holder.let_go["a"].set()
    await tasks.wait([a, closing])
    assert (steps, closing.cancelled()) == (["closed"], True)


def test_turn_of_one_loop_is_free_in_the_next(loop: Host) -> None:
    turns = Turns()

    async def take() -> bool:
        async with turns:
            return turns.held

    assert [loop.run(take), loop.run(take)] == [True, True]


def test_turn_that_another_loop_holds_is_an_error_that_says_so() -> None:
    turns = Turns()
    caught: list[BaseException] = []

    async def take() -> None:
        async with turns:
            pytest.fail("two loops have the turn")

    def other_loop() -> None:
        try:
            AsyncioHost().run(take)
        except FileInUseError as error:
            caught.append(error)

    async def hold() -> None:
        async with turns:
            thread = threading.Thread(target=other_loop)
            thread.start()
            thread.join()

    AsyncioHost().run(hold)
    assert "another event loop" in str(caught[0])
    assert not turns.held


def test_loop_that_ended_with_a_task_waiting_leaves_the_turn_free() -> None:
    turns = Turns()

    async def stuck() -> None:
        async with turns:
            await tasks.Event().wait()

    async def main() -> None:
        await begun(stuck())
        await begun(stuck())

    AsyncioHost().run(main)
    assert not turns.held
