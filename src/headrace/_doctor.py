"""`python -m headrace doctor`: what is in use here, and why.

`examine()` finds the facts, as plain data that `--json` prints; `show()` writes them
for people. Nothing is guessed from version numbers where it can be tried: reads and
opens are really made, on the given files or on temporary ones.
"""

from __future__ import annotations

import errno
import importlib.metadata
import importlib.util
import json
import os
import platform
import stat
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from headrace import __version__, _native, _platform, _settings
from headrace._bench.inputs import file_system
from headrace._info import info
from headrace.engine import (
    device_of,
    limits,
    opens_inline,
    status_of,
)

Facts: TypeAlias = dict[str, Any]
"""What `json` can write: strings, numbers, booleans, lists and dicts of them."""

VARIABLES = ("HEADRACE_NATIVE", *_settings.VARIABLES.values())
_PROBE_SIZE = 4096  # bytes
_REFUSED = "refused by the system (a seccomp filter, as in containers, does that)"


def run(paths: Sequence[Path], *, as_json: bool) -> int:
    """Examine, and print.

    Returns:
        The exit status: 0, or 1 when a path could not be examined.
    """
    facts = examine(paths)
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
    else:
        show(facts)
    return 1 if any("error" in path for path in facts["paths"]) else 0


def examine(paths: Sequence[Path] = ()) -> Facts:
    """Find out what is in use here, and for each of *paths* what is possible there."""
    return {
        "headrace": __version__,
        "python": _python(),
        "system": {
            "name": platform.system(),
            "release": platform.release(),
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
        },
        "loops": _loops(),
        "core": _core(),
        "engine": _engine(),
        "inline": _inline(),
        "variables": {name: os.environ.get(name) for name in VARIABLES},
        "paths": [_path(path) for path in paths],
    }


# -- This installation --


def _python() -> Facts:
    # Before 3.13 there is no build without the GIL.
    gil_enabled = getattr(sys, "_is_gil_enabled", lambda: True)
    return {
        "implementation": platform.python_implementation(),
        "version": platform.python_version(),
        "gil": bool(gil_enabled()),
    }


def _loops() -> Facts:
    """List the event loops that are installed, and whether headrace runs on them."""
    trio = importlib.util.find_spec("headrace.engine._trio") is not None
    return {
        "asyncio": {"version": platform.python_version(), "usable": True},
        "uvloop": {"version": _version("uvloop"), "usable": _installed("uvloop")},
        "trio": {"version": _version("trio"), "usable": trio and _installed("trio")},
    }


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _core() -> Facts:
    """Say whether the hot paths are those in C or their twins in Python."""
    return {"native": _native.NATIVE, "why": _native.NATIVE_REASON}


def _engine() -> Facts:
    found = info()
    return {
        "name": found.engine,
        "why": found.reason,
        "workers": found.settings.max_workers,
        "waiting_workers": found.settings.max_waiting,
        "settings": _settings.as_dict(found.settings),
    }


# -- What may be done on the loop's own thread --


def _inline() -> Facts:
    return {
        "limit": limits.inline,
        "reads": _kernel_reads(),
        "opens": _kernel_opens(),
    }


def _answer(works: bool, why: str) -> Facts:
    return {"works": works, "why": why}


def _kernel_reads() -> Facts:
    """Tell whether this kernel reads without waiting: preadv2(2), RWF_NOWAIT."""
    why_not = _platform.inline_reads()
    if why_not:
        return _answer(False, why_not)
    with _temporary_file(None) as path:
        return _try_read(path)


