"""Between text and bytes as `io.TextIOWrapper` does it: codecs, BOMs, `tell` cookies.

Knows no file: it is given bytes and makes text of them, or the reverse.
"""

from __future__ import annotations

import codecs
import io
import struct
import sys
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

#: Codecs that take each character for itself, and ASCII as it is. There are more of
#: them; the others are only slower. All but UTF-8 have one byte for a character.
_SUPERSETS_OF_ASCII = {"ascii", "utf-8", "iso8859-1", "iso8859-15", "cp1252"}

#: Encoded by `io.TextIOWrapper` without the codec's incremental encoder, which shows
#: in the BOM: it is written at the start of a file that can seek, and nowhere else.
_WITHOUT_STATE = {
    "ascii", "iso8859-1",
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be",
}  # fmt: skip
_WITH_BOM = {"utf-16", "utf-32"}
_NATIVE_ORDER = "-le" if sys.byteorder == "little" else "-be"


def find_codec(encoding: Any, errors: Any, newline: Any) -> codecs.CodecInfo:
    """Check three arguments of `open()` and look the codec up.

    Raises:
        TypeError, ValueError, LookupError: In the words of `io.TextIOWrapper`.
    """
    if (
        isinstance(encoding, str)
        and isinstance(errors, str)
        and newline in (None, "", "\n", "\r", "\r\n")
    ):
        info = codecs.lookup(encoding)
        if info._is_text_encoding:
            if sys.flags.dev_mode:
                codecs.lookup_error(errors)
            return info
    # There is something to complain of, which this does best itself.
    with io.TextIOWrapper(io.BytesIO(), encoding, errors, newline) as complaining:
        return codecs.lookup(complaining.encoding)


# -- Encoding -----------------------------------------------------------------


class Encoder:
    """Text to bytes, piece by piece."""

    def __init__(self, info: codecs.CodecInfo, errors: str) -> None:
        self._name = info.name if info.name in _WITHOUT_STATE else None
        self._errors = errors
        self._encoder: Any = info.incrementalencoder(errors)
        #: Whether a BOM is due. Not where there are no positions, as in a pipe.
        self._at_start = False
        #: Whether ASCII text is the same characters as bytes.
        self.keeps_ascii = info.name in _SUPERSETS_OF_ASCII

    def begin(self, *, at_start: bool) -> None:
        """Take note whether what comes first stands at the start of a file."""
        self._at_start = at_start
        if not at_start:
            self._encoder.setstate(0)

    def jump(self, *, to_start: bool) -> None:
        """Take note that the position in the file has been moved."""
        self._at_start = to_start
        if to_start:
            self._encoder.reset()
        else:
            self._encoder.setstate(0)

    def encode(self, text: str) -> bytes:
        """Encode *text*; raises as the codec does."""
        name = self._name
        if name is None:
            data = self._encoder.encode(text)
            if not isinstance(data, bytes):
                kind = type(data).__name__
                raise TypeError(
                    f"encoder should return a bytes object, not '{kind:.200}'"
                )
            return data
        if name in _WITH_BOM and not self._at_start:
            name += _NATIVE_ORDER
        self._at_start = False
        return text.encode(name, self._errors)


# -- Decoding -----------------------------------------------------------------


class Decoder:
    """Bytes to text, piece by piece; and from text back to positions in the bytes."""

    def __init__(
        self, info: codecs.CodecInfo, errors: str, newline: str | None
    ) -> None:
        self._info = info
        self._errors = errors
        self._newline = newline
        #: Whether it decodes the same in whatever pieces it is given.
        self.transparent = info.name in _SUPERSETS_OF_ASCII and errors == "strict"
        #: The codec's own, made when first needed: a file that is read whole does
        #: without, which is a tenth of opening, reading and closing a small one.
        self._made: Any = None
        #: Whether there was a "\n" in what was decoded without it.
        self._saw_feed = False

    @property
    def _decoder(self) -> Any:
        if self._made is None:
            self._made = self._make()
            if self._saw_feed:
                self._made.decode(b"\n")  # For `newlines`; changes nothing else.
        return self._made

    def _make(self) -> Any:
        decoder = self._info.incrementaldecoder(self._errors)
        if self._newline:
            return decoder
        return io.IncrementalNewlineDecoder(decoder, self._newline is None)

    @property
    def newlines(self) -> str | tuple[str, ...] | None:
        """The kinds of line ends decoded so far, where they are looked for."""
        seen: str | tuple[str, ...] | None = getattr(self._decoder, "newlines", None)
        return seen

    def decode(self, data: bytes, final: bool) -> str:
        """Decode *data*, which nothing follows if *final*; raises as the codec does."""
        if final and self._made is None and self.is_plain(data):
            text: Any = data.decode(self._info.name)
            if not self._newline and "\n" in text:
                self._saw_feed = True
            return text  # type: ignore[no-any-return]
        text = self._decoder.decode(data, final)
        if not isinstance(text, str):
            kind = type(text).__name__
            raise TypeError(f"decoder should return a string result, not '{kind:.200}'")
        return text

    def reset(self) -> None:
        """Go back to the state at the start of a file."""
        self._saw_feed = False
        if self._made is not None:
            self._made.reset()

    def getstate(self) -> tuple[bytes, int]:
        """Return the bytes that wait for more of a character, and the flags."""
        return _state(self._decoder)

    def jump(self, cookie: Cookie) -> None:
        """Take note that what is decoded next stands at *cookie*'s position."""
        if cookie.at_start:
            self.reset()
        else:
            self._decoder.setstate((b"", cookie.flags))

    def is_plain(self, data: bytes) -> bool:
        """Tell whether *data*, if it decodes at all, is its text and nothing else.

        Then it does not matter in which pieces it is decoded, and `measure` tells
        where in it a character is.
        """
        return self.transparent and (bool(self._newline) or b"\r" not in data)

    def measure(self, text: str) -> int:
        """Return how many bytes became *text*, and are not of text to come."""
        if self._info.name != "utf-8":
            return len(text)
        size = len(text) if text.isascii() else len(text.encode())
        return size + len(self.getstate()[0])

    def locate(self, segment: Segment, skip: int, start: int, ratio: float) -> Cookie:
        """Find the place behind *skip* characters of *segment*.

        Args:
            segment: What was decoded.
            skip: Characters, at most as many as came of it.
            start: Byte offset of the segment's data in the file.
            ratio: Bytes for each character, as a guess to begin with.

        Returns:
            The last place not behind it where the decoder keeps no bytes back, and
            what to do from there. The same number that `io` gives.
        """
        if not skip:
            return Cookie(start, _narrow(segment.flags))
        # A decoder of its own: that of the file keeps its state and its `newlines`.
        return _Walk(self._make(), segment, start).find(skip, ratio)


