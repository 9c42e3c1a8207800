"""Asynchronous `glob`."""

from headrace.fs.glob import *  # noqa: F403 - a door: the names are chosen there
