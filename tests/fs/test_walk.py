"""`walk` and `fwalk` beside those of `os`: the same steps, whatever happens between."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headrace.os
from headrace import stats
from headrace.engine import opens_inline
from headrace.fs import _walk
from tests import tasks
from tests.fs.test_os import make_tree

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="symlinks, fwalk")

LONG_AGO = 10**9


def settle(root: Path, when: float = LONG_AGO) -> None:
    """Let directories look as if they had not changed for long.

    The time of the last change of an inode cannot be set: the limit is moved.
    """
    for folder, *_ in os.walk(root):
        os.utime(folder, (when, when))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = make_tree(tmp_path / "tree")
    (root / "to-folder").symlink_to("full")
    (root / "full" / "below").mkdir()
    for number in range(5):
        (root / f"d{number}" / "x" / "y").mkdir(parents=True)
        (root / f"d{number}" / "x" / "file").touch()
    return root


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree without links at its top, whose directories may be read ahead."""
    root = tmp_path / "settled"
    for name in "abc":
        (root / name / "x" / "y").mkdir(parents=True)
        (root / name / "file").touch()
    time.sleep(0.03)  # More than a tick of the clock that the file system uses.
    monkeypatch.setattr(_walk, "SETTLED_S", 0.02)
    monkeypatch.setattr(_walk, "AHEAD_TIME_S", 3600)
    return root


async def collect(steps: Any) -> list[Any]:
    return [tuple(step[:3]) async for step in steps]


KEYWORDS: list[dict[str, Any]] = [
    {},
    {"topdown": False},
    {"followlinks": True},
    {"topdown": False, "followlinks": True},
]


@pytest.mark.parametrize("keywords", KEYWORDS, ids=str)
@pytest.mark.parametrize("kind", [str, os.fsencode, Path], ids=["str", "bytes", "path"])
async def test_walk_gives_what_os_walk_gives(
    keywords: dict[str, Any], kind: Callable[[Any], Any], tree: Path
) -> None:
    expected = [*os.walk(kind(str(tree)), **keywords)]
    assert await collect(headrace.os.walk(kind(str(tree)), **keywords)) == expected
    # Again, now that the file system is known.
    assert await collect(headrace.os.walk(kind(str(tree)), **keywords)) == expected


@pytest.mark.parametrize("keywords", KEYWORDS, ids=str)
async def test_fwalk_gives_what_os_fwalk_gives(
    keywords: dict[str, Any], tree: Path
) -> None:
    if "followlinks" in keywords:
        keywords = {**keywords, "follow_symlinks": keywords["followlinks"]}
        del keywords["followlinks"]
    for top in (tree, os.fsencode(tree)):
        expected = [step[:3] for step in os.fwalk(top, **keywords)]
        assert await collect(headrace.os.fwalk(top, **keywords)) == expected


@pytest.mark.parametrize("walk", [headrace.os.walk, headrace.os.fwalk])
async def test_caller_chooses_where_to_go(walk: Any, tree: Path) -> None:
    found = []
    async for step in walk(tree):
        folder, dirs = Path(step[0]).name, step[1]
        found.append(folder)
        if folder == "tree":
            dirs[:] = ["d3", "d1"]
    assert found == ["tree", "d3", "x", "y", "d1", "x", "y"]


async def test_descriptor_is_that_of_the_folder(tree: Path) -> None:
    async for folder, _dirs, _files, fd in headrace.os.fwalk(tree):
        assert os.path.samestat(os.fstat(fd), os.stat(folder))


async def test_fwalk_is_relative_to_a_descriptor(tree: Path) -> None:
    fd = os.open(tree, os.O_RDONLY)
    try:
        expected = [step[:3] for step in os.fwalk("d1", dir_fd=fd)]
        assert await collect(headrace.os.fwalk("d1", dir_fd=fd)) == expected
    finally:
        os.close(fd)


# -- Errors ---------------------------------------------------------------------


@pytest.mark.parametrize("topdown", [True, False])
async def test_folder_that_is_gone_is_reported(topdown: bool, tree: Path) -> None:
    errors: list[OSError] = []
    assert (
        await collect(headrace.os.walk(tree / "missing", topdown, errors.append)) == []
    )
    assert [error.filename for error in errors] == [str(tree / "missing")]

    async def report(error: OSError) -> None:
        await tasks.sleep(0)
        errors.append(error)

    assert await collect(headrace.os.walk(tree / "missing", topdown, report)) == []
    assert len(errors) == 2


async def test_error_of_onerror_ends_the_walk(tree: Path) -> None:
    def refuse(error: OSError) -> None:
        raise error

    steps = headrace.os.walk(tree, onerror=refuse)
    async for folder, dirs, _files in steps:
        dirs[:] = ["missing", *dirs]
        assert Path(folder) == tree
        break
    with pytest.raises(FileNotFoundError):
        await anext(steps)
    assert await collect(steps) == []


