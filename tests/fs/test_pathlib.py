"""`headrace.Path` beside `pathlib.Path`: the same values, errors and names."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import os
import pathlib
import pickle
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import headrace
import headrace.pathlib
from headrace import Path, stats
from headrace.fs import _batches, _copy, _steps, _walk
from tests import tasks
from tests.fs.test_os import make_tree, outcome, shape

ITERATORS = {"glob", "iterdir", "rglob", "walk"}
#: I/O methods that pathlib has in one version up to 3.14 or another.
COROUTINE_NAMES = """
    absolute chmod copy copy_into cwd exists expanduser group hardlink_to home
    is_block_device is_char_device is_dir is_fifo is_file is_junction is_mount
    is_socket is_symlink lchmod lstat mkdir move move_into owner read_bytes
    read_text readlink rename replace resolve rmdir samefile stat symlink_to touch
    unlink write_bytes write_text
"""
COROUTINES = frozenset(COROUTINE_NAMES.split())
#: Names of `pathlib.Path` that are not methods which touch files, and why they may be.
PLAIN = {
    "as_uri": "pure; with PurePath until 3.13",
    "from_uri": "pure",
    "info": "a property; its methods are coroutines",
    "link_to": "a coroutine too; gone since 3.12",
    "open": "an awaitable context manager",
}

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="symlinks, owners")


@pytest.fixture
def tree(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    made = make_tree(tmp_path / "tree")
    monkeypatch.chdir(made)
    return made


# -- Names ----------------------------------------------------------------------


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


def test_every_name_of_pathlib_is_there() -> None:
    assert public(pathlib.Path) - public(Path) == set()


def test_every_name_up_to_3_14_is_there_on_every_python() -> None:
    assert COROUTINES | ITERATORS | {"open", "from_uri", "info"} <= public(Path)
    assert {"full_match", "parser", "with_segments"} <= public(Path)


def test_nothing_that_blocks_comes_from_pathlib() -> None:
    """Every public name that `PurePath` does not have is known here, one by one."""
    touching = public(pathlib.Path) - public(pathlib.PurePath)
    assert touching <= COROUTINES | ITERATORS | set(PLAIN)
    assert not issubclass(Path, pathlib.Path)
    assert issubclass(Path, pathlib.PurePath)


@pytest.mark.parametrize("name", sorted(COROUTINES))
def test_method_is_a_coroutine_function(name: str) -> None:
    assert inspect.iscoroutinefunction(getattr(Path, name))


@pytest.mark.parametrize("name", sorted(ITERATORS))
def test_method_gives_an_asynchronous_iterator(name: str) -> None:
    arguments = ("*",) if "glob" in name else ()
    found = getattr(Path(), name)(*arguments)
    assert isinstance(found, AsyncIterator)
    assert isinstance(found, Awaitable)


@pytest.mark.parametrize("name", sorted(public(pathlib.Path) & public(Path)))
def test_parameters_are_those_of_pathlib(name: str) -> None:
    """Each parameter of pathlib's is there, at its place; ours may add some by name."""
    theirs = getattr(pathlib.Path, name)
    if not callable(theirs) or isinstance(theirs, type):
        return
    expected = list(inspect.signature(theirs).parameters.values())
    ours = inspect.signature(getattr(Path, name)).parameters
    if any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in expected):
        return
    given = [p for p in expected if p.name in ours]
    assert [p.name for p in expected] == [p.name for p in given]
    positional = [p.name for p in ours.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    theirs_positional = [p.name for p in expected if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional[: len(theirs_positional)] == theirs_positional
    for parameter in given:
        assert ours[parameter.name].default == parameter.default


def test_every_method_says_what_it_is() -> None:
    for name in COROUTINES | ITERATORS | {"open"}:
        assert getattr(Path, name).__doc__


@pytest.mark.parametrize(
    "statement",
    [
        "from headrace import Path",
        "from headrace.pathlib import Path, PurePath, PurePosixPath, PureWindowsPath",
        "import headrace; headrace.pathlib.Path is headrace.Path or exit(1)",
        "import headrace; 'Path' in dir(headrace) or exit(1)",
    ],
)
def test_import_works(statement: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", statement], check=True)


# -- A pure path ----------------------------------------------------------------


def test_path_is_a_pure_path_of_this_platform() -> None:
    path = Path("a", "b")
    assert isinstance(path, type(pathlib.PurePath()))
    assert isinstance(path, os.PathLike)
    assert os.fspath(path) == os.path.join("a", "b")


@pytest.mark.parametrize("text", ["", ".", "a/b", "/", "/x/../y", "a.tar.gz"])
def test_path_equals_pathlibs_and_hashes_alike(text: str) -> None:
    ours, theirs = Path(text), pathlib.Path(text)
    assert ours == theirs
    assert theirs == ours
    assert hash(ours) == hash(theirs)
    assert {theirs: 1}[ours] == 1  # type: ignore[index]


def test_paths_are_ordered_among_each_other() -> None:
    assert Path("a") < pathlib.Path("b") < Path("c")
    assert sorted([Path("b"), Path("a")]) == [Path("a"), Path("b")]


def test_path_can_be_pickled_and_copied() -> None:
    path = Path("a", "b")
    for other in (pickle.loads(pickle.dumps(path)), copy.copy(path)):
        assert other == path
        assert type(other) is Path


def test_repr_names_the_class() -> None:
    assert repr(Path("a/b")) == "Path('a/b')"


MAKERS: dict[str, Callable[[Any], Any]] = {
    "truediv": lambda p: p / "x",
    "rtruediv": lambda p: "x" / p,
    "joinpath": lambda p: p.joinpath("x", "y"),
    "parent": lambda p: p.parent,
    "parents": lambda p: p.parents[1],
    "last-parent": lambda p: p.parents[-1],
    "slice-of-parents": lambda p: p.parents[:2][1],
    "with_name": lambda p: p.with_name("n"),
    "with_stem": lambda p: p.with_stem("s"),
    "with_suffix": lambda p: p.with_suffix(".q"),
    "relative_to": lambda p: p.relative_to("a"),
    "with_segments": lambda p: p.with_segments("q", "r"),
}


@pytest.mark.parametrize("name", MAKERS)
def test_paths_made_of_a_path_are_of_its_type_and_keep_its_limiter(name: str) -> None:
    class Mine(Path):
        pass

    limiter = asyncio.Semaphore(5)
    theirs = pathlib.PurePath("a/b/c.txt")
    made = MAKERS[name](Mine("a/b/c.txt", limiter=limiter))
    assert type(made) is Mine
    assert made.limiter is limiter
    if name != "with_segments" or hasattr(theirs, name):
        assert made == MAKERS[name](theirs)


@pytest.mark.parametrize("name", MAKERS)
def test_subclass_may_decide_how_paths_are_made(name: str) -> None:
    class Mine(Path):
        session: str

        def __init__(self, *segments: Any, session: str = "") -> None:
            super().__init__(*segments)
            self.session = session

        def with_segments(self, *segments: Any) -> Mine:
            return Mine(*segments, session=self.session)

    assert MAKERS[name](Mine("a/b/c.txt", session="mine")).session == "mine"


def test_limiter_must_be_one() -> None:
    with pytest.raises(TypeError, match="limiter must be a CapacityLimiter"):
        Path("a", limiter=5)  # type: ignore[arg-type]


def test_path_that_is_none_is_refused() -> None:
    for wrong in (1, b"bytes", None):
        with pytest.raises(TypeError):
            Path(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "pattern", "options", "expected"),
    [
        ("a/b.py", "a/*.py", {}, True),
        ("a/b.py", "*.py", {}, False),
        ("/a/b/c.py", "/**/*.py", {}, True),
        ("/a/b/c.py", "**", {}, True),
        ("a", "a/**", {}, False),
        ("a/b", "a/**", {}, True),
        ("a/b", "a/**/b", {}, True),
        ("A/B", "a/b", {"case_sensitive": False}, True),
        ("A/B", "a/b", {"case_sensitive": True}, False),
        ("", "", {}, True),
        ("a", "**/**/a", {}, True),
        ("/b", "**/b", {}, False),
        (".hidden", "*", {}, True),
    ],
)
def test_full_match(
    path: str, pattern: str, options: dict[str, Any], expected: bool
) -> None:
    assert Path(path).full_match(pattern, **options) is expected


def test_match_takes_case_sensitive() -> None:
    assert Path("a/B.py").match("b.PY", case_sensitive=False)
    assert not Path("a/B.py").match("b.py", case_sensitive=True)
    assert not Path("a/b.py").match("/b.py", case_sensitive=False)
    with pytest.raises(ValueError, match="empty pattern"):
        Path("a").match("", case_sensitive=True)


def test_relative_to_walks_up() -> None:
    assert Path("/a/b").relative_to("/a/c/d", walk_up=True) == Path("../../b")
    for other in ("/a/c", "x"):
        with pytest.raises(ValueError, match=r"is not in the subpath|anchor"):
            Path("/a/b").relative_to(other, walk_up=other == "x")
    with pytest.raises(ValueError, match=r"cannot be walked"):
        Path("a").relative_to("../b", walk_up=True)


@posix_only
@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("file:///a/b", "/a/b"),
        ("file:/a/b", "/a/b"),
        ("file://localhost/a%20b", "/a b"),
        ("http:///a", None),
        ("file:a", None),
        ("/a", None),
    ],
)
def test_from_uri(uri: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="URI"):
            Path.from_uri(uri)
    else:
        assert Path.from_uri(uri) == Path(expected)


