"""`headrace.tempfile`: files and directories that leave nothing behind."""

from __future__ import annotations

import asyncio
import errno
import gc
import inspect
import os
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace import stats
from headrace.tempfile import (
    NamedTemporaryFile,
    SpooledTemporaryFile,
    TemporaryDirectory,
    TemporaryFile,
)
from tests import tasks

LONG_S = 10
MODES = ["w+b", "rb+", "w+", "r+", "a+b", "x+"]

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="looks at names of open files"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for everything temporary; whatever stays there is a leftover."""
    made = tmp_path / "temporary"
    made.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    return made


def data_for(mode: str) -> Any:
    return b"0123456789\n" if "b" in mode else "0123456789\n"


class Gate:
    """Stands in for a function: lets a test wait until it is called, and hold it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.begun = threading.Event()
        self.open = threading.Event()
        self.ended = threading.Event()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.begun.set()
        assert self.open.wait(LONG_S)
        try:
            return self.function(*args, **kwargs)
        finally:
            self.ended.set()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a worker thread has made *condition* true."""
    for _ in range(int(LONG_S / 0.001)):
        if condition():
            return
        await tasks.sleep(0.001)
    raise AssertionError("it has not become true")


def is_empty(folder: Path) -> bool:
    """Tell whether all is gone; what a worker still holds goes a moment later."""
    gc.collect()
    return os.listdir(folder) == []


async def cancel_while_running(call: Any, gate: Gate) -> None:
    """Cancel *call* while *gate* holds its job, then let the job go on."""
    task = tasks.start(call)
    await tasks.in_thread(gate.begun.wait, LONG_S)
    task.cancel()
    await tasks.sleep(0)
    gate.open.set()
    with pytest.raises(tasks.Cancelled):
        await task
    assert await tasks.in_thread(gate.ended.wait, LONG_S)


# -- NamedTemporaryFile and TemporaryFile ----------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("function", [NamedTemporaryFile, TemporaryFile])
async def test_file_can_be_written_and_read(function: Any, mode: str) -> None:
    data = data_for(mode)
    async with function(mode) as f:
        await f.write(data)
        await f.write(data)
        await f.seek(0)
        assert [line async for line in f] == [data, data]


@pytest.mark.parametrize(
    ("mode", "buffering", "kind"),
    [
        ("w+b", -1, headrace.AsyncBufferedRandom),
        ("wb", -1, headrace.AsyncBufferedWriter),
        ("rb", -1, headrace.AsyncBufferedReader),
        ("w+b", 0, headrace.AsyncFileIO),
        ("w+", -1, headrace.AsyncTextIOWrapper),
        ("w", 1, headrace.AsyncTextIOWrapper),
    ],
)
@pytest.mark.parametrize("keywords", [{}, {"delete_on_close": False}])
async def test_file_is_a_headrace_file(
    mode: str, buffering: int, kind: Any, keywords: dict[str, Any], folder: Path
) -> None:
    opened: Any = NamedTemporaryFile(mode, buffering, **keywords)
    async with opened as f:
        assert isinstance(f, kind)
        assert repr(f).startswith(f"<headrace.{kind.__name__}")
        assert f.name == str(folder / os.path.basename(f.name))
        assert os.path.exists(f.name)
    assert os.listdir(folder) == []


@pytest.mark.parametrize("function", [NamedTemporaryFile, TemporaryFile])
async def test_every_way_to_open_works(function: Any, folder: Path) -> None:
    async with function() as f:
        await f.write(b"x")
    async with await function() as f:
        await f.write(b"x")
    f = await function()
    await f.write(b"x")
    await f.close()
    assert os.listdir(folder) == []


async def test_attributes_are_those_of_tempfile(folder: Path) -> None:
    arguments: dict[str, Any] = {
        "mode": "w+",
        "encoding": "utf-16",
        "errors": "replace",
        "newline": "\r\n",
        "suffix": ".end",
        "prefix": "begin",
        "dir": str(folder),
    }
    with tempfile.NamedTemporaryFile(**arguments) as sync:
        async with NamedTemporaryFile(**arguments) as f:
            for name in ("encoding", "errors", "newlines", "line_buffering"):
                assert getattr(f, name) == getattr(sync, name), name
            for one in (f.name, sync.name):
                assert os.path.basename(one).startswith("begin")
                assert one.endswith(".end")
                assert os.path.dirname(one) == str(folder)
                assert os.stat(one).st_mode == os.stat(sync.name).st_mode
            await f.write("a\n")
            await f.flush()
            assert Path(f.name).read_bytes() == "a\r\n".encode("utf-16")


async def test_names_may_be_bytes(folder: Path) -> None:
    async with NamedTemporaryFile(suffix=b".x", dir=os.fsencode(folder)) as f:
        assert isinstance(f.name, bytes)
        assert f.name.endswith(b".x")


@pytest.mark.parametrize(
    "keywords",
    [
        {"dir": "no/such/folder"},
        {"mode": "rw"},
        {"mode": "w+", "buffering": 0},
        {"encoding": "utf-8"},
        {"mode": "w+", "encoding": "no-such-encoding"},
        {"mode": "w+", "newline": "x"},
        {"suffix": "a", "prefix": b"a"},
    ],
)
@pytest.mark.parametrize("name", ["NamedTemporaryFile", "TemporaryFile"])
async def test_error_is_that_of_tempfile_and_no_file_is_left(
    name: str, keywords: dict[str, Any], folder: Path
) -> None:
    with pytest.raises(Exception) as expected:  # noqa: PT011 - whatever it is
        getattr(tempfile, name)(**keywords)
    with pytest.raises(type(expected.value)) as caught:
        await getattr(headrace.tempfile, name)(**keywords)
    assert getattr(caught.value, "errno", 0) == getattr(expected.value, "errno", 0)
    assert os.listdir(folder) == []


async def test_nameless_file_has_no_name(folder: Path) -> None:
    async with TemporaryFile() as f:
        assert os.listdir(folder) == []
        assert f.name == f.fileno()
        assert os.fstat(f.fileno()).st_nlink == 0


async def test_file_system_without_nameless_files_works(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    open_file, flag = os.open, getattr(os, "O_TMPFILE", 0)

    def refuse(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flag and flags & flag == flag:
            raise OSError(errno.EOPNOTSUPP, "no such thing here")
        return open_file(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    async with TemporaryFile() as f:
        await f.write(b"x")
        assert os.listdir(folder) == []


async def test_child_process_continues_where_the_file_is() -> None:
    """It is the kernel's position that counts, as with `tempfile`."""
    async with TemporaryFile() as f:
        await f.write(b"first\n")
        await f.flush()
        child = [sys.executable, "-c", "print('second')"]
        await tasks.in_thread(subprocess.run, child, stdout=f.fileno(), check=True)
        await f.write(b"third\n")
        await f.seek(0)
        assert await f.read() == b"first\nsecond\nthird\n"


