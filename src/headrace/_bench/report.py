"""What is shown at the end: a headline, tables for people, a dict for programs."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from textwrap import wrap
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .inputs import Inputs, file_system
from .lateness import Lateness
from .measure import Plan, Result
from .memory import MemoryResult
from .peers import Missing, Peer
from .rows import MEMORY, Row

JSON_VERSION = 1
RESTLESS = 1.5
"""From this on, the report says that something else used the machine. On a quiet one
the rounds of `open()` differ by some 1.1 to 1.3."""
# The table fits a terminal of 80 columns.
_TITLE_WIDTH = 17


@dataclass
class Outcome:
    """Everything that one run of the bench found."""

    command: str
    loop: str
    plan: Plan
    inputs: Inputs
    peers: Sequence[Peer]
    missing: Sequence[Missing]
    rows: Sequence[Row] = ()
    idle: Lateness | None = None
    results: list[Result] = field(default_factory=list[Result])
    memory: list[MemoryResult] = field(default_factory=list[MemoryResult])
    memory_size: int = 0
    seconds: float = 0.0

    @property
    def failures(self) -> list[str]:
        """Say for each peer and row without figures why there are none."""
        found = [f"{r.peer}, {r.row}: {r.failure}" for r in self.results if r.failure]
        found += [f"{r.peer}, {MEMORY}: {r.failure}" for r in self.memory if r.failure]
        return found

    @property
    def rounds(self) -> str:
        """Say how many rounds there were: a number, or the fewest and the most."""
        counts = {len(r.times_us) for r in self.results if not r.failure} or {0}
        return " to ".join(str(count) for count in sorted({min(counts), max(counts)}))

    def result(self, row: str, peer: str) -> Result | None:
        """Return the figures of *peer* in *row*, if there are any."""
        for result in self.results:
            if (result.row, result.peer) == (row, peer) and not result.failure:
                return result
        return None


def environment(outcome: Outcome) -> dict[str, Any]:
    """Describe the machine and the files, in general terms."""
    inputs = outcome.inputs
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": outcome.command,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {_release()}",
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "loop": outcome.loop,
        "peers": {peer.name: peer.version for peer in outcome.peers},
        "tree": {
            "path": str(inputs.path) if inputs.path else "the interpreter's library",
            "files": len(inputs.tree),
            "bytes": inputs.tree_bytes,
            "file_system": file_system(inputs.tree[0][0]) or "unknown",
        },
        "made_files": {
            "file_system": file_system(inputs.scratch) or "unknown",
            "big_bytes": inputs.big_size,
            "whole_bytes": inputs.whole_size,
        },
    }


def _release() -> str:
    """Return major and minor version of the system; what builders add says little."""
    return ".".join(platform.release().split("-")[0].split(".")[:2])


# -- Words --


def headline(outcome: Outcome) -> str:
    """Say in a sentence or two how headrace did, or who did how if it did not run."""
    names = [peer.name for peer in outcome.peers]
    if "headrace" not in names:
        return "headrace was not measured."
    ours = {r.row: r for r in outcome.results if r.peer == "headrace" and not r.failure}
    if not ours:
        return "headrace has no figures in these rows."
    words = _of_main_row(outcome, ours) + _over_rows(outcome, ours)
    late = [r.lateness for r in ours.values() if r.lateness]
    if late:
        worst = max(late, key=lambda lateness: lateness.p99_ms)
        words += (
            f" Under headrace the loop was at most {worst.p99_ms:.1f} ms late at the "
            "99th percentile of any row"
        )
        if outcome.idle:
            words += f" ({outcome.idle.p99_ms:.1f} ms when idle)"
        words += "."
    return words


def _of_main_row(outcome: Outcome, ours: dict[str, Result]) -> str:
    """The main job: reading a real tree."""
    if "tree" not in ours:
        return ""
    inputs = outcome.inputs
    where = str(inputs.path) if inputs.path else "Python's own library"
    words = (
        f"Reading the {len(inputs.tree):,} files of {where} with headrace takes "
        f"{times(ours['tree'].ratio)} the time of blocking open()"
    )
    others = [
        f"{times(result.ratio)} with {result.peer}"
        for result in outcome.results
        if result.row == "tree"
        and result.peer not in ("builtin", "headrace")
        and not result.failure
    ]
    return words + (f"; {_listed(others)}." if others else ".")


def _over_rows(outcome: Outcome, ours: dict[str, Result]) -> str:
    """All rows together, against the peer that headrace replaces."""
    ratios = [result.ratio for result in ours.values()]
    words = ""
    if len(ratios) > 1:
        words = (
            f" Over {len(ratios)} rows headrace is at {times(min(ratios))} to "
            f"{times(max(ratios))} of open(), median "
            f"{times(statistics.median(ratios))}"
        )
    gains: list[float] = []
    for row, result in ours.items():
        theirs = outcome.result(row, "aiofiles")
        if theirs:
            gains.append(theirs.time_us / result.time_us)
    if len(gains) > 1:
        words += f", and {times(min(gains))} to {times(max(gains))} as fast as aiofiles"
    return words + "." if words else ""


def _listed(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]


def times(ratio: float) -> str:
    """Write a ratio with two digits, or as a whole number where that is more."""
    if ratio >= 10:
        return f"{ratio:,.0f}×"
    return f"{ratio:.1f}×" if ratio >= 1.95 else f"{ratio:.2f}×"


def _microseconds(value: float) -> str:
    """Write microseconds with three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:#.3g}".rstrip(".")


