"""The event loops that every asynchronous test runs on.

A host runs one coroutine function from start to end in a loop of its own. To add
one, write a subclass of `Host` and name it in `HOSTS`: no test changes.
"""

from __future__ import annotations

import asyncio
import importlib.util
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from tests import tasks

T = TypeVar("T")


class Host(ABC):
    """A way to run an asynchronous program, and what it complained about."""

    name: str
    requires: str | None = None
    """The module that has to be importable, if the host is not part of Python."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        """What reached the loop's exception handler because nobody else took it."""

    @classmethod
    def missing(cls) -> str | None:
        """Say why this host can not be used here, or return None."""
        if cls.requires and importlib.util.find_spec(cls.requires) is None:
            return f"{cls.requires} is not installed"
        return None

    @abstractmethod
    def run(self, func: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> T:
        """Run ``await func(*args, **kwargs)`` in a new loop, and end the loop."""

    def __repr__(self) -> str:
        return self.name


class AsyncioHost(Host):
    """asyncio's own event loop."""

    name = "asyncio"

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Make the loop; subclasses choose another kind."""
        return asyncio.new_event_loop()

    def run(self, func: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> T:
        """Run ``await func(*args, **kwargs)`` in a new loop, and end the loop."""
        timed_out: list[BaseException] = []

        def complain(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            exception = context.get("exception")
            if isinstance(exception, pytest.fail.Exception):
                # pytest-timeout raises in a signal handler. asyncio lets that out of
                # the loop; uvloop hands it over here, and would go on.
                timed_out.append(exception)
                loop.stop()
            else:
                self.complaints.append(f"{context.get('message')}: {context!r}")

        async def main() -> T:
            asyncio.get_running_loop().set_exception_handler(complain)
            return await func(*args, **kwargs)

        try:
            with asyncio.Runner(loop_factory=self.new_event_loop) as runner:
                return runner.run(main())
        except RuntimeError:
            if timed_out:
                raise timed_out[0] from None
            raise


class UvloopHost(AsyncioHost):
    """uvloop under asyncio."""

    name = "uvloop"
    requires = "uvloop"

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Make a uvloop loop."""
        import uvloop

        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        return loop


class _NoChance(random.Random):
    """Has tasks run in the order in which they were made ready."""

    def random(self) -> float:
        return 0.0


class TrioHost(Host):
    """Trio. Tasks run in the order in which they were made ready, as under asyncio."""

    name = "trio"
    requires = "trio"

    def run(self, func: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> T:
        """Run ``await func(*args, **kwargs)`` in a new run."""
        import trio

        async def main() -> T:
            return await func(*args, **kwargs)

        # Trio turns the order of what is ready round, or not, by chance; or sorts it
        # by age, where Hypothesis is about.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trio._core._run, "_r", _NoChance())
            patch.setattr(trio._core._run, "_ALLOW_DETERMINISTIC_SCHEDULING", False)
            try:
                result: T = trio.run(tasks.run_test, main, self.complaints)
                return result
            finally:
                # After a crash (pytest-timeout raises anywhere) it thinks it runs on.
                trio._core._run.GLOBAL_RUN_CONTEXT.__dict__.clear()


HOSTS: tuple[type[Host], ...] = (AsyncioHost, UvloopHost, TrioHost)
