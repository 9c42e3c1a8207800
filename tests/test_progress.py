"""`headrace.progress`: what `progress=` is told, as a bar."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import headrace
from headrace.progress import bar

rich_progress = pytest.importorskip("rich.progress")
rich_console = pytest.importorskip("rich.console")


async def test_bar_follows_a_copy(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(5000))
    console = rich_console.Console(file=io.StringIO(), force_terminal=False)
    with rich_progress.Progress(console=console) as display:
        with bar("Copying", display=display) as progress:
            await headrace.shutil.copyfile(
                tmp_path / "a", tmp_path / "b", progress=progress
            )
        (task,) = display.tasks
    assert (task.description, task.completed, task.total) == ("Copying", 5000, 5000)
    assert task.finished


async def test_bar_makes_its_own_display(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").write_bytes(bytes(5000))
    with bar("Copying") as progress:
        await headrace.shutil.copyfile(
            tmp_path / "a", tmp_path / "b", progress=progress
        )
    assert "Copying" in capsys.readouterr().out
