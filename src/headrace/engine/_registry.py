"""Which engine serves the running loop: choose, create, end, forget after fork."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headrace import _native
from headrace._settings import Engine as Wanted
from headrace._settings import Settings, on_change, settings, source
from headrace._typing import Host
from headrace.engine._announce import say_once
from headrace.engine._channel import Channel
from headrace.engine._hosts import new_host, running_loop_key
from headrace.engine._threads import ThreadsEngine, wait_for_effects

if TYPE_CHECKING:
    from headrace.engine._uring import Rings
    from headrace.engine._workers import Completed

Engine = ThreadsEngine


class Place:
    """What one running loop has: its host, its channel and its engine."""

    __slots__ = ("__weakref__", "_channel", "engine", "host", "sources")

    def __init__(self, host: Host) -> None:
        self.host = host
        self.engine: Engine | None = None
        self._channel: Channel | None = None
        #: What is attached to the channel, by engine: it stays when the engine goes.
        self.sources: dict[Wanted, Any] = {}

    def channel(self) -> Channel | None:
        """Return the loop's channel, made when first needed; None if it has none."""
        if self._channel is None:
            self._channel = Channel.of(self.host)
            if self._channel is not None:
                # Not at exit: what then waits must not hold it up.
                weakref.finalize(self, self._channel.close).atexit = False
        return self._channel

    def forget(self) -> None:
        """Give up, in a forked child, what the parent's loop uses."""
        if self._channel is not None:
            self._channel.forget()


_places: weakref.WeakKeyDictionary[Any, Place] = weakref.WeakKeyDictionary()
#: The loop that was looked up last, and its place: most programs have one loop.
_latest: tuple[Callable[[], object], Callable[[], Place | None]]
#: Loops begin in many threads.
_placing = threading.Lock()


def current_engine() -> Engine:
    """Return the engine of the running event loop, made when first needed.

    Raises:
        RuntimeError: No event loop runs in this thread.
        ValueError: An environment variable of headrace's holds what it must not.
    """
    key = running_loop_key()
    if key is None:
        raise RuntimeError(
            "no running event loop: headrace's files are used inside 'async def' "
            "functions, run for example by asyncio.run() or trio.run()"
        )
    seen, its_place = _latest
    place = its_place() if seen() is key else _find_place(key)
    if place is None:
        place = _new_place(key)
    return place.engine or _new_engine(place)


def _find_place(key: Any) -> Place | None:
    global _latest
    place = _places.get(key)
    if place is not None:
        _latest = weakref.ref(key), weakref.ref(place)
    return place


def _no_place() -> None:
    """Stand for a reference to nothing."""


_latest = _no_place, _no_place


def _new_place(key: Any) -> Place:
    place = Place(new_host(key))
    with _placing:
        # A loop that was closed and is still referred to keeps no descriptor.
        closed = [old for old, held in _places.items() if held.host.closed]
        for old in closed:
            del _places[old]
        _places[key] = place
    return place


# -- Choosing -----------------------------------------------------------------

#: How an engine is made for a place, and why it cannot be used here ("" if it can).
_Maker = Callable[[Place], Engine]
_Obstacle = Callable[[], str]


def _make_threads(place: Place) -> Engine:
    return ThreadsEngine(place.host)


def _make_workers(place: Place) -> Engine:
    # Not at the top: it needs the C core.
    from headrace.engine._workers import WorkersEngine

    # The place holds its engine: the other way round only weakly, so that what the
    # loop has is given back with the loop and not when cycles are collected.
    seen = weakref.ref(place)

    def completed() -> Completed | None:
        known = seen()
        return None if known is None else _completed(known)

    return WorkersEngine(place.host, completed)


def _completed(place: Place) -> Completed | None:
    """Return where the calls of a loop complete to; None if it cannot be woken."""
    found: Completed | None = place.sources.get(Wanted.WORKERS)
    if found is None:
        channel = place.channel()
        if channel is not None:
            from headrace.engine._workers import Completed

            found = place.sources[Wanted.WORKERS] = Completed(channel)
            channel.attach(found)
    return found


