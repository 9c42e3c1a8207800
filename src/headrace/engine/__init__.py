"""How an operation is done: inline, or by an engine in another thread.

Knows descriptors, offsets and buffers. Knows nothing of files, modes or encodings.
"""

from headrace.engine._budget import WINDOW, WINDOW_OPERATIONS, budget
from headrace.engine._hosts import running_loop_key
from headrace.engine._inflight import Job, Operation
from headrace.engine._inline import (
    UNKNOWN,
    Device,
    Status,
    device_of,
    known_device,
    known_devices,
    learn,
    learn_root,
    limits,
    open_elsewhere,
    open_for_reading,
    opens_inline,
    read_for_good,
    status_of,
)
from headrace.engine._lanes import Lane, threads_alive, workers
from headrace.engine._limits import (
    Limiter,
    checked_limiter,
    limited,
    limiter_of,
)
from headrace.engine._registry import (
    Engine,
    current_engine,
    engine_choice,
    host_name,
)
from headrace.engine._shield import Shield, current_shield
from headrace.engine._threads import effect_begins, operation_ended

__all__ = [
    "UNKNOWN",
    "WINDOW",
    "WINDOW_OPERATIONS",
    "Device",
    "Engine",
    "Job",
    "Lane",
    "Limiter",
    "Operation",
    "Shield",
    "Status",
    "budget",
    "checked_limiter",
    "current_engine",
    "current_shield",
    "device_of",
    "effect_begins",
    "engine_choice",
    "host_name",
    "known_device",
    "known_devices",
    "learn",
    "learn_root",
    "limited",
    "limiter_of",
    "limits",
    "open_elsewhere",
    "open_for_reading",
    "opens_inline",
    "operation_ended",
    "read_for_good",
    "running_loop_key",
    "status_of",
    "threads_alive",
    "workers",
]
