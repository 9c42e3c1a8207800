r"""Where lines end inside decoded text, and the text cut into them.

Twin of `c/lines.c`. Plain functions; they keep nothing. *newline* is the reading side
of `open()`'s argument: None (line ends are translated, so only ``"\n"`` is left), ""
(``"\n"``, ``"\r"`` and ``"\r\n"``, as they came), or the one line end there is.

`str.splitlines` is used where it may be: it also splits at form feeds, U+2028 and
others, which end no line in a file.
"""

from __future__ import annotations

import io

#: Where `str.splitlines` splits, and a file does not.
_ODD = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


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
        if _splits_right(text, newline):
            return text.splitlines(True)
        return io.StringIO(text, "\n" if newline is None else newline).readlines()
    # With these two line ends, StringIO would translate.
    *lines, rest = text.split(newline)
    lines = [line + newline for line in lines]
    return [*lines, rest] if rest else lines


def _splits_right(text: str, newline: str | None) -> bool:
    # Each look takes a tenth of the time that counting the lines would.
    for odd in _ODD:
        if odd in text:
            return False
    return newline == "" or "\r" not in text
