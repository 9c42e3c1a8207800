"""A seccomp filter of a few lines, without a library: what containers do to io_uring.

`refuse()` is irrevocable for its process and needs no privilege, seccomp(2): it is
called in a subprocess, through `PRELUDE`.
"""

from __future__ import annotations

import ctypes
import struct

SETUP, ENTER, REGISTER = 425, 426, 427
"""io_uring's system calls, the same numbers on every architecture but alpha."""

ALL = (SETUP, ENTER, REGISTER)

KILL = -1
"""In the place of an errno: the process dies of SIGSYS."""

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_MODE_FILTER = 2

# linux/bpf_common.h, linux/seccomp.h
_LOAD_WORD = 0x20
_JUMP_EQUAL = 0x15
_RETURN = 0x06
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_KILL_PROCESS = 0x80000000


def _instruction(code: int, yes: int, no: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def refuse(error: int, calls: tuple[int, ...] = ALL) -> None:
    """Have each of *calls* fail with *error* in this process from now on, or `KILL`."""
    action = _KILL_PROCESS if error == KILL else _ERRNO | error
    # struct seccomp_data begins with the number of the call.
    program = _instruction(_LOAD_WORD, 0, 0, 0)
    for place, call in enumerate(calls):
        program += _instruction(_JUMP_EQUAL, len(calls) - place, 0, call)
    program += _instruction(_RETURN, 0, 0, _ALLOW)
    program += _instruction(_RETURN, 0, 0, action)
    memory = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = (("count", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    filters = Program(len(program) // 8, ctypes.addressof(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(filters), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "no seccomp filter can be had here")