@posix_only
def test_as_uri_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Path("/a b").as_uri() == "file:///a%20b"


# -- The same results and errors --------------------------------------------------

Case = tuple[str, str, tuple[Any, ...], dict[str, Any]]

NAMES = (
    "file", "link", "dangling", "empty", "full", "missing", "file/x", "nu\0ll", "",
    "\udfff",
)  # fmt: skip
QUESTION_NAMES = """
    absolute exists expanduser group is_block_device is_char_device is_dir is_fifo
    is_file is_mount is_socket is_symlink lstat owner read_bytes read_text readlink
    resolve stat iterdir
"""
QUESTIONS = QUESTION_NAMES.split()

CASES: list[Case] = [(name, path, (), {}) for name in QUESTIONS for path in NAMES]
CASES += [
    ("stat", "dangling", (), {"follow_symlinks": False}),
    ("resolve", "missing", (True,), {}),
    ("resolve", "full/../link", (), {}),
    ("expanduser", "~", (), {}),
    ("expanduser", "~/x", (), {}),
    ("expanduser", "~no-such-user/x", (), {}),
    ("samefile", "file", ("link",), {}),
    ("samefile", "file", (pathlib.Path("other"),), {}),
    ("samefile", "file", ("missing",), {}),
    ("read_text", "file", ("utf-8",), {}),
    ("read_text", "file", ("ascii", "replace"), {}),
    ("read_text", "file", ("no-such-codec",), {}),
    ("write_bytes", "new", (b"data",), {}),
    ("write_bytes", "file", (bytearray(b"data"),), {}),
    ("write_bytes", "new", ("text",), {}),
    ("write_bytes", "missing/new", (b"data",), {}),
    ("write_text", "new", ("a\nb",), {"newline": "\r\n"}),
    ("write_text", "new", ("a\nb", "utf-16"), {}),
    ("write_text", "new", (b"bytes",), {}),
    ("write_text", "full", ("text",), {}),
    ("touch", "new", (), {}),
    ("touch", "file", (), {}),
    ("touch", "file", (), {"exist_ok": False}),
    ("touch", "missing/new", (), {}),
    ("mkdir", "new", (), {}),
    ("mkdir", "empty", (), {}),
    ("mkdir", "empty", (0o777, False, True), {}),
    ("mkdir", "file", (), {"exist_ok": True}),
    ("mkdir", "x/y/z", (), {"parents": True}),
    ("mkdir", "x/y/z", (), {}),
    ("rmdir", "empty", (), {}),
    ("rmdir", "full", (), {}),
    ("unlink", "file", (), {}),
    ("unlink", "missing", (), {}),
    ("unlink", "missing", (True,), {}),
    ("unlink", "empty", (), {"missing_ok": True}),
    ("rename", "file", ("new",), {}),
    ("rename", "missing", ("new",), {}),
    ("rename", "file", (pathlib.PurePath("full/new"),), {}),
    ("replace", "file", ("other",), {}),
    ("replace", "file", ("full",), {}),
    ("symlink_to", "new", ("file",), {}),
    ("symlink_to", "new", ("full",), {"target_is_directory": True}),
    ("symlink_to", "file", ("other",), {}),
    ("hardlink_to", "new", ("file",), {}),
    ("hardlink_to", "new", (pathlib.Path("missing"),), {}),
    ("chmod", "file", (0o600,), {}),
    ("chmod", "missing", (0o600,), {}),
    ("lchmod", "link", (0o600,), {}),
    ("glob", "", ("*",), {}),
    ("glob", "", ("**/*",), {}),
    ("glob", "", ("**",), {}),
    ("glob", "", ("*/",), {}),
    ("glob", "", ("",), {}),
    ("glob", "", ("/x",), {}),
    ("glob", "", ("../tree/f*",), {}),
    ("glob", "", ("a/**/c",), {}),
    ("glob", "missing", ("*",), {}),
    ("glob", "file", ("*",), {}),
    ("rglob", "", ("*",), {}),
    ("rglob", "", ("i*",), {}),
    ("rglob", "full", ("",), {}),
    ("rglob", "a", ("b",), {}),
    ("rglob", "", ("/x",), {}),
]
if sys.version_info >= (3, 12):
    CASES += [
        ("exists", "dangling", (), {"follow_symlinks": False}),
        ("is_junction", "file", (), {}),
        ("glob", "", ("F*",), {"case_sensitive": False}),
        ("walk", "", (), {}),
        ("walk", "", (False,), {}),
        ("walk", "", (), {"follow_symlinks": True}),
        ("walk", "missing", (), {}),
        ("walk", "a", (True, None), {}),
    ]
