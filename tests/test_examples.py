"""The programs in examples/ run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_tail_logs_prints_what_is_there_and_what_comes(tmp_path: Path) -> None:
    pytest.importorskip("trio")
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("one\n")
    second.write_text("two\nhal")
    program = subprocess.Popen(
        [
            sys.executable,
            "-W",
            "error",
            EXAMPLES / "tail_logs.py",
            "--seconds",
            "60",
            first,
            second,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdout is not None
        seen = {program.stdout.readline() for _ in range(2)}
        assert seen == {f"{first}: one\n", f"{second}: two\n"}
        with second.open("a") as file:
            file.write("f\n")
        assert program.stdout.readline() == f"{second}: half\n"
        program.send_signal(2)
        rest, errors = program.communicate(timeout=20)
    assert (rest, errors, program.returncode) == ("", "", 0)