def _kernel_opens() -> Facts:
    """Tell whether this kernel opens without waiting: openat2(2), RESOLVE_CACHED."""
    if not _platform.O_PATH:
        return _answer(False, "openat2(RESOLVE_CACHED) is not offered by this platform")
    if _platform.is_android():
        return _answer(False, "not tried on Android, where it ends the process")
    fd = _native.open_cached(b"/", _platform.O_PATH | _platform.O_CLOEXEC)
    if fd >= 0:
        os.close(fd)
    elif fd == -errno.ENOSYS:
        return _answer(False, "openat2 came with Linux 5.6, and needs ctypes")
    elif fd == -errno.EINVAL:
        return _answer(False, "RESOLVE_CACHED came with Linux 5.12")
    elif fd != -errno.EAGAIN:  # EAGAIN: it works, the answer was not in the cache
        return _answer(False, f"openat2 is {_REFUSED}: {os.strerror(-fd)}")
    return _answer(True, "openat2(RESOLVE_CACHED) was tried and works")


def _try_read(path: str) -> Facts:
    """Read a little of a file that is in the page cache, without waiting."""
    if not limits.inline:
        return _answer(False, "turned off by HEADRACE_INLINE_LIMIT=0")
    with open(path, "rb", buffering=0) as file:
        wanted = file.read(_PROBE_SIZE)
        try:
            got = _native.read_at(file.fileno(), _PROBE_SIZE, 0)
        except OSError as error:
            return _answer(False, _why_refused(error))
    if got is None:
        return _answer(False, "the kernel would wait, even for what was just read")
    if got != wanted:
        return _answer(False, "preadv2(RWF_NOWAIT) gave other bytes than read()")
    return _answer(True, "preadv2(RWF_NOWAIT) was tried and works")


def _why_refused(error: OSError) -> str:
    if error.errno in (errno.EOPNOTSUPP, errno.EINVAL):
        return "this file system has no preadv2(RWF_NOWAIT)"
    return f"preadv2(RWF_NOWAIT) is {_REFUSED}: {error.strerror}"


@contextmanager
def _temporary_file(directory: str | None) -> Generator[str]:
    """Make a file of a few bytes, for as long as it is tried."""
    fd, path = tempfile.mkstemp(prefix=".headrace-doctor-", dir=directory)
    try:
        try:
            os.write(fd, b"headrace")
        finally:
            os.close(fd)
        yield path
    finally:
        os.unlink(path)


# -- One path --


def _path(path: Path) -> Facts:
    """Say what is possible on the file system of *path*."""
    facts: Facts = {"path": str(path)}
    try:
        status = path.stat()
        facts |= _place(path, status)
        if stat.S_ISDIR(status.st_mode):
            facts |= _directory(path)
        elif stat.S_ISREG(status.st_mode):
            facts |= _file(str(path))
        else:
            no = _answer(False, "only regular files are read without waiting")
            kind = file_system(str(path)) or None
            facts |= {"file_system": kind, "inline_reads": no, "inline_opens": no}
    except OSError as error:
        facts["error"] = str(error)
    return facts


def _place(path: Path, status: os.stat_result) -> Facts:
    device = status.st_dev
    if hasattr(os, "major"):
        number = f"{os.major(device)}:{os.minor(device)}"
    else:
        number = f"{device:#x}"
    mount = path.resolve()
    while not os.path.ismount(mount) and mount != mount.parent:
        mount = mount.parent
    return {"device": number, "mount": str(mount)}


def _directory(path: Path) -> Facts:
    """Try on a temporary file in *path*; where none can be made, on one of its own."""
    try:
        with _temporary_file(str(path)) as name:
            return _file(name) | {"tried_on": "a temporary file"}
    except OSError as error:
        unwritable = error
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False) and os.access(entry, os.R_OK):
                return _file(entry.path) | {"tried_on": entry.name}
    raise unwritable


def _file(name: str) -> Facts:
    """Try on the regular file *name*."""
    with open(name, "rb", buffering=0) as file:
        fd = file.fileno()
        device = device_of(fd, os.fstat(fd))
    # The mount table has the usual name, "ext4"; btrfs is not found there.
    kind = file_system(name) or device.file_system
    reads = _platform.inline_reads()
    return {
        "file_system": kind,
        "local": device.local,
        "inline_reads": _answer(False, reads) if reads else _try_read(name),
        "inline_opens": _try_open(name, kind, device.local),
    }


