"""Which engine serves the running loop: choose, create, end, forget after fork."""

from __future__ import annotations

import atexit
import os
import weakref
from typing import Any

from headrace.engine._asyncio import AsyncioHost, Cancelled, running_loop
from headrace.engine._threads import ThreadsEngine, wait_for_effects

Engine = ThreadsEngine

_engines: weakref.WeakKeyDictionary[Any, Engine] = weakref.WeakKeyDictionary()


def current_engine() -> Engine:
    """Return the engine of the running event loop, made when first needed.

    Raises:
        RuntimeError: No event loop runs in this thread.
    """
    loop = running_loop()
    if loop is None:
        raise RuntimeError(
            "no running event loop: headrace's files are used inside "
            "'async def' functions, run for example by asyncio.run()"
        )
    engine = _engines.get(loop)
    if engine is None:
        engine = _engines[loop] = ThreadsEngine(AsyncioHost(loop), Cancelled)
    return engine


def engine_choice() -> tuple[str, str]:
    """Return the name of the engine in use and the reason for it."""
    wanted = os.environ.get("HEADRACE_ENGINE", "auto")
    if wanted in ("auto", "threads"):
        why = "asked for by HEADRACE_ENGINE" if wanted == "threads" else "the default"
        return "threads", why
    return "threads", f"HEADRACE_ENGINE={wanted} is not available in this build"


def running_loop_key() -> object:
    """Return what identifies the running loop: None outside one."""
    return running_loop()


if hasattr(os, "register_at_fork"):
    # The parent's loops do not run in the child; its own get engines of their own.
    os.register_at_fork(after_in_child=_engines.clear)

# What a program set in motion before it ended is carried through.
atexit.register(wait_for_effects)
