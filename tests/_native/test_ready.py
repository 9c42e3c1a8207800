"""The finished awaitable; and in C, the operation that begins when it is resumed."""

from __future__ import annotations

import asyncio
import collections.abc
import gc
import sys
import types
import weakref
from traceback import walk_tb
from typing import Any

import pytest

from headrace._native import NATIVE, Reader
from headrace._typing import WAIT
from tests.garbage import collect_until

VALUES = [
    None, 0, 10**30, b"", b"line\n", b"x" * 100_000, "", "line\n", (), (1, 2),
    ValueError("a value"), StopIteration(3), [1],
]  # fmt: skip


def finish(awaitable: Any) -> Any:
    """Resume *awaitable* by hand until it has its result."""
    try:
        while True:
            awaitable.send(None)
    except StopIteration as stop:
        return stop.value


@pytest.mark.asyncio_only("about the tasks of asyncio")
@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_every_way_of_awaiting_gives_the_value(native: Any, value: Any) -> None:
    assert await native.Ready(value) is value
    assert await asyncio.create_task(native.Ready(value)) is value
    assert await asyncio.wait_for(native.Ready(value), 1) is value
    assert await asyncio.gather(native.Ready(value)) == [value]
    assert finish(native.Ready(value)) is value


def test_next_gives_the_value_at_the_end(native: Any) -> None:
    with pytest.raises(StopIteration) as caught:
        next(native.Ready((1, 2)))
    assert caught.value.value == (1, 2)


def test_it_is_a_coroutine_to_those_who_ask(native: Any) -> None:
    ready = native.Ready(1)
    assert isinstance(ready, collections.abc.Coroutine)
    assert asyncio.iscoroutine(ready)


async def test_it_is_awaited_once(native: Any) -> None:
    ready = native.Ready(1)
    await ready
    with pytest.raises(RuntimeError, match="cannot reuse"):
        await ready
    with pytest.raises(RuntimeError, match="cannot reuse"):
        ready.send(None)
    with pytest.raises(RuntimeError, match="cannot reuse"):
        ready.throw(ValueError)


def test_nothing_can_be_sent_to_what_has_not_begun(native: Any) -> None:
    with pytest.raises(TypeError, match="just-started"):
        native.Ready(1).send(2)


def test_throw_raises_what_it_is_given(native: Any) -> None:
    error = ValueError("given")
    with pytest.raises(ZeroDivisionError) as failed:
        _ = 1 / 0
    traceback = failed.tb
    for arguments in ((error,), (ValueError, error), (error, None, traceback)):
        with pytest.raises(ValueError, match="given") as caught:
            native.Ready(1).throw(*arguments)
        assert caught.value is error
    with pytest.raises(ValueError, match="text"):
        native.Ready(1).throw(ValueError, "text")
    with pytest.raises(OSError, match="2") as caught_error:
        native.Ready(1).throw(OSError, (2, "words"))
    assert caught_error.value.errno == 2


def test_closed_it_has_no_value(native: Any) -> None:
    ready = native.Ready(1)
    ready.close()
    ready.close()
    with pytest.raises(RuntimeError, match="cannot reuse"):
        ready.send(None)


def test_exceptions_that_were_kept_have_their_own_values(native: Any) -> None:
    kept = []
    for number in range(3):
        with pytest.raises(StopIteration) as caught:
            next(native.Ready(number))
        kept.append(caught.value)
    assert [stop.value for stop in kept] == [0, 1, 2]


def test_traceback_of_an_earlier_end_is_not_seen_again(native: Any) -> None:
    depths = []
    for number in range(3):
        try:
            next(native.Ready(number))
        except StopIteration as stop:
            depths.append((len(list(walk_tb(stop.__traceback__))), stop.__context__))
    assert len(set(depths)) == 1


def test_value_does_not_live_on(native: Any) -> None:
    class Value:
        pass

    value = Value()
    seen = weakref.ref(value)
    assert finish(native.Ready(value)) is value
    del value
    gc.collect()
    assert seen() is None


# -- An operation ---------------------------------------------------------------


@types.coroutine
def pause() -> Any:
    """Suspend the task once; gives what it is resumed with."""
    return (yield "paused")


