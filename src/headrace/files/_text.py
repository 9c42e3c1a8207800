"""`AsyncTextIOWrapper`: text over a buffered file.

Put together from its two sides, `_text_reading.py` and `_text_writing.py`; here are
its settings, positions and end. What is done to characters and bytes is in `_codec.py`.
"""

from __future__ import annotations

import codecs
import io
import locale
import mmap
import operator
import os
import warnings
from collections.abc import Iterable
from types import EllipsisType
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar

from headrace._errors import (
    UnsupportedOperation,
    unclosed_warning,
    use_async_for,
    use_async_with,
)
from headrace._typing import WAIT, ReadableBuffer, Wait
from headrace.engine import (
    Limiter,
    Shield,
    budget,
    current_engine,
    running_loop_key,
)
from headrace.files._buffer_base import Buffered
from headrace.files._codec import Cookie, Decoder, Encoder, Segment, find_codec
from headrace.files._live import holds_data
from headrace.files._sync_view import sync_text
from headrace.files._text_base import DETACHED, note_layers
from headrace.files._text_reading import FETCH_SIZE, TextReading
from headrace.files._text_writing import TextWriting

if TYPE_CHECKING:
    from headrace.files._buffered import (
        AsyncBufferedRandom,
        AsyncBufferedReader,
        AsyncBufferedWriter,
    )

    AnyBuffer: TypeAlias = (
        AsyncBufferedReader | AsyncBufferedWriter | AsyncBufferedRandom
    )


