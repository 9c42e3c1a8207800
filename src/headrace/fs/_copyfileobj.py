"""Copying between file objects, asynchronous and blocking ones.

A blocking file is read and written in worker threads, both in the same job where both
are such.
"""

from __future__ import annotations

import inspect
from typing import Any

from headrace.engine import current_engine
from headrace.fs._steps import Progress, Tally, Work, in_steps, is_async

__all__ = ["copy_files"]


async def copy_files(
    source: Any, target: Any, length: int, progress: Progress | None
) -> None:
    """Copy what is left of *source* to *target*, *length* at a time."""
    tally = Tally(progress)
    # Looked up once: an object may have other methods by the next piece.
    read, write = source.read, target.write
    if not _is_asynchronous(source, read) and not _is_asynchronous(target, write):
        await in_steps(_copy_blocking(read, write, length, tally), tally)
        return
    read, write = _call_of(source, read), _call_of(target, write)
    while data := await read(length):
        await write(data)
        tally.add(len(data), len(data))
        await tally.tell()
    await tally.tell(at_end=True)


def _copy_blocking(read: Any, write: Any, length: int, tally: Tally) -> Work[None]:
    while data := read(length):
        write(data)
        tally.add(len(data), len(data))
        yield None


def _is_asynchronous(file: object, method: Any) -> bool:
    """Tell whether the methods of a file are to be awaited."""
    # Those of the C core are no coroutine functions: the file says it by `async for`.
    return is_async(method) or hasattr(type(file), "__anext__")


def _call_of(file: object, method: Any) -> Any:
    """Return *method* as one to be awaited, in a worker thread if it blocks."""
    if _is_asynchronous(file, method):
        return method

    async def call(argument: Any) -> Any:
        result = await current_engine().run(method, argument, on_cancel="finish")
        return await result if inspect.isawaitable(result) else result

    return call
