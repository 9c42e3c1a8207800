"""Which event loop runs in this thread: found out without importing any.

`import headrace` imports neither asyncio nor Trio. Whoever runs one has imported it,
so what is not in `sys.modules` need not be asked; only then are `_asyncio.py` and
`_trio.py`, the files that meet a loop, imported here.
"""

from __future__ import annotations

from collections.abc import Callable
from sys import modules
from typing import Any, cast

from headrace._typing import Host, ShieldedScope

#: Tells whether a Trio task runs in this thread; None until Trio has been imported.
in_trio: Callable[[], bool] | None = None


def _no_task() -> object:
    return None


#: Return the Trio task, and the token of the run, in this thread, where one runs.
trio_task: Callable[[], object] = _no_task
trio_token: Callable[[], object] = _no_task


def runs_trio() -> bool:
    """Tell whether a Trio task runs in this thread."""
    if in_trio is not None:
        return in_trio()
    return "trio" in modules and _meet_trio()


def _meet_trio() -> bool:
    global in_trio, trio_task, trio_token
    if getattr(modules["trio"].__spec__, "_initializing", False):
        # Somebody is about to import it: nothing runs in it yet.
        return False
    try:
        from headrace.engine import _trio
    except ImportError:
        # Something else of that name, or a Trio that is older than what is supported.
        in_trio = _never
    else:
        trio_task = _trio.running_task
        trio_token = _trio.running_token
        # Last, since other threads look at it first.
        in_trio = _trio.in_trio
    return in_trio()


def _never() -> bool:
    return False


def _find_asyncio_loop() -> object:
    """Stand in for `asyncio._get_running_loop` until somebody has imported it."""
    global _asyncio_loop
    events = modules.get("asyncio.events")
    found = getattr(events, "_get_running_loop", None)
    if found is None:
        return None
    _asyncio_loop = found
    return found()


_asyncio_loop: Callable[[], object] = _find_asyncio_loop


def _find_asyncio_task() -> object:
    """Stand in for `_asyncio.running_task` until a loop of asyncio has run."""
    global _asyncio_task
    from headrace.engine import _asyncio

    _asyncio_task = _asyncio.running_task
    return _asyncio_task()


_asyncio_task: Callable[[], object] = _find_asyncio_task


def running_loop_key() -> Any:
    """Return what identifies the running loop: None outside one.

    asyncio's loop itself; for Trio the `TrioToken` of the run. In Trio's guest mode
    both run in one thread: the one whose task is running counts.
    """
    # (`runs_trio()`, written out: this is asked for by every operation that waits.)
    if in_trio is not None:
        if in_trio():
            return trio_token()
    elif "trio" in modules and _meet_trio():
        return trio_token()
    return _asyncio_loop()


def running_task() -> object:
    """Return the task that runs in this thread; None outside one."""
    key = running_loop_key()
    if key is None:
        return None
    if runs_trio():
        from headrace.engine import _trio

        return _trio.running_task()
    return _asyncio_task()


def new_host(key: Any) -> Host:
    """Return the host for the loop that is running now, whose key is *key*."""
    if runs_trio():
        from headrace.engine import _trio

        return _trio.TrioHost(key)
    from headrace.engine import _asyncio

    return _asyncio.AsyncioHost(key)


def new_scope() -> ShieldedScope | None:
    """Return what keeps cancellations away, where the loop has such scopes."""
    if not runs_trio():
        return None
    from headrace.engine import _trio

    # Its `shield` is a property, and the protocol asks for an attribute.
    return cast("ShieldedScope", _trio.new_scope())
