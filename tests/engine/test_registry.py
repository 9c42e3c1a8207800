"""One engine for each running loop."""

from __future__ import annotations

import asyncio
import gc
import os
import weakref
from collections.abc import Callable

import pytest

from headrace import _settings
from headrace._settings import Engine, configure
from headrace.engine import _registry as registry
from headrace.engine import current_engine, engine_choice, running_loop_key
from tests.garbage import collect_until
from tests.hosts import AsyncioHost, Host


async def test_engine_is_the_same_as_long_as_the_loop_runs() -> None:
    assert current_engine() is current_engine()


def test_each_loop_has_an_engine_of_its_own(loop: Host) -> None:
    async def engine() -> object:
        return current_engine()

    assert loop.run(engine) is not loop.run(engine)


def test_outside_a_loop_it_is_said_what_is_needed() -> None:
    with pytest.raises(RuntimeError, match=r"no running event loop.*async def"):
        current_engine()


def test_loop_that_has_ended_is_not_kept() -> None:
    kept: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def use() -> None:
        await current_engine().run(lambda: None)
        kept.append(weakref.ref(asyncio.get_running_loop()))

    AsyncioHost().run(use)
    assert collect_until(lambda: kept[0]() is None)


@pytest.mark.asyncio_only("the key of a run of Trio: see test_trio.py")
async def test_running_loop_is_its_own_key() -> None:
    assert running_loop_key() is asyncio.get_running_loop()


def test_outside_a_loop_there_is_no_key() -> None:
    assert running_loop_key() is None


# -- The choice --


@pytest.fixture
def fresh_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has been configured; the environment is asked again."""
    monkeypatch.setattr(_settings, "_current", None)
    monkeypatch.setattr(_settings, "_told", set())
    monkeypatch.delenv("HEADRACE_ENGINE", raising=False)


@pytest.fixture
def obstacles(monkeypatch: pytest.MonkeyPatch) -> dict[Engine, str]:
    """Why each engine cannot be used; all can unless a test says otherwise."""
    reasons = dict.fromkeys(registry._CHOICES, "")

    def obstacle(name: Engine) -> Callable[[], str]:
        return lambda: reasons[name]

    choices = {
        name: (registry._make_threads, obstacle(name)) for name in registry._CHOICES
    }
    monkeypatch.setattr(registry, "_CHOICES", choices)
    return reasons


@pytest.mark.usefixtures("fresh_settings")
@pytest.mark.parametrize("wanted", ["uring", "workers", "threads"])
def test_engine_is_the_one_that_is_asked_for(
    wanted: str, obstacles: dict[Engine, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_ENGINE", wanted)
    assert engine_choice() == (wanted, "asked for by HEADRACE_ENGINE")


@pytest.mark.usefixtures("fresh_settings")
def test_engine_that_is_missing_leaves_it_to_the_next(
    obstacles: dict[Engine, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_ENGINE", "uring")
    obstacles[Engine.URING] = "is refused"
    assert engine_choice() == (
        "workers",
        "uring, asked for by HEADRACE_ENGINE, is refused",
    )


@pytest.mark.usefixtures("fresh_settings")
def test_unless_asked_the_best_that_works_is_the_default(
    obstacles: dict[Engine, str],
) -> None:
    assert engine_choice() == ("uring", "the default")
    obstacles[Engine.URING] = obstacles[Engine.WORKERS] = "is missing"
    assert engine_choice() == ("threads", "the default")


@pytest.mark.usefixtures("fresh_settings")
def test_engine_that_fails_for_a_loop_leaves_it_to_the_next(
    obstacles: dict[Engine, str], monkeypatch: pytest.MonkeyPatch, loop: Host
) -> None:
    def fail(place: registry.Place) -> registry.Engine:
        raise NotImplementedError("no eventfd")

    registry._CHOICES[Engine.URING] = (fail, str)

    async def choice() -> tuple[str, str]:
        current_engine()
        return engine_choice()

    assert loop.run(choice)[1] == "uring does not work here: no eventfd"


@pytest.mark.usefixtures("fresh_settings")
async def test_engine_changes_with_the_settings() -> None:
    first = current_engine()
    configure(engine="threads")
    second = current_engine()
    assert second is not first
    assert second is current_engine()
    assert engine_choice() == ("threads", "asked for by headrace.configure()")


# -- Ended, closed, forked --


def test_closed_loop_that_is_kept_gives_its_place_up() -> None:
    loop = asyncio.new_event_loop()

    async def place() -> registry.Place:
        current_engine()
        return registry._places[asyncio.get_running_loop()]

    kept = weakref.ref(loop.run_until_complete(place()))
    loop.close()
    AsyncioHost().run(place)
    gc.collect()
    assert kept() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_forked_child_forgets_the_places() -> None:
    loop = asyncio.new_event_loop()

    async def use() -> None:
        current_engine()

    loop.run_until_complete(use())
    pid = os.fork()
    if not pid:
        os._exit(len(registry._places))
    assert os.waitpid(pid, 0)[1] == 0
    assert len(registry._places) > 0
    loop.close()
