"""Requests per second of servers that stream files, by who reads the files.

    python benchmarks/servers.py [--rounds N] [--seconds S] [--framework starlette]

aiohttp, or Starlette on uvicorn, serves a file of 64 KB and one of 10 MB in pieces of
64 KiB to 64 connections: once with builtin `open()` in the handler, which blocks the
loop, once with headrace, once with aiofiles. Server and clients are two processes.
The table has the requests per second (median of the rounds) and the ratio to builtin.

The goals: at least 0.85 of builtin, at least twice aiofiles.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

import aiohttp
from aiohttp import web

import headrace

PIECE = 64 * 1024  # bytes
SIZES = {"64 KB": 64_000, "10 MB": 10_000_000}
CONNECTIONS = 64

Reader = Callable[[Path], AsyncIterator[bytes]]


async def by_builtin(path: Path) -> AsyncIterator[bytes]:
    """Block the loop, as a handler does that knows no better."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


async def by_headrace(path: Path) -> AsyncIterator[bytes]:
    """Read with headrace."""
    async with headrace.open(path, "rb") as file:
        async for piece in file.chunks(PIECE):
            yield piece


async def by_aiofiles(path: Path) -> AsyncIterator[bytes]:
    """Read with aiofiles."""
    import aiofiles

    async with aiofiles.open(path, "rb") as file:
        while piece := await file.read(PIECE):
            yield piece


READERS: dict[str, Reader] = {
    "builtin": by_builtin,
    "headrace": by_headrace,
    "aiofiles": by_aiofiles,
}


def serve(framework: str, reader: str, folder: str, listening: socket.socket) -> None:
    """Run a server until the process is ended."""
    {"aiohttp": _aiohttp, "starlette": _starlette}[framework](
        READERS[reader], Path(folder), listening
    )


def _aiohttp(read: Reader, folder: Path, listening: socket.socket) -> None:
    async def download(request: web.Request) -> web.StreamResponse:
        path = folder / request.match_info["name"]
        response = web.StreamResponse(
            headers={"Content-Length": str(path.stat().st_size)}
        )
        await response.prepare(request)
        async for piece in read(path):
            await response.write(piece)
        return response

    app = web.Application()
    app.router.add_get("/{name}", download)
    web.run_app(app, sock=listening, print=None, access_log=None)


def _starlette(read: Reader, folder: Path, listening: socket.socket) -> None:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    async def download(request: Request) -> StreamingResponse:
        return StreamingResponse(read(folder / request.path_params["name"]))

    app = Starlette(routes=[Route("/{name}", download)])
    config = uvicorn.Config(app, lifespan="off", log_level="error")
    uvicorn.Server(config).run(sockets=[listening])


async def requests_per_second(url: str, size: int, seconds: float) -> float:
    """Ask for *url* over and over on all connections."""
    done = 0
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:
        until = perf_counter() + seconds

        async def client() -> None:
            nonlocal done
            while perf_counter() < until:
                got = 0
                async with session.get(url) as response:
                    async for piece in response.content.iter_any():
                        got += len(piece)
                assert got == size
                done += 1

        begun = perf_counter()
        await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
        return done / (perf_counter() - begun)


def measure(
    framework: str, folder: str, seconds: float
) -> dict[tuple[str, str], float]:
    """Return the requests per second of each reader and size."""
    found = {}
    for reader in READERS:
        with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
            port = listening.getsockname()[1]
            server = get_context("fork").Process(
                target=serve, args=(framework, reader, folder, listening)
            )
            server.start()
            try:
                for label, size in SIZES.items():
                    url = f"http://127.0.0.1:{port}/{size}"
                    asyncio.run(requests_per_second(url, size, seconds / 5))
                    found[reader, label] = asyncio.run(
                        requests_per_second(url, size, seconds)
                    )
            finally:
                server.terminate()
                server.join()
    return found


def main() -> None:
    """Measure and print."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--framework", default="aiohttp")
    arguments: Any = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES.values():
            Path(folder, str(size)).write_bytes(os.urandom(size))
        rounds = [
            measure(arguments.framework, folder, arguments.seconds)
            for _ in range(arguments.rounds)
        ]
    print(f"{arguments.framework}, {arguments.rounds} rounds of {arguments.seconds} s")
    for label in SIZES:
        builtin = statistics.median(found["builtin", label] for found in rounds)
        for reader in READERS:
            rate = statistics.median(found[reader, label] for found in rounds)
            print(f"{label:6} {reader:9} {rate:9.1f}/s  {rate / builtin:.2f}")


if __name__ == "__main__":
    sys.exit(main())