async def test_top_that_is_missing_is_an_error_of_fwalk(tree: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await collect(headrace.os.fwalk(tree / "missing"))


@pytest.mark.parametrize("walk", ["walk", "fwalk"])
async def test_top_of_a_wrong_type_is_the_error_of_os(walk: str) -> None:
    with pytest.raises(TypeError) as expected:
        next(getattr(os, walk)(3.5))
    with pytest.raises(TypeError) as caught:
        await anext(getattr(headrace.os, walk)(3.5))
    assert str(caught.value) == str(expected.value)


# -- What happens between two steps ---------------------------------------------


def rename(root: Path) -> None:
    (root / "b").rename(root / "b2")


def fill(root: Path) -> None:
    (root / "b" / "new").mkdir()
    (root / "b" / "x" / "new-file").touch()


def empty(root: Path) -> None:
    shutil.rmtree(root / "c" / "x")


def replace_by_link(root: Path) -> None:
    shutil.rmtree(root / "b")
    (root / "b").symlink_to("a")


def replace_by_file(root: Path) -> None:
    shutil.rmtree(root / "b" / "x")
    (root / "b" / "x").touch()


@pytest.mark.parametrize("topdown", [True, False])
@pytest.mark.parametrize(
    "change", [rename, fill, empty, replace_by_link, replace_by_file]
)
async def test_change_between_two_steps_is_seen_as_by_os_walk(
    change: Callable[[Path], None], topdown: bool, settled: Path, tmp_path: Path
) -> None:
    async def steps(root: Path, asynchronous: bool) -> list[Any]:
        found: list[Any] = []
        errors: list[Any] = []

        def onerror(error: OSError) -> None:
            errors.append((error.errno, str(error.filename).replace(str(root), "")))

        def take(step: Any) -> None:
            folder, dirs, files = step
            dirs.sort()
            found.append((folder.replace(str(root), ""), dirs, sorted(files)))
            if len(found) == 1:
                change(root)

        if asynchronous:
            async for step in headrace.os.walk(root, topdown, onerror):
                take(step)
        else:
            for step in os.walk(root, topdown, onerror):
                take(step)
        return [sorted(found) if not topdown else found, sorted(errors)]

    await collect(headrace.os.walk(settled))  # Now the file system is known.
    other = tmp_path / "other"
    shutil.copytree(settled, other)
    time.sleep(0.03)
    assert await steps(settled, True) == await steps(other, False)


async def test_settled_tree_is_read_in_few_jobs(settled: Path) -> None:
    await collect(headrace.os.walk(settled))
    if not opens_inline():
        pytest.skip("nothing is looked up inline here")
    before = stats()
    found = await collect(headrace.os.walk(settled))
    assert len(found) == 10
    assert (stats() - before).engine_jobs <= 2


async def test_tree_that_has_just_changed_is_read_when_its_turn_comes(
    settled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_walk, "SETTLED_S", 3600)
    before = stats()
    assert len(await collect(headrace.os.walk(settled))) == 10
    assert (stats() - before).engine_jobs == 10


async def test_what_the_caller_takes_out_is_not_kept_for_ever(settled: Path) -> None:
    steps = headrace.os.walk(settled)
    async for _folder, dirs, _files in steps:
        dirs.clear()
    assert len(steps._ahead) <= 9
    await steps.aclose()
    assert not steps._ahead


# -- Ending early ----------------------------------------------------------------
# The fixture that counts descriptors after each test does most of the checking.


@pytest.mark.parametrize("topdown", [True, False])
async def test_break_closes_what_fwalk_opened(topdown: bool, tree: Path) -> None:
    async for _ in headrace.os.fwalk(tree, topdown):
        break


async def test_error_in_the_body_closes(tree: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with headrace.os.fwalk(tree) as steps:
            async for _ in steps:
                _ = 1 / 0
    assert await collect(steps) == []


async def test_cancelled_step_can_be_asked_for_again(tree: Path) -> None:
    for walk in (headrace.os.walk, headrace.os.fwalk):
        expected = await collect(walk(tree))
        steps: Any = walk(tree)
        found = []
        while True:
            step = tasks.start(anext(steps, None))
            await tasks.sleep(0)
            step.cancel()
            try:
                got = await step
            except tasks.Cancelled:
                got = await anext(steps, None)
            if got is None:
                break
            found.append(tuple(got[:3]))
        assert found == expected


async def test_cancelled_body_closes_and_goes_on(tree: Path) -> None:
    inside = tasks.Event()

    async def body() -> None:
        async with headrace.os.fwalk(tree) as steps:
            await anext(steps)
            inside.set()
            await tasks.Event().wait()

    task = tasks.start(body())
    await inside.wait()
    task.cancel()
    with pytest.raises(tasks.Cancelled):
        await task


@pytest.mark.parametrize("walk", [headrace.os.walk, headrace.os.fwalk])
def test_for_and_with_say_what_to_write(walk: Any, tree: Path) -> None:
    with pytest.raises(TypeError, match="async for"):
        for _ in walk(tree):
            pass
    with pytest.raises(TypeError, match="async with"):
        with walk(tree):
            pass
