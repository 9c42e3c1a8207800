"""D23, D24: fork, threads, and loops that come and go."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path
from typing import Any

import pytest

import headrace
from tests import tasks
from tests.faults.support import (
    BOUND_S,
    descriptors,
    kernel_threads,
    passes,
    saturated,
    turns,
)
from tests.garbage import collect_until

# Python warns of a fork in a process with threads; here that is the point.
FORK = ("-W", "ignore::DeprecationWarning")


# -- Fork --


def test_forked_child_makes_an_engine_of_its_own(tmp_path: Path) -> None:
    source = """
        import asyncio, os, sys
        import headrace

        folder = sys.argv[1]

        async def use(name):
            path = os.path.join(folder, name)
            async with headrace.open(path, "w") as file:
                await file.write(name)
            async with headrace.open(path, "r+") as file:
                assert await file.read() == name
            assert await headrace.read_text(path) == name

        async def main():
            await asyncio.gather(*(use(f"before{i}") for i in range(20)))
            for number in range(5):
                pid = os.fork()
                if pid == 0:
                    # The parent's loop must not run here; a new one does.
                    asyncio._set_running_loop(None)
                    code = 1
                    try:
                        asyncio.run(use(f"child{number}"))
                        code = 0
                    finally:
                        os._exit(code)
                _, status = os.waitpid(pid, 0)
                assert os.waitstatus_to_exitcode(status) == 0
                await use(f"after{number}")

        asyncio.run(main())
        print(len(os.listdir(folder)))
    """
    assert passes(source, tmp_path, flags=FORK) == "30\n"


def test_fork_with_jobs_in_flight_leaves_the_parent_alone(tmp_path: Path) -> None:
    source = """
        import asyncio, os, sys, threading
        import headrace
        from headrace.engine import current_engine
        from headrace.files import _calls

        folder = sys.argv[1]

        async def use(name):
            async with headrace.open(os.path.join(folder, name), "w") as file:
                await file.write(name)

        async def main():
            release = threading.Event()
            stuck = [
                asyncio.ensure_future(current_engine().run(release.wait, 20))
                for _ in range(40)
            ]
            # Native threads have a pool of their own.
            reading, writing = os.pipe()
            stuck_too = [
                asyncio.ensure_future(
                    current_engine().run(_calls.read_once, reading, 1, -1)
                )
                for _ in range(40)
            ]
            queued = asyncio.ensure_future(use("queued"))
            await asyncio.sleep(0.02)
            pid = os.fork()
            if pid == 0:
                asyncio._set_running_loop(None)
                code = 1
                try:
                    asyncio.run(asyncio.wait_for(use("child"), 10))
                    code = 0
                finally:
                    os._exit(code)
            _, status = os.waitpid(pid, 0)
            assert os.waitstatus_to_exitcode(status) == 0
            assert sorted(os.listdir(folder)) == ["child"]
            release.set()
            os.close(writing)
            await queued
            assert all(await asyncio.gather(*stuck))
            assert not any(await asyncio.gather(*stuck_too))

        asyncio.run(main())
        print(sorted(os.listdir(folder)))
    """
    assert passes(source, tmp_path, flags=FORK) == "['child', 'queued']\n"


def test_forked_child_does_not_write_the_parents_buffers(tmp_path: Path) -> None:
    source = """
        import asyncio, atexit, os, sys
        import headrace

        async def main():
            file = await headrace.open(sys.argv[1], "w")
            await file.write("once")
            if os.fork() == 0:
                # What the exit of a child does, less asyncio's own: closing the
                # loop here would close the selector that the parent shares.
                atexit._run_exitfuncs()
                os._exit(0)
            os.wait()
            await file.close()

        asyncio.run(main())
    """
    path = tmp_path / "file"
    passes(source, path, flags=FORK)
    assert path.read_text() == "once"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(tmp_path: Path, method: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        """
import asyncio, multiprocessing, os, sys
import headrace

folder = sys.argv[1]


async def use(name):
    async with headrace.open(os.path.join(folder, name), "w") as file:
        await file.write(name)


def work(number):
    asyncio.run(use(f"worker{number}"))
    return number


if __name__ == "__main__":
    asyncio.run(use("parent"))
    with multiprocessing.get_context(sys.argv[2]).Pool(2) as pool:
        assert pool.map(work, range(4)) == list(range(4))
    asyncio.run(use("parent again"))
    print(len(os.listdir(folder)))
