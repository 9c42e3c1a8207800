"""`headrace.glob` beside `glob`: the same results, batch by batch."""

from __future__ import annotations

import glob
import os
import pathlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

import headrace
import headrace.glob
from tests.fs.test_os import make_tree

if sys.platform == "win32":
    pytest.skip("symlinks", allow_module_level=True)

CASES: list[tuple[Any, dict[str, Any]]] = [
    ("*", {}),
    ("**/*", {"recursive": True}),
    ("f*", {"root_dir": "full"}),
    (".*", {}),
    ("*", {"include_hidden": True}),
    (b"f*", {}),
    ("missing/*", {}),
    ("[fo]*", {}),
]


@pytest.fixture
def tree(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    made = make_tree(tmp_path / "tree")
    (made / ".hidden").touch()
    monkeypatch.chdir(made)
    return made


@pytest.mark.parametrize(("pattern", "options"), CASES)
async def test_glob_gives_what_glob_gives(
    pattern: Any, options: dict[str, Any], tree: pathlib.Path
) -> None:
    expected = glob.glob(pattern, **options)
    assert await headrace.glob.glob(pattern, **options) == expected
    found = headrace.glob.iglob(pattern, **options)
    assert isinstance(found, AsyncIterator)
    assert [path async for path in found] == expected
    assert await headrace.glob.iglob(pattern, **options) == expected


async def test_glob_takes_a_descriptor(tree: pathlib.Path) -> None:
    if os.open not in os.supports_dir_fd:
        pytest.skip("no dir_fd on this platform")
    folder = os.open("full", os.O_RDONLY)
    try:
        assert await headrace.glob.glob("*", dir_fd=folder) == ["inside"]
        assert await headrace.glob.iglob("*", dir_fd=folder) == ["inside"]
    finally:
        os.close(folder)


def test_every_name_of_glob_is_there() -> None:
    for name in [*glob.__all__, "has_magic"]:
        assert hasattr(headrace.glob, name)
    assert headrace.glob.escape("*") == "[*]"
