"""One eventfd for each running loop, by which the kernel and native threads wake it.

What completes outside Python (worker threads, the ring) writes the eventfd; the loop
watches it and has each source reap what is done, once for each wake-up. The channel
ends with its loop: at the latest when the loop is collected.
"""

from __future__ import annotations

import _thread
import os
from typing import Protocol

from headrace._typing import Host


class Source(Protocol):
    """Where completions come from. Must not refer to the loop, which then never ends.

    Native code writes the channel's eventfd after it has put a completion where
    `reap` finds it, and not any more once `end` has said that nothing is in flight.
    """

    def end(self) -> bool:
        """End what can be ended at once, in the loop's thread if it has not gone.

        Returns:
            Whether nothing is in flight: else `drain` follows.
        """
        ...

    def reap(self) -> object:
        """Hand out all that is complete; on the loop's thread, which it wakes."""
        ...

    def drain(self) -> object:
        """Block until nothing is in flight, and drop the results; in any thread."""
        ...

    def close(self) -> object:
        """Give everything back; nothing is in flight."""
        ...

    def forget(self) -> object:
        """Give everything back in a forked child, where nothing will complete."""
        ...


class Channel:
    """The eventfd that one loop watches, and the sources that write it."""

    __slots__ = ("_sources", "closed", "fd")

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.closed = False
        self._sources: list[Source] = []

    @classmethod
    def of(cls, host: Host) -> Channel | None:
        """Return a channel that *host* watches; None where it cannot watch one."""
        if not hasattr(os, "eventfd"):
            return None
        channel = cls()
        if host.watch(channel.fd, channel.wake, channel.close):
            return channel
        channel.close()
        return None

    def attach(self, source: Source) -> None:
        """Have *source* reaped at each wake-up, and closed with the channel."""
        self._sources.append(source)

    def wake(self) -> None:
        """Reap all sources; on the loop's thread."""
        if self.closed:
            return
        try:
            # Before reaping: what completes from now on writes it again.
            os.eventfd_read(self.fd)
        except BlockingIOError:
            pass
        try:
            for source in self._sources:
                source.reap()
        except BaseException:
            # A task has ended the loop. If that goes on, so does what is left here.
            os.eventfd_write(self.fd, 1)
            raise

    def close(self) -> None:
        """End the channel: its loop runs no more. Does not block."""
        if self.closed:
            return
        self.closed = True
        # Each of them, while this is still the loop's thread.
        ended = [source.end() for source in self._sources]
        if not all(ended):
            # A bare thread: this may run in a collection, inside any lock of Python's.
            try:
                _thread.start_new_thread(self._drain, ())
            except RuntimeError:
                # None is to be had at the interpreter's end, which takes it all back.
                pass
        else:
            self._finish()

    def _drain(self) -> None:
        for source in self._sources:
            source.drain()
        self._finish()

    def _finish(self) -> None:
        for source in self._sources:
            source.close()
        self._sources.clear()
        os.close(self.fd)

    def forget(self) -> None:
        """End the channel in a forked child: the parent's goes on undisturbed.

        The loop is not told: its epoll(7) instance is the parent's as well.
        """
        if self.closed:
            return
        self.closed = True
        for source in self._sources:
            source.forget()
        self._sources.clear()
        os.close(self.fd)
