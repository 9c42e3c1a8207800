"""aiofiles' classes for spooled files and temporary directories.

Both stand on the objects of `tempfile`, as in aiofiles: programs look at their insides
(`f._file._file`, `f._file._rolled`). While a spooled file is in memory, its methods
need no thread hop.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from headrace.compat.aiofiles.base import AsyncBase
from headrace.compat.aiofiles.threadpool.utils import (
    delegate_to_executor,
    proxy_property_directly,
)
from headrace.engine import Shield, current_engine

__all__ = ["AsyncSpooledTemporaryFile", "AsyncTemporaryDirectory"]

# What the class has, for type checkers; the decorators below make it.


class _Spooled:
    if TYPE_CHECKING:

        @property
        def closed(self) -> bool: ...
        @property
        def encoding(self) -> str: ...
        @property
        def mode(self) -> str: ...
        @property
        def name(self) -> Any: ...
        @property
        def newlines(self) -> str | tuple[str, ...] | None: ...
        async def close(self) -> None: ...
        async def fileno(self) -> int: ...
        async def flush(self) -> None: ...
        async def isatty(self) -> bool: ...
        async def read(self, size: int = ..., /) -> Any: ...
        async def readline(self, size: int = ..., /) -> Any: ...
        async def readlines(self, hint: int = ..., /) -> list[Any]: ...
        async def rollover(self) -> None: ...
        async def seek(self, offset: int, whence: int = ..., /) -> int: ...
        async def tell(self) -> int: ...
        async def truncate(self, size: int | None = ..., /) -> int | None: ...
        async def write(self, s: Any, /) -> int: ...
        async def writelines(self, iterable: Iterable[Any], /) -> None: ...


# Accident of aiofiles: fileno() is a coroutine, for it may have to make a file.
@delegate_to_executor(
    "close",
    "fileno",
    "flush",
    "isatty",
    "read",
    "readline",
    "readlines",
    "rollover",
    "seek",
    "tell",
    "truncate",
    "write",
    "writelines",
)
@proxy_property_directly("closed", "encoding", "mode", "name", "newlines")
class AsyncSpooledTemporaryFile(_Spooled, AsyncBase):
    """A temporary file that stays in memory until it becomes large."""


@proxy_property_directly("name")
class AsyncTemporaryDirectory:
    """A directory that is removed with all that is in it.

    Args:
        file: A `tempfile.TemporaryDirectory`.
        loop: Kept; the running loop waits.
        executor: Runs the calls instead of headrace's threads.
    """

    if TYPE_CHECKING:

        @property
        def name(self) -> Any:
            """The path of the directory."""

    def __init__(
        self,
        file: Any,
        loop: AbstractEventLoop | None = None,
        executor: Executor | None = None,
    ) -> None:
        self._file = file
        self._loop = loop
        self._executor = executor

    async def cleanup(self) -> None:
        """Remove the directory; done first, if cancelled meanwhile."""
        await self._run(self._file.cleanup)

    async def close(self) -> None:
        """Remove the directory; see `cleanup`."""
        await self.cleanup()

    async def __aexit__(self, *exc_info: Any) -> None:
        with Shield():
            await self._run(self._file.__exit__, *exc_info)

    async def _run(self, call: Callable[..., object], *args: Any) -> None:
        await current_engine().run(
            call, *args, on_cancel="finish", executor=self._executor
        )
