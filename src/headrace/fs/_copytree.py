"""Copying a tree: directories by several worker threads, each of them by one.

A `Tree` is what those threads share; `Branch` is one directory of it. Generators of
blocking steps (see `_steps.py`), with the checks, errors and results of `shutil`.
"""

from __future__ import annotations

import inspect
import os
import shutil
import stat
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple, cast

from headrace.fs._copy import DATA, Copying, copy_file
from headrace.fs._steps import Ask, Progress, Tally, Work, give, is_async, side_by_side

__all__ = ["TreeOptions", "copy_tree"]

SIDE_BY_SIDE: Final = 2
"""Directories that are copied at a time. On two CPUs more of them gain nothing; one
alone takes 1.0-1.2 times as long as `shutil` on ext4, two 0.8-0.9."""


class TreeOptions(NamedTuple):
    """The arguments of `copytree` that hold for each directory."""

    symlinks: bool
    ignore: Callable[[str, list[str]], Any] | None
    copy_function: Callable[[Any, Any], Any]
    copying: Copying | None
    """What *copy_function* does, if it is one of ours."""
    ignore_dangling_symlinks: bool
    dirs_exist_ok: bool

    @property
    def side_by_side(self) -> int:
        """How many directories may be copied at a time.

        The caller's functions are called one after another, as by `shutil`.
        """
        ours = self.copying is not None and self.ignore is None
        return SIDE_BY_SIDE if ours else 1


class Errors(list[Any]):
    """What went wrong in a directory: as `shutil` says it, and those below."""


class Branch:
    """A directory that is being copied, and what went wrong in it and below."""

    __slots__ = ("above", "errors", "pending", "source", "target")

    def __init__(self, source: Any, target: Any, above: Branch | None) -> None:
        self.source = source
        self.target = target
        self.above = above
        self.errors = Errors()
        if above is not None:
            # Here, so that they come out in the order of the entries.
            above.errors.append(self.errors)
        #: Itself and the directories in it that are not yet done.
        self.pending = 1


