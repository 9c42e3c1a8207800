"""`_stats.py`: the counters and their snapshots."""

from __future__ import annotations

import pytest

from headrace._stats import Counters, Stats, counters, stats

NAMES = (
    *("buffer_hits", "inline_calls", "engine_jobs", "hops", "yields"),
    *("native_jobs", "ring_jobs", "polled", "fallbacks"),
)


@pytest.fixture
def snapshot() -> Stats:
    return Stats(buffer_hits=1, inline_calls=2, engine_jobs=3, hops=4, yields=5)


def test_snapshot_does_not_change_when_the_counters_do() -> None:
    before = stats()
    seen = before.hops
    counters.hops += 1
    try:
        assert before.hops == seen
    finally:
        counters.hops -= 1


@pytest.mark.parametrize("name", NAMES)
def test_each_counter_is_in_the_snapshot(name: str) -> None:
    before = stats()
    setattr(counters, name, getattr(counters, name) + 7)
    try:
        assert (stats() - before).as_dict() == {
            other: 7 if other == name else 0 for other in NAMES
        }
    finally:
        setattr(counters, name, getattr(counters, name) - 7)


def test_counters_begin_at_zero() -> None:
    fresh = Counters()
    assert [getattr(fresh, name) for name in NAMES] == [0] * len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_item_is_the_attribute(snapshot: Stats, name: str) -> None:
    assert snapshot[name] == getattr(snapshot, name)


@pytest.mark.parametrize("name", ["nothing", "as_dict", "keys", "__class__"])
def test_only_counters_are_items(snapshot: Stats, name: str) -> None:
    with pytest.raises(KeyError, match=name):
        snapshot[name]


def test_snapshot_can_be_made_a_dict(snapshot: Stats) -> None:
    assert (
        dict(snapshot)
        == snapshot.as_dict()
        == {
            "buffer_hits": 1,
            "inline_calls": 2,
            "engine_jobs": 3,
            "hops": 4,
            "yields": 5,
            "native_jobs": 0,
            "ring_jobs": 0,
            "polled": 0,
            "fallbacks": 0,
        }
    )


def test_iteration_gives_the_names(snapshot: Stats) -> None:
    assert tuple(snapshot) == snapshot.keys() == NAMES
    assert len(snapshot) == len(NAMES)


def test_snapshots_subtract(snapshot: Stats) -> None:
    assert (snapshot - snapshot).as_dict() == dict.fromkeys(NAMES, 0)


def test_snapshot_is_frozen(snapshot: Stats) -> None:
    with pytest.raises(AttributeError):
        snapshot.hops = 0  # type: ignore[misc]
