"""What README.md and docs/ show works: each ```python block is run, page by page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import run_doc_page

ROOT = Path(__file__).parent.parent
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if page.exists() and any(run_doc_page.blocks(page.read_text(encoding="utf-8")))
]


def run(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    # A process of its own: pages may alias modules, and warnings must be errors even
    # where they are given by a destructor, which the exit status does not show.
    return subprocess.run(
        [sys.executable, "-W", "error", run_doc_page.__file__, str(page)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize(
    "page", [pytest.param(p, id=str(p.relative_to(ROOT))) for p in PAGES]
)
def test_examples_of_the_page_run(page: Path, tmp_path: Path) -> None:
    result = run(page, tmp_path)
    assert result.returncode == 0, result.stderr
    assert not result.stderr, result.stderr


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("```python\n1 / 0\n```\n", "ZeroDivisionError", id="raises"),
        pytest.param(
            "```python\nprint(1)\n```\n\n```output\n2\n```\n",
            "the page says",
            id="prints-something-else",
        ),
        pytest.param(
            "```python\nf = open('x', 'w')\ndel f\n```\n",
            "ResourceWarning",
            id="leaves-a-file-open",
        ),
        pytest.param(
            "* item\n\n  ```python\n  from asyncio import sleep\n  sleep(0)\n  ```\n",
            "never awaited",
            id="forgets-to-await",
        ),
    ],
)
def test_wrong_example_is_found(text: str, complaint: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    assert complaint in run(page, tmp_path).stderr


def test_blocks_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nimport asyncio\nnumber = 1\n```\n\n"
        "```python\nawait asyncio.sleep(0)\nprint(number + 1)\n```\n\n"
        "```output\n2\n```\n"
    )
    result = run(page, tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
