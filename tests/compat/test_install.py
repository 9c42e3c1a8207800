"""`install_aiofiles()`, in a process of its own each time, for it changes that."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

MODULES = [
    "aiofiles",
    "aiofiles.base",
    "aiofiles.os",
    "aiofiles.ospath",
    "aiofiles.tempfile",
    "aiofiles.tempfile.temptypes",
    "aiofiles.threadpool",
    "aiofiles.threadpool.binary",
    "aiofiles.threadpool.text",
    "aiofiles.threadpool.utils",
]


def run(program: str) -> None:
    subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)], check=True
    )


@pytest.mark.parametrize("name", MODULES)
def test_module_is_that_of_headrace(name: str) -> None:
    run(
        f"""
        from headrace.compat import install_aiofiles
        install_aiofiles()
        import importlib, {name}
        module = importlib.import_module("{name}")
        assert module.__name__ == "headrace.compat.{name}", module
        assert {name} is module
        """
    )


def test_program_for_aiofiles_runs_unchanged(tmp_path: object) -> None:
    run(
        f"""
        import headrace.compat
        headrace.compat.install_aiofiles()

        import asyncio, os
        import aiofiles
        import aiofiles.os as aios
        from aiofiles import open as aopen, tempfile
        from aiofiles.ospath import exists
        from aiofiles.threadpool.text import AsyncTextIOWrapper

        async def main():
            async with aiofiles.open("file", "w") as f:
                await f.write("text")
                assert isinstance(f, AsyncTextIOWrapper)
            async with aopen("file") as f:
                assert await f.read() == "text"
            assert await exists("file") and await aios.path.isfile("file")
            await aios.remove("file")
            async with tempfile.TemporaryDirectory() as name:
                assert os.path.isdir(name)

        os.chdir({str(tmp_path)!r})
        asyncio.run(main())
        """
    )


def test_calling_it_again_changes_nothing() -> None:
    run(
        """
        from headrace.compat import install_aiofiles
        install_aiofiles()
        import aiofiles
        install_aiofiles()
        import sys
        assert sys.modules["aiofiles"] is aiofiles
        """
    )


def test_it_works_where_aiofiles_is_not_installed() -> None:
    run(
        """
        import sys

        class Missing:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] == "aiofiles":
                    raise ModuleNotFoundError(name)

        sys.meta_path.insert(0, Missing())
        try:
            import aiofiles
        except ModuleNotFoundError:
            pass
        from headrace.compat import install_aiofiles
        install_aiofiles()
        import aiofiles.tempfile.temptypes
        assert aiofiles.__name__ == "headrace.compat.aiofiles"
        """
    )


def test_it_works_after_aiofiles_was_imported() -> None:
    pytest.importorskip("aiofiles")
    run(
        """
        import aiofiles, aiofiles.os, aiofiles.tempfile, sys
        real = aiofiles
        from headrace.compat import install_aiofiles
        install_aiofiles()
        import aiofiles, aiofiles.os
        assert aiofiles is not real
        leftover = [
            name for name, module in sys.modules.items()
            if name.split(".")[0] == "aiofiles"
            and not module.__name__.startswith("headrace.")
        ]
        assert not leftover, leftover
        """
    )


def test_importing_headrace_changes_no_aiofiles() -> None:
    run(
        """
        import sys
        import headrace.compat.aiofiles
        assert "aiofiles" not in sys.modules
        """
    )
