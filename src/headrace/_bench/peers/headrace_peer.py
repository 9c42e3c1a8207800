"""headrace, by the calls that its documentation shows first."""

from __future__ import annotations

import importlib
from typing import Any

from .base import Work, ignore


class Headrace:
    """`headrace.open`, the one-shots, and `headrace.os`."""

    name = "headrace"

    def __init__(self) -> None:
        # Any: a loop over `paths` meets `open` with the mode given as in the other
        # peers; what the overloads say is tested in tests/typing.
        headrace: Any = importlib.import_module("headrace")
        self._open, self._read_bytes = headrace.open, headrace.read_bytes
        self._os: Any = importlib.import_module("headrace.os")
        self._stats: Any = headrace.stats
        self.version: str = headrace.__version__

    def counters(self) -> dict[str, int]:
        """Return how headrace did its operations so far, by the way it took."""
        counters: dict[str, int] = self._stats().as_dict()
        return counters

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
                if seen is ignore:
                    while line := await file.readline():
                        last = line
                else:
                    while line := await file.readline():
                        seen(line)
                        last = line
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
        seen, data, read_bytes = work.seen, b"", self._read_bytes
        for path in work.paths:
            data = await read_bytes(path)
            seen(data)
        return data

    tree = read_bytes

    async def whole(self, work: Work) -> object:
        seen, data = work.seen, b""
        for path in work.paths:
            async with self._open(path, "rb") as file:
                data = await file.read()
            seen(data)
        return data

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