class Waiting(Reader):
    """A reader that always has to wait, and says what became of it."""

    def __init__(self) -> None:
        super().__init__()
        self.happened: list[Any] = []

    def _read_now(self, size: Any) -> Any:
        self.happened.append(("now", size))
        if size == 13:
            raise ValueError("unlucky")
        return WAIT

    async def _read_wait(self, size: Any) -> Any:
        try:
            self.happened.append(await pause())
        except BaseException as error:
            self.happened.append(type(error))
            raise
        return size

    _readline_now = _read_now
    _readline_wait = _read_wait


def test_operation_does_nothing_before_it_is_resumed() -> None:
    reader = Waiting()
    operation = reader.read(1)
    assert reader.happened == []
    operation.close()
    assert reader.happened == []
    with pytest.raises(RuntimeError, match="cannot reuse"):
        operation.send(None)


def test_operation_that_is_cancelled_before_it_begins_has_taken_nothing() -> None:
    reader = Waiting()
    reader._data, reader._limit = b"abc", 3
    with pytest.raises(asyncio.CancelledError):
        reader.read(1).throw(asyncio.CancelledError)
    assert (reader._pos, reader.happened) == (0, [])


def test_operation_is_suspended_resumed_and_ended() -> None:
    reader = Waiting()
    operation = reader.read(7)
    assert operation.send(None) == "paused"
    with pytest.raises(StopIteration) as caught:
        operation.send("go on")
    assert caught.value.value == 7
    assert reader.happened == [("now", 7), "go on"]


def test_exception_is_thrown_to_where_the_operation_waits() -> None:
    reader = Waiting()
    operation = reader.read(7)
    operation.send(None)
    with pytest.raises(KeyError):
        operation.throw(KeyError("x"))
    assert reader.happened == [("now", 7), KeyError]
    with pytest.raises(RuntimeError, match="cannot reuse"):
        operation.send(None)


def test_close_ends_an_operation_that_waits() -> None:
    reader = Waiting()
    operation = reader.read(7)
    operation.send(None)
    operation.close()
    assert reader.happened == [("now", 7), GeneratorExit]


def test_error_of_the_attempt_is_raised_when_awaited() -> None:
    operation = Waiting().read(13)
    with pytest.raises(ValueError, match="unlucky"):
        operation.send(None)


def test_iteration_that_waited_ends_with_nothing() -> None:
    class Empty(Waiting):
        async def _readline_wait(self, size: Any) -> Any:
            await pause()
            return b""

    operation = Empty().__anext__()
    assert operation.send(None) == "paused"
    with pytest.raises(StopAsyncIteration):
        operation.send(None)


def test_operation_is_awaited_by_one() -> None:
    async def both(operation: Any) -> Any:
        return await operation

    operation = Waiting().read(7)
    first, second = both(operation), both(operation)
    first.send(None)
    with pytest.raises(RuntimeError, match="awaited already"):
        second.send(None)
    first.close()


def test_forgotten_operation_is_warned_of_by_name() -> None:
    with pytest.warns(RuntimeWarning, match=r"'[^']*\.read' was never awaited"):
        _ = Waiting().read(1)
        del _
        gc.collect()


@pytest.mark.parametrize("frozen", [False, True])
def test_operation_in_a_cycle_is_collected(frozen: bool) -> None:
    if frozen:
        # What is free and waits to be used again is frozen with all the rest.
        finish(Waiting().read(1))
        gc.freeze()
    reader = Waiting()
    operation = reader.read(1)
    operation.send(None)
    reader.happened.append(operation)
    seen = weakref.ref(reader)
    del reader, operation
    assert collect_until(lambda: seen() is None)


def test_operation_has_a_name_for_debuggers() -> None:
    operation: Any = Waiting().read(1)
    assert operation.__name__ == "read"
    assert operation.__qualname__.endswith(".read")
    operation.close()


@pytest.mark.skipif(not NATIVE, reason="in Python these are coroutines, made anew")
def test_awaitables_are_not_made_anew() -> None:
    reader = Waiting()
    reader._data, reader._limit = b"abc" * 100, 300
    finish(reader.read(1))
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(200):
        finish(reader.read(1))
    assert sys.getallocatedblocks() - before < 20
