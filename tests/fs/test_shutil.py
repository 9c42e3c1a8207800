"""`headrace.shutil` beside `shutil`: the same trees, results and errors."""

from __future__ import annotations

import asyncio
import inspect
import io
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import headrace
import headrace.shutil
from headrace.fs import _copy, _copytree, _steps
from tests import tasks
from tests.fs.test_os import outcome

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="symlinks, FIFOs")

LONG_S = 10


def make_tree(root: Path) -> Path:
    root.mkdir()
    (root / "file").write_bytes(b"0123456789")
    (root / "file").chmod(0o640)
    os.utime(root / "file", (10**9, 10**9))
    (root / "empty").touch()
    (root / "large").write_bytes(bytes(range(256)) * 2735)
    (root / "link").symlink_to("file")
    (root / "dangling").symlink_to("nowhere")
    (root / "folder" / "inner").mkdir(parents=True)
    (root / "folder" / "inner" / "deep").write_bytes(b"deep")
    (root / "folder" / "notes.tmp").write_bytes(b"x")
    (root / "to-folder").symlink_to("folder")
    (root / "folder").chmod(0o750)
    os.utime(root / "folder", (10**9, 10**9))
    return root


def shape(root: Path) -> list[tuple[object, ...]]:
    """Return what is in a tree: names, kinds, contents, modes and times."""
    found: list[tuple[object, ...]] = []
    for folder, dirs, files in os.walk(root):
        for name in [*dirs, *files]:
            path = Path(folder) / name
            status = path.lstat()
            if path.is_symlink():
                content: object = os.readlink(path)
            else:
                content = None if path.is_dir() else path.read_bytes()
            found.append(
                (
                    str(path.relative_to(root)),
                    status.st_mode,
                    content,
                    int(status.st_mtime) == 10**9,
                )
            )
    return sorted(found, key=str)


def run(call: Any) -> Any:
    async def main() -> Any:
        return await call

    return asyncio.run(main())


# -- Names and signatures ---------------------------------------------------------

PLAIN = {
    "get_archive_formats",
    "get_terminal_size",
    "get_unpack_formats",
    "ignore_patterns",
    "register_archive_format",
    "register_unpack_format",
    "unregister_archive_format",
    "unregister_unpack_format",
}


@pytest.mark.parametrize("name", shutil.__all__)
def test_name_of_shutil_is_asynchronous_or_plain(name: str) -> None:
    real, ours = getattr(shutil, name), getattr(headrace.shutil, name)
    if name in PLAIN or isinstance(real, type):
        assert ours is real
        return
    assert inspect.iscoroutinefunction(ours)
    assert inspect.getdoc(ours)
    expected = inspect.signature(real).parameters
    found = inspect.signature(ours).parameters
    added = [*found][len(expected) :] if [*found] != [*expected] else []
    assert set(added) <= {"progress", "onexc", "dir_fd"}
    for parameter in expected.values():
        twin = found[parameter.name]
        assert twin.kind is parameter.kind
        if parameter.name == "copy_function":
            assert twin.default is headrace.shutil.copy2
        else:
            assert twin.default == parameter.default


def test_shutil_is_a_door_of_the_package() -> None:
    assert headrace.shutil.COPY_BUFSIZE > 0
    assert "shutil" in headrace.__all__


