"""`asyncio.to_thread` round each blocking call, as one writes it by hand."""

from __future__ import annotations

import os
import platform
from asyncio import to_thread
from pathlib import Path

from .base import Work, ignore


class ToThread:
    """One hop per call; what is one call in the standard library is one hop."""

    name = "to_thread"
    version = platform.python_version()

    async def lines(self, work: Work) -> object:
        seen, last = work.seen, ""
        for path in work.paths:
            file = await to_thread(open, path, encoding="utf-8")
            try:
                while line := await to_thread(next, file, ""):
                    last = line
                    if seen is not ignore:
                        seen(line)
            finally:
                await to_thread(file.close)
        return last

    async def readline(self, work: Work) -> object:
        seen, last = work.seen, ""
        for path in work.paths:
            file = await to_thread(open, path, encoding="utf-8")
            try:
                while line := await to_thread(file.readline):
                    last = line
                    if seen is not ignore:
                        seen(line)
            finally:
                await to_thread(file.close)
        return last

    async def write(self, work: Work) -> object:
        text = work.text
        for path in work.paths:
            file = await to_thread(open, path, "w", encoding="utf-8")
            try:
                for _ in range(work.count):
                    await to_thread(file.write, text)
            finally:
                await to_thread(file.close)
        return None

    async def open(self, work: Work) -> object:
        seen, size, data = work.seen, work.size, b""
        for path in work.paths:
            file = await to_thread(open, path, "rb")
            try:
                data = await to_thread(file.read, size)
            finally:
                await to_thread(file.close)
            seen(data)
        return data

    async def read_bytes(self, work: Work) -> object:
        seen, data = work.seen, b""
        for path in work.paths:
            data = await to_thread(Path(path).read_bytes)
            seen(data)
        return data

    tree = read_bytes
    whole = read_bytes

    async def chunks(self, work: Work) -> object:
        seen, size, data = work.seen, work.size, b""
        for path in work.paths:
            file = await to_thread(open, path, "rb")
            try:
                for _ in range(work.count):
                    data = await to_thread(file.read, size)
                    seen(data)
            finally:
                await to_thread(file.close)
        return data

    async def random(self, work: Work) -> object:
        seen, size, data = work.seen, work.size, b""
        for path in work.paths:
            file = await to_thread(open, path, "rb")
            try:
                for offset in work.offsets:
                    await to_thread(file.seek, offset)
                    data = await to_thread(file.read, size)
                    seen(data)
            finally:
                await to_thread(file.close)
        return data

    async def stat(self, work: Work) -> object:
        seen, status = work.seen, None
        for path in work.paths:
            status = await to_thread(os.stat, path)
            seen(status)
        return status

    async def create(self, work: Work) -> object:
        data = work.data
        for path in work.paths:
            file = await to_thread(open, path, "wb")
            try:
                await to_thread(file.write, data)
            finally:
                await to_thread(file.close)
        return None
