"""`python -m headrace`: arguments, exit status, and what `doctor` says is true."""

from __future__ import annotations

import errno
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace import _doctor, _native
from headrace.__main__ import main
from headrace._bench import command
from headrace._bench.peers import Missing, Peer, Work
from headrace._bench.peers.builtin_peer import Builtin

linux = pytest.mark.skipif(sys.platform != "linux", reason="system calls of Linux")

QUICK = ["--quick", "--rounds", "1", "--pass-time", "0.001"]


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    top.mkdir()
    for number in range(3):
        (top / f"{number}.txt").write_text("a line\n" * 10 * number)
    return top


@pytest.fixture
def without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", None)


# -- The whole ------------------------------------------------------------------


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"headrace {headrace.__version__}\n"


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    words = capsys.readouterr().out
    assert "doctor" in words
    assert "bench" in words


def test_no_command_is_a_call_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("usage: python -m headrace")


def test_help_of_bench_names_peers_and_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    words = capsys.readouterr().out
    for name in ("aiofiles", "to_thread", "readline", "memory", "--chart"):
        assert name in words


@pytest.mark.usefixtures("without_rich")
@pytest.mark.parametrize("arguments", [["doctor"], ["bench", "--quick"]])
def test_missing_rich_is_one_sentence_that_says_what_to_install(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "pip install 'headrace[cli]'" in captured.err
    assert len(captured.err.splitlines()) == 1


@pytest.mark.usefixtures("without_rich")
def test_doctor_as_json_does_without_rich(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["headrace"] == headrace.__version__


def test_importing_headrace_imports_nothing_of_the_command_line() -> None:
    code = (
        "import sys, headrace\n"
        "print([name for name in sys.modules if name.partition('.')[0] in"
        " ('rich', 'argparse', 'matplotlib', 'aiofiles', 'anyio')"
        " or name.startswith('headrace._bench')])"
    )
    result = python("-c", code)
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_interrupt_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run", interrupted)
    assert main(["bench"]) == 130
    assert "Stopped" in capsys.readouterr().err


# -- bench ----------------------------------------------------------------------


def test_bench_measures_a_tree_and_writes_what_was_asked(
    tree: Path, tmp_path: Path
) -> None:
    figures, drawing = tmp_path / "figures.json", tmp_path / "chart.svg"
    result = python(
        *("-W", "error", "-m", "headrace", "bench", str(tree), *QUICK),
        *("--rows", "tree,lines,memory", "--scratch", str(tmp_path)),
        *("--json", str(figures), "--chart", str(drawing)),
    )
    assert (result.returncode, "Traceback" in result.stderr) == (0, False)
    assert "Reading the 3 files of" in result.stdout
    found = json.loads(figures.read_text())
    assert list(found["rows"]) == ["tree", "lines"]
    for row in found["rows"].values():
        assert list(row["peers"]) == list(found["environment"]["peers"])
    assert found["failures"] == []
    assert found["memory"]["peers"]["headrace"]["peak"] > 0
    assert drawing.stat().st_size > 1000
    assert sorted(tmp_path.iterdir()) == [drawing, figures, tree]


def test_bench_without_a_terminal_writes_no_escape_codes(tree: Path) -> None:
    result = python(
        *("-m", "headrace", "bench", str(tree), *QUICK, "--rows", "stat"),
        TERM="xterm-256color",
    )
    assert result.returncode == 0
    assert "\x1b" not in result.stdout + result.stderr
    assert "os.stat()" in result.stderr


def test_bench_on_uvloop_says_so(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("uvloop", reason="uvloop is not installed")
    arguments = [*QUICK, "--rows", "stat,memory", "--peers", "headrace"]
    assert main(["bench", str(tree), *arguments, "--loop", "uvloop"]) == 0
    assert "uvloop" in capsys.readouterr().out


def test_json_goes_to_the_output_alone(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*QUICK, "--rows", "stat", "--peers", "builtin", "--json", "-"]
    assert main(["bench", str(tree), *arguments]) == 0
    captured = capsys.readouterr()
    assert list(json.loads(captured.out)["rows"]) == ["stat"]
    assert "os.stat()" in captured.err


def test_missing_peer_is_named(
    tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "anyio", None)
    assert main(["bench", str(tree), *QUICK, "--rows", "stat"]) == 0
    assert "Not measured: anyio, not installed" in capsys.readouterr().out


class Wrong(Builtin):
    name = "wrong"

    async def stat(self, work: Work) -> object:
        for path in work.paths:
            work.seen(os.stat(os.path.dirname(path)))
        return os.stat(work.paths[0])


def test_wrong_results_end_with_status_one(
    tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_peers(names: object) -> tuple[list[Peer], list[Missing]]:
        return [Builtin(), Wrong()], []

    monkeypatch.setattr(command, "find_peers", find_peers)
    assert main(["bench", str(tree), *QUICK, "--rows", "stat"]) == 1
    words = " ".join(capsys.readouterr().out.split())
    assert "FAILED: wrong, stat: results differ from builtin's" in words


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param(["--rows", "lines,rows"], "no such row: rows (", id="row"),
        pytest.param(["--peers", "aiofile"], "no such peer: aiofile (", id="peer"),
        pytest.param(["--chart", "chart.txt"], "must end in .png or .svg", id="chart"),
        pytest.param(["/no/such/path"], "No such file", id="path"),
        pytest.param(["--json", "/no/such/folder/x"], "no directory", id="json"),
    ],
)
def test_what_cannot_be_done_is_refused_with_status_two(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == 2
    captured = capsys.readouterr()
    assert complaint in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("module", "arguments", "complaint"),
    [
        ("matplotlib", ["--chart", "chart.png"], "pip install 'headrace[cli]'"),
        ("uvloop", ["--loop", "uvloop"], "pip install uvloop"),
    ],
)
def test_missing_package_is_found_before_measuring(
    module: str,
    arguments: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["bench", *arguments]) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--rounds", "0"], ["--rounds", "x"], ["--pass-time", "-1"]]
)
def test_senseless_numbers_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["bench", *arguments])
    assert stopped.value.code == 2
    assert "above 0" in capsys.readouterr().err


