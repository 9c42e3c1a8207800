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
from headrace.fs._os_names import LEFT_OUT

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
    ("chdir", "folder", ("full",), {}),
    ("chdir", "file", ("file",), {}),
    ("chmod", "file", ("file", 0o600), {}),
    ("chmod", "missing", ("missing", 0o600), {}),
    ("chown", "missing", ("missing", -1, -1), {}),
    ("chown", "nobody", ("link", -1, -1), {"follow_symlinks": False}),
    ("close", "bad-descriptor", (99_999,), {}),
    ("dup", "bad-descriptor", (99_999,), {}),
    ("fstat", "bad-descriptor", (99_999,), {}),
    # Of these, the lower 32 bits are those of a descriptor that is open.
    ("close", "no-int-of-c", (1 << 32,), {}),
    ("fstat", "no-int-of-c", (1 << 32,), {}),
    ("fsync", "no-int-of-c", (1 << 32,), {}),
    ("ftruncate", "no-int-of-c", (1 << 32, 1), {}),
    ("stat", "no-int-of-c", (1 << 32,), {}),
    ("fsync", "bad-descriptor", (99_999,), {}),
    ("fsync", "negative", (-1,), {}),
    ("fdatasync", "negative", (-1,), {}),
    ("getcwdb", "plain", (), {}),
    ("getxattr", "missing", ("missing", "user.x"), {}),
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
    ("listxattr", "missing", ("missing",), {}),
    ("lchown", "missing", ("missing", -1, -1), {}),
    ("lstat", "link", ("link",), {}),
    ("lstat", "missing", ("missing",), {}),
    ("lstat", "empty", ("",), {}),
    ("makedirs", "deep", ("x/y/z",), {}),
    ("makedirs", "there", ("a/b",), {}),
    ("makedirs", "exist-ok", ("a/b",), {"exist_ok": True}),
    ("makedirs", "mode", ("x/y", 0o700), {}),
    ("mkfifo", "there", ("file",), {}),
    ("mknod", "there", ("file",), {}),
    ("open", "missing", ("missing", os.O_RDONLY), {}),
    ("open", "type", (3.5, os.O_RDONLY), {}),
    ("open", "flags", ("file", "r"), {}),
    ("open", "folder", ("empty", os.O_WRONLY), {}),
    ("pathconf", "name", (".", "PC_NAME_MAX"), {}),
    ("read", "bad-descriptor", (99_999, 1), {}),
    ("read", "type", ("file", 1), {}),
    ("read", "none", (), {}),
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
    ("stat", "empty", ("",), {}),
    ("stat", "empty-bytes", (b"",), {}),
    ("stat", "bad-descriptor", (99_999,), {}),
    ("stat", "type", (None,), {}),
    ("statvfs", "folder", (".",), {}),
    ("statvfs", "missing", ("missing",), {}),
    ("symlink", "new", ("file", "new"), {}),
    ("symlink", "there", ("file", "other"), {}),
    ("truncate", "shorter", ("file", 3), {}),
    ("truncate", "missing", ("missing", 3), {}),
    ("utime", "now", ("file",), {}),
    ("utime", "missing", ("missing", (1, 2)), {}),
    ("waitpid", "no-child", (99_999, 0), {}),
    ("write", "bad-descriptor", (99_999, b"x"), {}),
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
        if (name.isupper() and not callable(value)) or name == "PathLike"
    }
    assert {name: getattr(headrace.os, name, None) for name in plain} == plain


@pytest.mark.parametrize(
    "name", ["sep", "linesep", "environ", "fspath", "fsencode", "getenv", "devnull"]
)
def test_name_that_touches_no_file_is_that_of_os(name: str) -> None:
    assert getattr(headrace.os, name) is getattr(os, name)


PUBLIC = sorted({*os.__all__, *(n for n in vars(os) if not n.startswith("_"))})
FUNCTIONS = [
    name
    for name in PUBLIC
    if callable(getattr(os, name)) and not isinstance(getattr(os, name), type)
]
ITERATORS = {"fwalk", "scandir", "walk"}
AWAITABLES = {"fdopen"}

