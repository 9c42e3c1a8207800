"""What a peer gets and what it has to offer."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

# What the methods call with each thing they got. In a timed pass it is the builtin
# that costs least (about 15 ns for one argument); in a check it takes the digest.
ignore: Callable[[object], object] = callable


@dataclass
class Work:
    """What one pass has to do. It is made before the clock starts."""

    items: int
    """How many items this is, in the unit of the row."""
    paths: Sequence[str] = ()
    """Files to go through, in this order; a file may come many times."""
    count: int = 0
    """Operations on each of the files."""
    size: int = 0
    """Bytes that each operation asks for."""
    offsets: Sequence[int] = ()
    """Where to read, for the row at random."""
    text: str = ""
    """What each `write()` of text is given."""
    data: bytes = b""
    """What each small file is made of."""
    seen: Callable[[object], object] = field(default=ignore)
    """Is called with each thing that was read. The two rows whose items cost less
    than such a call (lines, readline) leave it out when it is `ignore`."""


def version_of(distribution: str) -> str:
    """Return the installed version, or an empty string when it has no metadata."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


class Peer(Protocol):
    """One library, or way, to work with files."""

    name: str
    """As in `--peers` and in the table."""
    version: str

    async def lines(self, work: Work) -> object:
        """Go through text files by iteration."""

    async def readline(self, work: Work) -> object:
        """Go through text files by `readline()`."""

    async def write(self, work: Work) -> object:
        """Write `text` to new text files, `count` times each."""

    async def open(self, work: Work) -> object:
        """Open each file, read `size` bytes, close it."""

    async def read_bytes(self, work: Work) -> object:
        """Read each file by the shortest call that the library has for it."""

    async def tree(self, work: Work) -> object:
        """The same, over the files of the tree."""

    async def chunks(self, work: Work) -> object:
        """Read `count` times `size` bytes of each file in sequence."""

    async def whole(self, work: Work) -> object:
        """Read each file by one `read()`."""

    async def random(self, work: Work) -> object:
        """Seek to each of the offsets of a file, and read `size` bytes."""

    async def stat(self, work: Work) -> object:
        """Ask for the status of each file."""

    async def create(self, work: Work) -> object:
        """Create each file, write `data`, close it."""
