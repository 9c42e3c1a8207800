"""`python -m headrace`: what is in use here and why, and how fast it is.

The tables are drawn by rich, which the extra `cli` brings; `--help`, `--version` and
`doctor --json` do without.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from headrace._bench import arguments as bench_arguments

NEEDS_RICH = "This command needs the package rich: pip install 'headrace[cli]'"
USAGE_ERROR = 2
INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments without the program; None for those of the process.

    Returns:
        The exit status: 0; 1 when something that was checked is wrong; 2 when the
        command cannot be run as given; 130 when it was interrupted.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return 0
    if not (_has_rich() or (arguments.command == "doctor" and arguments.json)):
        print(NEEDS_RICH, file=sys.stderr)
        return USAGE_ERROR
    try:
        return (
            _doctor(arguments) if arguments.command == "doctor" else _bench(arguments)
        )
    except bench_arguments.UsageError as error:
        print(f"{parser.prog} {arguments.command}: {error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    from headrace import __version__

    parser = argparse.ArgumentParser(
        prog="python -m headrace",
        description="Async file I/O for Python: what is in use here, and how fast.",
    )
    parser.add_argument(
        "--version", action="version", version=f"headrace {__version__}"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    doctor = commands.add_parser(
        "doctor",
        help="say what is in use here and why",
        description="Say which engine, which shortcuts and which limits headrace uses "
        "here, and why. With PATHs, also what is possible on their file systems.",
    )
    doctor.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="file or folder whose file system is tried",
    )
    doctor.add_argument("--json", action="store_true", help="print JSON; needs no rich")
    bench = commands.add_parser(
        "bench",
        help="measure headrace, open(), asyncio.to_thread, aiofiles and anyio",
        description="Measure headrace beside blocking open(), asyncio.to_thread, "
        "aiofiles and anyio on real files, with the results verified. Exits with 1 "
        "when a peer fails or gets something else than open().",
    )
    bench_arguments.add_arguments(bench)
    return parser


def _has_rich() -> bool:
    try:
        importlib.import_module("rich")
    except ImportError:
        return False
    return True


def _doctor(arguments: argparse.Namespace) -> int:
    from headrace import _doctor

    return _doctor.run(arguments.paths, as_json=arguments.json)


def _bench(arguments: argparse.Namespace) -> int:
    from headrace._bench import command

    return command.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
