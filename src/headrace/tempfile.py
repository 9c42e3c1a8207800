"""Asynchronous `tempfile`."""

from headrace.fs.tempfile import *  # noqa: F403 - a door: the names are chosen there
