"""Calibration, verification, interleaved rounds, and what is made of the figures.

For one row, in this order:

1. The page cache is warmed, and each peer's amount of work is found: as much as
   takes the time of a pass. A peer that is a thousand times slower does a thousandth.
2. Each peer does its amount once while everything it gets is digested, and must have
   got what builtin `open()` gets from the same work.
3. The rounds: in each, every peer does one timed pass, in an order that rotates. The
   ratio to builtin is taken within a round, so that a machine that is slower for a
   while is slower for both. Where time runs out, there are fewer rounds.
4. Each peer does one more pass with a heartbeat on the loop. This pass is not timed:
   the heartbeat takes time itself.
"""

from __future__ import annotations

import asyncio
import gc
import math
import statistics
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from .inputs import warm
from .lateness import Lateness, watch
from .peers import Peer, Work
from .rows import Digest, Row


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    """Rounds in each row, if there is time; never fewer than `LEAST_ROUNDS`, if it
    is not fewer itself."""
    pass_s: float
    """Seconds that one timed pass should take."""
    lateness_s: float
    """Seconds that the pass with the heartbeat should take."""
    time_s: float = math.inf
    """Seconds for all rows: where a slow or busy machine takes longer, rounds are
    left out."""


LEAST_ROUNDS = 3
QUICK = Plan(rounds=5, pass_s=0.05, lateness_s=0.12, time_s=35)
FULL = Plan(rounds=9, pass_s=0.3, lateness_s=0.6, time_s=300)


@dataclass
class Result:
    """What one peer did in one row."""

    row: str
    peer: str
    items: int = 0
    """Items in each timed pass."""
    times_us: list[float] = field(default_factory=list[float])
    """Microseconds per item, one figure for each round."""
    cpu_us: list[float] = field(default_factory=list[float])
    """Processor time of the whole process, threads included, per item."""
    ratios: list[float] = field(default_factory=list[float])
    """Time per item by builtin's in the same round."""
    lateness: Lateness | None = None
    counters: dict[str, float] = field(default_factory=dict[str, float])
    """What `headrace.stats()` counted, per item."""
    failure: str = ""
    """Why there are no figures, or why they count for nothing."""

    @property
    def time_us(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.times_us)

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)


class Mismatch(Exception):
    """A peer got, or wrote, something else than builtin `open()` did."""