def _make_uring(place: Place) -> Engine:
    # Not at the top: it needs the C core.
    from headrace.engine._uring import UringEngine

    seen = weakref.ref(place)

    def completed() -> Completed | None:
        known = seen()
        return None if known is None else _completed(known)

    def rings() -> Rings | None:
        known = seen()
        return None if known is None else _rings(known)

    return UringEngine(place.host, completed, rings)


def _rings(place: Place) -> Rings | None:
    """Return what a loop's rings are kept in; None if it cannot be woken."""
    found: Rings | None = place.sources.get(Wanted.URING)
    if found is None:
        channel = place.channel()
        if channel is not None:
            from headrace.engine._uring import Rings

            found = place.sources[Wanted.URING] = Rings(channel.fd)
            channel.attach(found)
    return found


def _no_uring() -> str:
    missing = _no_workers()
    if not missing:
        from headrace.engine._uring import obstacle

        missing = obstacle()
    return missing


def _no_workers() -> str:
    if _native.Call is None:
        return (
            f"needs the C core: {_native.NATIVE_REASON}"
            if not _native.NATIVE
            else "needs Linux"
        )
    return "" if hasattr(os, "eventfd") else "needs eventfd(2)"


#: From the best to the one that always works. A maker that raises `OSError` or
#: `NotImplementedError` leaves the loop to the next.
_CHOICES: dict[Wanted, tuple[_Maker, _Obstacle]] = {
    Wanted.URING: (_make_uring, _no_uring),
    Wanted.WORKERS: (_make_workers, _no_workers),
    Wanted.THREADS: (_make_threads, str),
}


def _candidates() -> list[tuple[Wanted, str]]:
    """Return the engines to be tried, best first, each with the reason for it."""
    wanted = settings().engine
    why = "the default" if wanted is Wanted.AUTO else source("engine")
    found: list[tuple[Wanted, str]] = []
    for name, (_, obstacle) in _CHOICES.items():
        if wanted is not Wanted.AUTO and list(_CHOICES).index(name) < list(
            _CHOICES
        ).index(wanted):
            continue
        missing = obstacle()
        if not missing:
            found.append((name, why))
        elif wanted is not Wanted.AUTO:
            why = f"{name.value}, {source('engine')}, {missing}"
    return found


def engine_choice() -> tuple[str, str]:
    """Return the name of the engine in use and the reason for it.

    Of the running loop's engine if it has one, else of the one that it would get.
    """
    key = running_loop_key()
    place = None if key is None else _places.get(key)
    if place is not None and place.engine is not None:
        return place.engine.name, place.engine.reason
    name, why = _candidates()[0]
    return name.value, why


def _new_engine(place: Place) -> Engine:
    failure = ""
    for name, why in _candidates():
        try:
            engine = _CHOICES[name][0](place)
        except (OSError, NotImplementedError) as error:
            failure = failure or f"{name.value} does not work here: {error}"
            continue
        engine.reason = failure or why
        place.engine = engine
        if not engine.announces_itself:
            say_once(f"engine {engine.name}: {engine.reason}")
        return engine
    raise AssertionError("the thread engine can always be made")


def _choose_again(_: Settings) -> None:
    """Have each loop take the engine that is wanted now, for its next operation."""
    with _placing:
        for place in _places.values():
            place.engine = None
            rings = place.sources.get(Wanted.URING)
            if rings is not None:
                rings.ask_python()


on_change(_choose_again)


def host_name() -> str | None:
    """Return what runs the running loop: its library's name; None outside one."""
    key = running_loop_key()
    return None if key is None else new_host(key).name


def _forget() -> None:
    """Leave the parent's loops to it; those of the child get engines of their own."""
    global _latest, _placing
    _latest = _no_place, _no_place
    _placing = threading.Lock()
    for place in tuple(_places.values()):
        place.forget()
    _places.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

# What a program set in motion before it ended is carried through.
atexit.register(wait_for_effects)
