"""Mistakes that type checkers have to find; checked, not run.

Each line is marked with the complaint that it must draw. mypy reports a mark that
was not needed, so this file is clean only while every mistake is found.
"""

from __future__ import annotations

from pathlib import Path

import headrace
from headrace import AsyncBufferedReader, AsyncBufferedWriter, AsyncTextIOWrapper


async def wrong_data(text: AsyncTextIOWrapper, path: Path) -> None:
    await text.write(b"bytes")  # type: ignore[arg-type]
    await text.read("5")  # type: ignore[arg-type]
    await headrace.write_text(path, b"bytes")  # type: ignore[arg-type]


async def wrong_arguments(path: Path) -> None:
    await headrace.open(3.5)  # type: ignore[call-overload]
    await headrace.open(path, mode=5)  # type: ignore[call-overload]
    await headrace.open(path, buffering="1")  # type: ignore[call-overload]
    await headrace.open(path, no_such=1)  # type: ignore[call-overload]


async def forgotten_await(reader: AsyncBufferedReader) -> None:
    data: bytes = reader.read()  # type: ignore[assignment]
    print(data)


async def wrong_direction(
    reader: AsyncBufferedReader, writer: AsyncBufferedWriter
) -> None:
    data: bytes = await reader.no_such()  # type: ignore[attr-defined]
    print(data, writer.no_such)  # type: ignore[attr-defined]
