"""Every combination of arguments of `open()`: the same file, or the same exception.

Each case is opened by builtin `open()` and by headrace in the same freshly made
folder; type, errno, filename and text of an exception must agree, and otherwise the
attributes of the file.
"""

from __future__ import annotations

import builtins
import itertools
import os
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import headrace
from tests.faults.support import is_open

Facts = dict[str, Any]


# -- What must agree --


def error_facts(error: BaseException) -> Facts:
    facts: Facts = {"type": type(error)}
    if isinstance(error, OSError):
        facts["errno"] = error.errno
        facts["filename"] = error.filename
        facts["filename2"] = error.filename2
    # The words of a TypeError name the C function that parsed the arguments.
    if not isinstance(error, TypeError):
        facts["text"] = str(error)
    return facts


def layer_facts(file: Any) -> Facts:
    names = (
        "name", "mode", "closed", "closefd", "encoding", "errors", "newlines",
        "line_buffering", "write_through",
    )  # fmt: skip
    facts: Facts = {"class": type(file).__name__.removeprefix("Async")}
    facts |= {name: getattr(file, name) for name in names if hasattr(file, name)}
    for below in ("buffer", "raw"):
        if hasattr(file, below):
            facts[below] = layer_facts(getattr(file, below))
    return facts


@contextmanager
def noted(facts: Facts) -> Iterator[None]:
    """Put the warnings of the block into *facts*."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    facts["warnings"] = [(w.category, str(w.message)) for w in caught]


def opened_by_open(*args: Any, **kwargs: Any) -> Facts:
    facts: Facts = {}
    with noted(facts):
        try:
            file = builtins.open(*args, **kwargs)
        except Exception as error:
            return facts | error_facts(error)
        with file:
            facts |= layer_facts(file)
            facts["inheritable"] = os.get_inheritable(file.fileno())
            facts["seekable"] = file.seekable()
            facts["able"] = (file.readable(), file.writable(), file.isatty())
            facts["position"] = file.tell() if facts["seekable"] else None
    return facts


async def opened_by_headrace(*args: Any, **kwargs: Any) -> Facts:
    facts: Facts = {}
    with noted(facts):
        try:
            file = await headrace.open(*args, **kwargs)
        except Exception as error:
            return facts | error_facts(error)
        async with file:
            facts |= layer_facts(file)
            facts["inheritable"] = os.get_inheritable(file.fileno())
            facts["seekable"] = await file.seekable()
            facts["able"] = (
                await file.readable(),
                await file.writable(),
                await file.isatty(),
            )
            facts["position"] = await file.tell() if facts["seekable"] else None
    return facts


def set_up(folder: Path) -> None:
    """Put *folder* back to what every case starts from."""
    for path in folder.iterdir():
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    (folder / "file").write_bytes(b"\xef\xbb\xbfline\r\nline\n")
    (folder / "folder").mkdir()
    (folder / "loop").symlink_to("loop")
    (folder / "nowhere").symlink_to("missing")
    (folder / "link").symlink_to("file")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def check(folder: Path, *args: Any, **kwargs: Any) -> None:
    set_up(folder)
    expected = opened_by_open(*args, **kwargs)
    set_up(folder)
    got = await opened_by_headrace(*args, **kwargs)
    assert got == expected, f"open{args}{kwargs or ''}"


# -- Strings of modes, buffering and text arguments --


async def test_every_mode_string_of_up_to_three_letters(folder: Path) -> None:
    letters = "rwaxbt+U"
    for length in range(4):
        for mode in itertools.product(letters, repeat=length):
            await check(folder, "file", "".join(mode))


async def test_modes_for_a_file_that_does_not_exist_yet(folder: Path) -> None:
    for base, kind, plus in itertools.product("rwax", ("", "b", "t"), ("", "+")):
        await check(folder, "missing", base + kind + plus)


@pytest.mark.parametrize("mode", ["r", "rb", "w", "wb", "r+b", "a+"])
async def test_buffering_and_text_arguments(folder: Path, mode: str) -> None:
    for buffering, encoding, errors, newline in itertools.product(
        (-2, -1, 0, 1, 7),
        (None, "utf-8-sig", "no-such-codec", "hex"),
        (None, "surrogateescape"),
        (None, "", "\n", "\r\n", "x", "\n\n"),
    ):
        await check(folder, "file", mode, buffering, encoding, errors, newline)


WRONG_TYPES: list[dict[str, Any]] = [
    {"mode": None}, {"mode": 5}, {"mode": b"r"}, {"buffering": "1"},
    {"buffering": None}, {"buffering": 1.0}, {"encoding": 5}, {"encoding": b"utf-8"},
    {"errors": 5}, {"newline": 5}, {"newline": b"\n"}, {"opener": 5},
    {"encoding": "utf-8\0"}, {"errors": "strict\0"}, {"newline": "\n\0"},
    {"buffering": 2**70}, {"buffering": True}, {"mode": ""},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_TYPES, ids=repr)
async def test_arguments_of_a_wrong_type(folder: Path, wrong: dict[str, Any]) -> None:
    await check(folder, "file", **wrong)


@pytest.mark.parametrize("wrong", [{"no_such": 1}, {"file": "file"}], ids=repr)
async def test_arguments_that_do_not_exist(folder: Path, wrong: dict[str, Any]) -> None:
    await check(folder, "file", **wrong)


# -- What may be opened --


class Like:
    """A path-like object that gives what it was told."""

    def __init__(self, path: Any) -> None:
        self.path = path

    def __fspath__(self) -> Any:
        if isinstance(self.path, BaseException):
            raise self.path
        return self.path


FILES: list[tuple[str, Any]] = [
    ("str", "file"),
    ("bytes", b"file"),
    ("path", Path("file")),
    ("pathlike-bytes", Like(b"file")),
    ("pathlike-int", Like(1)),
    ("pathlike-none", Like(None)),
    ("pathlike-raises", Like(ZeroDivisionError("from fspath"))),
    ("link", "link"),
    ("none", None),
    ("float", 3.5),
    ("list", []),
    ("bytearray", bytearray(b"file")),
    ("empty-str", ""),
    ("empty-bytes", b""),
    ("nul-str", "a\0b"),
    ("nul-bytes", b"a\0b"),
    ("not-encodable", "\ud800"),
    ("folder", "folder"),
    ("folder-bytes", b"folder"),
    ("folder-path", Path("folder")),
    ("dot", "."),
    ("missing", "missing"),
    ("missing-bytes", b"missing"),
    ("missing-path", Path("missing")),
    ("missing-parent", "missing/file"),
    ("parent-is-a-file", "file/file"),
    ("trailing-slash", "file/"),
    ("long-name", "x" * 256),
    ("long-path", "x/" * 3000),
    ("loop", "loop"),
    ("dangling", "nowhere"),
    ("negative", -1),
    ("very-negative", -10),
    ("not-open", 987654),
    ("too-big", 2**31),
    ("huge", 2**70),
]


@pytest.mark.parametrize("mode", ["r", "rb", "w", "a+b", "x"])
@pytest.mark.parametrize("file", [f for _, f in FILES], ids=[i for i, _ in FILES])
async def test_every_kind_of_file_argument(folder: Path, file: Any, mode: str) -> None:
    await check(folder, file, mode)
    if "b" in mode:
        await check(folder, file, mode, 0)


@pytest.mark.parametrize("fd", [0, 1, False, True])
async def test_standard_descriptors(folder: Path, fd: Any) -> None:
    mode = "rb" if fd == 0 else "wb"
    await check(folder, fd, mode, 0, closefd=False)


MAKE_FD: list[tuple[str, Callable[[], int]]] = [
    ("file", lambda: os.open("file", os.O_RDWR)),
    ("folder", lambda: os.open("folder", os.O_RDONLY)),
    ("null", lambda: os.open(os.devnull, os.O_RDWR)),
    ("zero", lambda: os.open("/dev/zero", os.O_RDWR)),
]


# Before 3.12 builtin open() took an int, and raised for other truth values.
TRUE_AND_FALSE = [True, False, 0, 1]
if sys.version_info >= (3, 12):
    TRUE_AND_FALSE += ["yes", []]  # type: ignore[list-item]


@pytest.mark.parametrize("closefd", TRUE_AND_FALSE, ids=repr)
@pytest.mark.parametrize("make", [m for _, m in MAKE_FD], ids=[i for i, _ in MAKE_FD])
async def test_closefd_decides_whether_an_adopted_descriptor_is_closed(
    folder: Path, make: Callable[[], int], closefd: Any
) -> None:
    results = []
    for by in (opened_by_open, opened_by_headrace):
        set_up(folder)
        fd = make()
        # Any other number: the name of the file would tell the two apart.
        os.dup2(fd, 77, inheritable=False)
        os.close(fd)
        facts = by(77, "r+b", 0, closefd=closefd)
        facts = facts if isinstance(facts, dict) else await facts
        facts["left open"] = is_open(77)
        if facts["left open"]:
            os.close(77)
        results.append(facts)
    assert results[1] == results[0]


async def test_adopted_descriptor_starts_at_the_kernels_position(folder: Path) -> None:
    set_up(folder)
    fd = os.open("file", os.O_RDONLY)
    os.lseek(fd, 6, os.SEEK_SET)
    async with headrace.open(fd, "rb") as file:
        assert await file.tell() == 6
        assert await file.read(3) == b"e\r\n"


@pytest.mark.parametrize("closefd", [False, 0], ids=repr)
@pytest.mark.parametrize("file", ["file", b"file", Path("file"), "missing"], ids=repr)
async def test_closefd_false_needs_a_descriptor(
    folder: Path, file: Any, closefd: Any
) -> None:
    await check(folder, file, closefd=closefd)


# -- Openers --


class Refusal(Exception):
    """What an opener raised."""


def refuse(path: Any, flags: int) -> int:
    raise Refusal(path, flags)


OPENERS: list[tuple[str, Any]] = [
    ("plain", os.open),
    ("elsewhere", lambda path, flags: os.open("link", flags)),
    ("folder", lambda path, flags: os.open("folder", os.O_RDONLY)),
    ("minus-one", lambda path, flags: -1),
    ("minus-two", lambda path, flags: -2),
    ("not-open", lambda path, flags: 987654),
    ("none", lambda path, flags: None),
    ("str", lambda path, flags: "3"),
    ("float", lambda path, flags: 3.0),
    ("missing", lambda path, flags: os.open("no", os.O_RDONLY)),
    ("raises", refuse),
    ("no-arguments", lambda: 3),
    ("not-callable", object()),
]


@pytest.mark.parametrize("mode", ["r", "rb", "w", "x+b"])
@pytest.mark.parametrize("opener", [o for _, o in OPENERS], ids=[i for i, _ in OPENERS])
async def test_every_kind_of_opener(folder: Path, opener: Any, mode: str) -> None:
    await check(folder, "missing" if "x" in mode else "file", mode, opener=opener)


@pytest.mark.parametrize(
    "file",
    ["file", b"file", Path("file"), Like("x")],
    ids=["str", "bytes", "path", "pathlike"],
)
@pytest.mark.parametrize("mode", ["r", "w", "a", "x", "r+", "w+", "a+", "x+", "rb"])
async def test_opener_is_given_the_same_path_and_flags(
    folder: Path, file: Any, mode: str
) -> None:
    set_up(folder)
    seen: list[tuple[Any, int]] = []

    def note(path: Any, flags: int) -> int:
        seen.append((path, flags))
        return os.open("file", os.O_RDWR)

    with builtins.open(file, mode, opener=note):
        pass
    async with headrace.open(file, mode, opener=note):
        pass
    assert seen[1] == seen[0]


async def test_a_descriptor_given_by_an_opener_is_not_inheritable(folder: Path) -> None:
    set_up(folder)

    def leaky(path: str, flags: int) -> int:
        fd = os.open(path, flags)
        os.set_inheritable(fd, True)
        return fd

    async with headrace.open("file", "rb", opener=leaky) as file:
        assert not os.get_inheritable(file.fileno())


# -- Permissions --

PERMISSION_SCRIPT = """
    import asyncio, os, sys
    import headrace

    folder = sys.argv[1]

    async def main():
        # Everything is imported and every thread started before the rights go.
        async with headrace.open(os.path.join(folder, "file"), "r+") as file:
            await file.read()
        if os.geteuid() == 0:
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
        for name, mode in [
            ("secret", "r"), ("secret", "w"), ("secret", "rb"), ("read-only", "r"),
            ("read-only", "a"), ("read-only", "r+b"), ("new", "x"), ("new", "w"),
            ("closed/file", "r"), ("closed/file", "w"), ("closed/new", "x"),
        ]:
            outcomes = []
            for which in "sync", "ours":
                path = os.path.join(folder, name)
                try:
                    if which == "sync":
                        open(path, mode).close()
                    else:
                        await (await headrace.open(path, mode)).close()
                    outcomes.append("opened")
                except OSError as error:
                    outcomes.append((type(error), error.errno, error.filename,
                                     str(error)))
            assert outcomes[0] == outcomes[1], (name, mode, outcomes)
            print(name, mode, outcomes[0])

    asyncio.run(main())
"""


def test_permission_denied_is_said_as_open_says_it(tmp_path: Path) -> None:
    for parent in (tmp_path, *tmp_path.parents):
        # pytest's folders are closed to others, and the script becomes another user.
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_text("x")
    (folder / "secret").write_text("x")
    (folder / "read-only").write_text("x")
    (folder / "closed").mkdir()
    (folder / "closed" / "file").write_text("x")
    (folder / "secret").chmod(0)
    (folder / "read-only").chmod(0o444)
    (folder / "closed").chmod(0)
    folder.chmod(0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(PERMISSION_SCRIPT), str(folder)],
            capture_output=True,
            text=True,
            timeout=30,
        )
    finally:
        folder.chmod(0o755)
        (folder / "closed").chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("PermissionError") == 10, done.stdout
    assert "read-only r opened" in done.stdout
