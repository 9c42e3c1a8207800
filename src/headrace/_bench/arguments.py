"""The arguments of `python -m headrace bench`. Needs no rich, so `--help` does not."""

from __future__ import annotations

import argparse
from pathlib import Path

from .peers import PEER_NAMES
from .rows import ROW_NAMES


class UsageError(Exception):
    """The arguments cannot be followed; the text is for the user."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `bench`."""
    parser.add_argument(
        "path",
        nargs="?",
        type=Path,
        metavar="PATH",
        help="file or folder to read (default: the interpreter's own library tree)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="smaller files, shorter rounds: under 45 s"
    )
    parser.add_argument(
        "--peers",
        type=_names,
        metavar="A,B,...",
        default=PEER_NAMES,
        help=f"who to measure, of {', '.join(PEER_NAMES)} (default: all)",
    )
    parser.add_argument(
        "--rows",
        type=_names,
        metavar="A,B,...",
        default=ROW_NAMES,
        help=f"what to measure, of {', '.join(ROW_NAMES)} (default: all)",
    )
    parser.add_argument(
        "--rounds",
        type=_positive_int,
        metavar="N",
        help="timed passes per peer and row",
    )
    parser.add_argument(
        "--pass-time",
        type=_positive_float,
        metavar="SECONDS",
        help="how long one pass should take: less is sooner done and less exact",
    )
    parser.add_argument(
        "--loop", choices=("asyncio", "uvloop"), default="asyncio", help="event loop"
    )
    parser.add_argument(
        "--scratch",
        type=Path,
        metavar="DIR",
        help="where to make the large and new files (default: a temporary directory)",
    )
    parser.add_argument(
        "--chart", type=Path, metavar="FILE", help="draw a chart: FILE.png or FILE.svg"
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write all figures as JSON ('-': to the output)"
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _positive_float(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise ValueError
    return value


_positive_int.__name__ = "whole number above 0"  # argparse: "invalid ... value"
_positive_float.__name__ = "number above 0"
