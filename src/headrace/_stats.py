"""Counters of how operations were done: what tests assert instead of times.

The counters are plain integers that the layers add to; `stats()` is a snapshot.
They are per process, and not exact under free threading (no lock is taken).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, slots=True)
class Stats:
    """A snapshot of headrace's counters since the process started.

    Attributes are also items (`stats()["hops"]`), and two snapshots subtract.
    """

    buffer_hits: int
    """Operations that bytes (or room) in user space answered. Lines and writes are
    added when their buffer is filled or drained, so the latest may be missing."""
    inline_calls: int
    """System calls made on the event loop's thread because they cannot wait."""
    engine_jobs: int
    """Jobs that went to an engine."""
    hops: int
    """Jobs that were given to another thread, or to the kernel, to be waited for."""
    yields: int
    """Times a task was suspended only to be fair to other tasks."""
    native_jobs: int = 0
    """Jobs that native worker threads did, without the GIL; of `engine_jobs`."""
    ring_jobs: int = 0
    """Jobs that io_uring did; of `engine_jobs`."""
    polled: int = 0
    """Jobs of native worker threads that were over in a moment: the task was not
    suspended for them; of `native_jobs`."""
    fallbacks: int = 0
    """Operations that one engine refused, and that another then did."""

    def __getitem__(self, name: str) -> int:
        if name not in self.keys():
            raise KeyError(name)
        value: int = getattr(self, name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def keys(self) -> tuple[str, ...]:
        """Return the names of the counters."""
        return tuple(field.name for field in fields(self))

    def __sub__(self, other: Stats) -> Stats:
        return Stats(**{name: self[name] - other[name] for name in self.keys()})

    def as_dict(self) -> dict[str, int]:
        """Return the counters as a plain dict."""
        return asdict(self)


class Counters:
    """The live counters; see `Stats` for what each one counts."""

    __slots__ = (
        *("buffer_hits", "engine_jobs", "fallbacks", "hops", "inline_calls"),
        *("native_jobs", "polled", "ring_jobs", "yields"),
        "core",
    )

    #: Asked for the buffer hits, inline calls and ring reads that the C core counted.
    core: Callable[[], tuple[int, int, int]]

    def __init__(self) -> None:
        self.buffer_hits = 0
        self.inline_calls = 0
        self.engine_jobs = 0
        self.native_jobs = 0
        self.ring_jobs = 0
        self.polled = 0
        self.fallbacks = 0
        self.hops = 0
        self.yields = 0
        self.core = _nothing


def _nothing() -> tuple[int, int, int]:
    return 0, 0, 0


counters = Counters()


def stats() -> Stats:
    """Return how operations were done since the process started.

    Returns:
        A snapshot; subtract an earlier one to see what a piece of code did.
    """
    buffer_hits, inline_calls, ring_reads = counters.core()
    return Stats(
        buffer_hits=counters.buffer_hits + buffer_hits,
        inline_calls=counters.inline_calls + inline_calls,
        engine_jobs=counters.engine_jobs + ring_reads,
        native_jobs=counters.native_jobs,
        ring_jobs=counters.ring_jobs + ring_reads,
        polled=counters.polled,
        fallbacks=counters.fallbacks,
        hops=counters.hops + ring_reads,
        yields=counters.yields,
    )
