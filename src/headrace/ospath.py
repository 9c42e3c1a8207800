"""Asynchronous `os.path`; also `headrace.os.path`."""

from headrace.fs.path import *  # noqa: F403 - a door: the names are chosen there
