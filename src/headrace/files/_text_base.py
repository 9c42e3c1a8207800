"""What the sides of a text file share: its state, the turn, and the fast paths' gate.

As in the layer below, an operation is an *attempt* that changes state only when it
succeeds and else returns WAIT, and a driver, `_exclusive`, that takes the file's turn
and alternates attempts and fetches. Knows no codec but through `_codec.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from headrace._errors import UnsupportedOperation, closed_file
from headrace._native import Text
from headrace._typing import WAIT, Wait
from headrace.engine import WINDOW, budget, current_engine
from headrace.files._codec import Decoder, Encoder, Segment
from headrace.files._raw import AsyncFileIO
from headrace.files._turns import Turns

T = TypeVar("T")

#: How much text is held back at least before the buffer below gets it: CPython's
#: number. Where that buffer is larger, twice what it holds: that goes through it in one
#: piece and one job, and a job takes as long as a thousand writes of a line.
_LEAST_HELD = 8192  # bytes
#: The first lines after something else was read are cut from this much, so that a
#: program that reads a line here and there pays for no more.
FIRST_WINDOW = 1024  # characters


class _Detached:
    """What stands in the place of a buffer that was taken away."""

    def __getattr__(self, name: str) -> NoReturn:
        raise ValueError("underlying buffer has been detached")


DETACHED: Any = _Detached()


def note_layers(buffer: Any, layers: int) -> None:
    """Tell the raw file under *buffer* how many files stand on it."""
    raw = getattr(buffer, "raw", None)
    if isinstance(raw, AsyncFileIO):
        raw.layers = layers


class TextBase(Text):
    """State of a text file, and who may do something with it when."""

    line_buffering: bool
    write_through: bool

    def __init__(self, buffer: Any) -> None:
        super().__init__()
        # Any: which methods it has depends on the mode, and so do those used here.
        self._buffer = buffer
        self._turns = Turns()
        raw = getattr(buffer, "raw", None)
        if isinstance(raw, AsyncFileIO):
            raw.layers = 2
            self._seekable = raw.can_seek
        else:
            self._seekable = bool(buffer.can_seek)
        # -- The codec, for each side that the file has.
        self._decoder: Decoder | None = None
        self._encoder: Encoder | None = None
        #: What is written for a line end; "" where that is no other.
        self._line_end = ""
        # -- Reading
        #: How much the next batch of lines is cut from.
        self._window = FIRST_WINDOW
        #: What `_text` was decoded from, as far as it has not been taken; for `tell`.
        self._segments: list[Segment] = []
        #: Whether a chunk was decoded since the text was last dropped.
        self._decoded = False
        # -- Writing
        self.line_buffering = False
        self.write_through = False
        #: How much was accepted and not handed on, less what came by the fast path
        #: since it was opened; and what `_room` was then.
        self._held = 0
        self._opened = 0
        #: How much it may be.
        self._most_held = max(_LEAST_HELD, buffer._buffer_size * 2)

    async def _exclusive(self, attempt: Callable[..., T | Wait], *args: Any) -> T:
        """Take the turn and repeat *attempt* until it does not answer WAIT."""
        async with self._turns:
            try:
                end = False
                while (result := attempt(*args, end)) is WAIT:
                    end = await self._advance()
                return result
            finally:
                self._thaw()

    async def _alone(self, action: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Take the turn and await *action*."""
        async with self._turns:
            self._freeze()
            try:
                self._check_open()
                return await action(*args)
            finally:
                self._thaw()

    async def _advance(self) -> bool:
        """Do what the last attempt could not; True if that found the file's end."""
        if await self._breathe():
            return False
        if self._held:
            await self._drain()
            return False
        return not await self._fill()

    async def _breathe(self) -> bool:
        """Yield to the loop if the inline budget is spent; tell whether it was."""
        if not budget.spend(0):
            return False
        await current_engine().checkpoint()
        return True

    def _freeze(self) -> None:
        """Shut the fast paths, and bring position and counts up to date."""
        if self._has_lines and self._settle_lines():
            self._window = FIRST_WINDOW
        self._limit = -1
        if self._room >= 0:
            self._held += self._opened - self._room
            self._room = -1

    def _thaw(self) -> None:
        """Open the fast paths again, unless somebody else has the turn next."""
        if self._turns.contended:
            self._freeze()
        else:
            self._arm()

    def _arm(self) -> None:
        """Let the fast paths answer as far as that is right without looking."""
        if self._buffer.closed or budget.strict:
            return
        if not self._held and not self._has_lines and self._decoder is not None:
            self._limit = min(len(self._text), self._pos + WINDOW)
        encoder = self._encoder
        if (
            self._held
            and self._room < 0
            and encoder is not None
            and encoder.keeps_ascii
            and not (self._line_end or self.line_buffering or self.write_through)
            and not (self._decoded or self._segments)
        ):
            room = min(self._most_held - self._held, WINDOW)
            self._room = self._opened = max(room, 0)

    def _check_open(self) -> None:
        if self._buffer.closed:
            closed_file()

    def _check_readable(self) -> Decoder:
        self._check_open()
        if self._decoder is None:
            raise UnsupportedOperation("not readable")
        return self._decoder

    def _check_writable(self) -> Encoder:
        self._check_open()
        if self._encoder is None:
            raise UnsupportedOperation("not writable")
        return self._encoder

    if TYPE_CHECKING:
        # The two sides, and the whole.
        @property
        def closed(self) -> bool: ...
        def close_blocking(self) -> None: ...
        async def _fill(self) -> bool: ...
        def _drop_text(self) -> None: ...
        def _try_drain(self) -> bool: ...
        async def _drain(self) -> None: ...
