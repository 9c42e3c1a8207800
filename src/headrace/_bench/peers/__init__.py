"""The peers: the same work, written as a user of each library writes it.

One file per peer, with one coroutine method per row, named as the row. A method
does all of `work`, and returns the last thing it got, so that even a timed pass can
be told from one that did nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass

from .base import Peer, Work, ignore

__all__ = ["PEER_NAMES", "Missing", "Peer", "Work", "find_peers", "ignore"]

# In the order of the table: the reference, headrace, then the others.
_CLASSES = {
    "builtin": "Builtin",
    "headrace": "Headrace",
    "to_thread": "ToThread",
    "aiofiles": "Aiofiles",
    "anyio": "Anyio",
}
PEER_NAMES = tuple(_CLASSES)


@dataclass(frozen=True)
class Missing:
    """A peer that was asked for and cannot run here."""

    name: str
    reason: str


def find_peers(names: Iterable[str]) -> tuple[list[Peer], list[Missing]]:
    """Make the peers called *names*, in the order of the table.

    Args:
        names: From `PEER_NAMES`. `builtin` is added: it is what all are compared with.

    Returns:
        The peers that can run, and those that cannot with the reason.

    Raises:
        ValueError: A name that is no peer.
    """
    wanted = {"builtin", *names}
    unknown = sorted(wanted - set(PEER_NAMES))
    if unknown:
        raise ValueError(
            f"no such peer: {', '.join(unknown)} (there are {', '.join(PEER_NAMES)})"
        )
    found: list[Peer] = []
    missing: list[Missing] = []
    for name, class_name in _CLASSES.items():
        if name not in wanted:
            continue
        module = importlib.import_module(f"{__name__}.{name}_peer")
        try:
            found.append(getattr(module, class_name)())
        except ModuleNotFoundError as error:
            missing.append(Missing(name, f"not installed ({error})"))
        except Exception as error:  # noqa: BLE001 - whatever a broken install raises
            missing.append(Missing(name, f"{type(error).__name__}: {error}"))
    return found, missing