# -- doctor ---------------------------------------------------------------------


def test_doctor_knows_this_installation() -> None:
    facts = _doctor.examine()
    assert facts["headrace"] == headrace.__version__
    assert facts["python"]["version"] == platform.python_version()
    assert facts["system"]["cpus"] == os.cpu_count()
    assert facts["loops"]["asyncio"]["usable"] is True
    assert facts["core"]["native"] is _native.NATIVE
    assert facts["engine"]["why"]
    assert 1 <= facts["engine"]["workers"] <= 32
    assert facts["paths"] == []


def test_loop_that_is_not_installed_is_not_usable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert _doctor.examine()["loops"]["uvloop"]["usable"] is False


@pytest.mark.parametrize(
    ("variable", "value"), [("HEADRACE_ENGINE", "threads"), ("HEADRACE_NATIVE", "0")]
)
def test_what_the_environment_asks_for_is_the_reason(variable: str, value: str) -> None:
    result = python("-m", "headrace", "doctor", "--json", **{variable: value})
    facts = json.loads(result.stdout)
    assert facts["variables"][variable] == value
    place = {"HEADRACE_ENGINE": "engine", "HEADRACE_NATIVE": "core"}[variable]
    assert variable in facts[place]["why"]


def really_reads_without_waiting(path: Path) -> bool:
    with open(path, "rb", buffering=0) as file:
        wanted = file.read(16)
        buffer = bytearray(16)
        try:
            count = os.preadv(file.fileno(), [buffer], 0, os.RWF_NOWAIT)
        except OSError:
            return False
        return bytes(buffer[:count]) == wanted