async def test_opening_and_closing_are_one_job_each() -> None:
    before = stats()
    f = await NamedTemporaryFile()
    assert (stats() - before).engine_jobs == 1
    await f.write(b"x")
    await f.close()
    assert (stats() - before).engine_jobs == 2


# -- When the named file is removed ----------------------------------------------


async def test_delete_false_leaves_the_file(folder: Path) -> None:
    async with NamedTemporaryFile(delete=False) as f:
        await f.write(b"kept")
    assert Path(f.name).read_bytes() == b"kept"


async def test_file_is_removed_when_closed(folder: Path) -> None:
    async with NamedTemporaryFile() as f:
        await f.close()
        assert os.listdir(folder) == []
        await f.close()


@pytest.mark.parametrize("awaited", [False, True])
async def test_delete_on_close_false_removes_when_left(
    awaited: bool, folder: Path
) -> None:
    opening = NamedTemporaryFile("w", delete_on_close=False)
    async with await opening if awaited else opening as f:
        await f.write("text")
        await f.close()
        assert Path(f.name).read_text() == "text"
    assert os.listdir(folder) == []


async def test_file_that_was_closed_and_forgotten_is_removed(folder: Path) -> None:
    f = await NamedTemporaryFile(delete_on_close=False)
    await f.close()
    assert len(os.listdir(folder)) == 1
    del f
    await until(lambda: is_empty(folder))


