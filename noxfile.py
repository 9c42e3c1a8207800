"""The suite on every CPython at hand: `make test-all`, or `nox -s test-3.12`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import nox

nox.options.default_venv_backend = "virtualenv"
# "At hand" means installed: nox fetches no interpreter, and skips what is missing.
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"
nox.options.sessions = ["test"]

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


def add_pyenv_to_path() -> None:
    """Let nox find what pyenv installed, whether or not pyenv has it active."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    folders = sorted(str(path) for path in root.glob("versions/3.*/bin"))
    # Before pyenv's shims, which exist for inactive versions too, and then fail.
    os.environ["PATH"] = os.pathsep.join([*folders, os.environ.get("PATH", "")])


add_pyenv_to_path()


def install(session: nox.Session, *groups: str) -> None:
    arguments = [argument for group in groups for argument in ("--group", group)]
    session.install("--quiet", "--editable", ".[cli]", *arguments)


@nox.session(python=PYTHONS)
def test(session: nox.Session) -> None:
    """Run the tests; what stands after --, and in ARGS, goes to pytest."""
    install(session, "test")
    arguments = [*session.posargs, *shlex.split(os.environ.get("ARGS", ""))]
    session.run("python", "-m", "pytest", *arguments)


@nox.session
def coverage(session: nox.Session) -> None:
    """Report the lines and branches that no test runs."""
    install(session, "test", "coverage")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "combine")
    session.run("coverage", "report")
