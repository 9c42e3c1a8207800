"""anyio: `open_file` and `anyio.Path`, a hop to a worker thread for each call."""

from __future__ import annotations

import importlib
from typing import Any

from .base import Work, ignore, version_of


class Anyio:
    """anyio's files and paths, as its documentation shows them."""

    name = "anyio"

    def __init__(self) -> None:
        # Any: anyio is optional, so type checkers may not find it.
        anyio: Any = importlib.import_module("anyio")
        self._open, self._path = anyio.open_file, anyio.Path
        self.version = version_of("anyio")

    async def lines(self, work: Work) -> object:
        seen, line = work.seen, ""
        for path in work.paths:
            async with await self._open(path, encoding="utf-8") as file:
                if seen is ignore:
                    async for line in file:  # noqa: B007 - the last one counts
                        pass
                else:
                    async for line in file:
                        seen(line)
        return line

    async def readline(self, work: Work) -> object:
        seen, last = work.seen, ""
        for path in work.paths:
            async with await self._open(path, encoding="utf-8") as file:
                while line := await file.readline():
                    last = line
                    if seen is not ignore:
                        seen(line)
        return last

    async def write(self, work: Work) -> object:
        text = work.text
        for path in work.paths:
            async with await self._open(path, "w", encoding="utf-8") as file:
                for _ in range(work.count):
                    await file.write(text)
        return None

    async def open(self, work: Work) -> object:
        seen, size, data = work.seen, work.size, b""
        for path in work.paths:
            async with await self._open(path, "rb") as file:
                data = await file.read(size)
            seen(data)
        return data

    async def read_bytes(self, work: Work) -> object:
        seen, data = work.seen, b""
        for path in work.paths:
            data = await self._path(path).read_bytes()
            seen(data)
        return data

    tree = read_bytes
    whole = read_bytes

    async def chunks(self, work: Work) -> object:
        seen, size, data = work.seen, work.size, b""
        for path in work.paths:
            async with await self._open(path, "rb") as file:
                for _ in range(work.count):
                    data = await file.read(size)
                    seen(data)
        return data

    async def random(self, work: Work) -> object:
        seen, size, data = work.seen, work.size, b""
        for path in work.paths:
            async with await self._open(path, "rb") as file:
                for offset in work.offsets:
                    await file.seek(offset)
                    data = await file.read(size)
                    seen(data)
        return data

    async def stat(self, work: Work) -> object:
        seen, status = work.seen, None
        for path in work.paths:
            status = await self._path(path).stat()
            seen(status)
        return status

    async def create(self, work: Work) -> object:
        data = work.data
        for path in work.paths:
            async with await self._open(path, "wb") as file:
                await file.write(data)
        return None
