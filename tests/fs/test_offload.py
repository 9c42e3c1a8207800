"""`fs/_offload.py`: the twin of a blocking function."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from headrace import stats
from headrace.fs._offload import offload, offload_change
from tests import tasks

LONG_S = 10


def add(left: int, right: int = 1, *, negate: bool = False) -> int:
    """Add *left* and *right*."""
    return -(left + right) if negate else left + right


def test_twin_has_name_signature_and_text_of_the_function() -> None:
    twin = offload(add)
    assert twin.__name__ == twin.__qualname__ == "add"
    assert inspect.signature(twin) == inspect.signature(add)
    assert twin.__wrapped__ is add  # type: ignore[attr-defined]
    assert inspect.iscoroutinefunction(twin)
    assert twin.__doc__ is not None
    assert twin.__doc__.startswith("Add *left* and *right*.\n\nAsynchronous: ")


def test_twin_of_an_undocumented_function_says_that_it_is_asynchronous() -> None:
    twin = offload(lambda: 1)
    assert twin.__doc__ is not None
    assert twin.__doc__.startswith("Asynchronous: ")


def test_twin_of_a_change_says_when_a_cancellation_is_raised() -> None:
    assert "when it has ended" in (offload_change(add).__doc__ or "")
    assert "at once" in (offload(add).__doc__ or "")


async def test_twin_passes_arguments_and_result() -> None:
    assert await offload(add)(2, negate=True) == -3
    assert await offload(add)(left=2, right=3) == 5


async def test_twin_raises_what_the_function_raises() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        await offload(os.stat)("no/such/file")
    assert caught.value.filename == "no/such/file"


async def test_wrong_arguments_raise_when_awaited() -> None:
    too_many: Any = (1, 2, 3)
    call = offload(add)(*too_many)
    with pytest.raises(TypeError, match="positional"):
        await call


async def test_one_call_is_one_job() -> None:
    before = stats()
    await offload(add)(1)
    assert (stats() - before).engine_jobs == 1
    assert (stats() - before).hops == 1


async def test_function_runs_in_another_thread_with_the_callers_context() -> None:
    variable = contextvars.ContextVar[str]("variable")
    variable.set("of the caller")

    def look() -> tuple[int, str]:
        return threading.get_ident(), variable.get()

    thread, value = await offload(look)()
    assert thread != threading.get_ident()
    assert value == "of the caller"


@pytest.mark.parametrize("decorator", [offload, offload_change])
async def test_executor_runs_the_function(
    decorator: Callable[..., Callable[..., object]],
) -> None:
    with ThreadPoolExecutor(1, thread_name_prefix="mine") as executor:
        name = decorator(lambda: threading.current_thread().name)
        assert str(await name(executor=executor)).startswith("mine")  # type: ignore[misc]


@pytest.mark.asyncio_only("about the loop argument of aiofiles")
async def test_loop_is_accepted_and_ignored() -> None:
    twin: Callable[..., object] = offload(add)
    assert await twin(1, loop=asyncio.get_running_loop()) == 2  # type: ignore[misc]


class Slow:
    """A blocking function that a test can watch and let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.released = threading.Event()
        self.ended = threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        assert self.released.wait(LONG_S)
        self.ended.set()


async def cancel_when_begun(task: asyncio.Task[None], slow: Slow) -> None:
    await tasks.in_thread(slow.begun.wait, LONG_S)
    task.cancel()


async def test_cancelled_look_is_abandoned_at_once() -> None:
    slow = Slow()
    task = tasks.start(offload(slow)())
    await cancel_when_begun(task, slow)
    with pytest.raises(tasks.Cancelled):
        await task
    assert not slow.ended.is_set()
    slow.released.set()
    assert await tasks.in_thread(slow.ended.wait, LONG_S)


async def test_cancelled_change_is_finished_first() -> None:
    slow = Slow()
    task = tasks.start(offload_change(slow)())
    await cancel_when_begun(task, slow)
    done, _ = await tasks.wait([task], timeout=0.05)
    assert not done
    slow.released.set()
    with pytest.raises(tasks.Cancelled):
        await task
    assert slow.ended.is_set()
