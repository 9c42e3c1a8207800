"""`headrace.Path` and `pathlib.Path` with the same random paths, patterns and trees."""

from __future__ import annotations

import asyncio
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace import Path
from headrace.fs import _glob
from headrace.fs._matching import matcher

if sys.platform == "win32":
    pytest.skip("symlinks", allow_module_level=True)

NAMES = ["a", "b", "A", "ab", ".h", "x.py", "y.tar.gz", "..", "é", "a."]
WILD = ["*", "**", "?", "*.py", "[ab]", "a*", ".*", "[!a]", "*.*"]

names = st.sampled_from(NAMES)
texts = st.builds(
    lambda start, parts, end: start + "/".join(parts) + end,
    st.sampled_from(["", "/", "//", "./"]),
    st.lists(names, max_size=4),
    st.sampled_from(["", "/", "/."]),
)
patterns = st.builds(
    lambda parts, end: "/".join(parts) + end,
    st.lists(st.sampled_from([*WILD, *NAMES[:7]]), min_size=1, max_size=4),
    st.sampled_from(["", "/"]),
)
# In 3.13 a set of characters that are not meant matches the separator: "/" is "[!a]".
plain_patterns = patterns.filter(lambda pattern: "[!" not in pattern)


def result(call: Callable[[], Any]) -> Any:
    """Return what *call* returns or raises, so that both can be compared."""
    try:
        return comparable(call())
    except Exception as error:
        return type(error), str(error).replace("PosixPath", "Path")


def comparable(value: Any) -> Any:
    if isinstance(value, pathlib.PurePath):
        return "path", str(value)
    if isinstance(value, str | bytes | bool | int | type(None)):
        return value
    if isinstance(value, os.stat_result):
        return value.st_mode, value.st_ino
    try:
        return [comparable(item) for item in value]
    except TypeError:
        return value


# -- Without files ---------------------------------------------------------------

PURE: dict[str, Callable[[Any, str], Any]] = {
    "parts": lambda p, _: p.parts,
    "str": lambda p, _: str(p),
    "bytes": lambda p, _: bytes(p),
    "parent": lambda p, _: p.parent,
    "parents": lambda p, _: list(p.parents),
    "name": lambda p, _: (p.name, p.stem, p.suffix, p.suffixes),
    "anchor": lambda p, _: (p.drive, p.root, p.anchor),
    "as_uri": lambda p, _: p.as_uri(),
    "is_absolute": lambda p, _: p.is_absolute(),
    "truediv": lambda p, other: p / other,
    "rtruediv": lambda p, other: other / p,
    "joinpath": lambda p, other: p.joinpath(other, "end"),
    "with_name": lambda p, other: p.with_name(other),
    "with_stem": lambda p, other: p.with_stem(other),
    "with_suffix": lambda p, other: p.with_suffix(other),
    "relative_to": lambda p, other: p.relative_to(other),
    "is_relative_to": lambda p, other: p.is_relative_to(other),
    "match": lambda p, other: p.match(other),
    "equal": lambda p, other: p == pathlib.PurePath(other),
    "less": lambda p, other: p < pathlib.PurePath(other),
    "hash": lambda p, _: hash(p),
}
if sys.version_info >= (3, 12):
    PURE["walk_up"] = lambda p, other: p.relative_to(other, walk_up=True)
    PURE["match-case"] = lambda p, other: p.match(other, case_sensitive=False)
if sys.version_info >= (3, 13):
    PURE["full_match"] = lambda p, other: p.full_match(other)


@pytest.mark.parametrize("name", PURE)
@given(text=texts, other=st.one_of(texts, patterns, names))
def test_pure_part_is_that_of_pathlib(name: str, text: str, other: str) -> None:
    ours = result(lambda: PURE[name](Path(text), other))
    assert ours == result(lambda: PURE[name](pathlib.Path(text), other))


@pytest.mark.skipif(sys.version_info < (3, 13), reason="full_match() came with 3.13")
@given(text=texts, pattern=plain_patterns, case_sensitive=st.booleans())
@example(text="/b", pattern="**/b", case_sensitive=True)
@example(text="a", pattern="a/**", case_sensitive=True)
def test_matcher_for_older_pythons_is_full_match(
    text: str, pattern: str, case_sensitive: bool
) -> None:
    def split(path: pathlib.PurePath) -> list[str]:
        return (str(path) if path.parts else "").split("/")

    path, wanted = pathlib.PurePath(text), pathlib.PurePath(pattern)
    found = matcher(split(wanted), case_sensitive)(split(path))
    full_match: Any = path.full_match  # type: ignore[attr-defined, unused-ignore]
    assert found == full_match(pattern, case_sensitive=case_sensitive)


