"""`headrace._bench`: what is measured is right, and what is wrong is found.

Files are tiny and passes take milliseconds here: the figures mean nothing, the way
they come about is what is tested.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from rich.console import Console

from headrace._bench import chart, memory, report
from headrace._bench.inputs import Inputs, file_system, tree_files
from headrace._bench.lateness import Lateness, watch
from headrace._bench.measure import (
    LEAST_ROUNDS,
    Plan,
    Result,
    evidence_of,
    measure_row,
    steps_of,
)
from headrace._bench.peers import PEER_NAMES, Missing, Work, find_peers, ignore
from headrace._bench.peers.builtin_peer import Builtin
from headrace._bench.rows import ROWS, Create, Digest, Lines, Row, Stat, Tree, Write

PLAN = Plan(rounds=2, pass_s=0.001, lateness_s=0.002)
KIB = 1024


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Make a small tree: several sizes, line ends and characters."""
    top = tmp_path / "tree"
    (top / "below").mkdir(parents=True)
    (top / "empty.txt").write_bytes(b"")
    (top / "crlf.txt").write_bytes(b"one\r\ntwo\r\n" * 50)
    (top / "below" / "prose.txt").write_text("Zeile für Zeile\n" * 300, "utf-8")
    (top / "below" / "binary.bin").write_bytes(bytes(range(256)) * 40)
    return top


@pytest.fixture
def inputs(tree: Path, tmp_path: Path) -> Iterator[Inputs]:
    with Inputs(tree, str(tmp_path), 256 * KIB, 100 * KIB) as inputs:
        yield inputs


@pytest.fixture
def run() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    with asyncio.Runner() as runner:
        yield runner.run


def no_progress(what: str) -> None:
    pass


# -- Peers and rows -------------------------------------------------------------


@pytest.mark.parametrize("row_type", ROWS, ids=lambda row_type: row_type.name)
def test_peers_agree_with_builtin(
    row_type: type[Row], inputs: Inputs, run: Callable[..., Any]
) -> None:
    peers, missing = find_peers(PEER_NAMES)
    assert not missing
    results = measure_row(row_type(inputs), peers, PLAN, run, no_progress)
    assert [(result.peer, result.failure) for result in results] == [
        (peer.name, "") for peer in peers
    ]


@pytest.mark.parametrize("row_type", ROWS, ids=lambda row_type: row_type.name)
def test_each_round_gives_a_time_and_a_ratio(
    row_type: type[Row], inputs: Inputs, run: Callable[..., Any]
) -> None:
    (result,) = measure_row(row_type(inputs), [Builtin()], PLAN, run, no_progress)
    assert len(result.times_us) == len(result.cpu_us) == PLAN.rounds
    assert result.ratios == [1.0] * PLAN.rounds
    assert result.lateness is not None


class FewerLines(Builtin):
    name = "fewer lines"

    async def lines(self, work: Work) -> object:
        with open(work.paths[0], encoding="utf-8") as file:
            for line in list(file)[:-1]:
                work.seen(line)
        return line


