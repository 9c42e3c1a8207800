"""D9: a read of standard input can be cancelled, and never holds up the exit."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import io
import os
import pty
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import headrace
from tests import tasks
from tests.faults.support import BOUND_S, passes, script

CANCEL_SOON = """
    import asyncio, sys, time
    import headrace

    if "{loop}" == "uvloop":
        import uvloop
        new_loop = uvloop.new_event_loop
    else:
        new_loop = asyncio.new_event_loop

    async def main():
        print("ready", flush=True)
        task = asyncio.ensure_future(headrace.{stream}.{call})
        done, pending = await asyncio.wait([task], timeout=0.05)
        assert not done, task.result()
        began = time.perf_counter()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        else:
            raise AssertionError("not cancelled")
        took = time.perf_counter() - began
        assert took < 1, took
        return time.perf_counter()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        began = runner.run(main())
    took = time.perf_counter() - began
    assert took < 2, f"asyncio.run() took {{took}} s to return"
    print("end")
"""

CALLS = ["readline()", "read()", "read(1)", "readlines()", "__anext__()"]


def run_with_stdin(stdin: int, source: str) -> tuple[int, str, str, float]:
    """Run a program, and tell how long it took to end after it printed `end`."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if line == "end\n":
                break
        ended = time.perf_counter()
        code = process.wait(timeout=BOUND_S)
        took = time.perf_counter() - ended
        return code, "".join(lines), process.stderr.read(), took
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


@contextlib.contextmanager
def silent_pipe() -> Iterator[int]:
    reader, writer = os.pipe()
    try:
        yield reader
    finally:
        os.close(reader)
        os.close(writer)


@contextlib.contextmanager
def silent_terminal() -> Iterator[int]:
    master, slave = pty.openpty()
    try:
        yield slave
    finally:
        os.close(slave)
        os.close(master)


@pytest.mark.parametrize("kind", [silent_pipe, silent_terminal], ids=["pipe", "pty"])
@pytest.mark.parametrize("loop_name", ["asyncio", "uvloop"])
@pytest.mark.parametrize(
    ("stream", "call"),
    [("stdin", call) for call in CALLS] + [("stdin_bytes", CALLS[0])],
)
def test_pending_read_is_cancelled_and_the_program_ends(
    kind: Callable[[], contextlib.AbstractContextManager[int]],
    stream: str,
    call: str,
    loop_name: str,
) -> None:
    if importlib.util.find_spec(loop_name) is None:
        pytest.skip(f"{loop_name} is not installed")
    with kind() as stdin:
        flags = fcntl.fcntl(stdin, fcntl.F_GETFL)
        code, out, err, took = run_with_stdin(
            stdin, CANCEL_SOON.format(stream=stream, call=call, loop=loop_name)
        )
        assert code == 0, err
        assert err == ""
        assert out.endswith("end\n")
        assert took < 2, f"the interpreter took {took:.1f} s to exit"
        # The other users of this terminal or pipe must not notice.
        assert fcntl.fcntl(stdin, fcntl.F_GETFL) == flags


def test_program_ends_though_a_read_is_never_cancelled() -> None:
    source = """
        import asyncio, headrace

        async def main():
            task = asyncio.ensure_future(headrace.stdin.readline())
            await asyncio.sleep(0.05)
            print("end", flush=True)

        asyncio.run(main())
    """
    with silent_pipe() as stdin:
        code, _, err, took = run_with_stdin(stdin, source)
    assert (code, err) == (0, "")
    assert took < 2


READ_ALL = """
    import asyncio, headrace

    async def main():
        lines = [line async for line in headrace.stdin]
        assert await headrace.stdin.read() == ""
        print(lines)

    asyncio.run(main())
"""


def test_dev_null_is_at_its_end() -> None:
    assert passes(READ_ALL) == "[]\n"


def test_regular_file(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_text("one\ntwo\nthree")
    with path.open() as stdin:
        assert passes(READ_ALL, stdin=stdin) == "['one\\n', 'two\\n', 'three']\n"


def test_pipe_that_was_closed() -> None:
    source = textwrap.dedent(READ_ALL)
    done = subprocess.run(
        [sys.executable, "-c", source],
        input="one\ntwo",
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['one\\n', 'two']\n"


def test_terminal() -> None:
    master, slave = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(READ_ALL)],
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(slave)
        os.write(master, b"one\ntwo\n\x04\x04")
        out, err = process.communicate(timeout=BOUND_S)
    finally:
        os.close(master)
    assert process.returncode == 0, err
    assert out == "['one\\n', 'two\\n']\n"


def test_lines_arrive_as_they_are_typed() -> None:
    source = """
        import asyncio, headrace

        async def main():
            async for line in headrace.stdin:
                print(line.strip().upper(), flush=True)

        asyncio.run(main())
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        for word in ("one", "two", "three"):
            process.stdin.write(f"{word}\n")
            assert process.stdout.readline() == f"{word.upper()}\n"
        process.stdin.close()
        assert process.wait(timeout=BOUND_S) == 0


def test_cancelled_read_loses_nothing() -> None:
    source = """
        import asyncio, os, headrace

        async def main():
            for _ in range(20):
                task = asyncio.ensure_future(headrace.stdin.readline())
                await asyncio.sleep(0.001)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            print("ready", flush=True)
            print([await headrace.stdin.readline() for _ in range(3)])

        asyncio.run(main())
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        out, _ = process.communicate("one\ntwo\n", timeout=BOUND_S)
    assert out == "['one\\n', 'two\\n', '']\n"


def test_closed_stdin_is_said_to_be_missing() -> None:
    source = """
        import asyncio, sys, headrace

        assert sys.stdin is None

        async def main():
            try:
                await headrace.stdin.read()
            except (ValueError, RuntimeError, OSError) as error:
                print(type(error).__name__, error)

        asyncio.run(main())
    """
    done = script(source, stdin=None, preexec_fn=lambda: os.close(0))
    assert done.returncode == 0, done.stderr
    assert "stdin" in done.stdout


def test_other_work_goes_on_while_a_read_is_pending(tmp_path: Path) -> None:
    source = """
        import asyncio, socket, sys, headrace

        async def main():
            tasks = [
                asyncio.ensure_future(headrace.stdin.readline()) for _ in range(100)
            ]
            await asyncio.sleep(0.05)
            async with asyncio.timeout(5):
                async with headrace.open(sys.argv[1], "w") as file:
                    await file.write("x")
                await asyncio.get_running_loop().getaddrinfo("localhost", 80)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run(main())
    """
    with silent_pipe() as stdin:
        passes(source, tmp_path / "file", stdin=stdin)


async def test_stdin_follows_monkeypatching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("patched\n"))
    assert await headrace.stdin.readline() == "patched\n"
    buffer = io.TextIOWrapper(io.BytesIO(b"bytes\n"))
    monkeypatch.setattr(sys, "stdin", buffer)
    assert await headrace.stdin_bytes.readline() == b"bytes\n"


async def test_stdout_follows_monkeypatching(
    capsys: pytest.CaptureFixture[str],
) -> None:
    await headrace.stdout.write("out\n")
    await headrace.stdout.flush()
    await headrace.stderr.write("err\n")
    await headrace.stderr.flush()
    await tasks.sleep(0)
    assert capsys.readouterr() == ("out\n", "err\n")
