"""Where the event loop is met: waking it, suspending in it, watching descriptors."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.engine import Shield, budget, current_engine
from headrace.engine._asyncio import AsyncioHost, running_loop, running_task
from tests.conftest import open_descriptors
from tests.fakes import begun, turns

pytestmark = [
    pytest.mark.asyncio_only("about the host of asyncio"),
    pytest.mark.skipif(
        sys.platform == "win32", reason="the Proactor loop watches no descriptors"
    ),
]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


# -- The loop and the task --


def test_outside_a_loop_there_is_neither_loop_nor_task() -> None:
    assert (running_loop(), running_task()) == (None, None)


async def test_running_loop_and_task_are_those_of_asyncio() -> None:
    assert running_loop() is asyncio.get_running_loop()
    assert running_task() is asyncio.current_task()


async def test_callback_is_outside_of_any_task() -> None:
    seen: list[object] = []
    asyncio.get_running_loop().call_soon(lambda: seen.append(running_task()))
    await asyncio.sleep(0)
    assert seen == [None]


async def test_callback_from_another_thread_runs_on_the_loops() -> None:
    host = AsyncioHost(asyncio.get_running_loop())
    called = asyncio.Event()
    seen: list[int] = []

    def callback() -> None:
        seen.append(threading.get_ident())
        called.set()

    threading.Thread(target=host.call_threadsafe, args=(callback,)).start()
    await called.wait()
    assert seen == [threading.get_ident()]


def test_closed_loop_refuses_callbacks() -> None:
    loop = asyncio.new_event_loop()
    host = AsyncioHost(loop)
    loop.close()
    with pytest.raises(RuntimeError):
        host.call_threadsafe(lambda: None)


def test_loop_that_is_gone_refuses_callbacks() -> None:
    loop = asyncio.new_event_loop()
    host = AsyncioHost(loop)
    loop.close()
    del loop
    gc.collect()
    with pytest.raises(RuntimeError, match="gone"):
        host.call_threadsafe(lambda: None)


# -- Readiness --


async def test_what_can_be_read_is_ready_at_once(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"x")
    assert await current_engine().wait_readable(pipe[0])


async def test_what_cannot_be_read_yet_is_waited_for(pipe: tuple[int, int]) -> None:
    task = await begun(current_engine().wait_readable(pipe[0]))
    await turns()
    assert not task.done()
    os.write(pipe[1], b"x")
    assert await task


async def test_end_of_the_writer_is_readable() -> None:
    reader, writer = os.pipe()
    try:
        task = await begun(current_engine().wait_readable(reader))
        os.close(writer)
        assert await task
    finally:
        os.close(reader)


async def test_full_pipe_is_not_writable(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(pipe[1], bytes(65536))
    task = await begun(current_engine().wait_writable(pipe[1]))
    await turns()
    assert not task.done()
    os.read(pipe[0], 1 << 20)
    assert await task


@pytest.mark.parametrize(
    "name", ["regular", pytest.param("/dev/null", id="null"), "/dev/zero"]
)
@pytest.mark.parametrize("wait", ["wait_readable", "wait_writable"])
async def test_what_the_loop_cannot_watch_is_not_waited_for(
    name: str, wait: str, tmp_path: Path
) -> None:
    path = tmp_path / "regular"
    path.touch()
    fd = os.open(path if name == "regular" else name, os.O_RDWR)
    try:
        assert not await getattr(current_engine(), wait)(fd)
    finally:
        os.close(fd)


async def test_cancelled_wait_leaves_no_watcher_and_no_descriptor(
    pipe: tuple[int, int],
) -> None:
    before = open_descriptors()
    task = await begun(current_engine().wait_readable(pipe[0]))
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert open_descriptors() == before


async def test_wait_leaves_the_programs_own_watcher_alone(
    pipe: tuple[int, int],
) -> None:
    loop = asyncio.get_running_loop()
    own = asyncio.Event()
    loop.add_reader(pipe[0], own.set)
    try:
        task = await begun(current_engine().wait_readable(pipe[0]))
        os.write(pipe[1], b"x")
        assert await task
        await own.wait()
    finally:
        loop.remove_reader(pipe[0])


async def test_two_tasks_may_wait_for_one_descriptor(pipe: tuple[int, int]) -> None:
    tasks = [await begun(current_engine().wait_readable(pipe[0])) for _ in range(2)]
    os.write(pipe[1], b"x")
    assert await asyncio.gather(*tasks) == [True, True]


async def test_bad_descriptor_is_an_error() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        await current_engine().wait_readable(-5)


async def test_sockets_can_be_watched() -> None:
    left, right = socket.socketpair()
    with left, right:
        task = await begun(current_engine().wait_readable(left.fileno()))
        right.send(b"x")
        assert await task
        assert await current_engine().wait_writable(left.fileno())


async def test_readiness_may_be_cancelled_inside_a_shield(
    pipe: tuple[int, int],
) -> None:
    steps: list[str] = []

    async def work() -> None:
        with Shield():
            await current_engine().wait_readable(pipe[0])
            steps.append("read")

    task = await begun(work())
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert steps == []


async def test_readiness_is_not_waited_for_after_a_cancellation_in_the_shield(
    pipe: tuple[int, int],
) -> None:
    steps: list[str] = []

    async def work() -> None:
        with Shield():
            await current_engine().checkpoint()
            steps.append("checkpoint")
            await current_engine().wait_readable(pipe[0])
            steps.append("read")

    task = await begun(work())
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert steps == ["checkpoint"]


# -- Tasks that yield because the budget is spent --


async def test_of_the_tasks_that_yield_one_goes_on_in_each_turn_of_the_loop() -> None:
    loop = asyncio.get_running_loop()
    turn = 0
    went_on: list[tuple[str, int]] = []

    def count() -> None:
        nonlocal turn
        turn += 1
        if len(went_on) < 12:
            loop.call_soon(count)

    async def work(name: str) -> None:
        for _ in range(4):
            await current_engine().checkpoint()
            went_on.append((name, turn))

    loop.call_soon(count)
    await asyncio.gather(*map(work, "abc"))
    assert "".join(name for name, _ in went_on) == "abc" * 4
    assert len({turn for _, turn in went_on}) == 12


async def test_yielding_beside_others_renews_the_budget() -> None:
    left: list[int] = []

    async def work() -> None:
        await current_engine().checkpoint()
        left.append(budget.account.operations)
        budget.account.operations = 1000

    await asyncio.gather(work(), work(), work())
    assert left == [0, 0, 0]


@pytest.mark.parametrize("passed", [1, 2, 3, 4, 5])
async def test_cancelled_task_that_yields_keeps_none_waiting(passed: int) -> None:
    async def work() -> str:
        for _ in range(3):
            await current_engine().checkpoint()
        return "done"

    started = [asyncio.ensure_future(work()) for _ in range(4)]
    await turns(passed)
    started[1].cancel()
    ends = await asyncio.gather(*started, return_exceptions=True)
    assert isinstance(ends.pop(1), asyncio.CancelledError)
    assert ends == ["done"] * 3
    await current_engine().checkpoint()


async def test_dropped_task_that_yields_keeps_none_waiting() -> None:
    first = asyncio.ensure_future(current_engine().checkpoint())
    await asyncio.sleep(0)
    second = current_engine().checkpoint()
    second.send(None)
    second.close()
    await first
    await current_engine().checkpoint()
