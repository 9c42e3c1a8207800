"""How tests are run: on every event loop, with descriptors and leftovers counted.

A test written as ``async def test_x(...)`` runs once on each host of `tests.hosts`,
in a loop made for it. A plain test that needs a host (to run several loops, say)
takes the fixture `loop` and calls ``loop.run(coroutine_function, *args)``.

After each test nothing may be left over: no open descriptor, no unclosed file, no
coroutine that was not awaited, no exception that nobody retrieved.
"""

from __future__ import annotations

import functools
import gc
import inspect
import os
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.hosts import HOSTS, AsyncioHost, Host, UvloopHost

LATE_CLOSE_TIMEOUT_S = 1.0
"""How long a worker thread may take to close what a cancelled call left to it."""

# Windows has neither: there, descriptors are not counted.
DESCRIPTOR_FOLDER = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"

# No deadline: machines of CI are slow, time says nothing. Fixtures like tmp_path may
# be shared by a test's examples: each example writes the files that it reads.
settings.register_profile(
    "default",
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.register_profile(
    "ci", settings.get_profile("default"), derandomize=True, print_blob=True
)
settings.load_profile("ci" if os.environ.get("CI") else "default")


# -- Asynchronous tests ---------------------------------------------------------


def coroutine_test(obj: object) -> Callable[..., Any] | None:
    """Return the coroutine function behind a test, or None for a plain test."""
    hypothesis_handle = getattr(obj, "hypothesis", None)
    inner = getattr(hypothesis_handle, "inner_test", obj)
    return inner if inspect.iscoroutinefunction(inner) else None


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> None:
    """Let every coroutine test run on each host."""
    if collector.istestfunction(obj, name) and coroutine_test(obj):
        pytest.mark.usefixtures("loop")(obj)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test on the host that its `loop` fixture made."""
    inner = coroutine_test(pyfuncitem.obj)
    if inner is None:
        return None
    host = pyfuncitem.funcargs["loop"]
    assert isinstance(host, Host)
    # fixtureinfo names what the test itself asks for; funcargs holds more.
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    if inner is pyfuncitem.obj:
        host.run(inner, **arguments)
        return True

    # Hypothesis calls inner_test once per example, and each gets a loop of its own.
    @functools.wraps(inner)
    def run_example(*args: Any, **kwargs: Any) -> None:
        host.run(inner, *args, **kwargs)

    handle = pyfuncitem.obj.hypothesis
    handle.inner_test = run_example
    try:
        pyfuncitem.obj(**arguments)
    finally:
        handle.inner_test = inner
    return True


HOST = pytest.StashKey[Host]()


# uvloop is asyncio with another selector: where the loop is not the point, one of the
# two is enough. HEADRACE_TEST_HOSTS=all runs every test on every host; or name some.
ON_TWO_HOSTS = {"compat", "conformance", "files", "fs"}
TESTS = Path(__file__).parent


def hosts_for(path: Path) -> list[type[Host]]:
    """Return the hosts that the asynchronous tests of the file *path* run on."""
    wanted = os.environ.get("HEADRACE_TEST_HOSTS", "")
    if wanted and wanted != "all":
        return [host for host in HOSTS if host.name in wanted.split(",")]
    folders = {parent.name for parent in path.parents if TESTS in parent.parents}
    few = not wanted and folders & ON_TWO_HOSTS
    return [host for host in HOSTS if not (few and host is UvloopHost)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what takes a `loop` on each of its hosts."""
    if "loop" in metafunc.fixturenames:
        hosts = hosts_for(metafunc.definition.path)
        names = [host.name for host in hosts]
        metafunc.parametrize("loop", hosts, ids=names, indirect=True)


@pytest.fixture
def loop(request: pytest.FixtureRequest) -> Host:
    """Give the host that runs the test; `no_leftovers` looks at its complaints."""
    host_type: type[Host] = request.param
    if reason := host_type.missing():
        pytest.skip(reason)
    only = request.node.get_closest_marker("asyncio_only")
    if only is not None and not issubclass(host_type, AsyncioHost):
        pytest.skip(only.args[0])
    host = request.node.stash[HOST] = host_type()
    return host


# -- Nothing may be left over ---------------------------------------------------


def open_descriptors() -> dict[int, str]:
    """Return each open descriptor and what it points to, as far as one can see."""
    found: dict[int, str] = {}
    if sys.platform == "win32":
        return found
    for name in os.listdir(DESCRIPTOR_FOLDER):
        fd = int(name)
        try:
            found[fd] = os.readlink(f"{DESCRIPTOR_FOLDER}/{name}")
        except OSError:
            # Either closed again (the listing's own descriptor), or no link here.
            try:
                os.fstat(fd)
            except OSError:
                continue
            found[fd] = "?"
    return found


def leaked_descriptors(before: dict[int, str]) -> dict[int, str]:
    """Return what is open now and was not *before*, once late closes are done."""
    deadline = time.monotonic() + LATE_CLOSE_TIMEOUT_S
    while True:
        leaked = dict(open_descriptors().items() - before.items())
        if not leaked or time.monotonic() > deadline:
            return leaked
        time.sleep(0.01)
        gc.collect()


CALL_FAILED = pytest.StashKey[bool]()
TESTS_DONE = pytest.StashKey[int]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether the test itself failed."""
    report = yield
    if call.when == "call":
        item.stash[CALL_FAILED] = report.failed
    return report


@pytest.fixture(scope="session")
def warm_hosts() -> None:
    """Open what a host keeps for the whole process (libuv: a pipe for signals)."""

    async def nothing() -> None:
        pass

    for host_type in HOSTS:
        if not host_type.missing():
            host_type().run(nothing)


@pytest.fixture(autouse=True)
def no_leftovers(request: pytest.FixtureRequest, warm_hosts: None) -> Iterator[None]:
    """Fail a test that leaves a descriptor open or an object to complain later."""
    before = open_descriptors()
    yield
    # What complains when it is collected (unclosed files, coroutines never awaited,
    # exceptions never retrieved) does so now, in the test that made it.
    gc.collect()
    host = request.node.stash.get(HOST, None)
    if host is not None:
        assert not host.complaints, "\n".join(host.complaints)
    # The traceback of a failed test keeps its locals, open files too, alive.
    if not request.node.stash.get(CALL_FAILED, False):
        leaked = leaked_descriptors(before)
        assert not leaked, f"descriptors left open: {leaked}"


TESTS_PER_FREEZE = 100  # arbitrary


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Keep what is loaded by now out of the collections that follow each test."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keep pytest's reports out of them as well, which pile up with each test."""
    result = yield
    count = item.session.stash[TESTS_DONE] = item.session.stash.get(TESTS_DONE, 0) + 1
    if count % TESTS_PER_FREEZE == 0:
        gc.collect()
        gc.freeze()
    return result


# -- What is collected ----------------------------------------------------------


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse unstable names; skip for everybody else what only root can do."""
    for item in items:
        if " at 0x" in item.nodeid:
            # pytest-xdist compares the names that its processes collected.
            raise pytest.UsageError(
                f"{item.nodeid}: the name holds an address and differs in each "
                "process; give the parameter an id"
            )
    geteuid = getattr(os, "geteuid", None)
    if geteuid is not None and geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason="needs to be root"))
