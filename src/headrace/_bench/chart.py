"""The chart: each peer's time relative to builtin `open()`, on a log scale.

Bars start at 1×, so that a bar to the left is faster than `open()` and one to the
right is slower. matplotlib is met here alone, and without its windows.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from .measure import Result
from .report import Outcome, environment, times

# Okabe and Ito's colours, which people with any colour vision can tell apart.
# headrace has the strong one, the others stand back.
_COLOURS = {
    "headrace": "#0072B2",
    "to_thread": "#C9B458",
    "aiofiles": "#E69F00",
    "anyio": "#B98BB0",
}
_OTHER_COLOUR = "#999999"
_INK = "#222222"
_QUIET = "#6B6B6B"
SUFFIXES = (".png", ".svg", ".pdf")


def draw(outcome: Outcome, path: Path) -> None:
    """Draw the chart to *path*; its suffix is the format.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        ValueError: There is nothing to draw.
    """
    # Any: matplotlib is optional, so type checkers may not find it.
    figure_module: Any = importlib.import_module("matplotlib.figure")
    ticker: Any = importlib.import_module("matplotlib.ticker")
    peers = [peer.name for peer in outcome.peers if peer.name != "builtin"]
    rows = [
        row
        for row in outcome.rows
        if any(_drawable(outcome.result(row.name, peer)) for peer in peers)
    ]
    if not rows:
        raise ValueError("no row has a ratio to draw")
    height = 1.4 + len(rows) * (0.145 * len(peers) + 0.16)
    figure = figure_module.Figure(figsize=(10, height), dpi=160, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    axes = figure.subplots()
    thickness = 0.8 / len(peers)
    for peer_number, peer in enumerate(peers):
        for row_number, row in enumerate(rows):
            result = outcome.result(row.name, peer)
            if result is None or not result.ratios:
                continue
            place = row_number + (peer_number - (len(peers) - 1) / 2) * thickness
            _bar(axes, place, thickness, result)
        axes.barh([0], [0], color=_COLOURS.get(peer, _OTHER_COLOUR), label=peer)
    _decorate(axes, ticker, [row.title for row in rows])
    _words(figure, axes, outcome)
    figure.savefig(path)


def _drawable(result: Result | None) -> bool:
    return result is not None and bool(result.ratios)


def _bar(axes: Any, place: float, thickness: float, result: Result) -> None:
    """Draw one bar from 1× to the ratio, its spread, and the ratio in figures."""
    ratio, least, most = result.ratio, min(result.ratios), max(result.ratios)
    ours = result.peer == "headrace"
    colour = _COLOURS.get(result.peer, _OTHER_COLOUR)
    axes.barh(place, ratio - 1, left=1, height=thickness * 0.9, color=colour, zorder=3)
    axes.plot([least, most], [place, place], color=_INK, lw=0.8, alpha=0.7, zorder=4)
    slower = ratio >= 1
    axes.annotate(
        times(ratio),
        (max(most, 1) if slower else min(least, 1), place),
        xytext=(4 if slower else -4, 0),
        textcoords="offset points",
        ha="left" if slower else "right",
        va="center",
        fontsize=7.5,
        fontweight="bold" if ours else "normal",
        color=colour if ours else _QUIET,
    )


def _decorate(axes: Any, ticker: Any, labels: list[str]) -> None:
    """Set scale, grid, words and legend."""
    axes.set_xscale("log")
    lowest, highest = axes.get_xlim()
    # Room for the figures beside the bars; at least a factor of two to each side.
    axes.set_xlim(min(lowest * 0.75, 0.5), max(highest, 2) * 1.9)
    axes.set_ylim(len(labels) - 0.45, -0.55)
    axes.set_yticks(range(len(labels)), labels, color=_INK, fontsize=9.5)
    axes.tick_params(axis="both", which="both", length=0)
    axes.tick_params(axis="x", labelcolor=_QUIET, labelsize=8.5)
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(_tick))
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.grid(axis="x", color="#E4E4E4", lw=0.8, zorder=0)
    axes.axvline(1, color=_INK, lw=1.2, zorder=5)
    for row in range(1, len(labels)):
        axes.axhline(row - 0.5, color="#EFEFEF", lw=0.8, zorder=0)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel(
        "time per item ÷ time of builtin open() in the same round, log scale: "
        "left of the line is faster, right is slower",
        color=_INK,
        fontsize=8.5,
        labelpad=8,
    )


def _words(figure: Any, axes: Any, outcome: Outcome) -> None:
    """Put the title and the legend above the axes, and how it was measured below."""
    facts = environment(outcome)
    figure.suptitle(
        "File I/O from an event loop, compared with blocking open()",
        x=0.012,
        ha="left",
        fontsize=13,
        fontweight="bold",
        color=_INK,
    )
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside upper right",
        ncols=len(outcome.peers),
        frameon=False,
        fontsize=9,
        handlelength=1.0,
        handleheight=0.9,
        columnspacing=1.4,
    )
    figure.supxlabel(
        f"Medians of {outcome.rounds} interleaved rounds; thin lines: least to "
        f"most. Warm page cache on {facts['made_files']['file_system']}, "
        f"{facts['python']}, {facts['loop']}, {facts['system']}, {facts['cpus']} CPUs.",
        x=0.012,
        ha="left",
        color=_QUIET,
        fontsize=8,
    )


def _tick(value: float, _: int) -> str:
    return "1× = open()" if value == 1 else f"{value:,g}×"
