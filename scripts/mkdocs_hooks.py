"""Tables of the coroutines that mirror the standard library, for the reference.

mkdocs calls `on_page_markdown`. mkdocstrings reads the source without importing it,
and sees nothing of functions that a table of names made; so these are imported. The
line `<!-- coroutines: MODULE -->` becomes a table of MODULE's coroutine functions.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

MARKER = re.compile(r"^<!-- coroutines: (\S+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the tables in place of their markers."""
    return MARKER.sub(lambda match: "\n".join(table(match[1])), markdown)


def table(name: str) -> Iterator[str]:
    """Yield the lines of the table for module *name*."""
    module = importlib.import_module(name)
    yield "| coroutine | what it does | a cancellation is raised |"
    yield "|---|---|---|"
    for attribute in sorted(vars(module)):
        function = getattr(module, attribute)
        if not attribute.startswith("_") and inspect.iscoroutinefunction(function):
            doc = inspect.getdoc(function) or ""
            signature = f"`{attribute}{signature_of(function)}`"
            # Some of the standard library's docstrings begin with a signature.
            paragraphs = doc.split("\n\n")
            said = (p for p in paragraphs if not p.startswith(f"{attribute}("))
            summary = " ".join(next(said, "").split()).replace("[", "\\[")
            when = "at once" if doc.endswith("raised at once.") else "when it is done"
            cells = (signature, summary, when)
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def signature_of(function: Any) -> str:
    """Return the arguments of *function*, as far as the interpreter knows them."""
    try:
        return str(inspect.signature(function))
    except ValueError:
        # That of os.chmod, for one, has a default that cannot be written down.
        return "(...)"
