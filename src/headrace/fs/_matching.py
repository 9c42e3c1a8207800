"""Patterns of paths, matched segment by segment, as Python 3.13 matches them.

Serves older Pythons, for `full_match()`, `match(case_sensitive=)` and what their
`glob()` cannot do. Strings only: no file is touched.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable, Sequence

__all__ = ["has_wildcard", "matcher", "name_matcher"]

#: Matches the name of a file, or says that it does not.
Match = Callable[[str], object]

_WILDCARD = re.compile(r"[*?[]")


def has_wildcard(segment: str) -> bool:
    """Tell whether *segment* is a pattern rather than a name."""
    return _WILDCARD.search(segment) is not None


@functools.lru_cache(maxsize=512)
def name_matcher(segment: str, case_sensitive: bool) -> Match:
    """Return what matches one name against one segment of a pattern."""
    if segment == "*":
        # Any name: the nothing before a root is none.
        return bool
    flags = re.NOFLAG if case_sensitive else re.IGNORECASE
    return re.compile(fnmatch.translate(segment), flags).match


def matcher(
    pattern: Sequence[str], case_sensitive: bool
) -> Callable[[Sequence[str]], bool]:
    """Return what matches all segments of a path against those of *pattern*.

    A segment ``**`` stands for any number of segments, but for one at least where
    it is the last; each other one for exactly one.
    """
    tests: list[Match | None] = []
    for segment in pattern:
        if segment != "**":
            tests.append(name_matcher(segment, case_sensitive))
        elif not tests or tests[-1] is not None:
            # One that follows another adds nothing.
            tests.append(None)
    return functools.partial(_match, tests)


def _match(tests: Sequence[Match | None], names: Sequence[str]) -> bool:
    # The indices of the tests that may come next, after each name: all ways at once,
    # instead of one after another.
    last = len(tests) - 1
    states = _entered({0}, tests)
    for index, name in enumerate(names):
        passed: set[int] = set()
        stayed: set[int] = set()
        for state in states - {last + 1}:
            test = tests[state]
            if test is None:
                stayed.add(state)
                # Where more follows, a lone root does not do: "/b" is not "**/b".
                if state == last or name or (index and not state):
                    passed.add(state + 1)
            elif test(name):
                passed.add(state + 1)
        states = stayed | _entered(passed, tests)
    return last + 1 in states


def _entered(states: set[int], tests: Sequence[Match | None]) -> set[int]:
    """Add the states that are reached where a ``**`` stands for nothing."""
    last = len(tests) - 1
    reached = set(states)
    for state in states:
        while state < last and tests[state] is None:
            state += 1
            reached.add(state)
    return reached