def _try_open(name: str, file_system: str, local: bool) -> Facts:
    """Look a file up as headrace does before it asks a worker."""
    # Absolute, as in most programs: headrace need not ask where it is then.
    if status_of(os.path.abspath(name)) is not None:
        return _answer(True, "openat2(RESOLVE_CACHED) was tried and works")
    if not limits.inline:
        return _answer(False, "turned off by HEADRACE_INLINE_LIMIT=0")
    if not local:
        return _answer(
            False,
            f"{file_system} is not known to be local: an open may wait for a server",
        )
    kernel = _kernel_opens()
    if not kernel["works"]:
        return kernel
    if not opens_inline():
        return _answer(False, "the root file system is not known to be local")
    return _answer(False, "the kernel had not all of the path in its cache")


# -- For people --


def show(facts: Facts) -> None:
    """Print *facts* with rich."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)

    def section(title: str, lines: Sequence[tuple[str, str, str]]) -> None:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value, why in lines:
            words = Text(value, style=_STYLES.get(value, "bold"))
            if why:
                words.append(f"  {why}", style="not bold default")
            table.add_row(f"  {name}", words)
        console.print(Text(title, style="bold cyan"))
        console.print(table)
        console.print()

    section(f"headrace {facts['headrace']}", _installation_lines(facts))
    section("How an operation is done", _way_lines(facts))
    for path in facts["paths"]:
        section(path["path"], _path_lines(path))


_STYLES = {"yes": "bold green", "no": "bold yellow", "error": "bold red"}


def _installation_lines(facts: Facts) -> list[tuple[str, str, str]]:
    python, system = facts["python"], facts["system"]
    gil = "" if python["gil"] else "without the GIL"
    name = f"{python['implementation']} {python['version']}"
    kernel = f"{system['name']} {system['release']}"
    lines = [
        ("Python", name, gil),
        ("System", kernel, f"{system['machine']}, {system['cpus']} CPUs"),
    ]
    for loop, found in facts["loops"].items():
        if found["version"] is None:
            lines.append((loop, "not installed", ""))
        else:
            why = "" if found["usable"] else "headrace does not run on it yet"
            lines.append((loop, found["version"], why))
    core = facts["core"]
    lines.append(("Hot paths", "C" if core["native"] else "pure Python", core["why"]))
    return lines


def _way_lines(facts: Facts) -> list[tuple[str, str, str]]:
    engine, inline = facts["engine"], facts["inline"]
    lines = [
        ("Inline reads", *_yes_or_no(inline["reads"])),
        ("Inline opens", *_yes_or_no(inline["opens"])),
        (
            "Inline limit",
            f"{inline['limit'] // 1024} KiB",
            "longer reads go to the engine",
        ),
        ("Engine", engine["name"], engine["why"]),
        (
            "Worker threads",
            f"at most {engine['workers']}",
            f"and {engine['waiting_workers']} for what may wait for ever",
        ),
    ]
    for name, value in facts["variables"].items():
        if value is not None:
            lines.append((name, value, "from the environment"))
    return lines


def _path_lines(path: Facts) -> list[tuple[str, str, str]]:
    lines: list[tuple[str, str, str]] = []
    if "device" in path:
        kind = path.get("file_system") or "?"
        where = f"mounted at {path['mount']}, device {path['device']}"
        lines.append(("File system", kind, where))
    if "tried_on" in path:
        lines.append(("Tried on", path["tried_on"], ""))
    if "inline_reads" in path:
        lines.append(("Inline reads", *_yes_or_no(path["inline_reads"])))
        lines.append(("Inline opens", *_yes_or_no(path["inline_opens"])))
    if "error" in path:
        lines.append(("Error", "error", path["error"]))
    return lines


def _yes_or_no(answer: Facts) -> tuple[str, str]:
    return ("yes" if answer["works"] else "no"), answer["why"]