async def test_file_that_was_forgotten_is_removed_with_a_warning(folder: Path) -> None:
    f: Any = await NamedTemporaryFile()
    with pytest.warns(ResourceWarning, match="unclosed"):
        del f
        await until(lambda: is_empty(folder))


async def test_file_that_somebody_removed_can_be_closed(folder: Path) -> None:
    async with NamedTemporaryFile() as f:
        os.unlink(f.name)
    async with NamedTemporaryFile(delete_on_close=False) as f:
        os.unlink(f.name)


def test_exit_of_the_interpreter_removes_the_file(folder: Path) -> None:
    program = """if True:
        import asyncio, headrace, sys
        async def main():
            global f, g
            f = await headrace.tempfile.NamedTemporaryFile(dir=sys.argv[1])
            g = await headrace.tempfile.NamedTemporaryFile(
                dir=sys.argv[1], delete_on_close=False
            )
            await g.close()
        asyncio.run(main())
    """
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(folder)], check=True
    )
    assert os.listdir(folder) == []


# -- Errors and cancellation -----------------------------------------------------


@pytest.mark.parametrize("keywords", [{}, {"delete_on_close": False}])
async def test_error_in_the_body_removes(
    keywords: dict[str, Any], folder: Path
) -> None:
    async def body() -> None:
        async with NamedTemporaryFile(**keywords) as f:
            await f.write(b"x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await body()
    assert os.listdir(folder) == []


@pytest.mark.parametrize("keywords", [{}, {"delete_on_close": False}])
async def test_cancelled_body_removes(keywords: dict[str, Any], folder: Path) -> None:
    inside = tasks.Event()

    async def body() -> None:
        async with NamedTemporaryFile(**keywords) as f:
            await f.write(b"x")
            inside.set()
            await tasks.Event().wait()

    task = tasks.start(body())
    await inside.wait()
    task.cancel()
    with pytest.raises(tasks.Cancelled):
        await task
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("name", "gated"),
    [
        ("NamedTemporaryFile", "mkstemp"),
        ("mkstemp", "mkstemp"),
        ("mkdtemp", "mkdtemp"),
        ("TemporaryDirectory", "TemporaryDirectory"),
    ],
)
async def test_what_comes_after_a_cancellation_is_removed(
    name: str, gated: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import headrace.fs._temporary as temporary

    gate = Gate(getattr(tempfile, gated))
    monkeypatch.setattr(tempfile, gated, gate)
    monkeypatch.setattr(temporary, "_mkstemp", gate)
    call = getattr(headrace.tempfile, name)()
    await cancel_while_running(call, gate)
    await until(lambda: is_empty(folder))


async def test_many_cancelled_calls_leave_nothing(folder: Path) -> None:
    """At whatever point they are cancelled: before, during or after the job."""

    async def use(function: Callable[[], Any]) -> None:
        async with function() as made:
            await made.write(b"x") if hasattr(made, "write") else None

    for turns in range(12):
        started = [
            tasks.start(use(function))
            for function in (NamedTemporaryFile, TemporaryFile, TemporaryDirectory)
            for _ in range(5)
        ]
        for _ in range(turns):
            await tasks.sleep(0)
        if turns > 8:
            await headrace.os.getcwd()
        for task in started:
            task.cancel()
        await tasks.gather(*started, return_exceptions=True)
    await until(lambda: is_empty(folder))


async def test_error_while_flushing_removes_and_is_raised(folder: Path) -> None:
    f = await NamedTemporaryFile()
    await f.write(b"x")
    full = os.open("/dev/full", os.O_RDWR)
    os.dup2(full, f.fileno())
    os.close(full)
    with pytest.raises(OSError, match="No space left"):
        await f.close()
    assert f.closed
    assert os.listdir(folder) == []


# -- SpooledTemporaryFile --------------------------------------------------------


STEPS: list[tuple[str, tuple[Any, ...]]] = [
    ("write", ("0123\n456789\n",)),
    ("tell", ()),
    ("seek", (0,)),
    ("readline", ()),
    ("tell", ()),
    ("read", (3,)),
    ("write", ("more than that\n",)),
    ("seek", (0,)),
    ("readlines", ()),
    ("readable", ()),
    ("writable", ()),
    ("seekable", ()),
    ("isatty", ()),
    ("flush", ()),
    ("seek", (2,)),
    ("truncate", ()),
    ("seek", (0,)),
    ("read", ()),
    ("writelines", (["x\n", "y\n"],)),
    ("truncate", (40,)),
    ("seek", (0,)),
    ("read", ()),
]


@pytest.mark.parametrize("mode", ["w+b", "w+"])
@pytest.mark.parametrize("max_size", [0, 5, 12, 20, 1000])
async def test_spooled_file_does_what_that_of_tempfile_does(
    mode: str, max_size: int
) -> None:
    def arguments(args: tuple[Any, ...]) -> list[Any]:
        if "b" not in mode:
            return list(args)
        return [
            value.encode()
            if isinstance(value, str)
            else [line.encode() for line in value]
            if isinstance(value, list)
            else value
            for value in args
        ]

    keywords: Any = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    expected, found = [], []
    theirs: Any = tempfile.SpooledTemporaryFile(max_size, mode, **keywords)
    with theirs as sync:
        for name, args in STEPS:
            expected.append((name, getattr(sync, name)(*arguments(args))))
        rolled = sync._rolled
    async with SpooledTemporaryFile(max_size, mode, **keywords) as f:
        for name, args in STEPS:
            found.append((name, await getattr(f, name)(*arguments(args))))
        assert (f.name is not None) == rolled
    assert found == expected


async def test_spooled_file_in_memory_needs_no_thread(folder: Path) -> None:
    before = stats()
    async with SpooledTemporaryFile(1000, "w+", encoding="utf-8") as f:
        await f.write("a line\n" * 10)
        await f.seek(0)
        assert len([line async for line in f]) == 10
        assert f.name is None
    assert (stats() - before).engine_jobs == 0
    assert os.listdir(folder) == []


async def test_spooled_file_moves_when_it_becomes_too_large() -> None:
    async with SpooledTemporaryFile(10) as f:
        await f.write(b"0123456789")
        assert f.name is None
        await f.write(b"x")
        assert isinstance(f.name, int)
        await f.seek(5)
        assert await f.read() == b"56789x"


@pytest.mark.parametrize("how", ["rollover", "fileno"])
async def test_spooled_file_moves_when_asked_to(how: str) -> None:
    async with SpooledTemporaryFile(mode="w+", encoding="utf-16") as f:
        await f.write("täxt")
        position = await f.tell()
        await getattr(f, how)()
        assert await f.fileno() == f.name
        assert await f.tell() == position
        await f.write("!")
        await f.seek(0)
        assert await f.read() == "täxt!"


async def test_spooled_file_that_cannot_move_keeps_its_content(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with SpooledTemporaryFile(5) as f:
        with monkeypatch.context() as patched:
            patched.setattr(tempfile, "tempdir", "/no/such/folder")
            with pytest.raises(FileNotFoundError):
                await f.write(b"0123456789")
        await f.seek(0)
        assert await f.read() == b"0123456789"
        await f.rollover()
        await f.seek(0)
        assert await f.read() == b"0123456789"


async def test_operations_wait_while_a_spooled_file_moves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from headrace.fs._temporary import NamelessOpener

    gate = Gate(NamelessOpener.__call__)

    def held(self: Any, *args: Any) -> Any:
        return gate(self, *args)

    monkeypatch.setattr(NamelessOpener, "__call__", held)
    async with SpooledTemporaryFile() as f:
        await f.write(b"first ")
        moving = tasks.start(f.rollover())
        await tasks.in_thread(gate.begun.wait, LONG_S)
        writing = tasks.start(f.write(b"second"))
        done, _ = await tasks.wait([writing], timeout=0.02)
        assert not done
        gate.open.set()
        await tasks.gather(moving, writing)
        await f.seek(0)
        assert await f.read() == b"first second"


async def test_cancelled_write_that_moves_the_file_has_written_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from headrace.fs._temporary import NamelessOpener

    gate = Gate(NamelessOpener.__call__)

    def held(self: Any, *args: Any) -> Any:
        return gate(self, *args)

    monkeypatch.setattr(NamelessOpener, "__call__", held)
    async with SpooledTemporaryFile(5) as f:
        await cancel_while_running(f.write(b"0123456789"), gate)
        assert f.name is not None
        await f.seek(0)
        assert await f.read() == b"0123456789"


@pytest.mark.parametrize("size", [3, 30])
async def test_closed_spooled_file_says_so(size: int) -> None:
    async with SpooledTemporaryFile(5) as f:
        await f.write(b"x" * size)
    assert f.closed
    with pytest.raises(ValueError, match="closed file"):
        await f.read()
    with pytest.raises(ValueError, match="closed file"):
        await f.write(b"x")
    with pytest.raises(ValueError, match="closed file"):
        async with f:
            pass


async def test_spooled_file_of_text_has_the_attributes_of_text() -> None:
    arguments: dict[str, Any] = {"mode": "w+", "encoding": "utf-8", "errors": "ignore"}
    with tempfile.SpooledTemporaryFile(**arguments) as sync:
        async with SpooledTemporaryFile(**arguments) as f:
            for _ in range(2):
                for name in ("encoding", "errors", "newlines", "closed"):
                    assert getattr(f, name) == getattr(sync, name)
                assert f.mode == "w+"
                sync.rollover()
                await f.rollover()
    async with SpooledTemporaryFile() as binary:
        assert not hasattr(binary, "encoding")


async def test_chunks_of_a_spooled_file() -> None:
    async with SpooledTemporaryFile() as f:
        await f.write(b"0123456789")
        await f.seek(0)
        assert [chunk async for chunk in f.chunks(4)] == [b"0123", b"4567", b"89"]


# -- TemporaryDirectory ----------------------------------------------------------


async def test_directory_is_there_and_goes_with_all_in_it(folder: Path) -> None:
    async with TemporaryDirectory(suffix="s", prefix="p") as name:
        assert os.path.dirname(name) == str(folder)
        assert os.path.basename(name).startswith("p")
        assert name.endswith("s")
        os.makedirs(f"{name}/a/b")
        Path(name, "file").touch()
    assert os.listdir(folder) == []


async def test_awaited_directory_can_be_cleaned_up(folder: Path) -> None:
    directory = await TemporaryDirectory()
    assert os.listdir(folder) == [os.path.basename(directory.name)]
    await directory.cleanup()
    assert os.listdir(folder) == []
    await directory.cleanup()
    async with directory as name:
        assert name == directory.name


async def test_directory_may_have_a_name_of_bytes(folder: Path) -> None:
    async with TemporaryDirectory(suffix=b"x") as name:
        assert isinstance(name, bytes)


async def test_directory_with_delete_false_stays(folder: Path) -> None:
    async with TemporaryDirectory(delete=False) as name:
        pass
    assert os.listdir(folder) == [os.path.basename(name)]
    directory = await TemporaryDirectory(delete=False)
    await directory.cleanup()
    forgotten = await TemporaryDirectory(delete=False)
    del directory, forgotten
    gc.collect()
    assert len(os.listdir(folder)) == 2


async def test_cancelled_body_removes_the_directory(folder: Path) -> None:
    inside = tasks.Event()

    async def body() -> None:
        async with TemporaryDirectory():
            inside.set()
            await tasks.Event().wait()

    task = tasks.start(body())
    await inside.wait()
    task.cancel()
    with pytest.raises(tasks.Cancelled):
        await task
    assert os.listdir(folder) == []


@pytest.mark.parametrize("ignore", [False, True])
async def test_errors_of_the_cleanup_are_raised_or_ignored(
    ignore: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.EBUSY, "busy")

    @contextmanager
    def expectation() -> Iterator[None]:
        if ignore:
            yield
        else:
            with pytest.raises(OSError, match="busy"):
                yield

    directory = await TemporaryDirectory(ignore_cleanup_errors=ignore)
    with monkeypatch.context() as patched:
        patched.setattr(os, "rmdir", refuse)
        with expectation():
            await directory.cleanup()
    os.rmdir(directory.name)


async def test_forgotten_directory_is_removed_with_a_warning(folder: Path) -> None:
    directory: Any = await TemporaryDirectory()
    with pytest.warns(ResourceWarning, match="Implicitly cleaning up"):
        del directory
        await until(lambda: is_empty(folder))


# -- mkstemp and its kind --------------------------------------------------------


async def test_mkstemp_makes_a_private_file(folder: Path) -> None:
    fd, path = await headrace.tempfile.mkstemp(".end", "begin")
    try:
        assert os.path.basename(path).startswith("begin")
        assert os.listdir(folder) == [os.path.basename(path)]
        assert os.stat(path).st_mode & 0o777 == 0o600
        assert not os.get_inheritable(fd)
        os.write(fd, b"x")
    finally:
        os.close(fd)


async def test_mkdtemp_makes_a_private_directory(folder: Path) -> None:
    path = await headrace.tempfile.mkdtemp(suffix=b".end")
    assert path.startswith(os.fsencode(folder))
    assert os.stat(path).st_mode & 0o777 == 0o700


async def test_gettempdir_gives_that_of_tempfile(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await headrace.tempfile.gettempdir() == str(folder)
    assert await headrace.tempfile.gettempdirb() == os.fsencode(folder)
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert await headrace.tempfile.gettempdir() == tempfile.gettempdir()


def test_gettempprefix_is_that_of_tempfile() -> None:
    assert headrace.tempfile.gettempprefix() == tempfile.gettempprefix()


# -- Mistakes --------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [NamedTemporaryFile, TemporaryFile, SpooledTemporaryFile, TemporaryDirectory],
)
def test_with_and_missing_await_say_what_to_write(function: Any) -> None:
    with pytest.raises(TypeError, match=f"async with {function.__name__}"):
        with function():
            pass
    with pytest.raises(TypeError, match="await"):
        function().write(b"x")


async def test_for_and_with_on_a_spooled_file_say_what_to_write() -> None:
    async with SpooledTemporaryFile() as spooled:
        f: Any = spooled
        with pytest.raises(TypeError, match="async for"):
            list(f)
        with pytest.raises(TypeError, match="async with"):
            with f:
                pass


async def test_unused_call_makes_nothing_and_warns(folder: Path) -> None:
    call: Any = NamedTemporaryFile()
    with pytest.warns(RuntimeWarning, match="never awaited"):
        del call
        gc.collect()
    assert os.listdir(folder) == []


def test_missing_encoding_warns_where_python_is_asked_to() -> None:
    program = (
        "import headrace\n"
        "for name in ('NamedTemporaryFile', 'TemporaryFile', 'SpooledTemporaryFile'):\n"
        "    getattr(headrace.tempfile, name)(mode='w')\n"
    )
    result = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr.count("<string>:3: EncodingWarning") >= 1


def test_it_runs_without_warnings_of_its_own() -> None:
    async def use_all() -> None:
        async with NamedTemporaryFile("w"), TemporaryFile(), SpooledTemporaryFile():
            async with TemporaryDirectory():
                pass

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(use_all())
        gc.collect()


# -- All names ---------------------------------------------------------------------


@pytest.mark.parametrize("name", tempfile.__all__)
def test_name_of_tempfile_is_there_with_its_arguments(name: str) -> None:
    real, ours = getattr(tempfile, name), getattr(headrace.tempfile, name)
    if not callable(real):
        assert ours == real
        return
    expected = inspect.signature(real).parameters
    found = inspect.signature(ours).parameters
    assert set(expected) <= set(found)
    for parameter in expected.values():
        if parameter.kind is not parameter.POSITIONAL_ONLY:
            assert found[parameter.name].default == parameter.default


def test_tempdir_is_that_of_tempfile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(headrace.tempfile, "tempdir", str(tmp_path))
    assert tempfile.tempdir == str(tmp_path)
    assert asyncio.run(headrace.tempfile.gettempdir()) == str(tmp_path)


async def test_mktemp_gives_a_name_that_nobody_has(tmp_path: Path) -> None:
    name = await headrace.tempfile.mktemp(".x", "y", tmp_path)
    assert name.startswith(str(tmp_path / "y"))
    assert not Path(name).exists()