def _milliseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f}"


# -- Tables --


def show(outcome: Outcome, console: Console) -> None:
    """Print headline, tables and what is missing."""
    console.print()
    console.print(Text(headline(outcome), style="bold"))
    console.print()
    if outcome.results:
        console.print(_times_table(outcome))
        console.print()
        console.print(_notes(outcome), style="dim")
        console.print()
    if outcome.memory:
        console.print(_memory_table(outcome))
        console.print()
    counters = _counters_table(outcome)
    if counters:
        console.print(counters)
        console.print()
    unrest = _unrest(outcome)
    if unrest > RESTLESS:
        words = (
            "The machine was busy: from round to round, even builtin open() took up "
            f"to {times(unrest)} its least time (median of the rows)."
        )
        console.print(Text(words, style="yellow"))
    for missing in outcome.missing:
        console.print(
            Text(f"Not measured: {missing.name}, {missing.reason}.", style="yellow")
        )
    for failure in outcome.failures:
        console.print(Text(f"FAILED: {failure}", style="bold red"))


def _unrest(outcome: Outcome) -> float:
    """Return by how much builtin's rounds differ: most by least, median of the rows."""
    ratios = [
        max(result.times_us) / min(result.times_us)
        for result in outcome.results
        if result.peer == "builtin" and not result.failure
    ]
    return statistics.median(ratios) if ratios else 1.0


def _times_table(outcome: Outcome) -> Table:
    table = _table("")
    table.add_column("row", no_wrap=True)
    table.add_column("peer", no_wrap=True)
    for heading in ("µs/item", "× open()", "spread", "late p99", "max"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in outcome.rows:
        results = [result for result in outcome.results if result.row == row.name]
        # The lines of the title stand beside the peers, one each.
        labels = [Text(line, style="bold") for line in wrap(row.title, _TITLE_WIDTH)]
        labels.append(Text(f"per {row.unit}", style="dim"))
        cells = [_cells(result) for result in results]
        for label, figures in zip_longest(labels, cells, fillvalue=None):
            table.add_row(label or "", *(figures or ()))
        table.add_section()
    return table


def _table(title: str) -> Table:
    return Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        title=title or None,
        title_justify="left",
        title_style="bold",
    )


def _cells(result: Result) -> list[Text]:
    """Write one peer's figures; headrace's stand out."""
    style = "bold cyan" if result.peer == "headrace" else ""
    if result.failure:
        return [Text(result.peer, style=style), Text("failed", style="bold red")]
    rounds_us, late = result.times_us, result.lateness
    # What blocks is late by as much as it is given to do: no figure of the peer.
    blocks = result.peer == "builtin"
    p99 = "blocks" if blocks else _milliseconds(late.p99_ms) if late else ""
    most = "" if blocks or not late else _milliseconds(late.max_ms)
    return [
        Text(result.peer, style=style),
        Text(_microseconds(result.time_us), style=style),
        Text(times(result.ratio) if result.ratios else "", style=_colour(result)),
        Text(
            f"{_microseconds(min(rounds_us))}–{_microseconds(max(rounds_us))}",
            style=style,
        ),
        Text(p99, style="dim" if blocks else style),
        Text(most, style=style),
    ]