class CutElsewhere(Builtin):
    name = "cut elsewhere"

    async def chunks(self, work: Work) -> object:
        with open(work.paths[0], "rb") as file:
            while data := file.read(work.size // 2):
                work.seen(data)
        return data


class OldStatus(Builtin):
    name = "old status"

    async def stat(self, work: Work) -> object:
        status = Path(work.paths[0]).parent.stat()
        for _ in work.paths:
            work.seen(status)
        return status


class ForgetsToFlush(Builtin):
    name = "forgets to flush"

    async def write(self, work: Work) -> object:
        with open(work.paths[0], "w") as file:
            file.write(work.text * (work.count - 1))
        return None


class LosesFile(Builtin):
    name = "loses a file"

    async def create(self, work: Work) -> object:
        await super().create(work)
        with open(work.paths[-1], "wb"):
            pass
        return None


class WrongOnlyWhenTimed(Builtin):
    name = "wrong only when timed"

    async def lines(self, work: Work) -> object:
        line = await super().lines(work)
        return "" if work.seen is ignore else line


@pytest.mark.parametrize(
    ("wrong", "row_name"),
    [
        pytest.param(FewerLines, "lines", id="line-missing"),
        pytest.param(CutElsewhere, "chunks", id="cut-elsewhere"),
        pytest.param(OldStatus, "stat", id="other-status"),
        pytest.param(ForgetsToFlush, "write", id="write-missing"),
        pytest.param(LosesFile, "create", id="empty-file"),
        pytest.param(WrongOnlyWhenTimed, "lines", id="only-when-timed"),
    ],
)
def test_wrong_results_are_a_failure(
    wrong: type[Builtin], row_name: str, inputs: Inputs, run: Callable[..., Any]
) -> None:
    (row_type,) = (row for row in ROWS if row.name == row_name)
    row, peers = row_type(inputs), [Builtin(), wrong()]
    reference, result = measure_row(row, peers, PLAN, run, no_progress)
    assert "builtin's" in result.failure
    assert not reference.failure


def test_peer_that_raises_does_not_end_the_bench(
    inputs: Inputs, run: Callable[..., Any]
) -> None:
    class Raises(Builtin):
        name = "raises"

        async def tree(self, work: Work) -> object:
            raise PermissionError("not today")

    peers = [Builtin(), Raises(), Builtin()]
    results = measure_row(Tree(inputs), peers, PLAN, run, no_progress)
    assert "not today" in results[1].failure
    assert len(results[2].ratios) == PLAN.rounds


def test_progress_comes_as_often_as_announced(
    inputs: Inputs, run: Callable[..., Any]
) -> None:
    class Raises(Builtin):
        async def stat(self, work: Work) -> object:
            raise OSError

    peers, steps = [Builtin(), Raises()], list[str]()
    measure_row(Stat(inputs), peers, PLAN, run, steps.append)
    assert len(steps) == steps_of(peers, PLAN)


def test_rounds_rotate_the_order_of_the_peers(
    inputs: Inputs, run: Callable[..., Any]
) -> None:
    order: list[str] = []

    class Noted(Builtin):
        def __init__(self, name: str) -> None:
            self.name = name

        async def tree(self, work: Work) -> object:
            order.append(self.name)
            return await super().read_bytes(work)

    def note(what: str) -> None:
        order.append(what)

    peers = [Noted("a"), Noted("b"), Noted("c")]
    plan = Plan(rounds=3, pass_s=0.001, lateness_s=0.001)
    measure_row(Tree(inputs), peers, plan, run, note)
    rounds = [step[-1] for step in order if ": round" in step]
    assert rounds == list("abcbcacab")


def test_slow_peer_gets_less_to_do(inputs: Inputs, run: Callable[..., Any]) -> None:
    class Slow(Builtin):
        async def stat(self, work: Work) -> object:
            time.sleep(0.001 * work.items)
            return await super().stat(work)

    peers = [Builtin(), Slow()]
    quick, slow = measure_row(Stat(inputs), peers, PLAN, run, no_progress)
    assert slow.items < quick.items / 10


def test_one_slow_try_does_not_make_the_passes_short(
    inputs: Inputs, run: Callable[..., Any]
) -> None:
    class SlowAtFirst(Builtin):
        tries = 0

        async def stat(self, work: Work) -> object:
            self.tries += 1
            if self.tries == 1:
                time.sleep(0.02)
            return await super().stat(work)

    plan = Plan(rounds=1, pass_s=0.01, lateness_s=0.01)
    peers = [Builtin(), SlowAtFirst()]
    usual, late = measure_row(Stat(inputs), peers, plan, run, no_progress)
    assert late.items > usual.items / 10


def test_rounds_are_left_out_where_time_runs_out(
    inputs: Inputs, run: Callable[..., Any]
) -> None:
    plan = Plan(rounds=6, pass_s=0.001, lateness_s=0.001)
    steps: list[str] = []
    (result,) = measure_row(Stat(inputs), [Builtin()], plan, run, steps.append, 0.0)
    assert len(result.times_us) == len(result.ratios) == LEAST_ROUNDS
    assert len(steps) == steps_of([Builtin()], plan)


def test_unknown_peer_is_named() -> None:
    with pytest.raises(ValueError, match="no such peer: aiofile "):
        find_peers(["aiofile"])


def test_peer_that_is_not_installed_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "aiofiles", None)
    peers, missing = find_peers(["aiofiles"])
    assert [peer.name for peer in peers] == ["builtin"]
    assert missing[0].name == "aiofiles"
    assert missing[0].reason.startswith("not installed")


