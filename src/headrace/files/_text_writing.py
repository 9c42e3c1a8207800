"""The writing side of text files: what is accepted, and when it is handed on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from headrace._typing import WAIT, Wait
from headrace.engine import Shield, budget
from headrace.files._live import holds_data
from headrace.files._text_base import TextBase


class TextWriting(TextBase):
    """The writing side of a text file."""

    def __init__(self, buffer: Any) -> None:
        super().__init__(buffer)
        self._remembered = False

    # -- Writing --------------------------------------------------------------

    def _write_now(self, text: object) -> int | Wait:
        if not isinstance(text, str):
            kind = "None" if text is None else type(text).__name__
            raise TypeError(f"write() argument must be str, not {kind}")
        self._check_writable()
        if self._turns.held or self.line_buffering or self.write_through:
            return WAIT
        self._freeze()
        count = len(text)
        # The first piece costs as little as those that the core takes; how what was
        # held before got away has been counted.
        if (self._held or not count or budget.strict) and budget.spend():
            return WAIT
        if count >= self._most_held:
            return WAIT
        if self._held + count > self._most_held and not self._try_drain():
            return WAIT
        self._accept(text)
        self._arm()
        return count

    async def _write_wait(self, text: str) -> int:
        await self._alone(self._write, text)
        return len(text)

    async def _write(self, text: str) -> None:
        await self._breathe()
        if self._held + len(text) > self._most_held:
            await self._drain()
        await self._pass_on(self._accept(text))

    def _accept(self, text: str) -> str:
        """Take *text*, encoded if need be; returns it with its line ends translated."""
        if type(text) is not str:
            # Of a subclass, whose methods may say anything.
            text = str.__str__(text)
        if self._line_end and "\n" in text:
            text = text.replace("\n", self._line_end)
        encoder = self._check_writable()
        keeps = encoder.keeps_ascii and text.isascii()
        piece = text if keeps else encoder.encode(text)
        if piece:
            self._put(piece)
            self._held += len(piece)
        # What was decoded ahead is not where the position is any more.
        if self._seekable:
            self._drop_text()
        if self._decoder is not None:
            self._decoder.reset()
        if not self._remembered:
            self._remember()
        return text

    def _remember(self) -> None:
        """Have the text written at the interpreter's exit, if it is not by then."""
        self._remembered = True
        holds_data(self)
        # Closing this file closes its buffer, and in this order.
        self._buffer._remembered = True

    async def _pass_on(self, text: str) -> None:
        """Hand on what was accepted, if *text* or the settings ask for it."""
        flushing = self.line_buffering and ("\n" in text or "\r" in text)
        if flushing or self.write_through or self._held >= self._most_held:
            await self._drain()
        if flushing:
            await self._buffer.flush()

    async def writelines(self, lines: Iterable[str], /) -> None:
        """Write each of *lines*; no line ends are added."""
        self._check_open()
        for line in lines:
            await self.write(line)

    def _drop_pending(self) -> None:
        self._clear_pile()
        self._held = 0

    def _try_drain(self) -> bool:
        """Hand accepted text to the buffer, if that has room for it now."""
        if not self._held:
            return True
        if not self._buffer.try_write(self._piled()):
            return False
        self._drop_pending()
        return True

    async def _drain(self) -> None:
        """Hand accepted text to the buffer; the turn is held.

        Raises:
            OSError: The text, or what the buffer had before, could not be written:
                one of the two still has it, and the next flush tries again.
        """
        if self._try_drain():
            return
        if await self._breathe() and self._try_drain():
            return
        # What the buffer has comes first: until that is on its way, and what was before
        # it is written, nothing is added.
        await self._buffer.flush_behind()
        if self._try_drain():
            return
        if self._hand_on():
            await self._buffer.flush_behind()
            return
        # The buffer is being used directly, or has to be moved back first.
        with Shield():
            await self._buffer.write(self._piled())
            self._drop_pending()

    def _hand_on(self, *, in_any_case: bool = False) -> bool:
        """Have the buffer take accepted text whatever its size; False if it cannot.

        From then on the text is the buffer's to keep or to write, whatever happens.
        """
        buffer = self._buffer
        if buffer._turns.held and not in_any_case:
            return False
        buffer._freeze()
        ahead = buffer._pos < len(buffer._data)
        if ahead and not buffer._leave_reading() and not in_any_case:
            return False
        buffer._drop_ahead()
        buffer._add(self._piled())
        self._drop_pending()
        return True

    async def flush(self) -> None:
        """Hand what is buffered to the kernel: other processes then see it.

        Raises:
            ValueError: The file is closed.
            OSError: As the kernel reports it; what did not reach the file is kept,
                and the next flush tries again.

        Cancellation: a write that has begun is carried out first.
        """
        self._check_open()
        await self._alone(self._flush)

    async def _flush(self) -> None:
        if self._held and not self._hand_on():
            await self._drain()
        await self._buffer.flush()

    async def sync(self, *, data_only: bool = False) -> None:
        """Flush, then have the kernel write the file to its storage: fsync(2).

        Args:
            data_only: Leave out metadata that reading does not need: fdatasync(2).

        Raises:
            OSError: As fsync(2) reports it: data may then be lost, and a later
                success does not say that it is not.
        """
        self._check_open()
        await self._alone(self._sync, data_only)

    async def _sync(self, data_only: bool) -> None:
        await self._drain()
        await self._buffer.sync(data_only=data_only)
