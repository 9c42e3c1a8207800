"""Files behind real HTTP servers: aiohttp's and, over ASGI, Starlette on uvicorn."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import runpy
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

import headrace

aiohttp = pytest.importorskip("aiohttp")
pytest.importorskip("starlette")
uvicorn: Any = pytest.importorskip("uvicorn")

from aiohttp import web  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import JSONResponse, StreamingResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402

EXAMPLE = Path(__file__).parents[2] / "examples" / "file_server.py"

pytestmark = pytest.mark.asyncio_only("both servers are asyncio's")

SMALL = 64 * 1024
LARGE = 10 * 1024 * 1024
CLIENTS = 64


@asynccontextmanager
async def aiohttp_server(folder: Path) -> AsyncIterator[str]:
    runner = web.AppRunner(runpy.run_path(str(EXAMPLE))["application"](folder))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def asgi_server(folder: Path) -> AsyncIterator[str]:
    async def download(request: Request) -> StreamingResponse:
        file = await headrace.open(folder / request.path_params["name"], "rb")

        async def chunks() -> AsyncIterator[bytes]:
            async with file:
                async for chunk in file.chunks(SMALL):
                    yield chunk

        return StreamingResponse(chunks())

    async def upload(request: Request) -> JSONResponse:
        taken = 0
        async with headrace.open(folder / request.path_params["name"], "wb") as file:
            async for chunk in request.stream():
                taken += await file.write(chunk)
        return JSONResponse({"bytes": taken}, status_code=201)

    app = Starlette(
        routes=[
            Route("/{name}", download, methods=["GET"]),
            Route("/{name}", upload, methods=["PUT"]),
        ]
    )
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    # Signals are the test runner's.
    server.capture_signals = nullcontext
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listening.close()


SERVERS = pytest.mark.parametrize("server", [aiohttp_server, asgi_server])


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@SERVERS
async def test_many_clients_download_at_once(server: Any, tmp_path: Path) -> None:
    contents = {"small": os.urandom(SMALL + 1), "large": os.urandom(LARGE)}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    names = ["small"] * (CLIENTS - 4) + ["large"] * 4

    async with server(tmp_path) as url, aiohttp.ClientSession() as session:

        async def get(name: str) -> None:
            async with session.get(f"{url}/{name}") as response:
                assert response.status == 200
                assert digest(await response.read()) == digest(contents[name])

        await asyncio.gather(*map(get, names))


@SERVERS
async def test_many_clients_upload_at_once(server: Any, tmp_path: Path) -> None:
    sent = {f"file-{number}": os.urandom(SMALL * 3 + number) for number in range(16)}

    async with server(tmp_path) as url, aiohttp.ClientSession() as session:

        async def put(name: str) -> None:
            async with session.put(f"{url}/{name}", data=sent[name]) as response:
                assert response.status == 201
                assert await response.json() == {"bytes": len(sent[name])}

        await asyncio.gather(*map(put, sent))
    assert sorted(os.listdir(tmp_path)) == sorted(sent)
    for name, data in sent.items():
        assert (tmp_path / name).read_bytes() == data


async def test_client_that_goes_away_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(os.urandom(LARGE))

    async with aiohttp_server(tmp_path) as url:
        for _ in range(10):
            async with aiohttp.ClientSession() as session:
                response = await session.get(f"{url}/large")
                await response.content.read(1000)
                response.close()
        await asyncio.sleep(0.1)
    # (conftest.py looks for descriptors that are left open.)


async def test_broken_upload_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What pytest keeps of the log keeps the handler's frames, and so the loop.
    monkeypatch.setattr(logging.getLogger("aiohttp.server"), "disabled", True)

    async def half() -> AsyncIterator[bytes]:
        yield os.urandom(SMALL)
        raise ConnectionResetError("gone")

    async with aiohttp_server(tmp_path) as url, aiohttp.ClientSession() as session:
        with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
            await session.put(f"{url}/file", data=half())
        for _ in range(100):
            if not os.listdir(tmp_path):
                break
            await asyncio.sleep(0.05)
        assert os.listdir(tmp_path) == []


async def test_missing_files_are_not_found(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    async with aiohttp_server(tmp_path) as url, aiohttp.ClientSession() as session:
        for name in ("missing", "folder"):
            async with session.get(f"{url}/{name}") as response:
                assert response.status == 404
