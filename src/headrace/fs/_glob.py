"""`Path.glob()` as one blocking iterator: Python's own, or what older ones lack.

With the arguments that the running Python knows, its pathlib answers. The others
(`case_sensitive` since 3.12, `recurse_symlinks` since 3.13) are served by `_select`,
which finds what Python 3.13 finds. Everything here is for worker threads.
"""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

from headrace._typing import StrPath
from headrace.fs._matching import Match, has_wildcard, matcher, name_matcher

__all__ = ["found"]

_RECURSIVE = "**"
_SPECIAL = ("", ".", "..")


def found(
    path: str,
    pattern: StrPath,
    *,
    recursively: bool,
    case_sensitive: bool | None,
    recurse_symlinks: bool,
) -> Iterator[StrPath]:
    """Return what `glob()` or, if *recursively*, `rglob()` of *path* yields.

    Raises:
        ValueError, NotImplementedError: As pathlib raises them.
    """
    root = pathlib.Path(path)
    search = root.rglob if recursively else root.glob
    known: dict[str, Any] = {}
    if sys.version_info >= (3, 13):
        known = {
            "case_sensitive": case_sensitive,
            "recurse_symlinks": recurse_symlinks,
        }
    elif recurse_symlinks or (
        case_sensitive is not None and sys.version_info < (3, 12)
    ):
        return _older(root, pattern, recursively, case_sensitive, recurse_symlinks)
    elif case_sensitive is not None:
        known = {"case_sensitive": case_sensitive}
    if sys.version_info < (3, 13) and isinstance(pattern, os.PathLike):
        pattern = os.fspath(pattern)
    search_any: Any = search
    matches: Iterator[StrPath] = search_any(pattern, **known)
    return matches


# -- What older Pythons lack -----------------------------------------------------


def _older(
    root: pathlib.Path,
    pattern: StrPath,
    recursively: bool,
    case_sensitive: bool | None,
    recurse_symlinks: bool,
) -> Iterator[str]:
    text = os.fspath(pattern)
    parsed = pathlib.PurePath(text)
    if parsed.anchor:
        raise NotImplementedError("Non-relative patterns are unsupported")
    segments = list(parsed.parts)
    if recursively:
        segments.insert(0, _RECURSIVE)
    elif not segments:
        raise ValueError(f"Unacceptable pattern: {text!r}")
    if text.endswith(os.path.sep):
        # A path forgets it, but only directories are meant.
        segments.append("")
    select = _Select(case_sensitive, recurse_symlinks)
    return _tidied(str(root), select.below(str(root), segments, False))


def _tidied(root: str, matches: Iterator[str]) -> Iterator[str]:
    for match in matches:
        if root == "." and match.startswith(f".{os.path.sep}"):
            match = match[2:]
        yield match.rstrip(os.path.sep) or match[:1] or "."


class _Select:
    """Finds what a pattern matches; one directory is open at a time."""

    def __init__(self, case_sensitive: bool | None, follow: bool) -> None:
        # A name is looked up as it is, unless the case may differ from the disk's.
        self._literal = case_sensitive is None
        if case_sensitive is None:
            case_sensitive = os.path.normcase("Aa") == "Aa"
        self._case_sensitive = case_sensitive
        self._follow = follow

    def below(self, path: str, segments: list[str], exists: bool) -> Iterator[str]:
        """Yield what *segments* match below *path*; it is there if *exists*."""
        if not segments:
            if exists or os.path.lexists(path):
                yield path
            return
        first, rest = segments[0], segments[1:]
        if first == _RECURSIVE:
            yield from self._recursive(path, rest, exists)
        elif first in _SPECIAL or (self._literal and not has_wildcard(first)):
            yield from self.below(_join(path, first), rest, False)
        else:
            yield from self._wildcard(path, first, rest)

    def _wildcard(self, path: str, segment: str, rest: list[str]) -> Iterator[str]:
        matches: Match = name_matcher(segment, self._case_sensitive)
        for entry in _entries(path):
            if matches(entry.name) and (not rest or _is_dir(entry, True)):
                yield from self.below(entry.path, rest, True)

    def _recursive(self, path: str, rest: list[str], exists: bool) -> Iterator[str]:
        while rest[:1] == [_RECURSIVE]:
            rest = rest[1:]
        # Where links are followed, segments that no directory needs to be opened for
        # are matched with the paths found: so nothing is found twice.
        tail = [_RECURSIVE]
        while self._follow and rest and rest[0] not in _SPECIAL:
            tail.append(rest[0])
            rest = rest[1:]
        matches = matcher(tail, self._case_sensitive)
        path = _join(path, "")
        if len(tail) == 1:
            yield from self.below(path, rest, exists)
        stack = [path]
        while stack:
            for entry in _entries(stack.pop()):
                is_dir = _is_dir(entry, self._follow)
                if rest and not is_dir:
                    continue
                if matches(entry.path[len(path) :].split(os.path.sep)):
                    yield from self.below(entry.path, rest, True)
                if is_dir:
                    stack.append(entry.path)


def _join(path: str, name: str) -> str:
    return os.path.join(path, name) if path else name


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError:
        return []


def _is_dir(entry: os.DirEntry[str], follow_symlinks: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow_symlinks)
    except OSError:
        return False
