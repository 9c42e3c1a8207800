"""Builtin `open()`, which blocks the event loop: the reference."""

from __future__ import annotations

import os
import platform

from .base import Work, ignore


class Builtin:
    """The functions of the standard library, called on the loop's own thread."""

    name = "builtin"
    version = platform.python_version()

    async def lines(self, work: Work) -> object:
        seen, line = work.seen, ""
        for path in work.paths:
            with open(path, encoding="utf-8") as file:
                if seen is ignore:
                    for line in file:  # noqa: B007 - the last one counts
                        pass
                else:
                    for line in file:
                        seen(line)
        return line

    async def readline(self, work: Work) -> object:
        seen, last = work.seen, ""
        for path in work.paths:
            with open(path, encoding="utf-8") as file:
                if seen is ignore:
                    while line := file.readline():
                        last = line
                else:
                    while line := file.readline():
                        seen(line)
                        last = line
        return last

    async def write(self, work: Work) -> object:
        text = work.text
        for path in work.paths:
            with open(path, "w", encoding="utf-8") as file:
                for _ in range(work.count):  # noqa: FURB122 - one write() per item
                    file.write(text)
        return None

    async def open(self, work: Work) -> object:
        seen, size, data = work.seen, work.size, b""
        for path in work.paths:
            with open(path, "rb") as file:
                data = file.read(size)
            seen(data)
        return data

    async def read_bytes(self, work: Work) -> object:
        seen, data = work.seen, b""
        for path in work.paths:
            with open(path, "rb") as file:
                data = file.read()
            seen(data)
        return data

    tree = read_bytes
    whole = read_bytes

    async def chunks(self, work: Work) -> object:
        seen, size, data = work.seen, work.size, b""
        for path in work.paths:
            with open(path, "rb") as file:
                for _ in range(work.count):
                    data = file.read(size)
                    seen(data)
        return data

    async def random(self, work: Work) -> object:
        seen, size, data = work.seen, work.size, b""
        for path in work.paths:
            with open(path, "rb") as file:
                for offset in work.offsets:
                    file.seek(offset)
                    data = file.read(size)
                    seen(data)
        return data

    async def stat(self, work: Work) -> object:
        seen, status = work.seen, None
        for path in work.paths:
            status = os.stat(path)
            seen(status)
        return status

    async def create(self, work: Work) -> object:
        data = work.data
        for path in work.paths:
            with open(path, "wb") as file:
                file.write(data)
        return None
