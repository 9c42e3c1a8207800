"""How the text of a whole file becomes bytes and back: encoding, errors, newline."""

from __future__ import annotations

import codecs
import io
import os

_NEWLINES = (None, "", "\n", "\r", "\r\n")


class TextForm:
    r"""The arguments of `open()` that concern text, checked; for whole files.

    Raises:
        LookupError: No such encoding, or none for text.
        ValueError: *newline* is none of None, "", "\n", "\r", "\r\n".
    """

    __slots__ = ("_encoding", "_errors", "_newline", "marks_order")

    def __init__(
        self, encoding: str | None, errors: str | None, newline: str | None
    ) -> None:
        if newline not in _NEWLINES:
            raise ValueError(f"illegal newline value: {newline!r}")
        if encoding is None or encoding == "locale":
            # Resolved as io.TextIOWrapper does it, PYTHONUTF8 and all.
            with io.TextIOWrapper(io.BytesIO(), encoding) as probe:
                encoding = probe.encoding
        info = codecs.lookup(encoding)
        if not info._is_text_encoding:
            raise LookupError(
                f"{encoding!r} is not a text encoding; use codecs.open() to handle "
                "arbitrary codecs"
            )
        self._encoding = encoding
        self._errors = errors or "strict"
        self._newline = newline
        #: Whether the encoding begins a file with a byte order mark.
        self.marks_order = info.name in ("utf-8-sig", "utf-16", "utf-32")

    def decode(self, data: bytes) -> str:
        """Return *data* as text, with its line ends translated."""
        text = data.decode(self._encoding, self._errors)
        if self._newline is None and "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text

    def encode(self, text: str) -> bytes:
        """Return *text* as bytes, with its line ends translated."""
        newline = os.linesep if self._newline is None else self._newline
        if newline not in ("", "\n"):
            text = text.replace("\n", newline)
        return text.encode(self._encoding, self._errors)
