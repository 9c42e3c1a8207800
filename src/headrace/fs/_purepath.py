"""What `headrace.Path` has of `PurePath`, and what that lacks on older Pythons.

No file is touched here. The class carries a capacity limiter from a path to those
that are made of it; on Python 3.11, which has no `with_segments()`, each method that
makes a path is told to.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from types import ModuleType
from typing import Any, ClassVar, Self, overload

from headrace._typing import StrPath
from headrace.engine import Limiter, checked_limiter
from headrace.fs._matching import matcher, name_matcher

__all__ = ["AsyncPurePath"]

if sys.platform == "win32":
    _Flavour = PureWindowsPath
else:
    _Flavour = PurePosixPath


def _is_case_sensitive() -> bool:
    return os.path.normcase("Aa") == "Aa"


class AsyncPurePath(_Flavour):
    """The pure part of `headrace.Path`: of this platform, and with a limiter."""

    # `_info`: what is known of the file's type, see `Path.info`.
    __slots__ = ("__weakref__", "_info", "_limiter")

    _info: Any
    _limiter: Limiter | None

    # -- Making paths ----------------------------------------------------------

    if sys.version_info >= (3, 12):

        def __init__(self, *args: StrPath, limiter: Limiter | None = None) -> None:
            super().__init__(*args)
            self._limiter = limiter if limiter is None else checked_limiter(limiter)

    else:

        def __new__(
            cls, *args: StrPath, limiter: Limiter | None = None, **kwargs: Any
        ) -> Self:
            self = super().__new__(cls, *args)
            self._limiter = limiter if limiter is None else checked_limiter(limiter)
            return self

        def __init__(
            self, *args: StrPath, limiter: Limiter | None = None, **kwargs: Any
        ) -> None:
            """The path is there already; for subclasses that are made as on 3.12."""

    @property
    def limiter(self) -> Limiter | None:
        """The capacity limiter that jobs of this path wait for; None for none."""
        return self._limiter

    def with_segments(self, *pathsegments: StrPath) -> Self:
        """Return a path of this type and with this limiter, of *pathsegments*.

        Every path that is made of another one is made by this method.
        """
        if self._limiter is None:
            return type(self)(*pathsegments)
        return type(self)(*pathsegments, limiter=self._limiter)

    # -- Since 3.12 ------------------------------------------------------------

    if sys.version_info >= (3, 12):

        def _entry(self, entry: os.DirEntry[str]) -> Self:
            """Return the path of an entry of this directory."""
            # In ".", the path of an entry is "./name".
            inside = str(self) != "."
            path = self.with_segments(entry.path if inside else entry.name)
            path._info = entry
            return path

    if sys.version_info < (3, 12):

        def _entry(self, entry: os.DirEntry[str]) -> Self:
            # Not parsed once more: 3.11 does that at once, and takes its time.
            parts = [*self._parts, entry.name]  # type: ignore[attr-defined]
            make = self._from_parsed_parts  # type: ignore[attr-defined]
            path: Self = self._mine(make(self.drive, self.root, parts))
            path._info = entry
            return path

        def _mine(self, path: AsyncPurePath) -> Self:
            if type(self).with_segments is not AsyncPurePath.with_segments:
                return self.with_segments(path)
            path._limiter = self._limiter
            return path  # type: ignore[return-value] # PurePath made it of our type

        @property
        def parent(self) -> Self:
            """The logical parent of the path."""
            return self._mine(super().parent)

        @property
        def parents(self) -> Sequence[Self]:
            """A sequence of this path's logical parents."""
            return _Parents(self)

        def joinpath(self, *other: StrPath) -> Self:
            """Combine this path with *other* ones."""
            return self._mine(super().joinpath(*other))

        def __truediv__(self, key: StrPath) -> Self:
            path = super().__truediv__(key)
            return path if path is NotImplemented else self._mine(path)

        def __rtruediv__(self, key: StrPath) -> Self:
            path = super().__rtruediv__(key)
            return path if path is NotImplemented else self._mine(path)

        def with_name(self, name: str) -> Self:
            """Return a new path with the file name changed."""
            return self._mine(super().with_name(name))

        def with_stem(self, stem: str) -> Self:
            """Return a new path with the stem changed."""
            return self._mine(super().with_stem(stem))

        def with_suffix(self, suffix: str) -> Self:
            """Return a new path with the file suffix changed."""
            return self._mine(super().with_suffix(suffix))

        def relative_to(self, *other: StrPath, walk_up: bool = False) -> Self:
            """Return this path relative to *other*.

            Args:
                other: A path, or segments of one.
                walk_up: Whether the result may begin with ``..`` segments.

            Raises:
                ValueError: *other* is no parent, or with *walk_up* has another anchor.
            """
            try:
                return self._mine(super().relative_to(*other))
            except ValueError:
                if not walk_up:
                    raise
            return self.with_segments(*_walked_up(self, self.with_segments(*other)))

        def match(
            self, path_pattern: StrPath, *, case_sensitive: bool | None = None
        ) -> bool:
            """Tell whether the last segments of this path match *path_pattern*."""
            if case_sensitive is None:
                return super().match(os.fspath(path_pattern))
            pattern = self.with_segments(path_pattern).parts
            if not pattern:
                raise ValueError("empty pattern")
            given = self.with_segments(path_pattern)
            parts = self.parts
            if len(pattern) > len(parts) or (
                given.anchor and len(pattern) != len(parts)
            ):
                return False
            # The last segments; those of the path that are left over do not matter.
            pairs = zip(reversed(pattern), reversed(parts), strict=False)
            return all(name_matcher(test, case_sensitive)(part) for test, part in pairs)

    # -- Since 3.13 ------------------------------------------------------------

    if sys.version_info < (3, 13):
        #: The module of path functions: `posixpath` or `ntpath`.
        parser: ClassVar[ModuleType] = os.path

        def full_match(
            self, pattern: StrPath, *, case_sensitive: bool | None = None
        ) -> bool:
            """Tell whether this path as a whole matches *pattern*.

            Args:
                pattern: As for `glob()`; a segment ``**`` matches any number of
                    segments.
                case_sensitive: The platform's rule if None.
            """
            if not isinstance(pattern, PurePath):
                pattern = self.with_segments(pattern)
            if case_sensitive is None:
                case_sensitive = _is_case_sensitive()
            return matcher(_split(pattern), case_sensitive)(_split(self))


def _split(path: PurePath) -> list[str]:
    return (str(path) if path.parts else "").split(os.path.sep)


def _walked_up(path: PurePath, other: PurePath) -> list[str]:
    """Return the segments that lead from *other* to *path*, which is not below it."""
    for step, ancestor in enumerate([other, *other.parents]):
        if path.is_relative_to(ancestor):
            return [".."] * step + list(path.parts[len(ancestor.parts) :])
        if ancestor.name == "..":
            raise ValueError(f"'..' segment in {str(other)!r} cannot be walked")
    raise ValueError(f"{str(path)!r} and {str(other)!r} have different anchors")


class _Parents(Sequence[Any]):
    """The logical parents of a path, nearest first; for Python 3.11."""

    __slots__ = ("_path", "_paths")

    def __init__(self, path: AsyncPurePath) -> None:
        self._path = path
        self._paths = tuple(_ancestors(path))

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self._paths[index]

    def __len__(self) -> int:
        return len(self._paths)

    def __repr__(self) -> str:
        return f"<{type(self._path).__name__}.parents>"


def _ancestors(path: AsyncPurePath) -> Iterator[AsyncPurePath]:
    while (parent := path.parent) != path:
        yield parent
        path = parent
