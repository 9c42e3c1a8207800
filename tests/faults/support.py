"""What the fault tests share: a blocked engine, counts of resources, other processes.

Nothing here sleeps for a fixed time: what has no event to wait for is looked at
again and again until it is so, within a generous bound.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from headrace._settings import settings
from headrace.engine import Lane, current_engine
from headrace.files import _calls
from tests import tasks

BOUND_S = 10.0
"""How long anything may take here. A machine of CI can be slow; a hang is longer."""


# -- Waiting --


async def until(condition: Callable[[], object], what: str = "") -> None:
    """Let the loop turn until *condition* holds."""
    deadline = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < deadline, what or f"never so: {condition}"
        await tasks.sleep(0.001)


async def turns(count: int) -> None:
    """Let the loop turn *count* times."""
    for _ in range(count):
        await tasks.sleep(0)


# -- Counting --


#: What a loop's engine has as long as the loop lives; tests/conftest.py counts these.
OF_THE_LOOP = {"anon_inode:[eventfd]", "anon_inode:[io_uring]"}


def descriptors() -> set[str]:
    """Return the numbers of this process's open descriptors, less those of the loop."""
    fds = set(os.listdir("/proc/self/fd"))
    return {fd for fd in fds if _open(fd) and _target(fd) not in OF_THE_LOOP}


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""


def _open(fd: str) -> bool:
    try:
        os.fstat(int(fd))
    except OSError:
        return False  # the descriptor that listed the folder
    return True


def kernel_threads() -> int:
    """Return how many threads the kernel sees in this process."""
    return len(os.listdir("/proc/self/task"))


def is_open(fd: int) -> bool:
    """Tell whether *fd* is an open descriptor."""
    return _open(str(fd))


# -- A blocked engine --


@asynccontextmanager
async def saturated(lane: Lane = Lane.WORK) -> AsyncIterator[Callable[[], None]]:
    """Keep every worker thread busy, so that each further job waits in the queue.

    Gives a function that lets them go; the end of the block does so too.
    """
    release = threading.Event()
    busy = threading.Semaphore(0)
    limit = settings().max_workers

    def occupy() -> None:
        busy.release()
        release.wait(60)

    started = [
        tasks.start(current_engine().run(occupy, lane=lane)) for _ in range(limit)
    ]
    # The ring is never busy: all goes to the threads.
    engine: Any = current_engine()
    if engine.name == "uring":
        engine._submit_to_ring = lambda *call: None
    # Native threads read from a pipe that nobody writes to.
    reading, writing = os.pipe()
    native: list[Any] = []
    if current_engine().name != "threads":
        native = [
            current_engine().submit(_calls.read_once, reading, 1, -1, lane=lane)
            for _ in range(limit)
        ]

    def let_go() -> None:
        nonlocal writing
        release.set()
        if writing >= 0:
            os.close(writing)
            writing = -1

    try:
        taken = 0

        def all_busy() -> bool:
            nonlocal taken
            while busy.acquire(blocking=False):
                taken += 1
            return taken == limit and all(job.begun for job in native)

        await until(all_busy, "not all worker threads are busy")
        yield let_go
    finally:
        vars(engine).pop("_submit_to_ring", None)
        let_go()
        await tasks.gather(*started)
        for job in native:
            await current_engine().outcome(job)
        os.close(reading)


# -- Other processes --


def script(
    source: str,
    *args: object,
    under: tuple[str, ...] = (),
    flags: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run *source* as a program of its own and return what came of it.

    Args:
        source: The program; indentation is taken off.
        args: Its arguments.
        under: A command that runs the interpreter, strace for example.
        flags: Options of the interpreter.
        env: Variables of the environment to add.
        options: More for `subprocess.run`.
    """
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(
        [
            *under,
            sys.executable,
            *flags,
            "-c",
            textwrap.dedent(source),
            *map(str, args),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, **(env or {})},
        **options,
    )


def passes(source: str, *args: object, **options: Any) -> str:
    """Run *source* as `script` does, expect success, and return what it printed."""
    done = script(source, *args, **options)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stderr}"
    return done.stdout


# -- Errors of the kernel --


@cache
def strace() -> str:
    """Return the path of strace; skip the test where it cannot be used."""
    path = shutil.which("strace")
    if path is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run(
        [path, "-f", "-o", "/dev/null", "-e", "inject=getpid:error=ENOSYS", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode != 0:
        pytest.skip(f"ptrace is refused here: {tried.stderr.strip()}")
    return path


def injecting(*faults: str, log: Path | str = "/dev/null") -> tuple[str, ...]:
    """Return a command that runs another with *faults* injected into system calls.

    A fault is said in strace's words: `preadv2:error=EAGAIN:when=1`.
    """
    calls = ",".join(sorted({fault.split(":")[0] for fault in faults}))
    inject = [part for fault in faults for part in ("-e", f"inject={fault}")]
    return (strace(), "-f", "-qq", "-o", str(log), "-e", f"trace={calls}", *inject)