Run = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs a coroutine to its end on the loop that is measured."""
Progress = Callable[[str], None]
"""Is told each step as it is done."""


def steps_of(peers: Sequence[Peer], plan: Plan) -> int:
    """Return how many times `measure_row` reports progress."""
    return len(peers) * (2 + plan.rounds)


def measure_row(
    row: Row,
    peers: Sequence[Peer],
    plan: Plan,
    run: Run,
    progress: Progress,
    deadline: float = math.inf,
) -> list[Result]:
    """Measure one row.

    Args:
        row: What to measure.
        peers: Who does it; the first is the reference.
        plan: How much.
        run: Runs a coroutine on the loop.
        progress: Is called `steps_of(peers, plan)` times, rounds left out included.
        deadline: When the row should be done, by `time.perf_counter()`.

    Returns:
        One result for each peer, in the order of *peers*. What a peer raises is in
        its result, so that one broken peer does not end the bench.
    """
    warm(list(row.warm_paths()))
    reference = peers[0]
    results = [Result(row.name, peer.name) for peer in peers]
    expected = _Expected(row, reference, run)
    for peer, result in zip(peers, results, strict=True):
        with _FailuresGoTo(result):
            result.items = _calibrate(row, peer, plan, run)
            if peer is not reference:
                _verify(row, peer, result.items, expected, run)
        progress(f"{row.title}: checking {peer.name}")
    _rounds(
        row,
        list(zip(peers, results, strict=True)),
        plan,
        expected,
        run,
        progress,
        deadline,
    )
    for peer, result in zip(peers, results, strict=True):
        if not result.failure:
            with _FailuresGoTo(result):
                _lateness_pass(row, peer, result, plan, run)
            if not results[0].failure:
                base = results[0].times_us
                pairs = zip(result.times_us, base, strict=True)
                result.ratios = [ours / theirs for ours, theirs in pairs]
        progress(f"{row.title}: the loop under {peer.name}")
    return results


def _rounds(
    row: Row,
    pairs: list[tuple[Peer, Result]],
    plan: Plan,
    expected: _Expected,
    run: Run,
    progress: Progress,
    deadline: float,
) -> None:
    """Do the timed passes, as many rounds as there is time for."""
    able = [pair for pair in pairs if not pair[1].failure]
    for number in range(plan.rounds):
        late = number >= LEAST_ROUNDS and time.perf_counter() > deadline
        first = number % max(1, len(able))
        for peer, result in able[first:] + able[:first]:
            if not late and not result.failure:
                with _FailuresGoTo(result):
                    _timed_pass(row, peer, result, expected, run)
            progress(f"{row.title}: round {number + 1}, {peer.name}")
        for _ in range(len(pairs) - len(able)):
            progress(row.title)


class _FailuresGoTo:
    """Put what is raised into a result."""

    def __init__(self, result: Result) -> None:
        self._result = result

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: object, error: BaseException | None, trace: object
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        words = str(error) if isinstance(error, Mismatch) else repr(error)
        self._result.failure = words
        return True


# -- Passes --


async def _do(
    row: Row, peer: Peer, work: Work, seen: Callable[[object], object] | None = None
) -> tuple[float, float, object]:
    """Do *work*; return the seconds, the seconds of CPU, and the last thing got."""
    if seen is not None:
        work.seen = seen
    method: Callable[[Work], Coroutine[Any, Any, object]] = getattr(peer, row.name)
    # The loop has nothing else to do when the clock starts.
    await asyncio.sleep(0)
    cpu = time.process_time()
    start = time.perf_counter()
    last = await method(work)
    seconds = time.perf_counter() - start
    return seconds, time.process_time() - cpu, last


def _calibrate(row: Row, peer: Peer, plan: Plan, run: Run) -> int:
    """Return the number of items that takes about the time of a pass."""
    amount = row.first
    while True:
        seconds, items = _try_amount(row, peer, amount, run)
        if seconds >= plan.pass_s / 3:
            # Perhaps only because the machine was away, or something was loaded for
            # the first time: the faster of two tries counts.
            again, _ = _try_amount(row, peer, amount, run)
            seconds = min(seconds, again)
        if seconds >= plan.pass_s / 3 or amount >= row.limit:
            break
        growth = min(16, max(2, plan.pass_s / seconds))
        amount = min(row.limit, int(amount * growth))
    return _round_down(max(1, min(row.limit, items * plan.pass_s / seconds)))


def _try_amount(row: Row, peer: Peer, amount: int, run: Run) -> tuple[float, int]:
    """Do about *amount* items; return the seconds, and how many it was."""
    work = row.prepare(amount)
    seconds: float = run(_do(row, peer, work))[0]
    row.clean(work)
    return max(seconds, 1e-6), work.items


def _round_down(amount: float) -> int:
    """Keep two digits, so that peers of like speed share the files that are made."""
    unit: int = 10 ** max(0, len(str(int(amount))) - 2)
    return int(amount) // unit * unit


class _Expected:
    """What builtin gets from the same work, found out once for each amount."""

    def __init__(self, row: Row, reference: Peer, run: Run) -> None:
        self._row, self._reference, self._run = row, reference, run
        self._evidence: dict[int, str] = {}
        self._traces: dict[int, object] = {}

    def evidence(self, amount: int) -> str:
        """Return the digest of everything in *amount* items."""
        if amount not in self._evidence:
            self._evidence[amount] = evidence_of(
                self._row, self._reference, amount, self._run
            )
        return self._evidence[amount]

    def trace(self, amount: int) -> object:
        """Return the last thing of *amount* items."""
        if amount not in self._traces:
            work = self._row.prepare(amount)
            _, _, last = self._run(_do(self._row, self._reference, work))
            self._traces[amount] = self._row.trace(work, last)
            self._row.clean(work)
        return self._traces[amount]


def evidence_of(row: Row, peer: Peer, amount: int, run: Run) -> str:
    """Do *amount* items and return the digest of all that was got or written."""
    digest = Digest()
    work = row.prepare(amount)
    run(_do(row, peer, work, digest.add))
    written = row.written(work)
    row.clean(work)
    return (written or digest).evidence()


def _verify(row: Row, peer: Peer, amount: int, expected: _Expected, run: Run) -> None:
    amount = min(amount, row.check_limit)
    got, wanted = evidence_of(row, peer, amount, run), expected.evidence(amount)
    if got != wanted:
        raise Mismatch(f"results differ from builtin's: {got} instead of {wanted}")


def _timed_pass(
    row: Row, peer: Peer, result: Result, expected: _Expected, run: Run
) -> None:
    wanted = expected.trace(result.items)
    work = row.prepare(result.items)
    before = _counters(peer)
    gc.collect()
    seconds, cpu, last = run(_do(row, peer, work))
    after = _counters(peer)
    trace = row.trace(work, last)
    row.clean(work)
    if trace != wanted:
        raise Mismatch("a timed pass ended with something else than builtin's")
    result.times_us.append(seconds / work.items * 1e6)
    result.cpu_us.append(cpu / work.items * 1e6)
    result.counters = {
        name: (after[name] - before[name]) / work.items for name in after
    }


def _lateness_pass(row: Row, peer: Peer, result: Result, plan: Plan, run: Run) -> None:
    amount = int(result.items * max(1.0, plan.lateness_s / plan.pass_s))
    work = row.prepare(min(amount, row.limit))
    gc.collect()
    result.lateness = run(watch(_do(row, peer, work)))
    row.clean(work)


def _counters(peer: Peer) -> dict[str, int]:
    """Return the peer's own counters, if it keeps any."""
    read: Callable[[], dict[str, int]] | None = getattr(peer, "counters", None)
    return read() if read else {}