def test_headrace_peer_counts_the_ways_it_took(
    inputs: Inputs, run: Callable[..., Any]
) -> None:
    peers, _ = find_peers(["headrace"])
    result = measure_row(Create(inputs), peers, PLAN, run, no_progress)[1]
    assert result.counters["engine_jobs"] > 0


# -- Digests --------------------------------------------------------------------


def digest_of(*things: object) -> str:
    digest = Digest()
    for thing in things:
        digest.add(thing)
    return digest.evidence()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param([b"ab", b"c"], [b"a", b"bc"], id="cut-elsewhere"),
        pytest.param([b"a", b"b"], [b"b", b"a"], id="other-order"),
        pytest.param(["a"], [b"a"], id="other-type"),
        pytest.param([b"a", b""], [b"a"], id="empty-end"),
        pytest.param([None], [b"None"], id="nothing"),
    ],
)
def test_digest_tells_apart(one: list[object], other: list[object]) -> None:
    assert digest_of(*one) != digest_of(*other)
    assert digest_of(*one) == digest_of(*one)


def test_evidence_of_writing_is_what_is_on_the_disk(
    inputs: Inputs, run: Callable[..., Any]
) -> None:
    row = Write(inputs)
    text = "thirty-two characters of a line\n"
    assert len(text) == 32
    assert evidence_of(row, Builtin(), 3, run) == digest_of(text.encode() * 3)


# -- Inputs ---------------------------------------------------------------------


def test_tree_has_every_regular_file_and_follows_no_link(tree: Path) -> None:
    (tree / "link").symlink_to(tree / "crlf.txt")
    (tree / "loop").symlink_to(tree, target_is_directory=True)
    names = [Path(name).name for name, _ in tree_files(tree)]
    assert names == ["empty.txt", "crlf.txt", "prose.txt", "binary.bin"]


def test_tree_of_one_file_is_that_file(tree: Path) -> None:
    assert tree_files(tree / "crlf.txt") == [(str(tree / "crlf.txt"), 500)]


def test_default_tree_is_the_library_without_installed_packages() -> None:
    names = [name for name, _ in tree_files(None)]
    assert asyncio.__file__ in names
    assert pytest.__file__ not in names
    assert all(name.endswith(".py") for name in names)


def test_tree_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no file to read"):
        tree_files(tmp_path)


def test_sample_has_the_sizes_of_the_whole(inputs: Inputs) -> None:
    inputs.tree = [(f"file-{size}", size) for size in range(1000)]
    sizes = [int(name.removeprefix("file-")) for name in inputs.tree_sample(100)]
    assert len(sizes) == 100
    assert sum(sizes) / 100 == pytest.approx(499.5, rel=0.02)


def test_sample_larger_than_the_tree_goes_through_it_again(inputs: Inputs) -> None:
    sample = inputs.tree_sample(2 * len(inputs.tree))
    assert sorted(sample) == sorted([name for name, _ in inputs.tree] * 2)


@pytest.mark.parametrize("lines", [1, 37, 5000])
def test_text_has_as_many_lines_as_asked(lines: int, inputs: Inputs) -> None:
    with open(inputs.text(lines), encoding="utf-8") as file:
        assert len(list(file)) == lines


def test_no_two_parts_of_the_large_file_are_alike(inputs: Inputs) -> None:
    data = Path(inputs.big()).read_bytes()
    parts = {data[i : i + 64 * KIB] for i in range(0, len(data), 64 * KIB)}
    assert (len(data), len(parts)) == (256 * KIB, 4)


def test_made_files_are_gone_afterwards(tree: Path, tmp_path: Path) -> None:
    with Inputs(tree, str(tmp_path), KIB, KIB) as inputs:
        inputs.whole()
        inputs.fresh(3)
    assert list(tmp_path.iterdir()) == [tree]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/mountinfo")
