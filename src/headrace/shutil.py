"""Asynchronous `shutil`."""

from headrace.fs.shutil import *  # noqa: F403 - a door: the names are chosen there
