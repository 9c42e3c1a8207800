"""`Batch` and `Entry`: what is there is handed out at once, and nothing else."""

from __future__ import annotations

import gc
import os
import weakref
from pathlib import Path
from typing import Any

import pytest

from headrace._typing import WAIT
from tests._native.test_ready import finish


def batch_of(native: Any, items: list[Any], credit: int = 100) -> Any:
    """Make a batch of *items*; what it is asked for besides is in `asked`."""

    class Items(native.Batch):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.asked: list[str] = []

        def _next_now(self) -> Any:
            self.asked.append("now")
            return WAIT

        async def _next_wait(self) -> Any:
            self.asked.append("wait")
            raise StopAsyncIteration

    made = Items()
    made._items = items[::-1]
    made._credit = credit
    return made


def entry_type(native: Any) -> Any:
    class Own(native.Entry):  # type: ignore[misc]
        __slots__ = ()

    return Own


def test_items_come_in_their_order_and_nobody_is_asked(native: Any) -> None:
    batch = batch_of(native, [1, "", None, (2, 3)])
    assert [finish(batch.__anext__()) for _ in range(4)] == [1, "", None, (2, 3)]
    assert batch.asked == []


def test_end_is_told_by_who_waits(native: Any) -> None:
    batch = batch_of(native, [1])
    finish(batch.__anext__())
    with pytest.raises(StopAsyncIteration):
        finish(batch.__anext__())
    assert batch.asked == ["now", "wait"]


def test_time_is_looked_at_when_the_credit_is_spent(native: Any) -> None:
    batch = batch_of(native, [1, 2, 3], credit=2)
    assert [finish(batch.__anext__()) for _ in range(2)] == [1, 2]
    with pytest.raises(StopAsyncIteration):
        finish(batch.__anext__())
    assert batch._items == [3]


def test_item_is_not_taken_before_it_is_awaited(native: Any) -> None:
    batch = batch_of(native, [1])
    batch.__anext__().close()
    assert batch._items == [1]


def test_each_item_is_converted_once(native: Any) -> None:
    batch = batch_of(native, [1, 2])
    batch._convert = lambda item: item * 10
    assert [finish(batch.__anext__()), batch._take()] == [10, 20]


def test_error_of_the_conversion_is_raised_and_the_next_item_comes(native: Any) -> None:
    batch = batch_of(native, [0, 1])
    batch._convert = lambda item: 1 // item
    with pytest.raises(ZeroDivisionError):
        finish(batch.__anext__())
    assert finish(batch.__anext__()) == 1


def test_taking_from_an_empty_batch_is_an_error(native: Any) -> None:
    with pytest.raises(IndexError):
        batch_of(native, [])._take()


def test_entries_are_made_of_those_of_os(native: Any, tmp_path: Path) -> None:
    (tmp_path / "name").touch()
    [given] = os.scandir(tmp_path)
    own = entry_type(native)
    ready = own(given)
    batch = batch_of(native, [given, ready])
    batch._convert = own
    made = finish(batch.__anext__())
    assert type(made) is own
    assert made._entry is given
    assert (made.name, made.path) == (given.name, given.path)
    assert not hasattr(made, "_stat")
    # One that is an entry already is handed out as it is.
    assert finish(batch.__anext__()) is ready


def test_subclass_that_does_more_is_called(native: Any) -> None:
    class Counting(native.Entry):  # type: ignore[misc]
        made = 0

        def __init__(self, entry: Any) -> None:
            super().__init__(entry)
            Counting.made += 1

    batch = batch_of(native, [1, 2])
    batch._convert = Counting
    found = [finish(batch.__anext__()) for _ in range(2)]
    assert [entry._entry for entry in found] == [1, 2]
    assert Counting.made == 2


def test_batch_in_a_cycle_is_collected(native: Any) -> None:
    batch = batch_of(native, [])
    batch._items.append(batch)
    batch._convert = batch.__anext__
    gone = weakref.ref(batch)
    del batch
    gc.collect()
    assert gone() is None


def test_items_are_let_go_of_as_they_are_handed_out(native: Any) -> None:
    class Item:
        pass

    items = [Item(), Item()]
    gone = [weakref.ref(item) for item in items]
    batch = batch_of(native, items)
    del items
    finish(batch.__anext__())
    assert [ref() is None for ref in gone] == [True, False]