"""
    )
    folder = tmp_path / "folder"
    folder.mkdir()
    source = f"""
        import runpy, sys
        sys.argv = [{str(program)!r}, {str(folder)!r}, {method!r}]
        runpy.run_path({str(program)!r}, run_name="__main__")
    """
    if method == "spawn":
        import subprocess
        import sys

        done = subprocess.run(
            [sys.executable, str(program), str(folder), method],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stdout) == (0, "6\n"), done.stderr
    else:
        assert passes(source, flags=FORK) == "6\n"


# -- Loops --


async def use(path: Path) -> None:
    async with headrace.open(path, "w") as file:
        await file.write("content")
    async with headrace.open(path, "r+") as file:
        assert await file.read() == "content"


def test_loops_that_come_and_go_leave_nothing_behind(tmp_path: Path, loop: Any) -> None:
    for _ in range(3):
        loop.run(use, tmp_path / "file")
    gc.collect()
    before = descriptors()
    threads = kernel_threads()
    for _ in range(200):
        loop.run(use, tmp_path / "file")
    assert collect_until(lambda: descriptors() == before), (descriptors(), before)
    assert kernel_threads() <= threads + 1


def test_many_loop_threads_leave_nothing_behind(tmp_path: Path, loop: Any) -> None:
    loop.run(use, tmp_path / "file")
    gc.collect()
    before = descriptors()
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            type(loop)().run(use, tmp_path / str(number))
        except BaseException as error:
            failures.append(error)

    threads_before = kernel_threads()
    for _ in range(5):
        threads = [threading.Thread(target=work, args=(n,)) for n in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(BOUND_S)
    assert not failures
    gc.collect()
    assert descriptors() == before
    from headrace._platform import worker_limit

    assert kernel_threads() <= threads_before + worker_limit()


def test_file_is_used_in_a_later_loop(tmp_path: Path, loop: Any) -> None:
    path = tmp_path / "file"

    async def first() -> Any:
        file = await headrace.open(path, "w+")
        await file.write("from the first loop\n")
        return file

    async def second(file: Any) -> None:
        await file.write("from the second loop\n")
        await file.seek(0)
        assert await file.readline() == "from the first loop\n"

    async def third(file: Any) -> None:
        async with file:
            assert await file.readline() == "from the second loop\n"

    file = loop.run(first)
    loop.run(second, file)
    loop.run(third, file)
    assert file.closed


def test_file_is_used_in_a_later_loop_after_a_cancellation(
    tmp_path: Path, loop: Any
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1_000_000)

    async def first() -> Any:
        file = await headrace.open(path, "rb", buffering=0)
        task = tasks.start(file.read(900_000))
        await turns(2)
        task.cancel()
        await tasks.wait([task])
        return file

    async def second(file: Any) -> None:
        async with file:
            assert await tasks.wait_for(file.tell(), BOUND_S) in (0, 900_000)
            assert len(await tasks.wait_for(file.read(), BOUND_S)) >= 100_000

    loop.run(second, loop.run(first))


def test_loop_that_ended_with_operations_waiting_is_no_trouble(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"

    async def first() -> Any:
        file = await headrace.open(path, "wb", buffering=0)
        async with saturated():
            started = [tasks.start(file.write(b"x" * 10)) for _ in range(2)]
            await turns(3)
            for task in started:
                task.cancel()
        return file

    async def second(file: Any) -> None:
        async with tasks.timeout(BOUND_S):
            await file.write(b"z")
            await file.close()

    file = asyncio.run(first())
    asyncio.run(second(file))
    assert path.read_bytes().endswith(b"z")


def test_file_in_two_loops_at_once_is_refused_with_an_explanation(
    tmp_path: Path, loop: Any
) -> None:
    path = tmp_path / "file"
    errors: list[BaseException] = []

    async def intruder(file: Any) -> None:
        try:
            await file.write(b"intruder" * 100_000)
        except BaseException as error:
            errors.append(error)

    def in_thread(file: Any) -> None:
        type(loop)().run(intruder, file)

    async def main() -> None:
        async with headrace.open(path, "wb") as file:
            async with saturated() as release:
                task = tasks.start(file.write(b"x" * 300_000))
                await turns(3)
                thread = threading.Thread(target=in_thread, args=(file,))
                thread.start()
                thread.join(BOUND_S)
                assert not thread.is_alive()
                release()
                assert await task == 300_000

    loop.run(main)
    assert len(errors) == 1
    assert isinstance(errors[0], RuntimeError)
    assert "loop" in str(errors[0])
    assert path.read_bytes() == b"x" * 300_000


def test_open_outside_a_loop_says_what_is_needed(tmp_path: Path) -> None:
    opening = headrace.open(tmp_path / "file", "w")
    coroutine = opening.__await__()
    with pytest.raises(RuntimeError, match="loop"):
        coroutine.send(None)
    assert not (tmp_path / "file").exists()
