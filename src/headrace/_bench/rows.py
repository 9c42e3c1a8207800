"""What is measured: one row is one kind of work, counted in items.

A row makes the work for a number of items (before the clock starts), and says after
a pass what was really done, so that it can be compared with what builtin `open()`
did with the same work.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from .inputs import LINES_PER_FILE, SMALL_FILE_SIZE, SMALL_FILES, Inputs
from .peers import Work

CHUNK_SIZE = 64 * 1024  # bytes
RANDOM_READ_SIZE = 4096  # bytes
TEXT = "thirty-two characters of a line\n"


class Digest:
    """What a pass read, in order, as one hash.

    Each thing goes in with its kind and length, so that the same bytes cut
    elsewhere give another hash.
    """

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self.count = 0

    def add(self, thing: object) -> None:
        """Take one thing: text, bytes, or the status of a file."""
        self.count += 1
        if isinstance(thing, str):
            kind, data = "str", thing.encode("utf-8", "surrogatepass")
        elif isinstance(thing, bytes):
            kind, data = "bytes", thing
        elif isinstance(thing, os.stat_result):
            # Not the access time: reading the file may have moved it.
            facts = (
                thing.st_mode,
                thing.st_ino,
                thing.st_dev,
                thing.st_nlink,
                thing.st_size,
                thing.st_mtime_ns,
            )
            kind, data = "stat", repr(facts).encode()
        else:
            kind, data = type(thing).__name__, repr(thing).encode()
        self._hash.update(f"{kind}:{len(data)}:".encode())
        self._hash.update(data)

    def evidence(self) -> str:
        """Return what can be compared: how many things, and their hash."""
        return f"{self.count} items, {self._hash.hexdigest()}"


class Row(ABC):
    """One kind of work. The class attributes are the facts that the report shows."""

    name: ClassVar[str]
    """As in `--rows`, and the name of the peers' method."""
    title: ClassVar[str]
    unit: ClassVar[str]
    """What one item is."""
    explanation: ClassVar[str]
    first: ClassVar[int] = 64
    """Items in the first try of the calibration."""
    limit: ClassVar[int] = 10_000_000
    """Most items in one pass."""
    check_limit: ClassVar[int] = LINES_PER_FILE
    """Most items in the pass that is verified, which takes longer for each."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs

    @abstractmethod
    def prepare(self, amount: int) -> Work:
        """Make the work for about *amount* items; `Work.items` says how many."""

    def warm_paths(self) -> Iterable[str]:
        """Name what has to be in the page cache before the first pass."""
        return ()

    def written(self, work: Work) -> Digest | None:
        """Digest what the pass left on the disk, if writing is the work."""
        return None

    def trace(self, work: Work, last: object) -> object:
        """Return what a timed pass shows of itself at no cost: its last thing."""
        if isinstance(last, (str, bytes)):
            return (len(last), last[:64], last[-64:])
        if isinstance(last, os.stat_result):
            return (last.st_ino, last.st_size, last.st_mtime_ns)
        return last

    def clean(self, work: Work) -> None:  # noqa: B027 - most rows make nothing
        """Remove what the pass made, as far as that does not disturb the next one."""


# -- Text --


class Lines(Row):
    name = "lines"
    title = "async for line in file"
    unit = "line"
    explanation = (
        "Text of the tree, 100,000 lines to a file, decoded as UTF-8 and split at "
        "universal newlines."
    )

    def prepare(self, amount: int) -> Work:
        if amount <= LINES_PER_FILE:
            return Work(items=amount, paths=[self.inputs.text(amount)])
        files = round(amount / LINES_PER_FILE)
        path = self.inputs.text(LINES_PER_FILE)
        return Work(items=files * LINES_PER_FILE, paths=[path] * files)

    def warm_paths(self) -> Iterable[str]:
        return [self.inputs.text(LINES_PER_FILE)]


class Readline(Lines):
    name = "readline"
    title = "readline() loop"
    explanation = "The same text, one `readline()` for each line."


class Write(Row):
    name = "write"
    title = "write() of 32 characters"
    unit = "write"
    explanation = "Lines of 32 ASCII characters to one new text file, and its close."
    # 32 MB: writes stay far below what makes the kernel write back at once.
    limit = 1_000_000

    def prepare(self, amount: int) -> Work:
        return Work(items=amount, paths=self.inputs.fresh(), count=amount, text=TEXT)

    def written(self, work: Work) -> Digest | None:
        return _contents(work.paths)

    def trace(self, work: Work, last: object) -> object:
        return [os.path.getsize(path) for path in work.paths]

    def clean(self, work: Work) -> None:
        # The next pass writes to another directory, so this cannot slow it.
        shutil.rmtree(os.path.dirname(work.paths[0]))


# -- Small files --


class Open(Row):
    name = "open"
    title = "open + read 4 KiB + close"
    unit = "file"
    explanation = (
        "`async with open(path, 'rb')` and one `read(4096)`, 64 files in turn."
    )
    size = SMALL_FILE_SIZE

    def prepare(self, amount: int) -> Work:
        small = self.inputs.small()
        paths = [small[i % SMALL_FILES] for i in range(amount)]
        return Work(items=amount, paths=paths, size=self.size)

    def warm_paths(self) -> Iterable[str]:
        return self.inputs.small()


class ReadBytes(Open):
    name = "read_bytes"
    title = "read_bytes() of 4 KiB"
    explanation = "A whole file of 4 KiB by the shortest call that the library has."


class Tree(Row):
    name = "tree"
    title = "read every file of the tree"
    unit = "file"
    explanation = (
        "Every file of the tree by the one-shot of `read_bytes`; a slow peer gets a "
        "sample with the same distribution of sizes."
    )
    check_limit = 2_000

    def prepare(self, amount: int) -> Work:
        return Work(items=amount, paths=self.inputs.tree_sample(amount))

    def warm_paths(self) -> Iterable[str]:
        return [path for path, _ in self.inputs.tree]


class Stat(Row):
    name = "stat"
    title = "os.stat()"
    unit = "call"
    explanation = "The status of the files of the tree."

    def prepare(self, amount: int) -> Work:
        return Work(items=amount, paths=self.inputs.tree_sample(amount))


# -- Large files --


class Chunks(Row):
    name = "chunks"
    title = "read(64 KiB) in sequence"
    unit = "read"
    explanation = "A large binary file from its beginning, 64 KiB at a time."
    check_limit = 2_048

    def prepare(self, amount: int) -> Work:
        in_file = max(1, self.inputs.big_size // CHUNK_SIZE)
        files = max(1, round(amount / in_file))
        count = min(amount, in_file)
        return Work(
            items=files * count,
            paths=[self.inputs.big()] * files,
            count=count,
            size=CHUNK_SIZE,
        )

    def warm_paths(self) -> Iterable[str]:
        return [self.inputs.big()]


class Whole(Row):
    name = "whole"
    title = "read() of a large file"
    unit = "file"
    explanation = "A binary file of 64 MB by one `read()`."
    first = 1
    limit = 100
    check_limit = 1

    def prepare(self, amount: int) -> Work:
        return Work(items=amount, paths=[self.inputs.whole()] * amount)

    def warm_paths(self) -> Iterable[str]:
        return [self.inputs.whole()]


class Random(Row):
    name = "random"
    title = "seek + read(4 KiB) at random"
    unit = "read"
    explanation = "`seek()` and `read(4096)` at offsets that are not aligned."
    check_limit = 20_000

    def prepare(self, amount: int) -> Work:
        generator = random.Random(amount)
        last = max(1, self.inputs.big_size - RANDOM_READ_SIZE)
        offsets = [generator.randrange(last) for _ in range(amount)]
        return Work(
            items=amount,
            paths=[self.inputs.big()],
            offsets=offsets,
            size=RANDOM_READ_SIZE,
        )

    def warm_paths(self) -> Iterable[str]:
        return [self.inputs.big()]


# -- New files --


class Create(Row):
    name = "create"
    title = "create + write 4 KiB + close"
    unit = "file"
    explanation = (
        "New files of 4 KiB, each pass in a directory of its own; nothing is deleted "
        "until the end, because ext4 is slow to create where much was deleted."
    )
    limit = 2_000
    check_limit = 500

    def prepare(self, amount: int) -> Work:
        paths = self.inputs.fresh(amount)
        return Work(items=amount, paths=paths, data=bytes(range(256)) * 16)

    def written(self, work: Work) -> Digest | None:
        return _contents(work.paths)

    def trace(self, work: Work, last: object) -> object:
        directory = os.path.dirname(work.paths[0])
        with os.scandir(directory) as entries:
            return sorted((entry.name, entry.stat().st_size) for entry in entries)


def _contents(paths: Iterable[str]) -> Digest:
    digest = Digest()
    for path in paths:
        with open(path, "rb") as file:
            digest.add(file.read())
    return digest


ROWS: tuple[type[Row], ...] = (
    Tree,
    Lines,
    Readline,
    Write,
    Open,
    ReadBytes,
    Stat,
    Chunks,
    Random,
    Whole,
    # Last: it leaves thousands of files behind.
    Create,
)
MEMORY = "memory"
"""The row that `memory.py` measures, each peer in its own process."""
ROW_NAMES = (*(row.name for row in ROWS), MEMORY)
