"""The functions of `glob`, asynchronous; those that touch no file as they are."""

from __future__ import annotations

import glob as _glob
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from functools import partial
from glob import escape, has_magic
from typing import AnyStr

from headrace._typing import StrOrBytesPath
from headrace.fs._batches import BatchIterator, Produced, Source
from headrace.fs._offload import offload

__all__ = ["escape", "glob", "has_magic", "iglob"]

glob = offload(_glob.glob)


def iglob(
    pathname: AnyStr,
    *,
    root_dir: StrOrBytesPath | None = None,
    dir_fd: int | None = None,
    recursive: bool = False,
    include_hidden: bool = False,
    executor: Executor | None = None,
) -> BatchIterator[AnyStr, AnyStr]:
    """Iterate over the paths that match *pathname*, as `glob.iglob` does.

    ``async for name in iglob("*.txt")``, or ``await iglob(...)`` for a list.

    Args:
        pathname: A pattern; ``**`` matches directories if *recursive*.
        root_dir: Where a relative pattern begins; the current directory if None.
        dir_fd: A descriptor of the directory that *root_dir* is relative to.
        recursive: Whether ``**`` means any number of directories.
        include_hidden: Whether wildcards match names that begin with a dot.
        executor: Runs the jobs instead of headrace's threads.

    Cost: one job for 1024 paths, or for what is found after 2 ms.
    """
    search: Callable[[], Iterator[AnyStr]] = partial(
        _glob.iglob,
        pathname,
        root_dir=root_dir,
        dir_fd=dir_fd,
        recursive=recursive,
        include_hidden=include_hidden,
    )
    source: Callable[[], Source[AnyStr]] = partial(Produced, search)
    return BatchIterator(f"iglob({pathname!r})", source, None, executor)


# -- Since a later Python ----------------------------------------------------------

if sys.version_info >= (3, 13):
    from glob import translate

    __all__ += ["translate"]