# -- Files ------------------------------------------------------------------------

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    (name, arguments, keywords)
    for name in ("copyfile", "copy", "copy2")
    for arguments, keywords in (
        (("file", "new"), {}),
        (("large", "new"), {}),
        (("empty", "new"), {}),
        (("file", "large"), {}),
        (("link", "new"), {}),
        (("link", "new"), {"follow_symlinks": False}),
        (("dangling", "new"), {}),
        (("dangling", "new"), {"follow_symlinks": False}),
        (("file", "link"), {}),
        (("file", "file"), {}),
        (("missing", "new"), {}),
        (("file", "folder"), {}),
        (("folder", "new"), {}),
        (("file", "missing/new"), {}),
        (("file", "missing/"), {}),
        ((b"file", b"new"), {}),
        ((Path("file"), Path("new")), {}),
        ((3.5, "new"), {}),
        (("nu\0ll", "new"), {}),
        ((), {"src": "file", "dst": "new"}),
    )
]
CALLS += [
    ("copymode", ("file", "empty"), {}),
    ("copymode", ("missing", "empty"), {}),
    ("copystat", ("file", "empty"), {}),
    ("copystat", ("link", "dangling"), {"follow_symlinks": False}),
    ("chown", ("file", os.getuid() if sys.platform != "win32" else 0), {}),
    ("chown", ("file",), {}),
    ("disk_usage", ("missing",), {}),
    ("which", ("sh",), {}),
    ("which", ("no-such-program",), {}),
    ("copytree", ("folder", "new"), {}),
    ("copytree", (Path("folder"), Path("new")), {}),
    ("copytree", ("folder", "to-folder"), {}),
    ("copytree", ("folder", "to-folder"), {"dirs_exist_ok": True}),
    ("copytree", ("missing", "new"), {}),
    ("copytree", ("file", "new"), {}),
    ("copytree", (".", "../new"), {}),
    ("copytree", (".", "../new"), {"symlinks": True}),
    ("copytree", (".", "../new"), {"ignore_dangling_symlinks": True}),
    ("copytree", (".", "../new", True, shutil.ignore_patterns("*.tmp", "l*")), {}),
    ("copytree", (".", "../new"), {"symlinks": True, "copy_function": shutil.copy}),
    ("copytree", ("folder", "new"), {"copy_function": os.link}),
    ("copytree", ("folder", "folder"), {"dirs_exist_ok": True}),
    (
        "copytree",
        ("folder", "folder"),
        {"dirs_exist_ok": True, "copy_function": shutil.copyfile},
    ),
    ("move", ("file", "new"), {}),
    ("move", ("file", "folder"), {}),
    ("move", ("file", "large"), {}),
    ("move", ("folder", "new"), {}),
    ("move", ("folder", "folder/inner"), {}),
    ("move", ("folder/", "empty-missing"), {}),
    ("move", ("missing", "new"), {}),
    ("move", ("link", "folder"), {}),
    ("rmtree", ("folder",), {}),
    ("rmtree", (b"folder",), {}),
    ("rmtree", ("file",), {}),
    ("rmtree", ("missing",), {}),
    ("rmtree", ("missing",), {"ignore_errors": True}),
    ("rmtree", ("to-folder",), {}),
    ("rmtree", ("link",), {}),
    ("rmtree", ("dangling",), {}),
    ("rmtree", ("to-folder",), {"ignore_errors": True}),
]


