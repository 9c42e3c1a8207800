"""How late the event loop is: a timer that is due every millisecond.

The timer keeps to its schedule. When the loop is blocked for 50 ms, the 50 ticks
that were due meanwhile count, each as late as it was, as 50 timers of a program
would have been; a heartbeat that sleeps again after each beat would count one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

TICK_S = 0.001


@dataclass(frozen=True)
class Lateness:
    """How late the ticks were, in milliseconds."""

    ticks: int
    median_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, delays_s: list[float]) -> Lateness:
        """Sum up delays given in seconds."""
        ordered = sorted(delays_s)
        count = len(ordered)
        return cls(
            ticks=count,
            median_ms=ordered[count // 2] * 1e3,
            p99_ms=ordered[min(count - 1, count * 99 // 100)] * 1e3,
            max_ms=ordered[-1] * 1e3,
        )


class Heartbeat:
    """The timer. Start and stop it on the loop that is watched."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # uvloop's timers count whole milliseconds and round down: asked for less
        # than one it would spin.
        is_uvloop = type(self._loop).__module__.startswith("uvloop")
        self._shortest_s = TICK_S if is_uvloop else 0.0
        self._delays_s: list[float] = []
        self._due = self._loop.time() + TICK_S
        self._stopping: asyncio.Future[None] | None = None
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        while self._due <= now:
            self._delays_s.append(now - self._due)
            self._due += TICK_S
        if self._stopping is not None and self._delays_s:
            self._stopping.set_result(None)
            return
        delay_s = max(self._due - now, self._shortest_s)
        self._timer = self._loop.call_later(delay_s, self._tick)

    async def stop(self) -> Lateness:
        """Wait for the ticks that are due, and sum up."""
        self._stopping = self._loop.create_future()
        try:
            await self._stopping
        finally:
            self._timer.cancel()
        return Lateness.of(self._delays_s)


async def watch(work: Awaitable[object]) -> Lateness:
    """Do *work*, and return how late the loop was meanwhile.

    What the work returns is kept until then: to give back 200 MB of memory takes
    milliseconds as well, and is not a part of reading them.
    """
    heartbeat = Heartbeat()
    # The first tick is in the schedule before the work can block the loop.
    await asyncio.sleep(0)
    kept: object = None
    try:
        kept = await work
    finally:
        lateness = await heartbeat.stop()
        del kept
    return lateness
