"""A buffered file in memory that waits, runs out of room and fails when it is told to.

It offers what `AsyncTextIOWrapper` asks of the layer below, and nothing else.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from headrace._errors import UnsupportedOperation
from headrace._typing import WAIT, Wait
from headrace.engine import current_engine
from headrace.files._turns import Turns
from tests import tasks


def never() -> bool:
    """Nothing has to wait."""
    return False


class FakeRaw:
    """What text looks at of the file two layers below."""

    closefd = True


class FakeBuffer:
    """A buffered file over an `io.BytesIO`.

    Args:
        content: What is in the file.
        mode: As a buffered file has it: "rb", "wb", "rb+", ...
        waits: Asked before each attempt: whether it would have to wait.
        room: How many bytes it holds before they are written.
        seekable: Whether it has positions.
    """

    raw = FakeRaw()
    name = "fake"
    _data = b""
    _pos = 0
    _remembered = False

    def __init__(
        self,
        content: bytes = b"",
        mode: str = "rb",
        *,
        waits: Callable[[], bool] = never,
        room: int = 100,
        seekable: bool = True,
    ) -> None:
        self.file = io.BytesIO(content)
        self.mode = mode
        self.can_read = "r" in mode or "+" in mode
        self.can_write = "r" not in mode or "+" in mode
        self.can_seek = seekable
        self.closed = False
        self.content = content
        self.log: list[str] = []
        #: What writing to the file raises.
        self.error: OSError | None = None
        #: What every call that waits waits for, once `hold()` was called.
        self._gate: Any = None
        self._turns = Turns()
        self._waits = waits
        self._room = self._buffer_size = room
        self._held = b""

    # -- What waits --

    def hold(self) -> None:
        """Let calls that wait wait for `let_one()` or `let_all()`."""
        self._gate = tasks.Semaphore(0)

    async def let_one(self) -> None:
        """Let one call come back, and return when another one waits, or none does."""
        assert self._gate is not None
        self._gate.release()
        for _ in range(3):
            await tasks.sleep(0)

    def let_all(self) -> None:
        """Let all calls come back, and no later one wait for this."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.release()

    # -- What is in the file --

    def written(self) -> bytes:
        """Return what another process would see."""
        return self.content if self.closed else self.file.getvalue()

    def _store(self) -> None:
        if self.error is not None:
            raise self.error
        self.file.write(self._held)
        self._held = b""

    # -- Without waiting --

    def try_read1(self, size: int) -> bytes | Wait:
        if self._waits() or self._held:
            return WAIT
        return self._read(size)

    def try_read_to_end(self) -> bytes | Wait:
        return self.try_read1(-1)

    def _read(self, size: int) -> bytes:
        if not self.can_read:
            raise UnsupportedOperation("read")
        self._store()
        return self.file.read(size)

    def try_write(self, data: bytes) -> bool:
        if self._waits() or len(self._held) + len(data) > self._room:
            return False
        self._add(data)
        return True

    def try_tell(self) -> int | Wait:
        return WAIT if self._waits() else self.file.tell() + len(self._held)

    def _freeze(self) -> None:
        pass

    def _drop_ahead(self) -> None:
        pass

    def _add(self, data: bytes) -> None:
        self._held += data

    # -- With waiting --

    async def _pause(self, what: str) -> None:
        self.log.append(what)
        if self._gate is None:
            await current_engine().checkpoint()
        else:
            await self._gate.acquire()

    async def read1(self, size: int = -1) -> bytes:
        await self._pause("read1")
        return self._read(size)

    async def read(self, size: int = -1) -> bytes:
        await self._pause("read")
        return self._read(size)

    async def write(self, data: bytes) -> int:
        await self._pause("write")
        self._add(data)
        self._store()
        return len(data)

    async def flush(self) -> None:
        await self._pause("flush")
        self._store()

    flush_behind = flush

    async def sync(self, *, data_only: bool = False) -> None:
        await self._pause(f"sync {data_only}")
        self._store()

    async def tell(self) -> int:
        await self._pause("tell")
        return self.file.tell() + len(self._held)

    async def seek(self, offset: int, whence: int = 0) -> int:
        await self._pause("seek")
        self._store()
        return self.file.seek(offset, whence)

    async def isatty(self) -> bool:
        return False

    async def readable(self) -> bool:
        return self.can_read

    async def writable(self) -> bool:
        return self.can_write

    async def seekable(self) -> bool:
        return self.can_seek

    def fileno(self) -> int:
        return 17

    async def truncate(self, size: int | None = None) -> int:
        await self._pause("truncate")
        if not self.can_write:
            raise UnsupportedOperation("truncate")
        self._store()
        return self.file.truncate(size)

    async def close(self) -> None:
        await self._pause("close")
        self.close_blocking()

    def close_blocking(self) -> None:
        """Write and close; closes whatever happens."""
        if self.closed:
            return
        try:
            self._store()
        finally:
            self.content = self.file.getvalue()
            self.closed = True