# -- With files -------------------------------------------------------------------

kinds = st.sampled_from(["file", "folder", "link", "dangling"])
inner = st.lists(st.sampled_from(["a", "b", "A", "x.py", ".h"]), min_size=1, max_size=3)
trees = st.dictionaries(inner.map("/".join), kinds, max_size=8)
Prepare = Callable[[dict[str, str]], None]


def make(root: str, tree: dict[str, str]) -> None:
    """Make what can be made of *tree*: a name may be a file and a folder in it."""
    os.mkdir(os.path.join(root, "top"))
    for name, kind in tree.items():
        path = os.path.join(root, "top", name)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if kind == "folder":
                os.makedirs(path, exist_ok=True)
            elif kind == "file":
                with open(path, "x") as file:
                    file.write(name)
            else:
                target = "../a" if kind == "link" else "nowhere"
                os.symlink(target, path)
        except OSError:
            continue


@pytest.fixture
def place(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Prepare]:
    """Give what makes a tree in a new current directory."""
    made: list[str] = []

    def prepare(tree: dict[str, str]) -> None:
        root = tempfile.mkdtemp()
        made.append(root)
        make(root, tree)
        monkeypatch.chdir(root)

    yield prepare
    monkeypatch.undo()
    for root in made:
        shutil.rmtree(root)


LOOKS: dict[str, Callable[[Any], Any]] = {
    name: lambda path, name=name: getattr(path, name)()  # type: ignore[misc]
    for name in (
        "exists", "is_dir", "is_file", "is_symlink", "stat", "lstat", "readlink",
        "resolve", "absolute", "iterdir", "read_bytes", "is_mount", "owner",
    )
}  # fmt: skip
if sys.version_info >= (3, 12):
    LOOKS["walk"] = lambda path: path.walk()
    LOOKS["walk-up"] = lambda path: path.walk(top_down=False)
    LOOKS["walk-links"] = lambda path: path.walk(follow_symlinks=False)


async def awaited(call: Callable[[Any], Any], path: Path) -> Any:
    return await call(path)


@given(tree=trees, name=st.sampled_from(["", "a", "a/b", "a/A", "x.py", "a/x.py/b"]))
def test_looks_are_those_of_pathlib(
    place: Prepare, tree: dict[str, str], name: str
) -> None:
    place(tree)
    text = os.path.join("top", name)
    for label, look in LOOKS.items():
        ours = result(lambda look=look: asyncio.run(awaited(look, Path(text))))  # type: ignore[misc]
        theirs = result(lambda look=look: look(pathlib.Path(text)))  # type: ignore[misc]
        assert ours == theirs, label


@given(tree=trees, pattern=patterns)
def test_searches_are_those_of_pathlib(
    place: Prepare, tree: dict[str, str], pattern: str
) -> None:
    place(tree)
    for name in ("glob", "rglob"):

        def search(path: Any, name: str = name) -> Any:
            return getattr(path, name)(pattern)

        ours = result(lambda: asyncio.run(awaited(search, Path("top"))))
        assert ours == result(lambda: search(pathlib.Path("top"))), name


@pytest.mark.skipif(sys.version_info < (3, 13), reason="what it stands for is in 3.13")
@given(
    tree=trees,
    pattern=plain_patterns,
    recursively=st.booleans(),
    case_sensitive=st.sampled_from([None, True, False]),
    follow=st.booleans(),
)
def test_search_for_older_pythons_finds_what_3_13_finds(
    place: Prepare,
    tree: dict[str, str],
    pattern: str,
    recursively: bool,
    case_sensitive: bool | None,
    follow: bool,
) -> None:
    # With a link to a folder above itself, links are followed as deep as names may be.
    place({name: kind for name, kind in tree.items() if kind != "link"})
    root = pathlib.Path("top")
    search: Any = root.rglob if recursively else root.glob
    options = {"case_sensitive": case_sensitive, "recurse_symlinks": follow}
    older = (root, pattern, recursively, case_sensitive, follow)
    assert result(lambda: map(pathlib.Path, _glob._older(*older))) == result(
        lambda: search(pattern, **options)
    )
