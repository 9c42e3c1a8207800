"""aiofiles: each method of the file is a hop to the loop's default executor."""

from __future__ import annotations

import importlib
from typing import Any

from .base import Work, ignore, version_of


class Aiofiles:
    """`aiofiles.open` and `aiofiles.os`, as its README shows them."""

    name = "aiofiles"

    def __init__(self) -> None:
        # Any: aiofiles ships no type information, and is optional.
        self._open: Any = importlib.import_module("aiofiles").open
        self._os: Any = importlib.import_module("aiofiles.os")
        self.version = version_of("aiofiles")

    async def lines(self, work: Work) -> object:
        seen, line = work.seen, ""
        for path in work.paths:
            async with self._open(path, encoding="utf-8") as file:
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
            async with self._open(path, encoding="utf-8") as file:
                while line := await file.readline():
                    last = line
                    if seen is not ignore:
                        seen(line)
        return last

    async def write(self, work: Work) -> object:
        text = work.text
        for path in work.paths:
            async with self._open(path, "w", encoding="utf-8") as file:
                for _ in range(work.count):
                    await file.write(text)
        return None

    async def open(self, work: Work) -> object:
        seen, size, data = work.seen, work.size, b""
        for path in work.paths:
            async with self._open(path, "rb") as file:
                data = await file.read(size)
            seen(data)
        return data

    async def read_bytes(self, work: Work) -> object:
        seen, data = work.seen, b""
        for path in work.paths:
            async with self._open(path, "rb") as file:
                data = await file.read()
            seen(data)
        return data

    tree = read_bytes
    whole = read_bytes

    async def chunks(self, work: Work) -> object:
        seen, size, data = work.seen, work.size, b""
        for path in work.paths:
            async with self._open(path, "rb") as file:
                for _ in range(work.count):
                    data = await file.read(size)
                    seen(data)
        return data

    async def random(self, work: Work) -> object:
        seen, size, data = work.seen, work.size, b""
        for path in work.paths:
            async with self._open(path, "rb") as file:
                for offset in work.offsets:
                    await file.seek(offset)
                    data = await file.read(size)
                    seen(data)
        return data

    async def stat(self, work: Work) -> object:
        seen, status, stat = work.seen, None, self._os.stat
        for path in work.paths:
            status = await stat(path)
            seen(status)
        return status

    async def create(self, work: Work) -> object:
        data = work.data
        for path in work.paths:
            async with self._open(path, "wb") as file:
                await file.write(data)
        return None
