"""`Path`: the methods of `pathlib.Path` that touch files, asynchronous.

A path is a `PurePath` and no `pathlib.Path`: what Python adds to that class cannot
appear here as a method that blocks the loop. What a method does stands elsewhere:
jobs in `_path_jobs.py`, listings in `_batches.py`, `_glob.py` and `_path_walk.py`,
copies in `_path_copy.py`.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from headrace._typing import (
    WAIT,
    OpenBinaryMode,
    OpenBinaryModeReading,
    OpenBinaryModeUpdating,
    OpenBinaryModeWriting,
    OpenTextMode,
    ReadableBuffer,
    StrOrBytesPath,
    StrPath,
)
from headrace.engine import Limiter, budget, current_engine, limited, status_of
from headrace.files import _oneshot
from headrace.files._open import Opening
from headrace.files._open import open as open_file
from headrace.fs import _glob, _path_copy, _path_jobs
from headrace.fs._batches import BatchIterator, Produced, Source
from headrace.fs._path_info import AsyncPathInfo
from headrace.fs._path_walk import WalkIterator
from headrace.fs._purepath import AsyncPurePath
from headrace.fs._scandir import Listing
from headrace.fs._steps import in_steps

if TYPE_CHECKING:
    from headrace.files._buffered import (
        AsyncBufferedRandom,
        AsyncBufferedReader,
        AsyncBufferedWriter,
    )
    from headrace.files._protocols import AsyncBinaryFile
    from headrace.files._raw import AsyncFileIO
    from headrace.files._text import AsyncTextIOWrapper

__all__ = ["Path"]

T = TypeVar("T")


class Path(AsyncPurePath):
    """A path of this platform whose methods that touch files are asynchronous.

    It is a `pathlib.PurePath`: it equals a `pathlib.Path` of the same text, has its
    hash, is an `os.PathLike`, and ``/`` and the like give a `headrace.Path`. The
    methods are those of `pathlib.Path` up to Python 3.14, on every Python:
    coroutines, and asynchronous iterators for `iterdir`, `glob`, `rglob` and `walk`.
    Where Pythons differ, the running one decides.

    Args:
        args: Segments, as for `pathlib.Path`.
        limiter: A capacity limiter (of anyio, of Trio; or an `asyncio.Semaphore`)
            that the jobs of this path, and of the paths made of it, wait for. What
            is answered without a thread does not. Copies and pickles have none.

    Cancellation: of what only looks, at once; what changes something is finished
    once it has begun.
    """

    __slots__ = ()

    # -- How it is done -----------------------------------------------------------

    @property
    def _executor(self) -> Executor | None:
        return limited(self._limiter, None)

    async def _look(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Run pathlib's method *name*, which only looks, as a job."""
        return await self._run(_path_jobs.call, name, str(self), *args, **kwargs)

    async def _change(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Run pathlib's method *name*; once it has begun, it is waited for."""
        change = partial(_path_jobs.call, name, str(self), *args, **kwargs)
        return await current_engine().run(
            change, on_cancel="finish", executor=self._executor
        )

    async def _run(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        look = partial(func, *args, **kwargs)
        return await current_engine().run(look, executor=self._executor)

    async def _is(self, name: str, follow_symlinks: bool = True) -> bool:
        if budget.spend():
            await current_engine().checkpoint()
        path = str(self)
        found = _path_jobs.kind_now(name, path, follow_symlinks)
        if found is not WAIT:
            return found
        return await self._run(_path_jobs.is_kind, name, path, follow_symlinks)

    # -- Status -------------------------------------------------------------------

    async def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return the file's status, as `pathlib.Path.stat` does.

        Cost: no thread where the kernel has the path cached; else one job.
        """
        if budget.spend():
            await current_engine().checkpoint()
        path = str(self)
        found = status_of(path, follow_symlinks)
        if found is not None:
            return found
        return await self._run(_path_jobs.status, path, follow_symlinks)

    async def lstat(self) -> os.stat_result:
        """Return the status of a link itself, as `pathlib.Path.lstat` does."""
        return await self.stat(follow_symlinks=False)

    @property
    def info(self) -> AsyncPathInfo:
        """The type of the file, asked for once: as `pathlib.Path.info`, awaitable.

        ``await path.info.is_dir()``. The paths of `iterdir()` know what the listing
        told, and answer without asking the system.
        """
        known: AsyncPathInfo | os.DirEntry[str] | None = getattr(self, "_info", None)
        if isinstance(known, AsyncPathInfo):
            return known
        info = self._info = AsyncPathInfo(str(self), self._status, known)
        return info

    async def _status(self, follow_symlinks: bool) -> os.stat_result:
        return await self.stat(follow_symlinks=follow_symlinks)

    async def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether the file is there, as `pathlib.Path.exists` does."""
        return await self._is("exists", follow_symlinks)

    async def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a directory, as `pathlib.Path.is_dir` does."""
        return await self._is("is_dir", follow_symlinks)

    async def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a regular file, as `pathlib.Path.is_file` does."""
        return await self._is("is_file", follow_symlinks)

    async def is_symlink(self) -> bool:
        """Tell whether it is a symbolic link, as `pathlib.Path.is_symlink` does."""
        return await self._is("is_symlink", False)

    async def is_socket(self) -> bool:
        """Tell whether it is a socket, as `pathlib.Path.is_socket` does."""
        return await self._is("is_socket")

    async def is_fifo(self) -> bool:
        """Tell whether it is a FIFO, as `pathlib.Path.is_fifo` does."""
        return await self._is("is_fifo")

    async def is_block_device(self) -> bool:
        """Tell whether it is a block device: `pathlib.Path.is_block_device`."""
        return await self._is("is_block_device")

    async def is_char_device(self) -> bool:
        """Tell whether it is a character device: `pathlib.Path.is_char_device`."""
        return await self._is("is_char_device")

    async def is_mount(self) -> bool:
        """Tell whether it is a mount point, as `pathlib.Path.is_mount` does."""
        return bool(await self._look("is_mount"))

    async def is_junction(self) -> bool:
        """Tell whether it is a junction of Windows: `pathlib.Path.is_junction`."""
        return await self._run(_path_jobs.is_junction, self)

    async def samefile(self, other_path: StrPath) -> bool:
        """Tell whether *other_path* is the same file: `pathlib.Path.samefile`."""
        return bool(await self._look("samefile", _plain(other_path)))

    async def owner(self, *, follow_symlinks: bool = True) -> str:
        """Return the name of the file's owner, as `pathlib.Path.owner` does."""
        return await self._run(_path_jobs.owner, str(self), follow_symlinks)

    async def group(self, *, follow_symlinks: bool = True) -> str:
        """Return the name of the file's group, as `pathlib.Path.group` does."""
        return await self._run(_path_jobs.group, str(self), follow_symlinks)

    # -- Other paths --------------------------------------------------------------

    @classmethod
    async def cwd(cls, *, limiter: Limiter | None = None) -> Self:
        """Return the current directory, as `pathlib.Path.cwd` does."""
        executor = limited(limiter, None)
        cwd = await current_engine().run(os.getcwd, executor=executor)
        return cls(cwd, **_kept(limiter))

    @classmethod
    async def home(cls, *, limiter: Limiter | None = None) -> Self:
        """Return the user's home directory, as `pathlib.Path.home` does."""
        executor = limited(limiter, None)
        find = partial(_path_jobs.call, "expanduser", "~")
        home = await current_engine().run(find, executor=executor)
        return cls(home, **_kept(limiter))

    @classmethod
    def from_uri(cls, uri: str, *, limiter: Limiter | None = None) -> Self:
        """Return the path of a ``file:`` URI: `pathlib.Path.from_uri`. Touches no file.

        Raises:
            ValueError: *uri* is no such URI, or not absolute.
        """
        return cls(_path_jobs.uri_path(uri), **_kept(limiter))

    def as_uri(self) -> str:
        """Return this absolute path as a ``file:`` URI. Touches no file."""
        return str(_path_jobs.call("as_uri", str(self)))

    async def absolute(self) -> Self:
        """Return this path from the root on, as `pathlib.Path.absolute` does."""
        if self.is_absolute():
            if budget.due:
                await current_engine().checkpoint()
            return self
        return self.with_segments(await self._look("absolute"))

    async def resolve(self, strict: bool = False) -> Self:
        """Return this path without links and ``..``, as `pathlib.Path.resolve` does.

        Args:
            strict: Whether a path that is not there is an `OSError`.
        """
        return self.with_segments(await self._look("resolve", strict))

    async def expanduser(self) -> Self:
        """Return this path with ``~`` expanded: `pathlib.Path.expanduser`."""
        if not str(self).startswith("~"):
            if budget.due:
                await current_engine().checkpoint()
            return self
        return self.with_segments(await self._look("expanduser"))

    async def readlink(self) -> Self:
        """Return what a link points to, as `pathlib.Path.readlink` does."""
        return self.with_segments(await self._look("readlink"))

    # -- Contents -----------------------------------------------------------------

    @overload
    def open(
        self,
        mode: OpenTextMode = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Opening[AsyncTextIOWrapper]: ...
    @overload
    def open(
        self,
        mode: OpenBinaryMode,
        buffering: Literal[0],
        encoding: None = None,
        errors: None = None,
        newline: None = None,
    ) -> Opening[AsyncFileIO]: ...
    @overload
    def open(
        self,
        mode: OpenBinaryModeUpdating,
        buffering: Literal[-1, 1] = -1,
        encoding: None = None,
        errors: None = None,
        newline: None = None,
    ) -> Opening[AsyncBufferedRandom]: ...
    @overload
    def open(
        self,
        mode: OpenBinaryModeWriting,
        buffering: Literal[-1, 1] = -1,
        encoding: None = None,
        errors: None = None,
        newline: None = None,
    ) -> Opening[AsyncBufferedWriter]: ...
    @overload
    def open(
        self,
        mode: OpenBinaryModeReading,
        buffering: Literal[-1, 1] = -1,
        encoding: None = None,
        errors: None = None,
        newline: None = None,
    ) -> Opening[AsyncBufferedReader]: ...
    @overload
    def open(
        self,
        mode: OpenBinaryMode,
        buffering: int = -1,
        encoding: None = None,
        errors: None = None,
        newline: None = None,
    ) -> Opening[AsyncBinaryFile]: ...
    @overload
    def open(
        self,
        mode: str,
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Opening[Any]: ...
    def open(
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Opening[Any]:
        """Open the file: `headrace.open()` of this path.

        ``async with path.open() as f`` and ``f = await path.open()`` both work.
        """
        encoding = _text_encoding(mode, encoding)
        limiter = self._limiter
        return open_file(
            self, mode, buffering, encoding, errors, newline, limiter=limiter
        )

    async def read_bytes(self) -> bytes:
        """Return the file's contents, as `pathlib.Path.read_bytes` does.

        Cost: no thread where they are cached, up to 256 KiB; else one job.
        """
        if self._limiter is not None:
            async with self.open("rb") as file:
                return await file.read()
        return await _oneshot.read_bytes(str(self))

    async def read_text(
        self,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> str:
        """Return the file's contents as text: `pathlib.Path.read_text`."""
        encoding = _text_encoding("r", encoding)
        if self._limiter is not None:
            async with self.open("r", -1, encoding, errors, newline) as file:
                return await file.read()
        return await _oneshot.read_text(str(self), encoding, errors, newline)

    async def write_bytes(self, data: ReadableBuffer) -> int:
        """Write *data* to the file, in one job, as `pathlib.Path.write_bytes` does."""
        # As pathlib does it: no file is made for what cannot be written.
        view = memoryview(data)
        if self._limiter is not None:
            async with self.open("wb") as file:
                return await file.write(view)
        return await _oneshot.write_bytes(str(self), view)

    async def write_text(
        self,
        data: str,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> int:
        """Write *data* to the file, in one job, as `pathlib.Path.write_text` does."""
        encoding = _text_encoding("w", encoding)
        if not isinstance(data, str):
            raise TypeError(f"data must be str, not {type(data).__name__}")
        if self._limiter is not None:
            async with self.open("w", -1, encoding, errors, newline) as file:
                return await file.write(data)
        return await _oneshot.write_text(str(self), data, encoding, errors, newline)

    # -- Directories --------------------------------------------------------------

    def iterdir(self) -> BatchIterator[os.DirEntry[str], Self]:
        """Iterate over the paths in this directory, as `pathlib.Path.iterdir` does.

        ``async for entry in path.iterdir()``, or ``await path.iterdir()`` for a list.
        The order is the system's.

        Cost: one job for 2048 entries, or for what is there after 3 ms.
        """
        listing: type[Listing[str]] = Listing
        source: Callable[[], Source[os.DirEntry[str]]] = partial(listing, str(self))
        return BatchIterator(f"{self!r}.iterdir()", source, self._entry, self._executor)

    def glob(
        self,
        pattern: StrPath,
        *,
        case_sensitive: bool | None = None,
        recurse_symlinks: bool = False,
    ) -> BatchIterator[StrPath, Self]:
        """Iterate over what *pattern* matches below here: `pathlib.Path.glob`.

        Args:
            pattern: A relative pattern; ``**`` matches any number of directories.
            case_sensitive: Whether case matters; the platform's rule if None.
            recurse_symlinks: Whether ``**`` follows links to directories.

        Raises:
            ValueError, NotImplementedError: With the first item, as pathlib does.

        Cost: one job for 1024 paths, or for what is found after 2 ms.
        """
        return self._found(
            "glob",
            pattern,
            recursively=False,
            case_sensitive=case_sensitive,
            recurse_symlinks=recurse_symlinks,
        )

    def rglob(
        self,
        pattern: StrPath,
        *,
        case_sensitive: bool | None = None,
        recurse_symlinks: bool = False,
    ) -> BatchIterator[StrPath, Self]:
        """Iterate over what *pattern* matches anywhere below: `pathlib.Path.rglob`."""
        return self._found(
            "rglob",
            pattern,
            recursively=True,
            case_sensitive=case_sensitive,
            recurse_symlinks=recurse_symlinks,
        )

    def _found(
        self, name: str, pattern: StrPath, **options: Any
    ) -> BatchIterator[StrPath, Self]:
        search = partial(_glob.found, str(self), pattern, **options)
        source: Callable[[], Source[StrPath]] = partial(Produced, search)
        label = f"{self!r}.{name}({os.fspath(pattern)!r})"
        return BatchIterator(label, source, self.with_segments, self._executor)

    def walk(
        self,
        top_down: bool = True,
        on_error: Callable[[OSError], object] | None = None,
        follow_symlinks: bool = False,
    ) -> WalkIterator[Self]:
        """Iterate over this tree, as `pathlib.Path.walk` does.

        ``async for directory, dirnames, filenames in path.walk()``. From the top
        down, taking names out of *dirnames* leaves those directories out.

        Args:
            top_down: Whether a directory comes before those in it.
            on_error: Called with the error of a directory that cannot be listed,
                which is otherwise passed over.
            follow_symlinks: Whether links to directories count as directories.

        Cost: one job for a directory and for what follows it within 2 ms.
        """
        return WalkIterator(
            str(self),
            top_down,
            on_error,
            follow_symlinks,
            self.with_segments,
            self._executor,
        )

    async def mkdir(
        self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False
    ) -> None:
        """Make this directory, as `pathlib.Path.mkdir` does."""
        await self._change("mkdir", mode, parents, exist_ok)

    async def rmdir(self) -> None:
        """Remove this empty directory, as `pathlib.Path.rmdir` does."""
        await self._change("rmdir")

    # -- Files and links ----------------------------------------------------------

    async def touch(self, mode: int = 0o666, exist_ok: bool = True) -> None:
        """Make the file or set its times to now, as `pathlib.Path.touch` does."""
        await self._change("touch", mode, exist_ok)

    async def unlink(self, missing_ok: bool = False) -> None:
        """Remove this file or link, as `pathlib.Path.unlink` does."""
        await self._change("unlink", missing_ok)

    async def rename(self, target: StrPath) -> Self:
        """Rename to *target* and return that, as `pathlib.Path.rename` does."""
        await self._change("rename", target)
        return self.with_segments(target)

    async def replace(self, target: StrPath) -> Self:
        """Rename over *target* and return that, as `pathlib.Path.replace` does."""
        await self._change("replace", target)
        return self.with_segments(target)

    async def symlink_to(
        self, target: StrOrBytesPath, target_is_directory: bool = False
    ) -> None:
        """Make this path a link to *target*, as `pathlib.Path.symlink_to` does."""
        await self._change("symlink_to", target, target_is_directory)

    async def hardlink_to(self, target: StrOrBytesPath) -> None:
        """Make this path another name of *target*: `pathlib.Path.hardlink_to`."""
        await self._change("hardlink_to", target)

    if sys.version_info < (3, 12):

        async def link_to(self, target: StrOrBytesPath) -> None:
            """Make *target* another name of this file: `pathlib.Path.link_to`."""
            await self._change("link_to", target)

    async def chmod(self, mode: int, *, follow_symlinks: bool = True) -> None:
        """Change the permissions, as `pathlib.Path.chmod` does."""
        await self._change("chmod", mode, follow_symlinks=follow_symlinks)

    async def lchmod(self, mode: int) -> None:
        """Change the permissions of a link itself, as `pathlib.Path.lchmod` does."""
        await self._change("lchmod", mode)

    # -- Copying and moving -------------------------------------------------------

    async def copy(
        self,
        target: StrPath,
        *,
        follow_symlinks: bool = True,
        preserve_metadata: bool = False,
    ) -> Self:
        """Copy this file or tree to *target*: `pathlib.Path.copy` of Python 3.14.

        Args:
            target: The new path. A file there is overwritten.
            follow_symlinks: Whether links are copied as what they point to.
            preserve_metadata: Whether times, permissions and the like are kept.

        Returns:
            The path *target*.

        Raises:
            OSError: As the system reports it, and if *target* is this path, or
                inside it.

        Cancellation: stops between two entries or chunks; what is copied stays.
        """
        path = self.with_segments(target)
        work = _path_copy.copied(
            str(self), str(path), follow_symlinks, preserve_metadata
        )
        await in_steps(work, executor=self._executor)
        return path

    async def copy_into(
        self,
        target_dir: StrPath,
        *,
        follow_symlinks: bool = True,
        preserve_metadata: bool = False,
    ) -> Self:
        """Copy this file or tree into a directory: `pathlib.Path.copy_into`."""
        return await self.copy(
            self._inside(target_dir),
            follow_symlinks=follow_symlinks,
            preserve_metadata=preserve_metadata,
        )

    async def move(self, target: StrPath) -> Self:
        """Move this file or tree to *target*: `pathlib.Path.move` of Python 3.14.

        A rename; to another file system, a copy, after which this one is deleted.

        Cancellation: as for `copy`; this file stays until all is copied.
        """
        path = self.with_segments(target)
        work = _path_copy.moved(str(self), str(path))
        await in_steps(work, executor=self._executor)
        return path

    async def move_into(self, target_dir: StrPath) -> Self:
        """Move this file or tree into a directory: `pathlib.Path.move_into`."""
        return await self.move(self._inside(target_dir))

    def _inside(self, directory: StrPath) -> Self:
        if not self.name:
            raise ValueError(f"{self!r} has an empty name")
        return self.with_segments(directory, self.name)


# -- Small helpers -----------------------------------------------------------------


def _kept(limiter: Limiter | None) -> dict[str, Any]:
    """Return the arguments that give a path *limiter*; a subclass may not take it."""
    return {} if limiter is None else {"limiter": limiter}


def _plain(path: StrPath) -> StrPath:
    """Return what pathlib takes for a path without calling our `stat`."""
    return os.fspath(path) if isinstance(path, os.PathLike) else path


def _text_encoding(mode: str, encoding: str | None) -> str | None:
    """Warn of the locale's encoding where Python is asked to (PEP 597)."""
    if encoding is None and sys.flags.warn_default_encoding and "b" not in mode:
        return io.text_encoding(encoding, 3)
    return encoding