class AsyncTextIOWrapper(TextReading, TextWriting):
    r"""A file of text: what `io.TextIOWrapper` is to `open()`.

    Args:
        buffer: A buffered file, such as `open(..., "rb")` gives.
        encoding: Its encoding; the locale's if None.
        errors: How errors of the encoding are handled; "strict" if None.
        newline: How line ends are treated: None, "", "\n", "\r", "\r\n".
        line_buffering: Whether writing a line end flushes.
        write_through: Whether written text goes to *buffer* at once.

    Raises:
        TypeError, ValueError, LookupError: As `io.TextIOWrapper` raises them.

    `tell` and `seek` work during `async for` too.
    """

    mode: str
    """The mode, as it was given to `open`."""

    def __init__(
        self,
        buffer: AnyBuffer,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        line_buffering: bool = False,
        write_through: bool = False,
    ) -> None:
        if encoding is None:
            encoding = io.text_encoding(encoding)
        if encoding == "locale":
            encoding = locale.getencoding()
        if errors is None:
            errors = "strict"
        info = find_codec(encoding, errors, newline)
        super().__init__(buffer)
        self.mode = buffer.mode.replace("b", "")
        self._appends = self.mode.startswith("a")
        self.line_buffering = bool(line_buffering)
        self.write_through = bool(write_through)
        self._configure(info, encoding, errors, newline)

    def _configure(
        self, info: codecs.CodecInfo, encoding: str, errors: str, newline: str | None
    ) -> None:
        buffer = self._buffer
        self._encoding = encoding
        self._errors = errors
        self._newline = newline
        written = os.linesep if newline is None else newline
        self._line_end = "" if written == "\n" else written
        self._decoder = Decoder(info, errors, newline) if buffer.can_read else None
        self._encoder = Encoder(info, errors) if buffer.can_write else None
        self._utf8 = info.name == "utf-8" and errors == "strict"
        # More than a chunk is fetched where nobody can see it: a write would.
        decoder = None if self._encoder is not None else self._decoder
        self._fetch_size = FETCH_SIZE if decoder and decoder.transparent else 0
        if self._encoder is not None and self._seekable:
            place = buffer.try_tell()
            # Where that waits, something has been done to the file: not its start.
            self._encoder.begin(at_start=place == 0)
        elif not (self._encoder or budget.strict):
            # For closing what was not read.
            self._limit = 0

    def reconfigure(
        self,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | EllipsisType | None = ...,
        line_buffering: bool | None = None,
        write_through: bool | None = None,
    ) -> None:
        """Change settings of the open file; None leaves one as it is.

        Text written before is encoded by the old settings and handed to the buffer,
        without a system call: `flush` writes it, as always.

        Raises:
            UnsupportedOperation: Text has been read, and *encoding*, *errors* or
                *newline* is given.
            TypeError, ValueError, LookupError: As `io.TextIOWrapper` raises them.
            RuntimeError: Another operation is under way.
        """
        given: dict[str, Any] = {"encoding": encoding, "errors": errors}
        if newline is not ...:
            given["newline"] = newline
        recoding = newline is not ... or encoding is not None or errors is not None
        self._check_open()
        if recoding and self._decoded and _all_text(given.values()):
            raise UnsupportedOperation(
                "It is not possible to set the encoding or newline of stream after "
                "the first read"
            )
        # What they amount to, and what is wrong with them, `io` knows best.
        with io.TextIOWrapper(
            io.BytesIO(),
            self._encoding,
            self._errors,
            line_buffering=self.line_buffering,
            write_through=self.write_through,
        ) as wrapper:
            given.update(line_buffering=line_buffering, write_through=write_through)
            wrapper.reconfigure(**given)
            self._hand_on_for("reconfigure()")
            self._ratio = 0.0
            if recoding:
                self._configure(
                    codecs.lookup(wrapper.encoding),
                    wrapper.encoding,
                    wrapper.errors or "strict",
                    self._newline if newline is ... else newline,
                )
            self.line_buffering = wrapper.line_buffering
            self.write_through = wrapper.write_through
        self._arm()

    def _hand_on_for(self, what: str) -> None:
        """Leave nothing pending, without waiting; RuntimeError if that cannot be."""
        if not self._turns.held:
            self._freeze()
            if not self._held or self._hand_on():
                return
        raise RuntimeError(f"{what} while another operation is under way")

    # -- Facts ----------------------------------------------------------------

    @property
    def buffer(self) -> AnyBuffer:
        """The buffered file below; None once it is detached."""
        below: Any = None if self._buffer is DETACHED else self._buffer
        buffer: AnyBuffer = below
        return buffer

    _view: io.TextIOWrapper | None = None

    @property
    def name(self) -> Any:
        """The file's name or descriptor, as it was given."""
        return self._buffer.name

    @property
    def limiter(self) -> Limiter | None:
        """The limiter whose tokens its jobs wait for, if there is one."""
        limiter: Limiter | None = self._buffer.limiter
        return limiter

    @property
    def wrapped(self) -> io.TextIOWrapper:
        """A synchronous text file over the same descriptor.

        It is unbuffered and uses the kernel's position: flush this file first, and
        seek in that one. It is closed when this one is.
        """
        if self._view is None:
            raw = self._buffer.wrapped
            self._view = sync_text(raw, self.encoding, self.errors, self._newline)
        return self._view

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        closed: bool = self._buffer.closed
        return closed

    @property
    def encoding(self) -> str:
        """The name of the encoding, as it was given or found."""
        return self._encoding

    @property
    def errors(self) -> str:
        """How errors of the encoding are handled."""
        return self._errors

    @property
    def newlines(self) -> str | tuple[str, ...] | None:
        """The line ends read so far, if *newline* is None or "": one, or a tuple."""
        _ = self._buffer.closed  # raises if detached
        return None if self._decoder is None else self._decoder.newlines

    def fileno(self) -> int:
        """Return the file descriptor; ValueError if the file is closed."""
        number: int = self._buffer.fileno()
        return number

    async def isatty(self) -> bool:
        """Tell whether the file is a terminal."""
        result: bool = await self._buffer.isatty()
        return result

    async def readable(self) -> bool:
        """Tell whether the file was opened for reading."""
        result: bool = await self._buffer.readable()
        return result

    async def writable(self) -> bool:
        """Tell whether the file was opened for writing."""
        result: bool = await self._buffer.writable()
        return result

    async def seekable(self) -> bool:
        """Tell whether the file supports `seek` and `tell`."""
        result: bool = await self._buffer.seekable()
        return result

    def __repr__(self) -> str:
        kind = type(self)
        # Where the class is found, not where it is written.
        inside = kind.__module__.startswith("headrace.")
        parts = [f"{'headrace' if inside else kind.__module__}.{kind.__qualname__}"]
        if self._buffer is not DETACHED:
            parts += [f"name={self.name!r}", f"mode={self.mode!r}"]
        return f"<{' '.join(parts)} encoding={self._encoding!r}>"

    # -- Positions ------------------------------------------------------------

    async def tell(self) -> int:
        """Return the position: a number for `seek`, and in simple cases a byte offset.

        The same number as `io.TextIOWrapper` gives, which takes this one as well.
        Nothing is flushed for it, except in append mode.

        Raises:
            ValueError: The file is closed.
            UnsupportedOperation: The file cannot seek.
            OSError: The position cannot be found from the decoder's state.
            OverflowError: That state does not fit, as that of iso2022_kr.
        """
        self._check_seekable()
        if not (self._turns.held or budget.due):
            place = self._try_tell()
            if place is not WAIT:
                return self._locate(place)
        return await self._alone(self._tell)

    def _check_seekable(self) -> None:
        self._check_open()
        if not self._seekable:
            raise UnsupportedOperation("underlying stream is not seekable")

    def _try_tell(self) -> int | Wait:
        if self._has_lines:
            # Only counted, so that asking after each line costs no new batch.
            self._count_lines()
        if self._held or self._room >= 0:
            self._freeze()
            if not self._try_drain():
                return WAIT
            self._arm()
        if self._appends:
            return WAIT
        place: int | Wait = self._buffer.try_tell()
        return place

    async def _tell(self) -> int:
        await self._drain()
        if self._appends:
            # Where that goes is known when it is there: at the end as it is then.
            await self._buffer.flush()
        return self._locate(await self._buffer.tell())

    def _locate(self, place: int) -> int:
        """Return the position, given that of the buffer."""
        place -= len(self._ahead)
        if not self._segments:
            return place
        assert self._decoder is not None
        here = self._base + self._pos
        last = self._segments[-1]
        if last.plain and last.start <= here:
            return place - self._decoder.measure(self._text[self._pos :])
        for segment in reversed(self._segments):
            if segment.start <= here:
                skip, start = here - segment.start, place - len(segment.data)
                cookie = self._decoder.locate(segment, skip, start, self._ratio)
                return cookie.pack()
            place -= segment.fresh
        raise AssertionError("the position is before all that is decoded")

    async def seek(self, cookie: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the position.

        Args:
            cookie: What `tell` gave, or 0.
            whence: `os.SEEK_SET`; or `SEEK_CUR` or `SEEK_END`, with 0 only.

        Returns:
            The new position, as `tell` gives it.

        Raises:
            ValueError: The file is closed, or an argument is out of range.
            UnsupportedOperation: The file cannot seek, or not so.
            OSError: As the kernel reports it, or there is no such place in the text.

        Cancellation: a move that has begun is carried out first.
        """
        whence = operator.index(whence)
        self._check_seekable()
        _check_move(cookie, whence)
        return await self._alone(self._seek, cookie, whence)

    async def _seek(self, cookie: int, whence: int) -> int:
        await self._drain()
        with Shield():
            if whence == os.SEEK_END:
                return await self._move_to_end()
            if whence == os.SEEK_CUR:
                cookie = self._locate(await self._buffer.tell())
            await self._move(Cookie.unpack(int(cookie)))
            return cookie

    async def _move(self, goal: Cookie) -> None:
        await self._buffer.seek(goal.position)
        self._drop_text()
        self._ahead = b""
        if self._decoder is not None:
            self._decoder.jump(goal)
            await self._redo(goal, self._decoder)
        if self._encoder is not None:
            self._encoder.jump(to_start=goal.at_start)

    async def _redo(self, goal: Cookie, decoder: Decoder) -> None:
        """Decode and skip what lies between a cookie's position and its place."""
        data = await self._buffer.read(goal.feed) if goal.skip else b""
        self._segments.append(Segment(0, goal.flags, data, len(data)))
        if not goal.skip:
            return
        self._text = decoder.decode(data, goal.final)
        self._decoded = True
        if len(self._text) < goal.skip:
            raise OSError("can't restore logical file position")
        self._pos = goal.skip

    async def _move_to_end(self) -> int:
        place: int = await self._buffer.seek(0, os.SEEK_END)
        self._drop_text()
        self._ahead = b""
        if self._decoder is not None:
            self._decoder.reset()
        if self._encoder is not None:
            self._encoder.jump(to_start=not place)
        return place

    async def truncate(self, size: int | None = None, /) -> int:
        """Resize the file to *size* bytes.

        Args:
            size: By default the position of `buffer`. As in `io`, that is behind the
                chunk that was decoded last; `seek` to the position, to truncate there.

        Returns:
            The new size.
        """
        self._check_open()
        return await self._alone(self._truncate, size)

    async def _truncate(self, size: int | None) -> int:
        await self._drain()
        new_size: int = await self._buffer.truncate(size)
        return new_size

    # -- At an offset ---------------------------------------------------------

    async def pread(self, size: int, offset: int, /) -> bytes:
        """Read up to *size* bytes at byte *offset*; the file position does not move.

        Bytes, not text: a place in a file need not be between two characters. Sees
        what was written through this object. See `AsyncFileIO.pread`.
        """
        await self._drain_first()
        data: bytes = await self._buffer.pread(size, offset)
        return data

    async def pwrite(self, data: ReadableBuffer, offset: int, /) -> int:
        """Write all of *data*, bytes, at byte *offset*; the position does not move.

        Goes to the kernel at once, after what was written before. See
        `AsyncFileIO.pwrite`.
        """
        await self._drain_first()
        count: int = await self._buffer.pwrite(data, offset)
        return count

    async def mmap(
        self, length: int = 0, *, access: int = mmap.ACCESS_READ, offset: int = 0
    ) -> mmap.mmap:
        """Map the file into memory, off the loop; see `AsyncFileIO.mmap`."""
        await self._drain_first()
        mapped: mmap.mmap = await self._buffer.mmap(
            length, access=access, offset=offset
        )
        return mapped

    async def _drain_first(self) -> None:
        """Hand accepted text to the buffer, for calls that name an offset."""
        self._check_open()
        if not self._turns.held:
            self._freeze()
            self._arm()
        if self._held:
            await self._alone(self._drain)

    # -- Closing --------------------------------------------------------------

    def _close_now(self) -> Wait | None:
        buffer = self._buffer
        if self._turns.held or budget.due:
            return WAIT
        if buffer.closed:
            self._drop_text()
            return None
        self._freeze()
        if not self._held:
            closed = buffer._close_now() if isinstance(buffer, Buffered) else WAIT
            if closed is None:
                self._drop_text()
            return closed
        if running_loop_key() is None:
            # The loop has ended: nobody is kept waiting.
            self.close_blocking()
            return None
        return WAIT

    async def _close_wait(self) -> None:
        buffer = self._buffer
        if not (self._turns.held or self._held):
            self._drop_text()
            await buffer.close()
            return
        with Shield():
            async with self._turns:
                # Another task may have closed it while this one waited.
                if not buffer.closed:
                    await self._shut()
        if budget.due:
            await current_engine().host.check()

    async def _shut(self) -> None:
        self._freeze()
        try:
            if self._held and not self._hand_on():
                await self._drain()
        finally:
            self._drop_text()
            await self._buffer.close()
            self._drop_pending()

    async def aclose(self) -> None:
        """Close the file: the name that anyio and Trio use for `close`."""
        await self.close()

    def close_blocking(self) -> None:
        """Write what is buffered and close, synchronously: for `__del__` and exit."""
        buffer = self._buffer
        if buffer is DETACHED or buffer.closed:
            return
        self._freeze()
        if self._held:
            self._hand_on(in_any_case=True)
        buffer.close_blocking()

    def detach(self) -> AnyBuffer:
        """Separate the buffer from this file and return it.

        Written text is in that buffer then; `await buffer.flush()` writes it.

        Raises:
            ValueError: The file is closed or detached.
            RuntimeError: Another operation is under way.
        """
        buffer: AnyBuffer = self._buffer
        self._check_open()
        self._hand_on_for("detach()")
        self._drop_text()
        self._buffer = DETACHED
        note_layers(buffer, 1)
        if self._remembered:
            holds_data(buffer)
        return buffer

    # -- Context and mistakes -------------------------------------------------

    async def __aenter__(self: Self) -> Self:
        self._check_open()
        return self

    def __enter__(self) -> NoReturn:
        use_async_with("this file")

    def __exit__(self, *exc_info: object) -> None:
        """Never reached: `__enter__` raises."""

    def __iter__(self) -> NoReturn:
        use_async_for("this file")

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__!r} instances")

    def _dropped(self) -> None:
        buffer = self._buffer
        if buffer is DETACHED or buffer.closed:
            return
        try:
            if buffer.raw.closefd:
                warnings.warn(
                    unclosed_warning(self), ResourceWarning, stacklevel=2, source=self
                )
        finally:
            # Also where warnings are errors.
            self.close_blocking()


Self = TypeVar("Self", bound=AsyncTextIOWrapper)


def _all_text(values: Iterable[object]) -> bool:
    return all(value is None or isinstance(value, str) for value in values)


def _check_move(cookie: int, whence: int) -> None:
    """Refuse what `seek` cannot do, in the words of `io`."""
    if whence == os.SEEK_SET:
        if cookie < 0:
            raise ValueError(f"negative seek position {cookie!r}")
        return
    if whence not in (os.SEEK_CUR, os.SEEK_END):
        raise ValueError(f"invalid whence ({whence}, should be 0, 1 or 2)")
    if cookie != 0:
        origin = "cur" if whence == os.SEEK_CUR else "end"
        raise UnsupportedOperation(f"can't do nonzero {origin}-relative seeks")
