"""D3: a cancelled open leaves no descriptor behind, whenever it is cancelled."""

from __future__ import annotations

import gc
import os
import random
import threading
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import headrace
from tests import tasks
from tests.faults.support import descriptors, saturated, turns, until

OPENS = 1000


async def cancelled_at_random(
    start: Callable[[], Awaitable[Any]], seed: int, count: int
) -> tuple[int, int]:
    """Start *count* operations, cancel each somewhere; return cancelled and done."""
    chance = random.Random(seed)
    cancelled = done = 0
    for _ in range(count):
        task = tasks.start(start())
        match chance.randrange(4):
            case 0:
                await turns(chance.randrange(6))
            case 1:
                await tasks.sleep(chance.random() * 0.0004)
            case 2:
                delay = chance.random() * 0.0004
                tasks.later(delay, task.cancel)
                await tasks.wait([task])
            case 3:
                await tasks.wait([task], timeout=chance.random() * 0.0002)
        task.cancel()
        try:
            file = await task
        except tasks.Cancelled:
            cancelled += 1
        else:
            done += 1
            await file.close()
    return cancelled, done


@pytest.mark.parametrize("mode", ["r", "rb", "w", "a+b"])
async def test_opens_cancelled_at_random_points_leak_nothing(
    tmp_path: Path, mode: str
) -> None:
    path = tmp_path / "file"
    path.write_text("content")
    await (await headrace.open(path)).close()
    before = descriptors()
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        async def start() -> Any:
            return await headrace.open(path, mode)

        cancelled, _ = await cancelled_at_random(start, seed=1, count=OPENS // 4)
        gc.collect()
        await until(lambda: descriptors() == before, "descriptors left open")
    assert cancelled > 0


async def test_opens_cancelled_together_leak_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("content")
    await (await headrace.open(path)).close()
    before = descriptors()
    chance = random.Random(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        started = [tasks.start(open_file(path)) for _ in range(200)]
        await turns(2)
        chance.shuffle(started)
        for task in started[:150]:
            task.cancel()
            await turns(chance.randrange(2))
        results = await tasks.gather(*started, return_exceptions=True)
        for result in results:
            if not isinstance(result, BaseException):
                await result.close()
            else:
                assert isinstance(result, tasks.Cancelled)
        del results
        gc.collect()
        await until(lambda: descriptors() == before, "descriptors left open")


async def open_file(path: Path) -> Any:
    return await headrace.open(path, "r+")


async def test_an_open_that_no_worker_has_begun_never_opens(tmp_path: Path) -> None:
    path = tmp_path / "new"
    async with saturated() as release:
        task = tasks.start(headrace_create(path))
        await turns(5)
        task.cancel()
        with pytest.raises(tasks.Cancelled):
            await task
        release()
    assert not path.exists()


async def headrace_create(path: Path) -> Any:
    return await headrace.open(path, "x")


async def test_a_descriptor_that_arrives_late_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("content")
    entered = tasks.Event()
    call_soon = tasks.from_thread()
    go_on = threading.Event()
    given: list[int] = []

    def slow(name: str, flags: int) -> int:
        call_soon(entered.set)
        go_on.wait(10)
        given.append(os.open(name, flags))
        return given[0]

    async def start() -> Any:
        return await headrace.open(path, opener=slow)

    before = descriptors()
    task = tasks.start(start())
    await entered.wait()
    task.cancel()
    await turns(3)
    go_on.set()
    with pytest.raises(tasks.Cancelled):
        await task
    await until(lambda: given and descriptors() == before, "left open")


async def test_cancelled_async_with_before_it_began_leaks_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    path.write_text("content")
    entered = []

    async def use() -> None:
        async with headrace.open(path, "r+") as file:
            entered.append(file)
            await tasks.Event().wait()

    await (await headrace.open(path)).close()
    before = descriptors()
    for ticks in range(12):
        task = tasks.start(use())
        await turns(ticks)
        task.cancel()
        with pytest.raises(tasks.Cancelled):
            await task
    assert all(file.closed for file in entered)
    await until(lambda: descriptors() == before, "descriptors left open")


async def test_an_open_that_is_never_awaited_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new"
    with pytest.warns(RuntimeWarning, match="never awaited"):
        headrace.open(path, "w")
        gc.collect()
    assert not path.exists()