@linux
@pytest.mark.parametrize("place", ["tmp", "/dev/shm", "/proc/self/status"])
def test_inline_reads_of_a_path_are_as_the_kernel_has_them(
    place: str, tmp_path: Path
) -> None:
    path = tmp_path if place == "tmp" else Path(place)
    if not path.exists():
        pytest.skip(f"there is no {place} here")
    (facts,) = _doctor.examine([path])["paths"]
    file = path
    if path.is_dir():
        file = path / f"headrace-test-{os.getpid()}"
        file.write_bytes(b"some sixteen bytes")
    try:
        truth = really_reads_without_waiting(file)
    finally:
        if path.is_dir():
            file.unlink()
    assert facts["inline_reads"]["works"] is truth
    device = path.stat().st_dev
    assert facts["device"] == f"{os.major(device)}:{os.minor(device)}"
    assert os.path.ismount(facts["mount"])


@linux
def test_doctor_leaves_nothing_in_the_folder(tmp_path: Path) -> None:
    (facts,) = _doctor.examine([tmp_path])["paths"]
    assert facts["tried_on"] == "a temporary file"
    assert list(tmp_path.iterdir()) == []


@linux
def test_file_system_has_the_name_of_the_mount_table() -> None:
    (facts,) = _doctor.examine([Path("/proc/self/status")])["paths"]
    assert facts["file_system"] == "proc"
    assert facts["inline_opens"]["works"] is False
    assert "proc is not known to be local" in facts["inline_opens"]["why"]


def raises(number: int) -> Callable[..., Any]:
    def fail(*arguments: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@linux
@pytest.mark.parametrize(
    ("number", "words"),
    [
        pytest.param(errno.EOPNOTSUPP, "this file system has no", id="unsupported"),
        pytest.param(errno.EPERM, "refused by the system", id="denied"),
        pytest.param(errno.ENOSYS, "refused by the system", id="unknown-call"),
    ],
)
def test_refused_read_is_told(
    number: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_native, "read_at", raises(number))
    facts = _doctor.examine([tmp_path])
    for answer in (facts["inline"]["reads"], facts["paths"][0]["inline_reads"]):
        assert answer["works"] is False
        assert words in answer["why"]


@linux
def test_kernel_with_wrong_short_reads_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "wrong short reads on Linux 5.9 and 5.10"
    monkeypatch.setattr("headrace._platform.inline_reads", lambda: reason)
    facts = _doctor.examine([tmp_path])
    no = {"works": False, "why": reason}
    assert facts["inline"]["reads"] == no
    assert facts["paths"][0]["inline_reads"] == no


@linux
@pytest.mark.parametrize(
    ("number", "words"),
    [
        pytest.param(errno.ENOSYS, "Linux 5.6", id="old-kernel"),
        pytest.param(errno.EINVAL, "Linux 5.12", id="no-resolve-cached"),
        pytest.param(errno.EPERM, "refused by the system", id="denied"),
    ],
)
def test_refused_open_is_told(
    number: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: bytes, flags: int, resolve: int = 0) -> int:
        return -number

    monkeypatch.setattr(_native, "open_cached", refuse)
    answer = _doctor.examine()["inline"]["opens"]
    assert answer["works"] is False
    assert words in answer["why"]


@linux
def test_device_is_never_opened(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # Opening a FIFO without a writer would wait for ever.
    (facts,) = _doctor.examine([fifo])["paths"]
    assert facts["inline_reads"]["works"] is False
    assert "regular files" in facts["inline_reads"]["why"]


def test_missing_path_is_an_error_with_status_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json", str(tmp_path), str(tmp_path / "none")]) == 1
    there, none = json.loads(capsys.readouterr().out)["paths"]
    assert "error" not in there
    assert "No such file" in none["error"]


@linux
def test_doctor_says_it_all_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", str(tmp_path)]) == 0
    words = capsys.readouterr().out
    for expected in (
        f"headrace {headrace.__version__}",
        platform.python_version(),
        "How an operation is done",
        "Engine",
        "Worker threads",
        "File system",
        "Inline opens",
    ):
        assert expected in words
    assert "\x1b" not in words
