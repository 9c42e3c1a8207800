"""Files that stay in memory until they become large.

In memory an operation is a plain call, without a thread hop; after `rollover` it is
that of the headrace file which then stands behind.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from concurrent.futures import Executor
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, AnyStr, Generic, Self

from headrace._errors import use_async_for, use_async_with
from headrace._stats import counters
from headrace._typing import WriteableBuffer
from headrace.engine import Shield, budget, current_engine
from headrace.files._chunks import Chunks
from headrace.files._turns import Turns
from headrace.fs._temporary import Form, Place, make_nameless

__all__ = ["AsyncSpooledTemporaryFile"]


class AsyncSpooledTemporaryFile(Generic[AnyStr]):
    """A temporary file in memory, which moves to the disk when it becomes large.

    Made by `headrace.tempfile.SpooledTemporaryFile()`. It has the methods of files;
    as in aiofiles, `fileno()` is a coroutine, because it needs a file on the disk.
    """

    def __init__(
        self, max_size: int, place: Place, form: Form, executor: Executor | None
    ) -> None:
        self._max_size = max_size
        self._place = place
        self._form = form
        self._executor = executor
        self._turns = Turns()
        #: A headrace file, once it has been rolled over.
        self._file: Any = None
        self._memory: Any = io.BytesIO()
        if "b" not in form.mode:
            self._memory = io.TextIOWrapper(
                self._memory, form.encoding, form.errors, form.newline
            )

    # -- Where it is -----------------------------------------------------------------

    @property
    def _current(self) -> Any:
        return self._memory if self._file is None else self._file

    async def _stable(self) -> Any:
        """Return what an operation is for: the sync object in memory, or the file.

        In the former case it is the caller's until its next `await`.
        """
        yielded = False
        while self._file is None:
            if self._turns.held:
                async with self._turns:
                    continue  # It was being rolled over.
            if not yielded and budget.spend():
                await current_engine().checkpoint()
                yielded = True
                continue
            counters.buffer_hits += 1
            return self._memory
        return self._file

    async def _call(self, name: str, *args: Any) -> Any:
        """Call a method that makes the file no larger."""
        method = getattr(await self._stable(), name)
        return method(*args) if self._file is None else await method(*args)

    async def rollover(self) -> None:
        """Move the content to a file on the disk, if it is not there yet.

        Raises:
            ValueError: The file is closed.
            OSError: As the kernel reports it; the content then stays in memory.

        Cancellation: it is moved first.
        """
        with Shield():
            async with self._turns:
                if self._file is None:
                    await self._roll()

    async def _roll(self) -> None:
        position: int = self._memory.tell()
        text = "b" not in self._form.mode
        content: io.BytesIO = self._memory.buffer if text else self._memory
        file = await make_nameless(self._place, self._form, self._executor)
        try:
            rest = content.getvalue()
            buffer = file.buffer if text else file
            while rest:
                rest = rest[await buffer.write(rest) :]
            await file.seek(position)
        except BaseException:
            with suppress(OSError):  # What could not be written cannot be now.
                await file.close()
            raise
        self._file = file
        self._memory.close()

    async def _roll_if_large(self) -> None:
        limit, in_memory = self._max_size, self._file is None
        if limit and in_memory and self._memory.tell() > limit:
            await self.rollover()

    # -- Facts ------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        closed: bool = self._current.closed
        return closed

    @property
    def name(self) -> int | None:
        """The descriptor, once the file is on the disk."""
        name: int | None = getattr(self._file, "name", None)
        return name

    @property
    def mode(self) -> str:
        """The mode: as it was given; of a binary file on the disk, as `io` says it."""
        if self._file is None or "b" not in self._form.mode:
            return self._form.mode
        mode: str = self._file.mode
        return mode

    @property
    def encoding(self) -> str:
        """The name of the encoding; AttributeError if the file is binary."""
        encoding: str = self._current.encoding
        return encoding

    @property
    def errors(self) -> str:
        """How errors of the encoding are handled; AttributeError if it is binary."""
        errors: str = self._current.errors
        return errors

    @property
    def newlines(self) -> str | tuple[str, ...] | None:
        """The line ends read so far; AttributeError if the file is binary."""
        newlines: str | tuple[str, ...] | None = self._current.newlines
        return newlines

    async def fileno(self) -> int:
        """Return the descriptor; moves the file to the disk to have one."""
        await self.rollover()
        number: int = self._file.fileno()
        return number

    async def isatty(self) -> bool:
        """Tell whether the file is a terminal: never."""
        result: bool = await self._call("isatty")
        return result

    async def readable(self) -> bool:
        """Tell whether the file can be read."""
        result: bool = await self._call("readable")
        return result

    async def writable(self) -> bool:
        """Tell whether the file can be written."""
        result: bool = await self._call("writable")
        return result

    async def seekable(self) -> bool:
        """Tell whether the file supports random access."""
        result: bool = await self._call("seekable")
        return result

    def __repr__(self) -> str:
        where = "in memory" if self._file is None else repr(self._file)
        return f"<headrace.tempfile.SpooledTemporaryFile {where}>"

    # -- Reading ----------------------------------------------------------------------

    async def read(self, size: int | None = -1, /) -> AnyStr:
        """Read up to *size* bytes or characters; all that is left, if negative."""
        result: AnyStr = await self._call("read", size)
        return result

    async def read1(self, size: int = -1, /) -> bytes:
        """Read up to *size* bytes with one system call at the most."""
        result: bytes = await self._call("read1", size)
        return result

    async def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into *buffer*; return the number of bytes."""
        result: int = await self._call("readinto", buffer)
        return result

    async def readinto1(self, buffer: WriteableBuffer, /) -> int:
        """Read into *buffer* with one system call at the most."""
        result: int = await self._call("readinto1", buffer)
        return result

    async def readline(self, size: int = -1, /) -> AnyStr:
        """Read a line, or *size* bytes or characters of it."""
        result: AnyStr = await self._call("readline", size)
        return result

    async def readlines(self, hint: int = -1, /) -> list[AnyStr]:
        """Read lines to the end, or until they have *hint* bytes or characters."""
        result: list[AnyStr] = await self._call("readlines", hint)
        return result

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AnyStr:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    def chunks(self, size: int) -> Chunks[AnyStr]:
        """Iterate over pieces of exactly *size*; only the last may be shorter."""
        return Chunks(self.read, size)

    # -- Writing ----------------------------------------------------------------------

    async def write(self, data: Any, /) -> int:
        """Write *data*; moves the file to the disk if it becomes larger than allowed.

        Returns:
            The number of bytes or characters.

        Cancellation: all is written, or nothing.
        """
        current = await self._stable()
        if self._file is not None:
            count: int = await current.write(data)
            return count
        count = current.write(data)
        await self._roll_if_large()
        return count

    async def writelines(self, lines: Iterable[Any], /) -> None:
        """Write each of *lines*; see `write`."""
        for line in lines:
            await self.write(line)

    async def truncate(self, size: int | None = None, /) -> int:
        """Resize the file to *size* bytes, by default to the position."""
        if size is not None and size > self._max_size:
            await self.rollover()
        result: int = await self._call("truncate", size)
        return result

    async def flush(self) -> None:
        """Hand what is buffered to the kernel, once the file is on the disk."""
        await self._call("flush")

    # -- Positions --------------------------------------------------------------------

    async def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move the position; return the new one."""
        result: int = await self._call("seek", offset, whence)
        return result

    async def tell(self) -> int:
        """Return the position."""
        result: int = await self._call("tell")
        return result

    # -- Closing ----------------------------------------------------------------------

    async def close(self) -> None:
        """Close the file; it is gone then.

        Cancellation: the file is closed first.
        """
        with Shield():
            await self._call("close")

    async def aclose(self) -> None:
        """Close the file; see `close`."""
        await self.close()

    async def __aenter__(self) -> Self:
        if self.closed:
            raise ValueError("Cannot enter context with closed file")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # -- Mistakes ---------------------------------------------------------------------

    if not TYPE_CHECKING:  # Type checkers report these by themselves.

        def __iter__(self):
            use_async_for("this file")

        def __enter__(self):
            use_async_with("this file")

        def __exit__(self, *exc_info):
            """Needed beside `__enter__` for `with` to get as far as its message."""


async def make_spooled(
    max_size: int, place: Place, form: Form, executor: Executor | None
) -> AsyncSpooledTemporaryFile[Any]:
    """Make a file in memory; a coroutine because its siblings are."""
    return AsyncSpooledTemporaryFile(max_size, place, form, executor)
