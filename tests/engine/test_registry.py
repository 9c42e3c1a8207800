"""One engine for each running loop."""

from __future__ import annotations

import asyncio
import gc
import os
import weakref

import pytest

from headrace.engine import _registry as registry
from headrace.engine import current_engine, engine_choice, running_loop_key
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
    gc.collect()
    assert kept[0]() is None


async def test_running_loop_is_its_own_key() -> None:
    assert running_loop_key() is asyncio.get_running_loop()


def test_outside_a_loop_there_is_no_key() -> None:
    assert running_loop_key() is None


@pytest.mark.parametrize(
    ("wanted", "choice"),
    [
        pytest.param(None, ("threads", "the default"), id="unset"),
        pytest.param("auto", ("threads", "the default"), id="auto"),
        pytest.param("threads", ("threads", "asked for by HEADRACE_ENGINE"), id="own"),
        pytest.param(
            "uring",
            ("threads", "HEADRACE_ENGINE=uring is not available in this build"),
            id="other",
        ),
    ],
)
def test_choice_says_why(
    wanted: str | None, choice: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if wanted is None:
        monkeypatch.delenv("HEADRACE_ENGINE", raising=False)
    else:
        monkeypatch.setenv("HEADRACE_ENGINE", wanted)
    assert engine_choice() == choice


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_forked_child_forgets_the_engines() -> None:
    loop = asyncio.new_event_loop()

    async def use() -> None:
        current_engine()

    loop.run_until_complete(use())
    pid = os.fork()
    if not pid:
        os._exit(len(registry._engines))
    assert os.waitpid(pid, 0)[1] == 0
    assert len(registry._engines) > 0
    loop.close()