@pytest.mark.parametrize(
    ("name", "arguments", "keywords"),
    CALLS,
    ids=[f"{name}-{number}" for number, (name, *_) in enumerate(CALLS)],
)
def test_function_does_what_shutil_does(
    name: str,
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def both(module: Any, call: Callable[[Any], object]) -> object:
        area = tmp_path / "area"
        area.mkdir()
        tree = make_tree(area / "tree")
        monkeypatch.chdir(tree)
        function = getattr(module, name)
        seen = outcome(lambda: call(function(*arguments, **keywords))), shape(area)
        monkeypatch.chdir(tmp_path)
        area.rename(tmp_path / f"area-{id(module)}")
        return seen

    assert both(headrace.shutil, run) == both(shutil, lambda value: value)


@pytest.mark.parametrize("name", ["copyfile", "copy", "copy2"])
async def test_fifo_is_refused(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    copy = getattr(headrace.shutil, name)
    for pair in (("fifo", "new"), ("file", "fifo")):
        with pytest.raises(shutil.SpecialFileError, match="is a named pipe"):
            await copy(*(tmp_path / part for part in pair))


async def test_file_that_does_not_say_its_size_is_copied(tmp_path: Path) -> None:
    if not os.path.exists("/proc/self/limits"):
        pytest.skip("no /proc")
    await headrace.shutil.copyfile("/proc/self/limits", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == Path("/proc/self/limits").read_bytes()


async def test_entry_of_scandir_is_copied(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    async with headrace.os.scandir(tmp_path) as entries:
        async for entry in entries:
            await headrace.shutil.copy2(entry, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"text"


WAYS = ["_clone", "_copy_range", "_send", "_read_write"]


@pytest.mark.parametrize("refused", range(len(WAYS)))
@pytest.mark.parametrize("number", [22, 95, 1], ids=["EINVAL", "ENOTSUP", "EPERM"])
async def test_next_way_is_taken_where_one_is_refused(
    refused: int, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(reader: int, writer: int) -> int:
        raise OSError(number, "refused")

    for name in WAYS[:refused]:
        monkeypatch.setattr(_copy, name, refuse)
    data = os.urandom(3_000_000)
    (tmp_path / "a").write_bytes(data)
    await headrace.shutil.copyfile(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == data


async def test_error_while_copying_names_both_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(reader: int, writer: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_copy, "_copy_range", fail)
    monkeypatch.setattr(_copy, "_clone", lambda reader, writer: 0)
    (tmp_path / "a").write_bytes(bytes(1_000_000))
    with pytest.raises(OSError, match="No space") as caught:
        await headrace.shutil.copyfile(str(tmp_path / "a"), str(tmp_path / "b"))
    assert caught.value.filename == str(tmp_path / "a")
    assert caught.value.filename2 == str(tmp_path / "b")


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(size=st.integers(0, 3_000_000), mode=st.sampled_from([0o600, 0o444, 0o755]))
def test_copy_has_the_same_content_and_mode(
    size: int, mode: int, tmp_path: Path
) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    for path in (a, b):
        path.unlink(missing_ok=True)
    a.write_bytes(os.urandom(size))
    a.chmod(mode)
    run(headrace.shutil.copy2(a, b))
    assert b.read_bytes() == a.read_bytes()
    assert b.stat().st_mode == a.stat().st_mode
    assert b.stat().st_mtime_ns == a.stat().st_mtime_ns


async def test_extended_attributes_are_copied(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    try:
        os.setxattr(path, "user.name", b"value")
    except (OSError, AttributeError):
        pytest.skip("the file system has none")
    await headrace.shutil.copy2(path, tmp_path / "copy")
    assert os.getxattr(tmp_path / "copy", "user.name") == b"value"


# -- Progress and cancellation ------------------------------------------------------


async def test_progress_is_told_on_the_loop_and_ends_with_the_total(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_steps, "STEP_TIME_S", 0)
    monkeypatch.setattr(_copy, "CHUNK_SIZE", 100_000)
    monkeypatch.setattr(_copy, "_clone", lambda reader, writer: 0)
    (tmp_path / "a").write_bytes(bytes(1_000_000))
    told: list[tuple[int, int]] = []
    thread = threading.get_ident()

    def progress(done: int, total: int) -> None:
        assert threading.get_ident() == thread
        told.append((done, total))

    for name in ("copyfile", "copy", "copy2"):
        told.clear()
        copy = getattr(headrace.shutil, name)
        await copy(tmp_path / "a", tmp_path / "b", progress=progress)
        assert told[-1] == (1_000_000, 1_000_000)
        assert len(told) >= 9
        assert told == sorted(told)
        assert {total for _, total in told} == {1_000_000}


async def test_progress_may_be_a_coroutine_function(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    told = []

    async def progress(done: int, total: int) -> None:
        await tasks.sleep(0)
        told.append((done, total))

    await headrace.shutil.copyfile(tmp_path / "a", tmp_path / "b", progress=progress)
    assert told == [(5, 5)]


async def test_progress_of_an_empty_file_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    told: list[tuple[int, int]] = []
    await headrace.shutil.copyfile(
        tmp_path / "a", tmp_path / "b", progress=lambda *now: told.append(now)
    )
    assert told == [(0, 0)]


async def test_progress_of_a_tree_ends_with_its_size(tmp_path: Path) -> None:
    make_tree(tmp_path / "tree")
    told: list[tuple[int, int]] = []
    await headrace.shutil.copytree(
        tmp_path / "tree",
        tmp_path / "copy",
        symlinks=True,
        progress=lambda *now: told.append(now),
    )
    size = sum(
        path.stat().st_size
        for path in (tmp_path / "tree").rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    assert told[-1] == (size, size)
    assert told == sorted(told)


async def test_error_of_progress_ends_the_copy(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")

    def progress(done: int, total: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await headrace.shutil.copyfile(
            tmp_path / "a", tmp_path / "b", progress=progress
        )


async def cancelled_when(event: threading.Event, task: Any) -> None:
    await tasks.in_thread(event.wait, LONG_S)
    task.cancel()
    with pytest.raises(tasks.Cancelled):
        await task


async def test_cancelled_copy_stops_between_two_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_steps, "STEP_TIME_S", 0)
    monkeypatch.setattr(_copy, "_ways", lambda size: [slow])
    (tmp_path / "a").write_bytes(bytes(1_000_000))
    begun, count = threading.Event(), [0]

    def slow(reader: int, writer: int) -> int:
        count[0] += 1
        begun.set()
        threading.Event().wait(0.005)
        return os.write(writer, os.read(reader, 1000))

    before = sorted(os.listdir("/dev/fd"))
    task = tasks.start(headrace.shutil.copyfile(tmp_path / "a", tmp_path / "b"))
    await cancelled_when(begun, task)
    at_end = count[0]
    assert at_end < 1000
    await tasks.sleep(0.02)
    assert count[0] == at_end
    assert (tmp_path / "b").stat().st_size == at_end * 1000
    assert sorted(os.listdir("/dev/fd")) == before


async def test_cancelled_copytree_stops_between_two_entries(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    for number in range(200):
        (tmp_path / "tree" / str(number)).touch()
    begun, copied = threading.Event(), []

    def copy(source: str, target: str) -> None:
        copied.append(source)
        begun.set()
        threading.Event().wait(0.002)

    task = tasks.start(
        headrace.shutil.copytree(
            tmp_path / "tree", tmp_path / "new", copy_function=copy
        )
    )
    await cancelled_when(begun, task)
    at_end = len(copied)
    assert at_end < 200
    await tasks.sleep(0.02)
    assert len(copied) == at_end


async def test_copytree_that_is_cancelled_at_any_time_ends(tmp_path: Path) -> None:
    make_tree(tmp_path / "tree")
    before = sorted(os.listdir("/dev/fd"))
    for turns in range(12):
        target = tmp_path / str(turns)
        task = tasks.start(
            headrace.shutil.copytree(tmp_path / "tree", target, symlinks=True)
        )
        for _ in range(turns):
            await tasks.sleep(0)
        task.cancel()
        try:
            await task
        except tasks.Cancelled:
            pass
    assert sorted(os.listdir("/dev/fd")) == before


async def test_cancelled_rmtree_stops_between_two_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree").mkdir()
    for number in range(200):
        (tmp_path / "tree" / str(number)).touch()
    begun = threading.Event()
    unlink = os.unlink

    def slow(*args: Any, **kwargs: Any) -> None:
        unlink(*args, **kwargs)
        begun.set()
        threading.Event().wait(0.002)

    monkeypatch.setattr(os, "unlink", slow)
    task = tasks.start(headrace.shutil.rmtree(tmp_path / "tree"))
    await cancelled_when(begun, task)
    left = len(os.listdir(tmp_path / "tree"))
    assert left
    await tasks.sleep(0.02)
    assert len(os.listdir(tmp_path / "tree")) == left


# -- Trees --------------------------------------------------------------------------


async def test_errors_of_copytree_are_collected_in_order(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in "abc":
        (tree / name / "x").mkdir(parents=True)
        (tree / name / "dangling").symlink_to("nowhere")
        (tree / name / "x" / "dangling").symlink_to("nowhere")
        (tree / name / "file").touch()
    with pytest.raises(shutil.Error) as expected:
        shutil.copytree(tree, tmp_path / "new")
    shutil.rmtree(tmp_path / "new")
    with pytest.raises(headrace.shutil.Error) as caught:
        await headrace.shutil.copytree(tree, tmp_path / "new")
    assert caught.value.args == expected.value.args
    assert shape(tmp_path / "new")


async def test_callbacks_of_copytree_may_be_coroutine_functions(tmp_path: Path) -> None:
    make_tree(tmp_path / "tree")
    thread = threading.get_ident()
    copied = []

    async def copy(source: str, target: str) -> None:
        assert threading.get_ident() == thread
        copied.append(os.path.basename(source))
        await headrace.shutil.copyfile(source, target)

    async def ignore(folder: str, names: list[str]) -> list[str]:
        await tasks.sleep(0)
        return ["large", "dangling", "to-folder"]

    await headrace.shutil.copytree(
        tmp_path / "tree", tmp_path / "new", ignore=ignore, copy_function=copy
    )
    assert sorted(copied) == ["deep", "empty", "file", "link", "notes.tmp"]
    assert sorted(os.listdir(tmp_path / "new")) == ["empty", "file", "folder", "link"]


async def test_error_of_a_coroutine_callback_is_collected(tmp_path: Path) -> None:
    make_tree(tmp_path / "tree")

    async def copy(source: str, target: str) -> None:
        raise OSError("refused")

    with pytest.raises(shutil.Error) as caught:
        await headrace.shutil.copytree(
            tmp_path / "tree/folder", tmp_path / "new", copy_function=copy
        )
    assert {reason for _, _, reason in caught.value.args[0]} == {"refused"}


async def test_other_error_ends_copytree(tmp_path: Path) -> None:
    make_tree(tmp_path / "tree")

    def copy(source: str, target: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await headrace.shutil.copytree(
            tmp_path / "tree", tmp_path / "new", copy_function=copy
        )


async def test_tree_takes_few_jobs(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / "tree" / str(number % 20) / "x").mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / str(number % 20) / str(number)).touch()
    before = headrace.stats()
    await headrace.shutil.copytree(tmp_path / "tree", tmp_path / "new")
    await headrace.shutil.rmtree(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    # One for each directory would be 82, one for each entry 680.
    assert (headrace.stats() - before).engine_jobs < 82


async def test_directories_are_copied_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_steps, "STEP_TIME_S", 0)
    for name in "ab":
        (tmp_path / "tree" / name).mkdir(parents=True)
        (tmp_path / "tree" / name / "file").touch()
    both = threading.Barrier(2)
    original = _copy.copy_file

    def copy_file(*args: Any) -> Any:
        both.wait(LONG_S)
        return original(*args)

    monkeypatch.setattr(_copytree, "copy_file", copy_file)
    await headrace.shutil.copytree(tmp_path / "tree", tmp_path / "new")
    assert sorted(os.listdir(tmp_path / "new")) == ["a", "b"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is one way")
async def test_small_files_of_a_tree_are_copied_by_one_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "small").write_bytes(b"x")
    (tmp_path / "tree" / "empty").touch()

    def refuse(*args: Any) -> Any:
        raise AssertionError(args)

    monkeypatch.setattr(_copy, "copy_data", refuse)
    told: list[tuple[int, int]] = []
    await headrace.shutil.copytree(
        tmp_path / "tree", tmp_path / "new", progress=lambda *now: told.append(now)
    )
    assert (tmp_path / "new" / "small").read_bytes() == b"x"
    assert told[-1] == (1, 1)


# -- rmtree -------------------------------------------------------------------------


def collect(errors: list[Any]) -> Callable[..., None]:
    def onexc(func: Any, path: Any, error: BaseException) -> None:
        errors.append((func, str(path), type(error), getattr(error, "errno", None)))

    return onexc


@pytest.mark.parametrize("path", ["missing", "tree/file", "tree/to-folder"])
@pytest.mark.parametrize("form", ["onexc", "onerror", "coroutine"])
async def test_rmtree_reports_what_shutil_reports(
    path: str, form: str, tmp_path: Path
) -> None:
    make_tree(tmp_path / "tree")
    expected: list[Any] = []
    found: list[Any] = []
    target = str(tmp_path / path)
    report = collect(expected)
    shutil.rmtree(target, onerror=lambda func, at, info: report(func, at, info[1]))
    report = collect(found)
    if form == "onexc":
        await headrace.shutil.rmtree(target, onexc=report)
    elif form == "onerror":
        await headrace.shutil.rmtree(
            target, onerror=lambda func, at, info: report(func, at, info[1])
        )
    else:

        async def later(func: Any, at: Any, error: BaseException) -> None:
            await tasks.sleep(0)
            report(func, at, error)

        await headrace.shutil.rmtree(target, onexc=later)
    assert found == expected


@pytest.mark.root
async def test_rmtree_goes_on_after_an_error(tmp_path: Path) -> None:
    make_tree(tmp_path / "tree")
    busy = tmp_path / "tree/folder/inner"
    subprocess.run(["mount", "-t", "tmpfs", "none", busy], check=True)
    try:
        found: list[Any] = []
        await headrace.shutil.rmtree(tmp_path / "tree", onexc=collect(found))
        assert [(func, path) for func, path, *_ in found] == [
            (os.rmdir, str(busy)),
            (os.rmdir, str(busy.parent)),
            (os.rmdir, str(tmp_path / "tree")),
        ]
        assert os.listdir(tmp_path / "tree") == ["folder"]
    finally:
        subprocess.run(["umount", busy], check=True)


async def test_rmtree_is_relative_to_a_descriptor(tmp_path: Path) -> None:
    make_tree(tmp_path / "tree")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        await headrace.shutil.rmtree("tree", dir_fd=fd)
    finally:
        os.close(fd)
    assert os.listdir(tmp_path) == []


def test_rmtree_says_that_it_is_safe() -> None:
    function: Any = headrace.shutil.rmtree
    assert function.avoids_symlink_attacks == shutil.rmtree.avoids_symlink_attacks


@pytest.mark.parametrize("level", ["top", "below"])
async def test_link_swapped_in_is_not_followed(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading a directory and opening what it named, it becomes a link."""
    tree, outside = make_tree(tmp_path / "tree"), tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    victim = tree if level == "top" else tree / "folder"
    real_open = os.open

    def swap_then_open(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if os.path.basename(path) == victim.name and not victim.is_symlink():
            victim.rename(tmp_path / "moved")
            victim.symlink_to(outside)
        return real_open(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", swap_then_open)
    found: list[Any] = []
    await headrace.shutil.rmtree(tree, onexc=collect(found))
    assert (outside / "precious").exists()
    assert (os.path.islink, str(victim), OSError, None) in found


async def test_link_swapped_in_again_and_again_is_not_followed(tmp_path: Path) -> None:
    """The same as a race: another thread swaps while the tree is removed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    stop = threading.Event()

    def swap(folder: Path) -> None:
        while not stop.is_set():
            try:
                folder.rename(folder.with_name("moved"))
                folder.symlink_to(outside)
                folder.unlink()
                folder.with_name("moved").rename(folder)
            except OSError:
                pass

    for _ in range(20):
        folder = tmp_path / "tree" / "folder"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(20):
            (folder / str(number)).touch()
        stop.clear()
        swapper = threading.Thread(target=swap, args=(folder,))
        swapper.start()
        try:
            await headrace.shutil.rmtree(tmp_path / "tree", ignore_errors=True)
        finally:
            stop.set()
            swapper.join()
        assert (outside / "precious").exists()
    shutil.rmtree(tmp_path / "tree", ignore_errors=True)


# -- move ---------------------------------------------------------------------------


def other_device(path: Path) -> bool:
    return path.exists() and path.stat().st_dev != Path("/tmp").stat().st_dev


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
async def test_move_copies_where_it_cannot_rename(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    make_tree(tmp_path / "tree")
    source, target = tmp_path / "tree" / kind, tmp_path / "moved"
    expected = shape(source) if kind == "folder" else os.lstat(source).st_mode
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "rename", refuse)
    result = await headrace.shutil.move(
        source, target, progress=lambda *now: told.append(now)
    )
    assert result == target
    assert not os.path.lexists(source)
    assert (shape(target) if kind == "folder" else os.lstat(target).st_mode) == expected
    if kind == "file":
        assert told == [(10, 10)]


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_move_copies_with_the_callers_function(
    asynchronous: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    called = []

    def copy(source: Any, target: Any) -> None:
        called.append(source)
        shutil.copy(source, target)

    async def copy_later(source: Any, target: Any) -> None:
        copy(source, target)

    (tmp_path / "a").touch()
    monkeypatch.setattr(os, "rename", refuse)
    await headrace.shutil.move(
        tmp_path / "a", tmp_path / "b", copy_later if asynchronous else copy
    )
    assert called == [tmp_path / "a"]
    assert os.listdir(tmp_path) == ["b"]


# -- copyfileobj ----------------------------------------------------------------------


@pytest.mark.parametrize("source_kind", ["ours", "blocking", "memory"])
@pytest.mark.parametrize("target_kind", ["ours", "blocking", "memory"])
@pytest.mark.parametrize("length", [0, 1000, -1])
async def test_copyfileobj_takes_files_of_every_kind(
    source_kind: str, target_kind: str, length: int, tmp_path: Path
) -> None:
    data = os.urandom(5500)
    (tmp_path / "a").write_bytes(data)

    async def opened(kind: str, path: Path, mode: str) -> Any:
        if kind == "ours":
            return await headrace.open(path, mode)
        if kind == "blocking":
            return open(path, mode)
        return io.BytesIO(data if mode == "rb" else b"")

    source = await opened(source_kind, tmp_path / "a", "rb")
    target = await opened(target_kind, tmp_path / "b", "wb")
    told: list[tuple[int, int]] = []
    await headrace.shutil.copyfileobj(
        source, target, length, progress=lambda *now: told.append(now)
    )
    copied = target.getvalue() if target_kind == "memory" else None
    for file in (source, target):
        closing = file.close()
        if closing is not None:
            await closing
    assert (copied if copied is not None else (tmp_path / "b").read_bytes()) == data
    assert told[-1] == (5500, 5500)


async def test_copyfileobj_copies_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("zeile\n" * 100)
    async with headrace.open(tmp_path / "a") as a:
        async with headrace.open(tmp_path / "b", "w") as b:
            await a.readline()
            await headrace.shutil.copyfileobj(a, b)
    assert (tmp_path / "b").read_text() == "zeile\n" * 99


async def test_copyfileobj_takes_wrapped_files() -> None:
    source, target = io.BytesIO(b"text"), io.BytesIO()
    await headrace.shutil.copyfileobj(headrace.wrap(source), headrace.wrap(target))
    assert target.getvalue() == b"text"


# -- Archives -------------------------------------------------------------------------


async def test_archive_is_made_and_unpacked(tmp_path: Path) -> None:
    make_tree(tmp_path / "tree")
    (tmp_path / "tree" / "dangling").unlink()
    name = await headrace.shutil.make_archive(
        str(tmp_path / "archive"), "tar", tmp_path / "tree"
    )
    assert name == str(tmp_path / "archive.tar")
    keywords: Any = {"filter": "data"}
    await headrace.shutil.unpack_archive(name, tmp_path / "out", **keywords)
    assert {entry for entry, *_ in shape(tmp_path / "out")} == {
        entry for entry, *_ in shape(tmp_path / "tree")
    }


async def test_usage_and_programs_are_found(tmp_path: Path) -> None:
    usage = await headrace.shutil.disk_usage(tmp_path)
    assert usage.total >= usage.used
    assert await headrace.shutil.which("sh") == shutil.which("sh")
