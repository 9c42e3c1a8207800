"""`headrace.os.path` beside `os.path`: the same values, errors and names."""

from __future__ import annotations

import asyncio
import inspect
import os
import os.path
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headrace.os
import headrace.ospath
from tests.fs.test_os import make_tree, outcome

LOOKING = [
    "abspath",
    "exists",
    "getatime",
    "getctime",
    "getmtime",
    "getsize",
    "isdir",
    "isfile",
    "islink",
    "ismount",
    "lexists",
    "realpath",
    "relpath",
    "expanduser",
]
if sys.version_info >= (3, 12):
    LOOKING += ["isjunction"]
if sys.version_info >= (3, 13):
    LOOKING += ["isdevdrive"]
PATHS: list[Any] = [
    "file",
    b"file",
    Path("link"),
    "dangling",
    "empty",
    "missing",
    "file/x",
    "",
    b"",
    "/",
    "nu\0ll",
    99_999,
    None,
]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if sys.platform == "win32":
        pytest.skip("symlinks")
    made = make_tree(tmp_path / "tree")
    monkeypatch.chdir(made)
    return made


def run(name: str, *arguments: object) -> Callable[[], object]:
    async def call() -> object:
        return await getattr(headrace.ospath, name)(*arguments)

    return lambda: asyncio.run(call())


@pytest.mark.parametrize("name", LOOKING)
@pytest.mark.usefixtures("tree")
def test_function_says_what_os_path_says(name: str) -> None:
    for path in PATHS:
        expected = outcome(lambda: getattr(os.path, name)(path))  # noqa: B023 - called here
        assert outcome(run(name, path)) == expected, path


@pytest.mark.parametrize(
    ("one", "other"), [("file", "link"), ("file", "other"), ("file", "missing")]
)
@pytest.mark.usefixtures("tree")
def test_samefile_says_what_os_path_says(one: str, other: str) -> None:
    expected = outcome(lambda: os.path.samefile(one, other))
    assert outcome(run("samefile", one, other)) == expected


async def test_sameopenfile_compares_descriptors(tree: Path) -> None:
    with (tree / "file").open() as one, (tree / "link").open() as same:
        with (tree / "other").open() as other:
            assert await headrace.os.path.sameopenfile(one.fileno(), same.fileno())
            assert not await headrace.os.path.sameopenfile(one.fileno(), other.fileno())


def test_pure_functions_are_those_of_os_path() -> None:
    pure = [
        name
        for name in headrace.ospath.__dict__
        if not name.startswith("_")
        and not inspect.iscoroutinefunction(getattr(headrace.ospath, name))
    ]
    assert {"join", "split", "sep", "basename", "splitext", "normpath"} <= set(pure)
    for name in pure:
        assert getattr(headrace.ospath, name) is getattr(os.path, name), name


def test_functions_that_look_at_the_disk_are_coroutine_functions() -> None:
    for name in [*LOOKING, "samefile", "sameopenfile"]:
        assert inspect.iscoroutinefunction(getattr(headrace.ospath, name)), name


# Functions of `os.path` that look at no file.
PURE = [
    "basename",
    "commonpath",
    "commonprefix",
    "dirname",
    "expandvars",
    "isabs",
    "isreserved",
    "join",
    "normcase",
    "normpath",
    "samestat",
    "split",
    "splitdrive",
    "splitext",
    "splitroot",
]


@pytest.mark.parametrize("name", [*os.path.__all__])
def test_name_of_os_path_is_asynchronous_or_plain(name: str) -> None:
    real, ours = getattr(os.path, name), getattr(headrace.ospath, name)
    if not callable(real) or name in PURE:
        assert ours is real
    else:
        assert inspect.iscoroutinefunction(ours)
        assert inspect.signature(ours) == inspect.signature(real)
        assert inspect.getdoc(ours)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.usefixtures("tree")
def test_realpath_is_strict_on_demand(strict: bool) -> None:
    for path in PATHS:
        expected = outcome(lambda: os.path.realpath(path, strict=strict))  # noqa: B023
        found = outcome(
            lambda: asyncio.run(headrace.ospath.realpath(path, strict=strict))  # noqa: B023
        )
        assert found == expected, path