def test_file_system_is_that_of_the_mount_table() -> None:
    assert file_system("/proc/self/status") == "proc"


# -- Lateness -------------------------------------------------------------------


def test_blocked_loop_counts_every_tick_it_missed() -> None:
    async def block() -> None:
        time.sleep(0.03)

    lateness = asyncio.run(watch(block()))
    assert lateness.ticks >= 29
    assert lateness.max_ms >= 28
    assert lateness.median_ms >= 10


def test_work_that_yields_is_not_late_by_its_length() -> None:
    async def polite() -> None:
        end = time.perf_counter() + 0.05
        while time.perf_counter() < end:
            await asyncio.sleep(0)

    lateness = asyncio.run(watch(polite()))
    assert lateness.median_ms < 10


def test_error_of_the_watched_work_comes_through() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(watch(fail()))


def test_percentiles_of_known_delays() -> None:
    lateness = Lateness.of([i / 1000 for i in range(1000)])
    assert (lateness.ticks, lateness.median_ms) == (1000, 500)
    assert (lateness.p99_ms, lateness.max_ms) == (990, 999)


# -- Memory ---------------------------------------------------------------------


def test_peak_memory_sees_what_was_touched() -> None:
    before = memory.peak_memory()
    size = 64 * KIB * KIB
    # Above any peak of this process so far: the peak cannot show less.
    block = bytearray(before + size)
    assert memory.peak_memory() >= before + size
    del block


def test_memory_is_measured_in_processes_of_their_own(tmp_path: Path) -> None:
    peers, _ = find_peers(["headrace"])
    steps: list[str] = []
    results = memory.measure_memory(
        peers, str(tmp_path), 1024 * KIB, "asyncio", steps.append
    )
    assert [result.failure for result in results] == ["", ""]
    assert all(result.peak > 1024 * KIB for result in results)
    assert results[1].over_builtin == results[1].peak - results[0].peak
    assert len(steps) == 2
    assert not list(tmp_path.iterdir())


def test_memory_of_a_peer_that_fails_says_why(tmp_path: Path) -> None:
    class Unknown(Builtin):
        name = "unknown"

    peers = [Builtin(), Unknown()]
    results = memory.measure_memory(
        peers, str(tmp_path), 64 * KIB, "asyncio", no_progress
    )
    assert "no such peer: unknown" in results[1].failure


# -- What is shown --------------------------------------------------------------


def result(row: str, peer: str, time_us: float, builtin_us: float) -> Result:
    times = [time_us * 0.9, time_us, time_us * 1.2]
    return Result(
        row,
        peer,
        items=10,
        times_us=times,
        cpu_us=times,
        ratios=[time / builtin_us for time in times],
        lateness=Lateness(ticks=9, median_ms=0.1, p99_ms=0.4, max_ms=0.7),
        counters={"hops": 0.5} if peer == "headrace" else {},
    )


@pytest.fixture
def outcome(inputs: Inputs) -> report.Outcome:
    peers, _ = find_peers(["builtin", "headrace", "aiofiles"])
    outcome = report.Outcome(
        command="python -m headrace bench",
        loop="asyncio",
        plan=PLAN,
        inputs=inputs,
        peers=peers,
        missing=[Missing("anyio", "not installed")],
        rows=[Tree(inputs), Lines(inputs)],
        idle=Lateness(ticks=9, median_ms=0.1, p99_ms=0.2, max_ms=0.3),
        memory=[memory.MemoryResult("builtin", peak=2**24)],
        memory_size=2**27,
    )
    outcome.results = [
        result("tree", "builtin", 10, 10),
        result("tree", "headrace", 12, 10),
        result("tree", "aiofiles", 240, 10),
        result("lines", "builtin", 0.05, 0.05),
        result("lines", "headrace", 0.1, 0.05),
        result("lines", "aiofiles", 60, 0.05),
    ]
    return outcome


def shown(outcome: report.Outcome) -> str:
    output = io.StringIO()
    report.show(outcome, Console(file=output, width=80))
    return output.getvalue()


