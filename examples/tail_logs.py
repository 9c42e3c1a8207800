"""Follow log files, as `tail -F` does, under Trio: python examples/tail_logs.py FILE...

Each file is followed by a task of its own. Ctrl-C, or the timeout of --seconds, cancels
them all; every file is closed by then.
"""

from __future__ import annotations

import argparse
import math

import trio

import headrace


async def follow(path: str, lines: trio.MemorySendChannel[tuple[str, str]]) -> None:
    """Send the lines of *path*, those that are there and those that come."""
    async with lines, headrace.open(path, encoding="utf-8", errors="replace") as file:
        begun = ""
        while True:
            async for line in file:
                begun += line
                if begun.endswith("\n"):
                    await lines.send((path, begun))
                    begun = ""
            if (await headrace.os.stat(path)).st_size < await file.tell():
                await file.seek(0)  # It was emptied.
            await trio.sleep(0.1)


async def main(paths: list[str], seconds: float) -> None:
    """Print what comes to *paths*."""
    sender, receiver = trio.open_memory_channel[tuple[str, str]](100)
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            async with sender:
                for path in paths:
                    nursery.start_soon(follow, path, sender.clone())
            async for path, line in receiver:
                await headrace.stdout.write(f"{path}: {line}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Follow files under Trio.")
    parser.add_argument("paths", nargs="+", metavar="FILE")
    parser.add_argument("--seconds", type=float, default=math.inf)
    arguments = parser.parse_args()
    try:
        trio.run(main, arguments.paths, arguments.seconds)
    except* KeyboardInterrupt:
        pass
