"""`python -m headrace bench`: the order of the whole, from arguments to the chart."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import gc
import json
import math
import shlex
import sys
import time
from collections.abc import Coroutine, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from .arguments import UsageError
from .inputs import Inputs
from .lateness import watch
from .measure import FULL, QUICK, measure_row, steps_of
from .memory import measure_memory, runner
from .peers import Missing, Peer, find_peers
from .report import Outcome, as_dict, show
from .rows import MEMORY, ROW_NAMES, ROWS

MIB = 1024 * 1024
IDLE_S = 0.3


def run(arguments: argparse.Namespace) -> int:
    """Measure, show, write.

    Returns:
        The exit status: 0, or 1 when a peer failed or got wrong results.

    Raises:
        UsageError: The arguments cannot be followed.
    """
    started = time.perf_counter()
    # With the JSON on the output, what is for people goes beside it.
    console = Console(stderr=arguments.json == "-", highlight=False)
    _check(arguments)
    try:
        peers, missing = find_peers(arguments.peers)
    except ValueError as error:
        raise UsageError(str(error)) from None
    with _inputs(arguments) as inputs:
        outcome = _measure(arguments, inputs, peers, missing)
        outcome.seconds = time.perf_counter() - started
        show(outcome, console)
        _write(arguments, outcome, console)
    return 1 if outcome.failures else 0


def _check(arguments: argparse.Namespace) -> None:
    """Refuse early what would fail after minutes of measuring."""
    unknown = sorted(set(arguments.rows) - set(ROW_NAMES))
    if unknown:
        raise UsageError(
            f"no such row: {', '.join(unknown)} (there are {', '.join(ROW_NAMES)})"
        )
    if arguments.chart:
        from .chart import SUFFIXES

        if arguments.chart.suffix.lower() not in SUFFIXES:
            raise UsageError(f"--chart must end in {' or '.join(SUFFIXES[:2])}")
        _import_or_explain("matplotlib", "--chart draws with matplotlib")
    if arguments.loop == "uvloop":
        _import_or_explain("uvloop", "--loop uvloop needs uvloop")
    for path in (arguments.chart, arguments.json and Path(arguments.json)):
        if path and str(path) != "-" and not path.absolute().parent.is_dir():
            raise UsageError(f"there is no directory {path.absolute().parent}")


def _import_or_explain(module: str, why: str) -> None:
    try:
        __import__(module)
    except ImportError:
        extra = "'headrace[cli]'" if module == "matplotlib" else module
        raise UsageError(f"{why}: pip install {extra}") from None


def _inputs(arguments: argparse.Namespace) -> Inputs:
    big, whole = (32, 64) if arguments.quick else (256, 64)
    try:
        scratch = str(arguments.scratch) if arguments.scratch else None
        return Inputs(arguments.path, scratch, big * MIB, whole * MIB)
    except (OSError, ValueError) as error:
        raise UsageError(str(error)) from None


def _measure(
    arguments: argparse.Namespace,
    inputs: Inputs,
    peers: Sequence[Peer],
    missing: Sequence[Missing],
) -> Outcome:
    plan = QUICK if arguments.quick else FULL
    if arguments.rounds:
        plan = dataclasses.replace(plan, rounds=arguments.rounds, time_s=math.inf)
    if arguments.pass_time:
        plan = dataclasses.replace(
            plan,
            pass_s=arguments.pass_time,
            lateness_s=2 * arguments.pass_time,
            time_s=math.inf,
        )
    rows = [row(inputs) for row in ROWS if row.name in arguments.rows]
    outcome = Outcome(
        command=_command_line(),
        loop=arguments.loop,
        plan=plan,
        inputs=inputs,
        peers=peers,
        missing=missing,
        rows=rows,
    )
    steps = len(rows) * steps_of(peers, plan) + 1
    if MEMORY in arguments.rows:
        outcome.memory_size = (128 if arguments.quick else 1024) * MIB
        steps += len(peers)
    with _progress(steps) as step, runner(arguments.loop) as host, _settled():
        outcome.idle = host.run(_idle())
        step("an idle loop")

        def run_on_host(coroutine: Coroutine[Any, Any, Any]) -> Any:
            return host.run(coroutine)

        start = time.perf_counter()
        for number, row in enumerate(rows, 1):
            # What one row leaves over is for those behind it.
            deadline = start + plan.time_s * number / len(rows)
            outcome.results += measure_row(
                row, peers, plan, run_on_host, step, deadline
            )
        if outcome.memory_size:
            outcome.memory = measure_memory(
                peers, inputs.scratch, outcome.memory_size, arguments.loop, step
            )
    return outcome


async def _idle() -> Any:
    return await watch(asyncio.sleep(IDLE_S))


def _command_line() -> str:
    return shlex.join(["python", "-m", "headrace", *sys.argv[1:]])


@contextmanager
def _settled() -> Generator[None]:
    """Keep the collector from going through what the bench itself holds."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class _Steps:
    """Reports each step: to a bar on a terminal, else a line for each row."""

    def __init__(self, total: int, console: Console) -> None:
        self._total, self._console = total, console
        self._done, self._shown = 0, ""
        self.bar: Progress | None = None
        if console.is_terminal:
            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                console=console,
                transient=True,
                # It draws between passes only: a thread that redraws ten times a
                # second would be in the figures.
                auto_refresh=False,
            )
            self._task = self.bar.add_task("", total=total)

    def __call__(self, what: str) -> None:
        self._done += 1
        if self.bar:
            self.bar.update(self._task, completed=self._done, description=escape(what))
            self.bar.refresh()
            return
        row = what.partition(":")[0]
        if row != self._shown:
            self._shown = row
            percent = 100 * self._done // self._total
            print(f"{percent:3d} %  {row}", file=sys.stderr, flush=True)


@contextmanager
def _progress(total: int) -> Generator[_Steps]:
    steps = _Steps(total, Console(stderr=True))
    if steps.bar is None:
        yield steps
        return
    with steps.bar:
        yield steps


def _write(arguments: argparse.Namespace, outcome: Outcome, console: Console) -> None:
    if arguments.json:
        text = json.dumps(as_dict(outcome), indent=2)
        if arguments.json == "-":
            print(text)
        else:
            Path(arguments.json).write_text(text + "\n", encoding="utf-8")
            console.print(f"Figures: {escape(arguments.json)}")
    if arguments.chart:
        from .chart import draw

        try:
            draw(outcome, arguments.chart)
        except ValueError as error:
            console.print(f"No chart: {error}.", style="yellow")
        else:
            console.print(f"Chart: {escape(str(arguments.chart))}")
