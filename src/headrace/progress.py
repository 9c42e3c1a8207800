"""Progress bars for what takes `progress=`; they need rich (the extra `cli`)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["bar"]


@contextmanager
def bar(
    description: str = "", *, display: Progress | None = None
) -> Generator[Callable[[int, int], None], None, None]:
    """Show a progress bar in bytes while the block runs.

    ```python
    with bar("Copying") as progress:
        await shutil.copytree(source, target, progress=progress)
    ```

    Args:
        description: Stands before the bar.
        display: A running `rich.progress.Progress` that gets one more bar; by default
            a new one.

    Yields:
        What to give as `progress=`.

    Raises:
        ModuleNotFoundError: rich is not installed.
    """
    if display is not None:
        yield _task(display, description)
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as made:
        yield _task(made, description)


def _task(display: Progress, description: str) -> Callable[[int, int], None]:
    task = display.add_task(description, total=None)

    def progress(done: int, total: int) -> None:
        display.update(task, completed=done, total=total)

    return progress
