"""Serve a folder over HTTP, with aiohttp: python examples/file_server.py FOLDER.

GET /NAME streams a file, PUT /NAME stores one, and nothing of it keeps the event loop
waiting. An upload appears under its name only when it is whole.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from aiohttp import web

import headrace
import headrace.os

FOLDER = web.AppKey("folder", Path)
CHUNK = 64 * 1024  # bytes


def named_file(request: web.Request) -> Path:
    """Return the path that the request is about: of a file right in the folder."""
    return request.app[FOLDER] / Path(request.match_info["name"]).name


async def download(request: web.Request) -> web.StreamResponse:
    """Stream a file."""
    try:
        async with headrace.open(named_file(request), "rb") as file:
            size = (await headrace.os.stat(named_file(request))).st_size
            response = web.StreamResponse(headers={"Content-Length": str(size)})
            await response.prepare(request)
            async for chunk in file.chunks(CHUNK):
                await response.write(chunk)
            return response
    except (FileNotFoundError, IsADirectoryError):
        raise web.HTTPNotFound from None


async def upload(request: web.Request) -> web.Response:
    """Store what the client sends."""
    path = named_file(request)
    taken = 0
    # In the same folder, so that the file only has to be renamed.
    async with headrace.tempfile.NamedTemporaryFile(
        "wb", dir=path.parent, prefix=".upload-", delete=False
    ) as part:
        try:
            async for chunk in request.content.iter_chunked(CHUNK):
                taken += await part.write(chunk)
            await part.sync()
            await headrace.os.replace(part.name, path)
        except BaseException:
            await headrace.os.unlink(part.name)
            raise
    return web.json_response({"bytes": taken}, status=201)


def application(folder: Path) -> web.Application:
    """Return the application that serves *folder*."""
    app = web.Application(client_max_size=0)
    app[FOLDER] = folder
    app.router.add_get("/{name}", download)
    app.router.add_put("/{name}", upload)
    return app


def main() -> None:
    """Serve the folder of the command line until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Serve a folder over HTTP.")
    parser.add_argument("folder", type=Path, nargs="?", default=tempfile.gettempdir())
    parser.add_argument("--port", type=int, default=8080)
    arguments = parser.parse_args()
    web.run_app(application(Path(arguments.folder)), port=arguments.port)


if __name__ == "__main__":
    main()
