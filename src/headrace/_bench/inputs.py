"""The files that are measured: a real tree, and what has to be made beside it.

Made files live in one temporary directory, which ends with the `Inputs`. Nothing is
written anywhere else.
"""

from __future__ import annotations

import os
import random
import stat
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

SMALL_FILE_SIZE = 4096  # bytes
SMALL_FILES = 64
LINES_PER_FILE = 100_000
# The tree is read in full: a bound keeps a bench of a home directory from taking
# hours. Arbitrary; the library tree of CPython 3.13 is 1,800 files and 30 MB.
MAX_TREE_FILES = 20_000
MAX_TREE_BYTES = 512 * 1024 * 1024
_BLOCK_SIZE = 1024 * 1024


def library_tree() -> Path:
    """Return the directory of the interpreter's own library."""
    return Path(sysconfig.get_path("stdlib"))


def tree_files(path: Path | None) -> list[tuple[str, int]]:
    """List regular files that can be read, with their sizes.

    Args:
        path: A file, a directory (all below it), or None for the *.py files of the
            interpreter's library without what is installed beside it.

    Returns:
        Paths and sizes in bytes, sorted by size, at most `MAX_TREE_FILES` files and
        `MAX_TREE_BYTES` bytes of them.

    Raises:
        OSError: *path* does not exist.
        ValueError: There is no file to read in *path*.
    """
    found: list[tuple[str, int]] = []
    total = 0
    for name in _names(path):
        try:
            status = os.stat(name)
        except OSError:  # gone since it was listed
            continue
        if not stat.S_ISREG(status.st_mode) or not os.access(name, os.R_OK):
            continue
        if len(found) == MAX_TREE_FILES or total + status.st_size > MAX_TREE_BYTES:
            break
        total += status.st_size
        found.append((name, status.st_size))
    if not found:
        raise ValueError(f"no file to read in {path or library_tree()}")
    return sorted(found, key=lambda item: (item[1], item[0]))


def _names(path: Path | None) -> Iterator[str]:
    if path is not None:
        path.stat()  # a path that does not exist is the caller's mistake: say so
        if not path.is_dir():
            yield str(path)
            return
    top = path or library_tree()
    for directory, subdirectories, files in os.walk(top):
        subdirectories.sort()
        if path is None and "site-packages" in subdirectories:
            subdirectories.remove("site-packages")
        for name in sorted(files):
            full = os.path.join(directory, name)
            if (path is not None or name.endswith(".py")) and not os.path.islink(full):
                yield full


def scratch_parent() -> str:
    """Choose where made files go: the first of the usual places that is on a disk.

    A tmpfs answers otherwise than the file systems that files are usually kept on
    (it has no page cache beside it), so /var/tmp is preferred to a tmpfs /tmp.
    """
    places = [tempfile.gettempdir(), "/var/tmp"]
    for place in places:
        if os.access(place, os.W_OK) and file_system(place) not in ("tmpfs", "ramfs"):
            return place
    return places[0]


def file_system(path: str) -> str:
    """Return the type of the file system that *path* is on, as in mount(8), or ""."""
    try:
        device = os.stat(path).st_dev
        with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            for line in mounts:
                mount, _, kind = line.partition(" - ")
                if mount.split()[2] == f"{os.major(device)}:{os.minor(device)}":
                    return kind.split()[0]
    except (OSError, AttributeError):  # no /proc; no os.major (Windows)
        pass
    return ""


