"""The eventfd of a loop: who wakes it, who is reaped, how it ends."""

from __future__ import annotations

import asyncio
import gc
import os
import select
import sys
import threading
from collections.abc import Callable

import pytest

from headrace.engine import _registry as registry
from headrace.engine import current_engine, running_loop_key
from headrace.engine._channel import Channel
from tests import tasks
from tests.conftest import open_descriptors
from tests.hosts import Host

pytestmark = pytest.mark.skipif(
    not hasattr(os, "eventfd"), reason="there is no eventfd here"
)


class Completions:
    """A source that a test completes operations of."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.done = 0
        self.reaped: list[int] = []
        self.calls: list[str] = []
        self.drained = threading.Event()

    def end(self) -> bool:
        self.calls.append("end")
        return not self.in_flight

    def reap(self) -> None:
        self.reaped.append(self.done)
        self.done = 0

    def drain(self) -> None:
        self.calls.append("drain")
        assert self.drained.wait(10)
        self.in_flight = 0

    def close(self) -> None:
        self.calls.append("close")

    def forget(self) -> None:
        self.calls.append("forget")


def own_channel() -> Channel:
    """Return the channel of the running loop."""
    current_engine()
    channel = registry._places[running_loop_key()].channel()
    assert channel is not None
    return channel


async def test_loop_has_one_channel() -> None:
    assert own_channel() is own_channel()


async def test_write_wakes_the_loop_and_sources_are_reaped_once() -> None:
    channel, source = own_channel(), Completions()
    channel.attach(source)
    source.done = 3

    def complete() -> None:
        for _ in range(3):
            os.eventfd_write(channel.fd, 1)

    thread = threading.Thread(target=complete)
    thread.start()
    thread.join()
    assert source.reaped == []
    while not source.reaped:
        await tasks.sleep(0)
    await tasks.sleep(0)
    assert source.reaped == [3]


def test_channel_is_closed_with_its_loop(loop: Host) -> None:
    source = Completions()

    async def use() -> int:
        channel = own_channel()
        channel.attach(source)
        return channel.fd

    before = open_descriptors()
    loop.run(use)
    gc.collect()
    assert source.calls == ["end", "close"]
    assert open_descriptors() == before


def test_channel_of_a_loop_with_operations_in_flight_is_drained_first() -> None:
    source = Completions()
    source.in_flight = 1
    channel = Channel()
    channel.attach(source)
    channel.close()
    os.fstat(channel.fd)
    assert "close" not in source.calls
    source.drained.set()
    while "close" not in source.calls:
        os.sched_yield()
    assert source.calls == ["end", "drain", "close"]


def test_each_source_ends_in_the_thread_of_the_loop() -> None:
    sources = [Completions(), Completions()]
    channel = Channel()
    for source in sources:
        source.in_flight = 1
        source.drained.set()
        channel.attach(source)
    channel.close()
    assert [source.calls[0] for source in sources] == ["end", "end"]
    while "close" not in sources[1].calls:
        os.sched_yield()


def test_source_that_ends_the_loop_keeps_nothing_from_the_others() -> None:
    class Ending(Completions):
        def reap(self) -> None:
            super().reap()
            if len(self.reaped) == 1:
                raise SystemExit

    first, second = Ending(), Completions()
    channel = Channel()
    channel.attach(first)
    channel.attach(second)
    os.eventfd_write(channel.fd, 1)
    with pytest.raises(SystemExit):
        channel.wake()
    assert select.select([channel.fd], [], [], 0)[0]
    channel.wake()
    assert second.reaped
    channel.close()


def test_many_loops_in_a_row_leave_no_descriptor(loop: Host) -> None:
    async def use() -> None:
        own_channel()

    loop.run(use)
    gc.collect()
    before = len(open_descriptors())
    gc.disable()
    try:
        for _ in range(50):
            loop.run(use)
        # The last one's may go with the next loop.
        assert len(open_descriptors()) <= before + 5
    finally:
        gc.enable()


def test_loop_that_cannot_watch_has_no_channel() -> None:
    class Blind:
        def watch(self, fd: int, *callbacks: Callable[[], object]) -> bool:
            return False

    before = open_descriptors()
    assert Channel.of(Blind()) is None  # type: ignore[arg-type]
    assert open_descriptors() == before


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_forked_child_closes_its_copy_and_the_parent_goes_on() -> None:
    source = Completions()

    async def use() -> None:
        channel = own_channel()
        channel.attach(source)
        pid = os.fork()
        if not pid:
            try:
                os.fstat(channel.fd)
            except OSError:
                os._exit(0 if source.calls == ["forget"] else 2)
            os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        os.eventfd_write(channel.fd, 1)
        while not source.reaped:
            await tasks.sleep(0)
        assert source.calls == []

    with asyncio.Runner() as runner:
        runner.run(use())