def _state(decoder: Any) -> tuple[bytes, int]:
    state: Any = decoder.getstate()
    if not isinstance(state, tuple):
        raise TypeError("illegal decoder state")
    kept, flags = cast(tuple[Any, int], state)
    if not isinstance(kept, bytes):
        raise TypeError(
            "illegal decoder state: the first item should be a bytes object, not "
            f"'{type(kept).__name__:.200}'"
        )
    return kept, flags


# -- Positions ----------------------------------------------------------------

# The layout of CPython's io.TextIOWrapper, so that its cookies can be used here and
# these there: a position of 64 bits; flags, bytes to feed and characters to skip of 32
# bits each; and whether the end of the file is to be signalled.
_COOKIE = struct.Struct("<qiiiB")


def _narrow(flags: int) -> int:
    """Refuse a decoder state that a cookie cannot hold, as `io` does."""
    if flags > 0x7FFFFFFF:
        raise OverflowError("signed integer is greater than maximum")
    return flags


class Cookie(NamedTuple):
    """A position in text: what `tell` packs into a number, and `seek` unpacks."""

    position: int
    """Byte offset to begin at, with no byte kept back by the decoder."""
    flags: int = 0
    """The decoder's state there."""
    feed: int = 0
    """Bytes to decode from there, ..."""
    skip: int = 0
    """... and characters of the result to skip."""
    final: bool = False
    """Whether these bytes are to be decoded as the last ones."""

    def pack(self) -> int:
        """Return the number; a mere byte offset if that says it all."""
        return int.from_bytes(_COOKIE.pack(*self), "little")

    @classmethod
    def unpack(cls, number: int) -> Cookie:
        """Take a number apart; OverflowError if it is none that `pack` gives."""
        packed = number.to_bytes(_COOKIE.size, "little")
        position, flags, feed, skip, final = _COOKIE.unpack(packed)
        return cls(position, flags, feed, skip, bool(final))

    @property
    def at_start(self) -> bool:
        """Whether the file begins here: decoders may not have state 0 there."""
        return not self.position and not self.flags


@dataclass(slots=True)
class Segment:
    """Bytes that were decoded together, and what has to be known to do it again."""

    start: int
    """Index of its first character, counted like the caller's position."""
    flags: int
    """State of the decoder before it, when it kept no bytes back."""
    data: bytes
    """Its bytes, with those before it that the decoder had kept back."""
    fresh: int
    """How many of them are its own."""
    plain: bool = False
    """Whether its bytes are its text and nothing else; see `Decoder.is_plain`."""


class _Walk:
    """The way from a place in decoded text back to one in the bytes."""

    def __init__(self, decoder: Any, segment: Segment, start: int) -> None:
        self._decoder = decoder
        self._segment = segment
        self._start = start
        _narrow(segment.flags)

    def find(self, skip: int, ratio: float) -> Cookie:
        """Return the place behind *skip* characters; see `Decoder.locate`."""
        used, count, flags = self._jump(skip, ratio)
        data = self._segment.data
        position = self._start + used
        lacking = skip - count
        if not lacking:
            return Cookie(position, flags)
        # Byte by byte; where no byte is kept back is a better place to begin.
        feed = got = 0
        for index in range(used, len(data)):
            got += len(self._decoder.decode(data[index : index + 1]))
            feed += 1
            kept, now = self._look()
            if not kept and got <= lacking:
                position, flags = position + feed, now
                lacking -= got
                feed = got = 0
            if got >= lacking:
                return Cookie(position, flags, feed, lacking)
        got += len(self._decoder.decode(b"", True))
        if got < lacking:
            raise OSError("can't reconstruct logical file position")
        return Cookie(position, flags, feed, lacking, True)

    def _jump(self, skip: int, ratio: float) -> tuple[int, int, int]:
        """Guess how many bytes can be decoded in one go; the rest takes small steps.

        Returns:
            The bytes, the characters that come of them, and the decoder's flags then.
        """
        segment = self._segment
        used = min(int(ratio * skip), len(segment.data))
        back = 1
        while used > 0:
            self._restart()
            count = len(self._decoder.decode(segment.data[:used]))
            if count > skip:
                used, back = used - back, back * 2
                continue
            kept, flags = self._look()
            if not kept:
                return used, count, flags
            used, back = used - len(kept), 1
        self._restart()
        return 0, 0, segment.flags

    def _look(self) -> tuple[bytes, int]:
        kept, flags = _state(self._decoder)
        return kept, _narrow(flags)

    def _restart(self) -> None:
        if self._start or self._segment.flags:
            self._decoder.setstate((b"", self._segment.flags))
        else:
            self._decoder.reset()
