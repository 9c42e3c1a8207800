"""Build the async twin of a blocking function: same signature, name and text.

Knows the engine, and no function in particular: the tables that name the functions
are in `os.py` and `path.py`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, TypeAlias, TypeVar

from headrace._typing import WAIT
from headrace.engine import Lane, budget, current_engine, learn

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = [
    "OnCancel",
    "cached_first",
    "extend_doc",
    "offload",
    "offload_change",
    "twin",
]

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

OnCancel: TypeAlias = Literal["abandon", "finish"]

_LOOKS: Final = (
    "Asynchronous: runs in a worker thread as one job; a cancellation is raised "
    "at once."
)
_CACHED: Final = (
    "Asynchronous: answered at once where the kernel has the path cached, else a job "
    "in a worker thread; a cancellation is raised at once."
)
_CHANGES: Final = (
    "Asynchronous: runs in a worker thread as one job; once that has begun, a "
    "cancellation is raised when it has ended."
)


def offload(func: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return the asynchronous twin of a blocking function that only looks.

    The twin takes the arguments of *func* and gives its results and errors; name,
    text and signature are those of *func*, which is its ``__wrapped__``. By name
    only it also takes `executor` (a `concurrent.futures.Executor` that runs the job
    instead of headrace's threads) and `loop` (ignored: the running loop waits), as
    the functions of aiofiles do. Type checkers see the parameters of *func* alone,
    since a `ParamSpec` cannot be extended by keywords.

    Args:
        func: A blocking function. When the caller is cancelled, what it then still
            does or returns goes unnoticed.

    Returns:
        A coroutine function. One call is one job, one hop.
    """
    return twin(func)


def offload_change(func: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return the asynchronous twin of a blocking function that changes something.

    As `offload`, but once *func* has begun, it is waited for even when the caller is
    cancelled.
    """
    return twin(func, on_cancel="finish")


# The two above take one argument each: that is the form in which mypy carries the
# overloads of a function through a decorator.
def twin(
    func: Callable[P, T],
    *,
    on_cancel: OnCancel = "abandon",
    lane: Lane = Lane.WORK,
    discard: Callable[[T], object] | None = None,
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return the asynchronous twin of *func*, run in *lane*; see `offload`.

    Args:
        func: A blocking function.
        on_cancel: As for the engine's `run`.
        lane: `Lane.WAIT` for what may wait for ever.
        discard: Undoes a result that nobody waits for any more (closes it, ...).
    """

    async def run(
        *args: Any,
        loop: AbstractEventLoop | None = None,
        executor: Executor | None = None,
        **kwargs: Any,
    ) -> T:
        del loop
        call = functools.partial(func, **kwargs) if kwargs else func
        return await current_engine().run(
            call,
            *args,
            lane=lane,
            on_cancel=on_cancel,
            discard=discard,
            executor=executor,
        )

    functools.update_wrapper(run, func)
    run.__doc__ = extend_doc(func, _CHANGES if on_cancel == "finish" else _LOOKS)
    # Through "any arguments", because of the two that a ParamSpec cannot express.
    as_func: Callable[..., Coroutine[Any, Any, T]] = run
    return as_func


def cached_first(
    attempt: Callable[..., object], func: Callable[P, T]
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return the twin of *func*, that first tries what cannot wait.

    Args:
        attempt: Takes the arguments of *func*; its result or error is the answer,
            unless it is WAIT. Not made where an `executor` is given.
        func: A blocking function that only looks.
    """
    rest: Callable[..., Coroutine[Any, Any, T]] = learning_twin(func)

    async def run(
        *args: Any,
        loop: AbstractEventLoop | None = None,
        executor: Executor | None = None,
        **kwargs: Any,
    ) -> T:
        if executor is None:
            if budget.spend():
                await current_engine().checkpoint()
            found: Any = attempt(*args, **kwargs)
            if found is not WAIT:
                result: T = found
                return result
        return await rest(*args, loop=loop, executor=executor, **kwargs)

    as_func: Callable[..., Coroutine[Any, Any, T]] = as_twin_of(func)(run)
    return as_func


def learning_twin(func: Callable[P, T]) -> Callable[..., Coroutine[Any, Any, T]]:
    """Return the twin of *func*, whose first argument is a path.

    It also has the file system looked at, so that the next attempt there may do
    without a job.
    """

    @functools.wraps(func)
    def look(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return func(*args, **kwargs)
        finally:
            learn(args[0] if args else next(iter(kwargs.values()), None))

    return twin(look)


def as_twin_of(func: Callable[..., Any]) -> Callable[[F], F]:
    """Give the decorated function, the twin of *func*, its name, text, signature."""

    def decorate(run: F) -> F:
        functools.update_wrapper(run, func)
        run.__doc__ = extend_doc(func, _CACHED)
        return run

    return decorate


def extend_doc(func: Callable[..., object], sentence: str) -> str:
    """Return the text of *func*, and after it what is asynchronous about its twin."""
    doc = inspect.getdoc(func)
    return f"{doc.rstrip()}\n\n{sentence}\n" if doc else f"{sentence}\n"