# Functions of `os` that wait for no file, nor for anything else.
PLAIN = [
    "WCOREDUMP",
    "WEXITSTATUS",
    "WIFCONTINUED",
    "WIFEXITED",
    "WIFSIGNALED",
    "WIFSTOPPED",
    "WSTOPSIG",
    "WTERMSIG",
    "_exit",
    "abort",
    "confstr",
    "cpu_count",
    "ctermid",
    "device_encoding",
    "eventfd",
    "fsdecode",
    "fsencode",
    "fspath",
    "get_blocking",
    "get_exec_path",
    "get_inheritable",
    "get_terminal_size",
    "getegid",
    "getenv",
    "getenvb",
    "geteuid",
    "getgid",
    "getgroups",
    "getpgid",
    "getpgrp",
    "getpid",
    "getppid",
    "getpriority",
    "getrandom",
    "getresgid",
    "getresuid",
    "getsid",
    "getuid",
    "kill",
    "killpg",
    "major",
    "makedev",
    "minor",
    "nice",
    "pidfd_open",
    "pipe",
    "pipe2",
    "process_cpu_count",
    "putenv",
    "register_at_fork",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_rr_get_interval",
    "sched_setaffinity",
    "sched_setparam",
    "sched_setscheduler",
    "sched_yield",
    "set_blocking",
    "set_inheritable",
    "setegid",
    "seteuid",
    "setgid",
    "setgroups",
    "setns",
    "setpgid",
    "setpgrp",
    "setpriority",
    "setregid",
    "setresgid",
    "setresuid",
    "setreuid",
    "setsid",
    "setuid",
    "strerror",
    "sysconf",
    "tcgetpgrp",
    "tcsetpgrp",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_gettime_ns",
    "timerfd_settime",
    "timerfd_settime_ns",
    "times",
    "umask",
    "uname",
    "unsetenv",
    "unshare",
    "urandom",
    "waitstatus_to_exitcode",
]


@pytest.mark.parametrize("name", PUBLIC)
def test_name_of_os_is_asynchronous_or_plain_or_left_out(name: str) -> None:
    real: Any = getattr(os, name)
    ours: Any = getattr(headrace.os, name, None)
    if name in LEFT_OUT:
        assert ours is None
        assert LEFT_OUT[name]
    elif name == "path":
        assert ours is headrace.ospath
    elif name == "DirEntry":
        assert ours is not real
    elif name.startswith("supports_") and isinstance(real, set):
        assert ours >= real
    elif name not in FUNCTIONS or name in PLAIN:
        assert ours is real
    elif name in ITERATORS | AWAITABLES:
        assert ours is not real
        assert inspect.signature(ours) == inspect.signature(real)
    else:
        assert inspect.iscoroutinefunction(ours)


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n not in LEFT_OUT])
def test_function_has_the_signature_and_a_text(name: str) -> None:
    ours = getattr(headrace.os, name)
    assert inspect.getdoc(ours)
    try:
        expected = inspect.signature(getattr(os, name))
    except ValueError:
        return  # A function in C that says nothing of its arguments.
    assert inspect.signature(ours) == expected


def test_left_out_name_says_why() -> None:
    assert not hasattr(headrace.os, "system")
    with pytest.raises(AttributeError, match="'system': it starts a process"):
        getattr(headrace.os, "system")  # noqa: B009 - type checkers know
    with pytest.raises(AttributeError, match=r"no attribute 'no_such'$"):
        getattr(headrace.os, "no_such")  # noqa: B009 - likewise


def test_nothing_else_is_in_the_door() -> None:
    own = {name for name in vars(headrace.os) if not name.startswith("_")}
    assert own - set(PUBLIC) == {"wrap"}
    assert headrace.os._exit is os._exit


def test_sets_of_abilities_know_the_twins() -> None:
    assert (headrace.os.stat in headrace.os.supports_dir_fd) == (
        os.stat in os.supports_dir_fd
    )
    assert (headrace.os.chmod in headrace.os.supports_follow_symlinks) == (
        os.chmod in os.supports_follow_symlinks
    )
    assert os.supports_fd <= headrace.os.supports_fd
    assert headrace.os.stat not in os.supports_fd


def test_table_is_alphabetical() -> None:
    source = Path(inspect.getsourcefile(headrace.os.wrap) or "").with_name("os.py")
    table, _, _ = source.read_text().partition("# -- Not on every platform")
    names = [
        node.targets[0].id
        for node in ast.parse(table).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
    ]
    assert len(names) > 30
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
