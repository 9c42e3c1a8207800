"""How long the event loop stands still in the cases that are known to stop it.

    python benchmarks/heartbeat.py [--runs N] [--peers A,B,...] [--loop uvloop]

A read of 16 MB, a loop over 100,000 lines (10,000 for peers that make a hop for each
line), a read of 200 MB: a timer is due every millisecond meanwhile, and the table has
how late it was at most, in milliseconds, as the median and the worst of the runs.
`python -m headrace bench` has the same for its rows; here whole calls are large.

The goal: below 5 ms for the first two, and no later than aiofiles for the third.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
from collections.abc import Callable, Coroutine
from typing import Any

from headrace._bench.inputs import LINES_PER_FILE, Inputs, warm
from headrace._bench.lateness import watch
from headrace._bench.memory import runner
from headrace._bench.peers import PEER_NAMES, Peer, Work, find_peers

MIB = 1024 * 1024
Case = Callable[[Peer], Coroutine[Any, Any, object]]


def cases(inputs: Inputs) -> dict[str, Case]:
    """Return what each peer is asked to do, by title."""
    middle = Work(items=1, paths=[inputs.whole()])
    many = Work(items=LINES_PER_FILE, paths=[inputs.text(LINES_PER_FILE)])
    fewer = Work(items=10_000, paths=[inputs.text(10_000)])
    large = Work(items=1, paths=[inputs.big()])
    for work in (middle, many, fewer, large):
        warm(work.paths)

    def lines(peer: Peer) -> Coroutine[Any, Any, object]:
        return peer.lines(many if peer.name in ("builtin", "headrace") else fewer)

    return {
        "read of 16 MB": lambda peer: peer.whole(middle),
        "100,000 lines": lines,
        "read of 200 MB": lambda peer: peer.whole(large),
    }


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--peers", default="headrace,to_thread,aiofiles,anyio")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    arguments = parser.parse_args()
    wanted = arguments.peers.split(",")
    found, missing = find_peers(name for name in wanted if name in PEER_NAMES)
    peers = [peer for peer in found if peer.name in wanted]
    for absent in missing:
        print(f"Not measured: {absent.name}, {absent.reason}.")

    with (
        Inputs(None, None, 200 * MIB, 16 * MIB) as inputs,
        runner(arguments.loop) as host,
    ):
        idle = [host.run(watch(asyncio.sleep(0.2))) for _ in range(arguments.runs)]
        show("an idle loop", "", [lateness.max_ms for lateness in idle])
        for title, case in cases(inputs).items():
            for peer in peers:
                late_ms: list[float] = []
                for _ in range(arguments.runs):
                    gc.collect()
                    late_ms.append(host.run(watch(case(peer))).max_ms)
                show(title, peer.name, late_ms)


def show(title: str, peer: str, late_ms: list[float]) -> None:
    """Print one line: the median and the worst of the runs."""
    median, worst = statistics.median(late_ms), max(late_ms)
    print(f"{title:16} {peer:10} median {median:6.1f} ms   worst {worst:6.1f} ms")


if __name__ == "__main__":
    main()
