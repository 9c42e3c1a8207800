"""Run the ```python blocks of one page, in order, as a reader would type them.

    python -W error tests/run_doc_page.py PAGE.md

The blocks of a page share their names and the current folder, so that one can go on
where the last one ended. A block may `await` at its top level, as it may after
`python -m asyncio`. An ```output block has to be what the block before it printed.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import io
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>```+) *(?P<language>python|output)\b[^\n]*\n"
    r"(?P<text>.*?)"
    r"^(?P=indent)(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block, and the line of the page that its text starts on."""

    language: str
    text: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    """Yield the blocks of *page* that are run or compared."""
    for match in FENCE.finditer(page):
        line = page.count("\n", 0, match.start("text")) + 1
        yield Block(match["language"], textwrap.dedent(match["text"]), line)


def run_page(path: Path) -> None:
    """Run the page; the first block that fails or prints something else ends it."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    printed = ""
    with asyncio.Runner() as runner:
        for block in blocks(path.read_text(encoding="utf-8")):
            if block.language == "output":
                assert printed == block.text, (
                    f"{path}:{block.line}: the page says\n{block.text}\n"
                    f"but the block before it printed\n{printed}"
                )
                continue
            # Empty lines in front give errors the line numbers of the page.
            source = "\n" * (block.line - 1) + block.text
            code = compile(
                source, str(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            )
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                awaitable = eval(code, namespace)
                if awaitable is not None:
                    runner.run(awaitable)
            printed = output.getvalue()


if __name__ == "__main__":
    run_page(Path(sys.argv[1]))