class Tree:
    """A tree that is being copied: what there is to do, and how far it is."""

    def __init__(self, options: TreeOptions, tally: Tally) -> None:
        self._options = options
        self._tally = tally
        self._lock = threading.Lock()
        #: Directories that nobody copies yet; the last one is next.
        self._todo: list[Branch] = []
        self._stopped = False

    def begin(self, source: Any, target: Any) -> Branch:
        """Put the whole on the list of what there is to do."""
        root = Branch(source, target, None)
        self._todo.append(root)
        return root

    def start(self) -> Work[None] | None:
        """Return the work of one more thread, if there is any."""
        return self._work() if self._todo and not self._stopped else None

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped = True

    def _work(self) -> Work[None]:
        while not self._stopped:
            try:
                branch = self._todo.pop()
            except IndexError:
                return
            try:
                yield from self._copy_directory(branch)
            except OSError as error:
                if branch.above is None:
                    raise
                branch.errors.extend(_errors_of(branch.source, branch.target, error))
                self._one_less(branch.above)
            yield None

    # -- One directory --------------------------------------------------------------

    def _copy_directory(self, branch: Branch) -> Work[None]:
        """Make a directory and copy what is in it; leave those below to be done."""
        options, source, target = self._options, branch.source, branch.target
        sys.audit("shutil.copytree", source, target)
        with os.scandir(source) as scan:
            entries = list(scan)
        ignored: Any = ()
        if options.ignore is not None:
            names = [entry.name for entry in entries]
            folder = cast("Any", os.fspath(source))
            if is_async(options.ignore):
                ignored = yield Ask(options.ignore, folder, names)
            else:
                ignored = options.ignore(folder, names)
        os.makedirs(target, exist_ok=options.dirs_exist_ok)
        entries = [entry for entry in entries if entry.name not in ignored]
        sizes = self._announce(entries)
        below: list[Branch] = []
        for entry in entries:
            inner = os.path.join(source, entry.name), os.path.join(target, entry.name)
            announced = sizes.get(entry.name) if sizes is not None else None
            try:
                if (yield from self._copy_entry(entry, *inner, announced)):
                    below.append(Branch(*inner, branch))
            except OSError as error:
                branch.errors.extend(_errors_of(*inner, error))
            yield None
        with self._lock:
            branch.pending += len(below)
        self._todo.extend(reversed(below))
        self._one_less(branch)

    def _announce(self, entries: list[os.DirEntry[Any]]) -> dict[Any, int] | None:
        """Add the sizes of the files to the total, if somebody wants to know."""
        if self._tally.progress is None or self._options.copying is None:
            return None
        sizes: dict[Any, int] = {}
        for entry in entries:
            try:
                if entry.is_file(follow_symlinks=not self._options.symlinks):
                    sizes[entry.name] = entry.stat().st_size
            except OSError:
                pass  # Whoever copies it reports it.
        self._tally.add(0, sum(sizes.values()))
        return sizes

    def _copy_entry(
        self,
        entry: os.DirEntry[Any],
        source: Any,
        target: Any,
        announced: int | None,
    ) -> Work[bool]:
        """Copy an entry; or tell that it is a directory, to be copied in its turn."""
        options = self._options
        if _is_link(entry):
            points_to = os.readlink(source)
            if options.symlinks:
                os.symlink(points_to, target)
                shutil.copystat(source, target, follow_symlinks=False)
                return False
            if options.ignore_dangling_symlinks and not os.path.exists(points_to):
                return False
        if entry.is_dir():
            return True
        if options.copying is not None:
            # As there: errors name what was given, and `copyfile` is given the path.
            given = source if options.copying is DATA else entry
            yield from copy_file(
                options.copying, given, target, True, self._tally, announced
            )
        elif is_async(options.copy_function):
            yield Ask(options.copy_function, source, target)
        else:
            answer = options.copy_function(source, target)
            if inspect.isawaitable(answer):
                yield Ask(give, answer)
        return False

    # -- When it is done ---------------------------------------------------------------

    def _one_less(self, branch: Branch | None) -> None:
        """Note that a directory, or one in it, is done; finish those that now are."""
        while branch is not None:
            with self._lock:
                branch.pending -= 1
                if branch.pending:
                    return
            try:
                shutil.copystat(branch.source, branch.target)
            except OSError as error:
                # Windows cannot always copy the times of a directory.
                if getattr(error, "winerror", None) is None:
                    branch.errors.append((branch.source, branch.target, str(error)))
            branch = branch.above


def _errors_of(source: Any, target: Any, error: OSError) -> Iterable[Any]:
    """Return what `shutil` makes of an error while it copies an entry."""
    if isinstance(error, shutil.Error):
        collected: Iterable[Any] = error.args[0]
        return collected
    return [(source, target, str(error))]


def _flat(errors: Errors) -> Iterator[Any]:
    for error in errors:
        if isinstance(error, Errors):
            yield from _flat(error)
        else:
            yield error


def _is_link(entry: os.DirEntry[Any]) -> bool:
    if not entry.is_symlink():
        return False
    if sys.platform == "win32":
        # A junction looks like a link, and is copied as a directory.
        tag = entry.stat(follow_symlinks=False).st_reparse_tag
        return tag != stat.IO_REPARSE_TAG_MOUNT_POINT
    return True


async def copy_tree(
    source: Any, target: Any, options: TreeOptions, progress: Progress | None
) -> None:
    """Copy a directory and all below it.

    Raises:
        shutil.Error: With a list of all that went wrong, at the end.
        OSError: The directory itself cannot be read or made.
    """
    tally = Tally(progress)
    tree = Tree(options, tally)
    root = tree.begin(source, target)
    await side_by_side(tree.start, options.side_by_side, tally, tree.stop)
    if errors := [*_flat(root.errors)]:
        raise shutil.Error(errors)
