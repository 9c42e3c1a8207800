"""The peak of memory while a large file is streamed, one process per peer.

A process of its own, because a peak stays: what one peer needed once could not be
told from what the next one needs. Run as a program, this module is that process.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .peers import Missing, Peer, Work, find_peers

PIECE_SIZE = 64 * 1024  # bytes


@dataclass
class MemoryResult:
    """The peak of the resident memory of one peer's process, in bytes."""

    peer: str
    peak: int = 0
    """At the end, with the interpreter and what the peer imports."""
    growth: int = 0
    """How much of it came while streaming."""
    over_builtin: int = 0
    """The peak, less that of builtin `open()`."""
    failure: str = ""


def peak_memory() -> int:
    """Return the most memory that this process had resident so far, in bytes.

    Linux: VmHWM of proc_pid_status(5), because ru_maxrss of getrusage(2) begins
    with what the parent had when it forked.

    Raises:
        OSError: This platform has neither.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except FileNotFoundError:
        pass
    try:
        import resource
    except ImportError as error:
        raise OSError("the peak of memory is not measured on this platform") from error
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure_memory(
    peers: Sequence[Peer],
    directory: str,
    size: int,
    loop: str,
    progress: Callable[[str], None],
) -> list[MemoryResult]:
    """Stream *size* bytes through each peer, each in a new process.

    Args:
        peers: Who does it; the first is the reference.
        directory: Where the file is made.
        size: Bytes of the file. It is sparse, and takes no room on the disk.
        loop: "asyncio" or "uvloop".
        progress: Is called once for each peer.
    """
    path = os.path.join(directory, "stream.bin")
    with open(path, "wb") as file:
        file.truncate(size)
    # The child finds what this process found, however it came to be on the path.
    search_path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {**os.environ, "PYTHONPATH": search_path}
    results = [MemoryResult(peer.name) for peer in peers]
    for result in results:
        command = [sys.executable, "-m", __name__, result.peer, path, str(size), loop]
        child = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment
        )
        if child.returncode:
            result.failure = child.stderr.strip().rpartition("\n")[2] or "no answer"
        else:
            answer = json.loads(child.stdout)
            result.peak, result.growth = answer["peak"], answer["growth"]
        progress(f"memory: {result.peer}")
    os.unlink(path)
    for result in results:
        if not result.failure and not results[0].failure:
            result.over_builtin = result.peak - results[0].peak
    return results


def _stream(peer: Peer, path: str, size: int, loop: str) -> dict[str, int]:
    got = 0

    def count(piece: object) -> None:
        nonlocal got
        assert isinstance(piece, bytes)
        got += len(piece)

    pieces = size // PIECE_SIZE
    with runner(loop) as host:
        # Everything is imported, and every thread there, before the growth counts.
        warm_up = Work(items=1, paths=[path], count=1, size=PIECE_SIZE)
        host.run(peer.chunks(warm_up))
        before = peak_memory()
        work = Work(pieces, paths=[path], count=pieces, size=PIECE_SIZE, seen=count)
        host.run(peer.chunks(work))
        peak = peak_memory()
    if got != pieces * PIECE_SIZE:
        raise ValueError(f"{got} bytes came, {pieces * PIECE_SIZE} are in the file")
    return {"peak": peak, "growth": peak - before}


def runner(loop: str) -> asyncio.Runner:
    """Return a runner for the loop called "asyncio" or "uvloop".

    Raises:
        ModuleNotFoundError: uvloop is not installed.
    """
    if loop == "asyncio":
        return asyncio.Runner()
    import importlib

    return asyncio.Runner(loop_factory=importlib.import_module(loop).new_event_loop)


def _main(name: str, path: str, size: str, loop: str) -> None:
    peers, missing = find_peers([name])
    for peer in peers:
        if peer.name == name:
            print(json.dumps(_stream(peer, path, int(size), loop)))
            return
    raise SystemExit(str(missing or Missing(name, "not found")))


if __name__ == "__main__":
    _main(*sys.argv[1:])