def _colour(result: Result) -> str:
    if result.peer == "builtin" or not result.ratios:
        return "dim"
    if result.ratio <= 1.5:
        return "green"
    return "yellow" if result.ratio <= 5 else "red"


def _notes(outcome: Outcome) -> Text:
    facts = environment(outcome)
    tree, made = facts["tree"], facts["made_files"]
    idle = outcome.idle
    words = (
        f"Medians of {outcome.rounds} interleaved rounds; × open() is taken "
        "within each round; spread is the least and the most. Late: how long after "
        "its time a 1 ms timer ran, in a pass of its own, in ms"
    )
    if idle:
        words += f" (idle loop: p99 {idle.p99_ms:.1f}, max {idle.max_ms:.1f})"
    words += (
        f". Warm page cache. {facts['python']}, {facts['loop']}, {facts['system']}, "
        f"{facts['cpus']} CPUs; tree on {tree['file_system']}, made files on "
        f"{made['file_system']}. {outcome.seconds:.0f} s."
    )
    return Text(words)


def _memory_table(outcome: Outcome) -> Table:
    size = outcome.memory_size // 2**20
    table = _table(f"Memory: {size:,} MiB streamed in pieces of 64 KiB")
    table.add_column("peer")
    table.add_column("peak, MiB", justify="right")
    table.add_column("over builtin", justify="right")
    table.add_column("grew while streaming", justify="right")
    for result in outcome.memory:
        if result.failure:
            table.add_row(result.peer, Text("failed", style="bold red"), "", "")
            continue
        style = "bold cyan" if result.peer == "headrace" else ""
        table.add_row(
            result.peer,
            _mebibytes(result.peak),
            f"{result.over_builtin / 2**20:+,.1f}",
            _mebibytes(result.growth),
            style=style,
        )
    return table


def _counters_table(outcome: Outcome) -> Table | None:
    """How headrace did each row: the ways of `headrace.stats()`, per item."""
    counted = [result for result in outcome.results if result.counters]
    if not counted:
        return None
    table = _table("How headrace did it: per 1,000 items")
    table.add_column("row", no_wrap=True)
    # Eight columns are more than a terminal of 80 has room for: those without a count
    # say nothing, and a hop is a job of the engine's.
    names = [
        name
        for name in counted[0].counters
        if name != "hops" and any(result.counters[name] for result in counted)
    ]
    for name in names:
        table.add_column(name.replace("_", "\n"), justify="right", vertical="bottom")
    titles = {row.name: row.title for row in outcome.rows}
    for result in counted:
        figures = [_per_thousand(result.counters[name]) for name in names]
        table.add_row(titles[result.row], *figures)
    return table


def _per_thousand(value: float) -> str:
    """Write a count per item as one per 1,000 items; few of them with a digit more."""
    value *= 1000
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:,.1f}"


# -- For programs --


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """Return all figures as what `json` can write."""
    rows = {
        row.name: {
            "title": row.title,
            "unit": row.unit,
            "explanation": row.explanation,
            "peers": {
                result.peer: _result_dict(result)
                for result in outcome.results
                if result.row == row.name
            },
        }
        for row in outcome.rows
    }
    return {
        "version": JSON_VERSION,
        "headline": headline(outcome),
        "environment": environment(outcome),
        "rounds": outcome.plan.rounds,
        "pass_seconds": outcome.plan.pass_s,
        "seconds": round(outcome.seconds, 1),
        "idle_lateness": asdict(outcome.idle) if outcome.idle else None,
        "rows": rows,
        "memory": {
            "bytes_streamed": outcome.memory_size,
            "peers": {result.peer: asdict(result) for result in outcome.memory},
        },
        "missing": {missing.name: missing.reason for missing in outcome.missing},
        "failures": outcome.failures,
    }


def _result_dict(result: Result) -> dict[str, Any]:
    if result.failure:
        return {"failure": result.failure}
    return {
        "us_per_item": result.time_us,
        "us_min": min(result.times_us),
        "us_max": max(result.times_us),
        "us_of_rounds": result.times_us,
        "cpu_us_per_item": statistics.median(result.cpu_us),
        "ratio": result.ratio if result.ratios else None,
        "ratio_min": min(result.ratios) if result.ratios else None,
        "ratio_max": max(result.ratios) if result.ratios else None,
        "items_per_pass": result.items,
        "lateness": asdict(result.lateness) if result.lateness else None,
        "counters_per_item": result.counters,
    }
