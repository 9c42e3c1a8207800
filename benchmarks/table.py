"""Turn the JSON of `python -m headrace bench` into the table of README.md.

python -m headrace bench --json figures.json
python benchmarks/table.py figures.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

# What `json` gives: Any, because its shape is that of `_bench/report.py`.
Figures = dict[str, Any]


def table(figures: Figures) -> str:
    """Return the Markdown of one run: how it was made, its rows, its memory."""
    facts = figures["environment"]
    peers = list(facts["peers"])
    versions = ", ".join(
        f"{peer} {version}"
        for peer, version in facts["peers"].items()
        if peer in ("headrace", "aiofiles", "anyio")
    )
    place = f"{facts['cpus']} CPUs, {facts['made_files']['file_system']}"
    idle_ms = figures["idle_lateness"]["p99_ms"]
    lines = [
        f"`{facts['command']}`:",
        f"{facts['python']}, {facts['loop']}, {facts['system']}, {place}, {versions}.",
        f"{figures['rounds']} rounds; an idle loop: {idle_ms:.1f} ms late at p99.",
        "",
        f"| row | `open()`, µs | {' | '.join(peers[1:])} | headrace late, ms |",
        "|---|--:|" + "--:|" * len(peers),
    ]
    lines += [line(row, peers) for row in figures["rows"].values()]
    memory = figures["memory"]["peers"]
    if memory:
        cells = [mebibytes(memory, peer) for peer in peers[1:]]
        lines.append(f"| memory over `open()` | | {' | '.join(cells)} | |")
    return "\n".join(lines)


def line(row: Figures, peers: list[str]) -> str:
    """Return one row: builtin's time, the others' ratio with its spread."""
    found = row["peers"]
    builtin = found["builtin"]
    time_us = builtin["us_per_item"]
    cells = [row["title"], f"{time_us:,.0f}" if time_us >= 1000 else f"{time_us:.3g}"]
    cells += [ratio(found.get(peer, {})) for peer in peers[1:]]
    late = found.get("headrace", {}).get("lateness")
    cells.append(f"{late['p99_ms']:.1f} / {late['max_ms']:.1f}" if late else "")
    return f"| {' | '.join(cells)} |"


def ratio(result: Figures) -> str:
    """Write the ratio to builtin, and the least and most of the rounds."""
    if result.get("ratio") is None:
        return "failed" if "failure" in result else ""
    least, most = result["ratio_min"], result["ratio_max"]
    return f"{digits(result['ratio'])}× ({digits(least)}–{digits(most)})"


def digits(value: float) -> str:
    """Write two digits, or all before the point."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def mebibytes(memory: Figures, peer: str) -> str:
    """Write how much more memory *peer* took than builtin."""
    return f"{memory[peer]['over_builtin'] / 2**20:+.1f} MiB" if peer in memory else ""


def main() -> None:
    """Print the table of one file of figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("figures", type=Path)
    arguments = parser.parse_args()
    print(table(json.loads(arguments.figures.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
