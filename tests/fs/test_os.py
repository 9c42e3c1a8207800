"""`headrace.os` beside `os`: the same values, errors and names."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import headrace.os

Call = tuple[str, tuple[Any, ...], dict[str, Any]]


def make_tree(root: Path) -> Path:
    """Make the little tree that every call below is tried on."""
    root.mkdir()
    (root / "file").write_bytes(b"0123456789")
    (root / "other").write_bytes(b"")
    (root / "link").symlink_to("file")
    (root / "dangling").symlink_to("nowhere")
    (root / "empty").mkdir()
    (root / "full").mkdir()
    (root / "full" / "inside").write_bytes(b"x")
    (root / "a" / "b" / "c").mkdir(parents=True)
    return root


def shape(root: Path) -> list[tuple[str, str]]:
    """Return what is in the tree: names, and what they are."""
    found = []
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            what = f"-> {os.readlink(path)}"
        elif path.is_dir():
            what = "folder"
        else:
            what = f"{path.read_bytes()!r} {path.stat().st_nlink}"
        found.append((str(path.relative_to(root)), what))
    return found


def comparable(value: object) -> object:
    """Return *value* without what differs between two trees."""
    if isinstance(value, os.stat_result):
        return type(value), value.st_mode, value.st_size, value.st_nlink, value.st_uid
    if isinstance(value, os.statvfs_result):
        return type(value), value.f_bsize, value.f_namemax
    if isinstance(value, list):
        return sorted(value)
    return value


CALLS: list[tuple[str, str, tuple[Any, ...], dict[str, Any]]] = [
    ("access", "file", ("file", os.R_OK), {}),
    ("access", "missing", ("missing", os.F_OK), {}),
    ("access", "mode-missing", ("file",), {}),
    ("access", "keywords", ("link", os.R_OK), {"follow_symlinks": False}),
    ("getcwd", "plain", (), {}),
    ("getcwd", "argument", ("x",), {}),
    ("link", "file", ("file", "hard"), {}),
    ("link", "there", ("file", "other"), {}),
    ("link", "missing", ("missing", "hard"), {}),
    ("link", "symlink", ("link", "hard"), {"follow_symlinks": False}),
    ("listdir", "default", (), {}),
    ("listdir", "folder", ("full",), {}),
    ("listdir", "bytes", (b"full",), {}),
    ("listdir", "missing", ("missing",), {}),
    ("listdir", "file", ("file",), {}),
    ("makedirs", "deep", ("x/y/z",), {}),
    ("makedirs", "there", ("a/b",), {}),
    ("makedirs", "exist-ok", ("a/b",), {"exist_ok": True}),
    ("makedirs", "mode", ("x/y", 0o700), {}),
    ("mkdir", "new", ("new",), {}),
    ("mkdir", "there", ("empty",), {}),
    ("mkdir", "no-parent", ("new/new",), {}),
    ("mkdir", "null", ("new\0",), {}),
    ("mkdir", "type", (3.5,), {}),
    ("readlink", "link", ("link",), {}),
    ("readlink", "bytes", (b"link",), {}),
    ("readlink", "file", ("file",), {}),
    ("remove", "file", ("file",), {}),
    ("remove", "folder", ("empty",), {}),
    ("remove", "missing", ("missing",), {}),
    ("removedirs", "deep", ("a/b/c",), {}),
    ("removedirs", "full", ("full",), {}),
    ("rename", "file", ("file", "new"), {}),
    ("rename", "over", ("file", "other"), {}),
    ("rename", "missing", ("missing", "new"), {}),
    ("rename", "onto-full", ("empty", "full"), {}),
    ("rename", "keywords", (), {"src": "file", "dst": "new"}),
    ("renames", "deep", ("a/b/c", "x/y/z"), {}),
    ("renames", "missing", ("missing", "x/y"), {}),
    ("replace", "over", ("file", "other"), {}),
    ("replace", "missing", ("missing", "other"), {}),
    ("rmdir", "empty", ("empty",), {}),
    ("rmdir", "full", ("full",), {}),
    ("rmdir", "file", ("file",), {}),
    ("stat", "file", ("file",), {}),
    ("stat", "bytes", (b"file",), {}),
    ("stat", "path", (Path("file"),), {}),
    ("stat", "dangling", ("dangling",), {}),
    ("stat", "link", ("dangling",), {"follow_symlinks": False}),
    ("stat", "missing", ("missing",), {}),
    ("stat", "below-file", ("file/x",), {}),
    ("stat", "bad-descriptor", (99_999,), {}),
    ("stat", "type", (None,), {}),
    ("statvfs", "folder", (".",), {}),
    ("statvfs", "missing", ("missing",), {}),
    ("symlink", "new", ("file", "new"), {}),
    ("symlink", "there", ("file", "other"), {}),
    ("unlink", "link", ("link",), {}),
    ("unlink", "missing", ("missing",), {}),
]


def outcome(call: Callable[[], object]) -> tuple[object, ...]:
    """Return what came of *call*: a value, or an error with all that it says."""
    try:
        return "returned", comparable(call())
    except Exception as error:
        details = [
            getattr(error, name, None)
            for name in ("errno", "strerror", "filename", "filename2")
        ]
        return "raised", type(error), str(error), *details


@pytest.mark.skipif(sys.platform == "win32", reason="symlinks, statvfs")
@pytest.mark.parametrize(
    ("name", "arguments", "keywords"),
    [
        pytest.param(name, arguments, keywords, id=f"{name}-{case}")
        for name, case, arguments, keywords in CALLS
    ],
)
def test_function_does_what_os_does(
    name: str,
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def both(module: object, run: Callable[[Any], object]) -> object:
        tree = make_tree(tmp_path / "tree")
        monkeypatch.chdir(tree)
        function = getattr(module, name)
        seen = outcome(lambda: run(function(*arguments, **keywords))), shape(tree)
        monkeypatch.chdir(tmp_path)
        tree.rename(tmp_path / f"tree-{id(module)}")
        return seen

    async def awaited(call: Coroutine[Any, Any, object]) -> object:
        return await call

    assert both(headrace.os, lambda call: asyncio.run(awaited(call))) == both(
        os, lambda value: value
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no sendfile")
async def test_sendfile_copies_between_descriptors(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"0123456789")
    with source.open("rb") as reading, target.open("wb") as writing:
        sent = await headrace.os.sendfile(writing.fileno(), reading.fileno(), 2, 5)
    assert sent == 5
    assert target.read_bytes() == b"23456"


async def test_descriptors_of_folders_work(tmp_path: Path) -> None:
    if os.stat not in os.supports_dir_fd:
        pytest.skip("no dir_fd on this platform")
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        await headrace.os.mkdir("new", dir_fd=folder)
        assert (await headrace.os.stat("new", dir_fd=folder)).st_nlink >= 1
        assert await headrace.os.listdir(folder) == ["new"]
    finally:
        os.close(folder)


# -- Names ----------------------------------------------------------------------


AIOFILES_NAMES = (
    "access getcwd link listdir makedirs mkdir path readlink remove removedirs rename "
    "renames replace rmdir scandir sendfile stat statvfs symlink unlink wrap"
)


@pytest.mark.parametrize("name", AIOFILES_NAMES.split())
def test_every_function_of_aiofiles_is_there(name: str) -> None:
    if sys.platform == "win32" and name in ("sendfile", "statvfs"):
        pytest.skip("not on Windows")
    assert hasattr(headrace.os, name)


def test_every_constant_and_class_of_os_is_there() -> None:
    plain = {
        name: value
        for name, value in vars(os).items()
        if (name.isupper() and not callable(value)) or name in ("PathLike", "DirEntry")
    }
    assert {name: getattr(headrace.os, name, None) for name in plain} == plain


@pytest.mark.parametrize(
    "name", ["sep", "linesep", "environ", "fspath", "fsencode", "getenv", "devnull"]
)
def test_name_that_touches_no_file_is_that_of_os(name: str) -> None:
    assert getattr(headrace.os, name) is getattr(os, name)


def test_nothing_that_blocks_is_taken_from_os() -> None:
    """Functions of `os` are either twins, or on the list of those without files."""
    plain = [
        "cpu_count",
        "device_encoding",
        "fsdecode",
        "fsencode",
        "fspath",
        "get_exec_path",
        "get_inheritable",
        "getegid",
        "getenv",
        "getenvb",
        "geteuid",
        "getgid",
        "getpid",
        "getppid",
        "getuid",
        "major",
        "makedev",
        "minor",
        "process_cpu_count",
        "putenv",
        "set_inheritable",
        "strerror",
        "umask",
        "uname",
        "unsetenv",
        "urandom",
    ]
    taken = [
        name
        for name, value in vars(headrace.os).items()
        if callable(value)
        and not isinstance(value, type)
        and not inspect.iscoroutinefunction(value)
        and getattr(os, name, None) is value
    ]
    assert set(taken) <= set(plain)


def test_table_is_alphabetical() -> None:
    source = Path(inspect.getsourcefile(headrace.os.wrap) or "").with_name("os.py")
    names = [
        node.targets[0].id
        for node in ast.parse(source.read_text()).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
    ]
    assert len(names) > 10
    assert names == sorted(names)


def test_wrap_makes_a_coroutine_function_of_any_function() -> None:
    assert asyncio.run(headrace.os.wrap(max)(3, 5)) == 5


@pytest.mark.parametrize(
    "statement",
    [
        "import headrace.os.path as p; p.join",
        "from headrace.os.path import exists, join",
        "import headrace.os as o, headrace.ospath as p; assert o.path is p",
        "from headrace.os import path, stat, sep, O_RDONLY, PathLike",
        "from headrace.os import *; stat, sep, scandir",
    ],
)
def test_import_works_as_with_os(statement: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", statement], check=True)
