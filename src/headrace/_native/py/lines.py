r"""Where lines end inside decoded text, and the text cut into them.

Twin of `c/lines.c`. Plain functions; they keep nothing. *newline* is the reading side
of `open()`'s argument: None (line ends are translated, so only ``"\n"`` is left), ""
(``"\n"``, ``"\r"`` and ``"\r\n"``, as they came), or the one line end there is.

`str.splitlines` also splits at form feeds, U+2028 and others, which end no line in a
file. It is used, and the number of lines shows whether there were any.
"""

from __future__ import annotations

import io


def find_line_end(text: str, start: int, newline: str | None) -> int:
    r"""Find the first line end at or behind *start*.

    Args:
        text: Decoded text. With *newline* "", a ``"\r"`` at its very end counts as a
            line end: the decoder holds one back as long as a ``"\n"`` may follow.
        start: Index to search from.
        newline: What ends a line; see the module.

    Returns:
        The index behind the line end, or -1 if there is none.
    """
    if newline == "":
        return _find_any(text, start)
    end = newline or "\n"
    found = text.find(end, start)
    return found if found < 0 else found + len(end)


def _find_any(text: str, start: int) -> int:
    feed = text.find("\n", start)
    back = text.find("\r", start, feed if feed >= 0 else len(text))
    if back < 0 or feed == back + 1:
        return feed if feed < 0 else feed + 1
    return back + 1


def last_line_end(text: str, start: int, stop: int, newline: str | None) -> int:
    r"""Find the last line end that begins in ``text[start:stop]``.

    Returns:
        The index behind it (beyond *stop* where that parts a ``"\r\n"``), or -1.
    """
    if newline == "":
        found = max(text.rfind("\n", start, stop), text.rfind("\r", start, stop))
        return found if found < 0 else found + 1 + (text[found : found + 2] == "\r\n")
    end = newline or "\n"
    found = text.rfind(end, start, stop)
    return found if found < 0 else found + len(end)


def split_lines(text: str, newline: str | None) -> list[str]:
    """Cut *text* behind each line end; the last piece may be without one."""
    if not newline or newline == "\n":
        lines = text.splitlines(True)
        if len(lines) != _count_lines(text, newline):
            lines = io.StringIO(text, "\n" if newline is None else newline).readlines()
        return lines
    # With these two line ends, StringIO would translate.
    *lines, rest = text.split(newline)
    lines = [line + newline for line in lines]
    return [*lines, rest] if rest else lines


def _count_lines(text: str, newline: str | None) -> int:
    ends = text.count("\n")
    if newline == "":
        ends += text.count("\r") - text.count("\r\n")
    closed = text.endswith("\n") or (newline == "" and text.endswith("\r"))
    return ends + (not closed and text != "")
