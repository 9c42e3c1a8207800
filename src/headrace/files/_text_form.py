"""How the text of a whole file becomes bytes and back: encoding, errors, newline."""

from __future__ import annotations

import io
import os

from headrace.files._codec import find_codec

#: Codecs that do the same at once as piece by piece, and faster. Others differ: some
#: of them in the byte order mark, some leave out what ends a shifted sequence.
_AT_ONCE = {"ascii", "utf-8", "iso8859-1", "iso8859-15", "cp1252"}


class TextForm:
    """The arguments of `open()` that concern text, checked; for whole files.

    Raises:
        TypeError, ValueError, LookupError: As `open()` raises them.
    """

    __slots__ = ("_at_once", "_errors", "_info", "_newline")

    def __init__(
        self, encoding: str | None, errors: str | None, newline: str | None
    ) -> None:
        if encoding is None or encoding == "locale":
            # Resolved as io.TextIOWrapper does it, PYTHONUTF8 and all.
            with io.TextIOWrapper(io.BytesIO(), encoding) as probe:
                encoding = probe.encoding
        self._errors = "strict" if errors is None else errors
        self._newline = newline
        self._info = find_codec(encoding, self._errors, newline)
        self._at_once = self._info.name in _AT_ONCE

    @property
    def start_matters(self) -> bool:
        """Whether the beginning of a file is encoded differently: a byte order mark."""
        if self._at_once:
            return False
        first = self._info.incrementalencoder("ignore")
        later = self._info.incrementalencoder("ignore")
        later.setstate(0)  # what a text file does behind the beginning
        return bool(first.encode("a") != later.encode("a"))

    def decode(self, data: bytes) -> str:
        """Return *data* as text, with its line ends translated."""
        if self._at_once:
            text = data.decode(self._info.name, self._errors)
        else:
            decoder = self._info.incrementaldecoder(self._errors)
            text = decoder.decode(data, True)
        if self._newline is None and "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text

    def encode(self, text: str) -> bytes:
        """Return *text* as bytes, with its line ends translated."""
        newline = os.linesep if self._newline is None else self._newline
        if newline not in ("", "\n"):
            text = text.replace("\n", newline)
        if self._at_once:
            return text.encode(self._info.name, self._errors)
        # As in a text file, the encoder is not told that the end has come.
        return self._info.incrementalencoder(self._errors).encode(text)