if sys.version_info >= (3, 13):
    CASES += [
        ("is_file", "link", (), {"follow_symlinks": False}),
        ("is_dir", "link", (), {"follow_symlinks": False}),
        ("owner", "dangling", (), {"follow_symlinks": False}),
        ("group", "dangling", (), {"follow_symlinks": False}),
        ("read_text", "file", (), {"newline": ""}),
        ("rglob", "", ("*",), {"recurse_symlinks": True}),
        ("glob", "", (pathlib.PurePath("*"),), {}),
    ]


def plain(value: Any) -> Any:
    """Return *value* without what may differ: the kind of path, times of access."""
    if isinstance(value, os.stat_result):
        return value.st_mode, value.st_ino, value.st_size
    if isinstance(value, pathlib.PurePath):
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


async def awaited(call: Callable[[], Any]) -> Any:
    return plain(await call())


@posix_only
@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=f"{case[0]}-{index}") for index, case in enumerate(CASES)],
)
def test_method_does_what_pathlib_does(
    case: Case, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, path, arguments, keywords = case

    def both(cls: type, run: Callable[[Callable[[], Any]], object]) -> object:
        tree = make_tree(tmp_path / "tree")
        monkeypatch.chdir(tree)
        seen = outcome(
            lambda: run(lambda: getattr(cls(path), name)(*arguments, **keywords))
        )
        after = shape(tree)
        monkeypatch.chdir(tmp_path)
        tree.rename(tmp_path / f"tree-{cls.__module__}")
        return without_inodes(seen), after

    def at_once(call: Callable[[], Any]) -> Any:
        found = call()
        return plain(list(found) if name in ITERATORS else found)

    assert both(Path, lambda call: asyncio.run(awaited(call))) == both(
        pathlib.Path, at_once
    )


def without_inodes(seen: Any) -> Any:
    # Each side has a tree of its own.
    kind, value, *rest = seen
    if kind == "returned" and isinstance(value, tuple):
        value = (value[0], value[2])
    return kind, value, *rest


async def test_class_methods_tell_where_one_is(tree: pathlib.Path) -> None:
    assert await Path.cwd() == tree
    assert await Path.home() == pathlib.Path.home()
    limiter = asyncio.Semaphore(1)
    assert (await Path.home(limiter=limiter)).limiter is limiter


# -- Arguments that the running Python may lack ------------------------------------


@posix_only
async def test_links_are_not_followed_if_so_told(tree: pathlib.Path) -> None:
    link, dangling = Path("link"), Path("dangling")
    assert await dangling.exists(follow_symlinks=False)
    assert not await dangling.exists()
    assert not await link.is_file(follow_symlinks=False)
    assert await link.is_file()
    assert await Path("full").is_dir(follow_symlinks=False)
    assert await dangling.owner(follow_symlinks=False)
    assert await dangling.group(follow_symlinks=False)
    assert not await Path("nu\0ll").exists(follow_symlinks=False)
    assert not await Path("missing").is_dir(follow_symlinks=False)
    assert not await link.is_junction()
    with pytest.raises(FileNotFoundError):
        await dangling.owner()


@posix_only
async def test_samefile_takes_a_path_of_headrace(tree: pathlib.Path) -> None:
    assert await Path("file").samefile(Path("link"))


async def test_read_text_takes_newline(tmp_path: pathlib.Path) -> None:
    path = Path(tmp_path, "text")
    await path.write_bytes(b"a\r\nb")
    assert await path.read_text(newline="") == "a\r\nb"
    assert await path.read_text() == "a\nb"


@posix_only
async def test_glob_takes_what_3_13_takes(tree: pathlib.Path) -> None:
    os.symlink("full", "way")

    async def names(pattern: Any, **options: Any) -> list[str]:
        return sorted(map(str, await Path().glob(pattern, **options)))

    assert await names("F*", case_sensitive=False) == ["file", "full"]
    assert await names("F*", case_sensitive=True) == []
    assert await names("FILE", case_sensitive=False) == ["file"]
    assert await names("**/INSIDE", case_sensitive=False) == ["full/inside"]
    followed = {"case_sensitive": None, "recurse_symlinks": True}
    assert await names("**/inside", **followed) == ["full/inside", "way/inside"]
    assert "way/inside" in await names("**/*", **followed)
    assert await names("**/../way/**/i*", **followed)
    assert await names(pathlib.PurePath("f*"), recurse_symlinks=True) == [
        "file",
        "full",
    ]
    assert await names("f*/", recurse_symlinks=True) == ["full"]
    with pytest.raises(ValueError, match="Unacceptable pattern"):
        await names("", recurse_symlinks=True)
    with pytest.raises(NotImplementedError):
        await names("/x", recurse_symlinks=True)


# -- Iterating ------------------------------------------------------------------


@pytest.fixture
def many(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder that takes several batches."""
    monkeypatch.setattr(_batches, "BATCH_ITEMS", 10)
    monkeypatch.setattr(_batches, "BATCH_TIME_S", 60)
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(35):
        (folder / f"{number:02}").touch()
    return Path(folder)


async def test_iterdir_gives_paths_of_the_type_and_limiter(many: Path) -> None:
    limiter = asyncio.Semaphore(1)
    async for path in Path(many, limiter=limiter).iterdir():
        assert type(path) is Path
        assert path.limiter is limiter
        assert path.parent == many


async def test_iterdir_of_the_current_directory_has_no_dot(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(many)
    assert [str(p) for p in await Path().iterdir()] == [
        str(p) for p in pathlib.Path().iterdir()
    ]


async def test_small_directory_is_one_job(tree: pathlib.Path) -> None:
    before = stats()
    assert await Path().iterdir()
    assert (stats() - before).engine_jobs == 1


async def test_glob_is_one_job_a_batch(many: Path) -> None:
    before = stats()
    assert len([path async for path in many.glob("*")]) == 35
    assert (stats() - before).engine_jobs == 4


async def test_long_iteration_lets_others_run(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_batches, "BATCH_ITEMS", 1000)
    monkeypatch.setattr(_batches, "ITEMS_PER_LOOK", 5)
    monkeypatch.setattr("headrace.engine._budget.SLICE_S", 0)
    before = stats()
    assert len(await many.glob("*")) == 35
    assert (stats() - before).yields >= 4


async def test_awaited_iterator_is_a_list(many: Path) -> None:
    assert sorted(await many.glob("0*")) == sorted(pathlib.Path(many).glob("0*"))


async def test_error_of_the_directory_comes_with_the_first_item(
    tmp_path: pathlib.Path,
) -> None:
    entries = Path(tmp_path, "missing").iterdir()
    with pytest.raises(FileNotFoundError) as caught:
        await anext(entries)
    assert caught.value.filename == str(tmp_path / "missing")


async def test_error_in_the_middle_comes_after_what_was_found() -> None:
    def found() -> Any:
        yield 1
        yield 2
        raise OSError("in the middle")

    iterator = _batches.BatchIterator(
        "test", lambda: _batches.Produced(found), lambda item: item
    )
    assert [await anext(iterator), await anext(iterator)] == [1, 2]
    with pytest.raises(OSError, match="in the middle"):
        await anext(iterator)
    assert [item async for item in iterator] == []


async def test_break_closes_what_it_reads_from(many: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async for _ in many.glob("*"):
            break
        async for _ in many.iterdir():
            break
        gc.collect()


async def test_aclose_ends_the_iteration(many: Path) -> None:
    for iterator in (many.glob("*"), many.iterdir(), many.walk()):
        async with iterator:
            assert await anext(iterator)
        assert [item async for item in iterator] == []


async def test_cancelled_iteration_loses_nothing(many: Path) -> None:
    iterator = many.glob("*")
    found = [await anext(iterator) for _ in range(10)]
    task = tasks.start(anext(iterator))
    await tasks.sleep(0)
    task.cancel()
    with pytest.raises(tasks.Cancelled):
        await task
    found += [path async for path in iterator]
    assert sorted(found) == sorted(pathlib.Path(many).iterdir())


async def test_for_and_with_say_what_to_write(many: Path) -> None:
    with pytest.raises(TypeError, match="use 'async for', not 'for'"):
        list(many.iterdir())  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="use 'async with', not 'with'"):
        with many.glob("*"):  # type: ignore[attr-defined]
            pass


# -- Walking --------------------------------------------------------------------


async def test_names_taken_out_are_not_walked(tree: pathlib.Path) -> None:
    seen = []
    async for path, dirnames, _ in Path().walk():
        seen.append(str(path))
        if "b" in dirnames:
            dirnames.remove("b")
    assert "a" in seen
    assert not any(name.startswith(os.path.join("a", "b")) for name in seen)


async def test_directories_made_on_the_way_are_walked(tree: pathlib.Path) -> None:
    settle(tree)
    seen = []
    async for path, dirnames, _ in Path().walk():
        seen.append(str(path))
        if str(path) == "full":
            (tree / "full" / "new").mkdir()
            dirnames.append("new")
        if str(path) == ".":
            # Listed ahead by now, and changed before its turn.
            (tree / "a" / "late").mkdir()
    assert os.path.join("full", "new") in seen
    assert os.path.join("a", "late") in seen


def settle(tree: pathlib.Path) -> None:
    """Make the directories of *tree* look as if they were old."""
    for path in (tree, *tree.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            os.utime(path, ns=(10**18, 10**18))


async def test_walk_lists_ahead_in_one_job(
    tree: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_walk, "AHEAD_TIME_S", 60)
    # What was made just now is not settled yet.
    monkeypatch.setattr(_walk, "SETTLED_S", -60)
    settle(tree)
    await Path().stat()
    if (await Path().exists(), stats())[1].inline_calls == 0:
        pytest.skip("the kernel's caches cannot be asked here")
    before = stats()
    assert len(await Path().walk()) == 6
    assert (stats() - before).engine_jobs == 1


async def test_walk_tells_errors(tree: pathlib.Path) -> None:
    errors: list[OSError] = []
    assert await Path("missing").walk(on_error=errors.append) == []
    assert [error.filename for error in errors] == ["missing"]
    assert await Path("missing").walk() == []


async def test_error_of_on_error_ends_the_walk(tree: pathlib.Path) -> None:
    def refuse(error: OSError) -> None:
        raise error

    with pytest.raises(FileNotFoundError):
        await Path("missing").walk(on_error=refuse)


# -- The kind of file --------------------------------------------------------------


async def test_cached_status_needs_no_job(tree: pathlib.Path) -> None:
    path = Path(tree, "file")
    # What was never looked for, the kernel does not know to be missing.
    assert not await (path.parent / "missing").exists()
    before = stats()
    await path.stat()
    if (stats() - before).engine_jobs:
        pytest.skip("the kernel's caches cannot be asked here")
    assert await path.exists()
    assert await path.is_file()
    assert not await path.is_dir()
    assert not await path.is_symlink()
    assert not await (path.parent / "missing").exists()
    assert (stats() - before).engine_jobs == 0


@posix_only
async def test_info_tells_and_remembers(tree: pathlib.Path) -> None:
    info = Path("link").info
    assert await info.exists()
    assert await info.is_file()
    assert await info.is_symlink()
    assert not await info.is_file(follow_symlinks=False)
    assert not await info.is_dir()
    os.unlink("link")
    assert await info.exists()
    assert not await Path("link").info.exists()
    assert not await Path("dangling").info.exists()
    assert await Path("dangling").info.exists(follow_symlinks=False)


@posix_only
async def test_info_of_an_entry_asks_nothing(tree: pathlib.Path) -> None:
    entries = {path.name: path for path in await Path().iterdir()}
    before = stats()
    assert await entries["full"].info.is_dir()
    assert await entries["file"].info.is_file()
    assert await entries["link"].info.is_symlink()
    assert await entries["link"].info.exists(follow_symlinks=False)
    assert stats() == before
    assert await entries["link"].info.is_file()
    assert not await entries["dangling"].info.exists()
    assert entries["full"].info is entries["full"].info


# -- Opening ------------------------------------------------------------------------


async def test_open_gives_headraces_files(tree: pathlib.Path) -> None:
    path = Path("file")
    async with path.open() as text:
        assert isinstance(text, headrace.AsyncTextIOWrapper)
        assert text.name == "file"
    binary = await path.open("rb", 0)
    assert isinstance(binary, headrace.AsyncFileIO)
    await binary.close()
    async with await path.open("r+b") as both:
        assert isinstance(both, headrace.AsyncBufferedRandom)


async def test_open_takes_the_arguments_by_place(tree: pathlib.Path) -> None:
    async with Path("new").open("w", -1, "utf-16", "strict", "\r\n") as file:
        await file.write("a\n")
    assert pathlib.Path("new").read_bytes().decode("utf-16") == "a\r\n"


# -- Copying and moving ---------------------------------------------------------------


async def test_copy_of_a_file(tree: pathlib.Path) -> None:
    copied = await Path("file").copy("new")
    assert copied == Path("new")
    assert await copied.read_bytes() == b"0123456789"
    assert await Path("other").copy(Path("new")) == Path("new")
    assert await copied.read_bytes() == b""


@posix_only
async def test_copy_of_a_tree(tree: pathlib.Path) -> None:
    os.unlink("dangling")
    here = await Path().absolute()
    copied = await here.copy(tree.parent / "copied")
    assert (copied / "link").name in os.listdir(copied)
    assert not os.path.islink(copied / "link")
    assert (tree.parent / "copied" / "full" / "inside").read_bytes() == b"x"
    exact = await here.copy(tree.parent / "exact", follow_symlinks=False)
    assert shape(pathlib.Path(exact)) == shape(tree)


@posix_only
async def test_copy_keeps_metadata_if_so_told(tree: pathlib.Path) -> None:
    os.utime("file", ns=(10**18, 10**18))
    os.chmod("file", 0o600)
    await Path("file").copy("kept", preserve_metadata=True)
    assert os.stat("kept").st_mtime_ns == 10**18
    assert os.stat("kept").st_mode == os.stat("file").st_mode
    await Path("file").copy("fresh")
    assert os.stat("fresh").st_mtime_ns != 10**18


@posix_only
async def test_copy_refuses_to_destroy_what_it_copies(tree: pathlib.Path) -> None:
    for call, text in (
        (Path("file").copy("file"), "same path"),
        (Path("file").copy("link"), "same file"),
        (Path("full").copy("full/in"), "parent of target"),
        (Path("file").move("link"), "same file"),
    ):
        with pytest.raises(OSError, match=text) as caught:
            await call
        assert caught.value.errno == 22
        assert caught.value.filename2
    assert pathlib.Path("file").read_bytes() == b"0123456789"


async def test_copy_of_what_is_missing(tree: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError):
        await Path("missing").copy("new")
    assert not os.path.exists("new")


async def test_move_and_into(tree: pathlib.Path) -> None:
    moved = await Path("file").move("new")
    assert (moved, os.path.exists("file")) == (Path("new"), False)
    inside = await moved.move_into("full")
    assert inside == Path("full/new")
    assert await Path("other").copy_into(Path("full")) == Path("full/other")
    with pytest.raises(ValueError, match="has an empty name"):
        await Path("/").move_into("full")


@posix_only
async def test_move_to_another_file_system_copies_and_deletes(
    tree: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = shape(tree)

    def refuse(source: str, target: str) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.chdir(tree.parent)
    moved = await Path("tree").move("elsewhere")
    assert shape(pathlib.Path(moved)) == expected
    assert not tree.exists()


async def test_cancelled_copy_stops_between_chunks(
    tree: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_copy, "SMALL_SIZE", 0)
    monkeypatch.setattr(_copy, "READ_SIZE", 1)
    monkeypatch.setattr(_copy, "_ways", lambda size: iter([_copy._read_write]))
    monkeypatch.setattr(_steps, "STEP_TIME_S", 0)
    pathlib.Path("big").write_bytes(b"x" * 5000)
    task = tasks.start(Path("big").copy("new"))
    while not os.path.exists("new"):
        await tasks.sleep(0)
    task.cancel()
    with pytest.raises(tasks.Cancelled):
        await task
    size = os.path.getsize("new")
    assert size < 5000
    await tasks.sleep(0.01)
    assert os.path.getsize("new") == size


@posix_only
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc")
async def test_copy_reads_files_that_say_they_are_empty(tree: pathlib.Path) -> None:
    await Path("/proc/self/status").copy("status")
    assert b"Name:" in pathlib.Path("status").read_bytes()