def test_headline_says_how_headrace_did(outcome: report.Outcome) -> None:
    words = report.headline(outcome)
    assert "1.20× the time of blocking open(); 24× with aiofiles." in words
    assert "Over 2 rows headrace is at 1.20× to 2.0× of open()" in words
    assert "20× to 600× as fast as aiofiles" in words
    assert "0.4 ms late at the 99th percentile" in words


def test_headline_comes_first(outcome: report.Outcome) -> None:
    assert shown(outcome).lstrip().startswith("Reading the 4 files of")


def test_headline_without_headrace_claims_nothing(outcome: report.Outcome) -> None:
    outcome.peers = outcome.peers[:1]
    assert report.headline(outcome) == "headrace was not measured."


def test_table_fits_eighty_columns_without_a_cut(outcome: report.Outcome) -> None:
    outcome.results[2] = result("tree", "to_thread", 50_600, 10)
    text = shown(outcome)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "50,600" in text


def test_missing_peers_and_failures_are_named(outcome: report.Outcome) -> None:
    outcome.results[5].failure = "results differ"
    text = shown(outcome)
    assert "Not measured: anyio, not installed." in text
    assert "FAILED: aiofiles, lines: results differ" in text


def test_busy_machine_is_told(outcome: report.Outcome) -> None:
    assert "The machine was busy" not in shown(outcome)
    outcome.results[0].times_us = [1.0, 1.1, 4.0]
    outcome.results[3].times_us = [1.0, 1.1, 3.0]
    assert "even builtin open() took up to 3.5×" in " ".join(shown(outcome).split())


def test_number_of_rounds_is_that_of_the_figures(outcome: report.Outcome) -> None:
    assert "Medians of 3 interleaved rounds" in shown(outcome)
    outcome.results[1].times_us *= 2
    assert "Medians of 3 to 6 interleaved rounds" in shown(outcome)


def test_json_has_every_figure(outcome: report.Outcome) -> None:
    outcome.results[5].failure = "results differ"
    figures = json.loads(json.dumps(report.as_dict(outcome)))
    headrace = figures["rows"]["tree"]["peers"]["headrace"]
    assert headrace["us_per_item"] == 12
    assert (headrace["us_min"], headrace["us_max"]) == pytest.approx((10.8, 14.4))
    assert headrace["ratio"] == 1.2
    assert headrace["lateness"]["p99_ms"] == 0.4
    assert headrace["counters_per_item"] == {"hops": 0.5}
    assert figures["rows"]["lines"]["peers"]["aiofiles"] == {
        "failure": "results differ"
    }
    assert figures["failures"] == ["aiofiles, lines: results differ"]
    assert figures["missing"] == {"anyio": "not installed"}
    assert figures["memory"]["peers"]["builtin"]["peak"] == 2**24


@pytest.fixture(scope="module")
def fonts() -> None:
    """Let matplotlib open its fonts, which it keeps open, before files are counted."""
    figure = Figure()
    figure.text(0, 0, "a", weight="bold")
    figure.text(0, 0, "a")
    figure.savefig(io.BytesIO())


@pytest.mark.usefixtures("fonts")
def test_chart_is_drawn_as_png(outcome: report.Outcome, tmp_path: Path) -> None:
    chart.draw(outcome, tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG\r\n")


@pytest.mark.usefixtures("fonts")
def test_chart_as_svg_names_rows_peers_and_ratios(
    outcome: report.Outcome, tmp_path: Path
) -> None:
    chart.draw(outcome, tmp_path / "chart.svg")
    # Letters are drawn as outlines; what they spell stands in comments.
    text = (tmp_path / "chart.svg").read_text("utf-8")
    for words in ("async for line in file", "aiofiles", "1.20×", "1,200×"):
        assert f"<!-- {words} -->" in text


@pytest.mark.usefixtures("fonts")
def test_chart_of_nothing_is_refused(outcome: report.Outcome, tmp_path: Path) -> None:
    outcome.results = outcome.results[:1]
    with pytest.raises(ValueError, match="no row has a ratio"):
        chart.draw(outcome, tmp_path / "chart.png")