class Inputs:
    """The tree to read, and files made when a row first asks for them.

    Args:
        path: As for `tree_files`.
        scratch: Directory for what is made; None for the usual place.
        big_size: Bytes of the large file.
        whole_size: Bytes of the file that is read by one `read()`.
    """

    def __init__(
        self, path: Path | None, scratch: str | None, big_size: int, whole_size: int
    ) -> None:
        self.path = path
        self.tree = tree_files(path)
        self.big_size = big_size
        self.whole_size = whole_size
        self._temporary = tempfile.TemporaryDirectory(
            prefix="headrace-bench-", dir=scratch or scratch_parent()
        )
        self.scratch = self._temporary.name
        self._made: dict[str, str] = {}
        self._text: list[str] = []
        self._fresh = 0

    def __enter__(self) -> Inputs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._temporary.cleanup()

    @property
    def tree_bytes(self) -> int:
        """The size of all files of the tree together."""
        return sum(size for _, size in self.tree)

    # -- What is read --

    def tree_sample(self, count: int) -> list[str]:
        """Return *count* files of the tree whose sizes stand for all of it.

        The tree is sorted by size, so files at even distances are like the whole;
        a count above the number of files goes through the tree again. The order is
        shuffled, always in the same way.
        """
        paths: list[str] = []
        while len(paths) < count:
            part = min(count - len(paths), len(self.tree))
            step = len(self.tree) / part
            paths += [self.tree[int((i + 0.5) * step)][0] for i in range(part)]
        random.Random(count).shuffle(paths)
        return paths

    def text(self, lines: int) -> str:
        """Return a UTF-8 file with exactly *lines* lines of the tree's own text."""
        name = f"text-{lines}.txt"
        if name not in self._made:
            all_lines = self._text_lines()
            content = (all_lines[i % len(all_lines)] for i in range(lines))
            self._make(name, (line.encode() for line in content))
        return self._made[name]

    def big(self) -> str:
        """Return a file of `big_size` bytes, no two 64 KiB of it alike."""
        return self._random_file("big.bin", self.big_size)

    def whole(self) -> str:
        """Return a file of `whole_size` bytes."""
        return self._random_file("whole.bin", self.whole_size)

    def small(self) -> list[str]:
        """Return `SMALL_FILES` files of 4 KiB."""
        return [
            self._random_file(f"small-{i}.bin", SMALL_FILE_SIZE)
            for i in range(SMALL_FILES)
        ]

    # -- What is written --

    def fresh(self, count: int = 1) -> list[str]:
        """Return *count* names that do not exist yet, in a new directory.

        A new one, because ext4 is slow at creating files where many were deleted.
        """
        self._fresh += 1
        directory = os.path.join(self.scratch, f"new-{self._fresh}")
        os.mkdir(directory)
        return [os.path.join(directory, f"file-{i}") for i in range(count)]

    # -- Making --

    def _text_lines(self) -> list[str]:
        """Collect lines, from the files of middle size on: those are prose and code."""
        if self._text:
            return self._text
        middle = len(self.tree) // 2
        for name, _ in self.tree[middle:] + self.tree[:middle]:
            data = Path(name).read_bytes()
            # What is not UTF-8 is made so; the line ends are what `open()` sees.
            decoded = data.decode("utf-8", "replace").replace("\r\n", "\n")
            for line in decoded.replace("\r", "\n").split("\n"):
                self._text.append(line + "\n")
            if len(self._text) >= LINES_PER_FILE:
                break
        del self._text[LINES_PER_FILE:]
        return self._text

    def _random_file(self, name: str, size: int) -> str:
        if name not in self._made:
            self._make(name, _random_blocks(name, size))
        return self._made[name]

    def _make(self, name: str, pieces: Iterable[bytes]) -> None:
        path = os.path.join(self.scratch, name)
        with open(path, "wb") as file:
            file.writelines(pieces)
            file.flush()
            # On the disk before anything is measured: writing back in the middle of
            # a round would slow whoever's turn it is.
            os.fsync(file.fileno())
        self._made[name] = path


def _random_blocks(seed: str, size: int) -> Iterator[bytes]:
    """Yield *size* bytes in which each 64 KiB begins with its own number."""
    pattern = random.Random(seed).randbytes(min(size, _BLOCK_SIZE))
    part_size = 64 * 1024
    for start in range(0, size, part_size):
        part = pattern[start % _BLOCK_SIZE : start % _BLOCK_SIZE + part_size]
        yield (start.to_bytes(8, "little") + part[8:])[: size - start]


def warm(paths: Sequence[str]) -> None:
    """Bring files into the page cache by reading them once."""
    buffer = bytearray(_BLOCK_SIZE)
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
