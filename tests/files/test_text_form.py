"""How the text of a whole file becomes bytes and back: as `open()` does it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.files._text_form import TextForm
from tests.files.support import Outcome, outcome

ENCODINGS = [
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "utf-7",
    "latin-1",
    "ascii",
    "cp1252",
    "shift_jis",
    "iso2022_jp",
    "gb18030",
    "hz",
]
NEWLINES = [None, "", "\n", "\r", "\r\n"]
ERRORS = ["strict", "ignore", "replace", "surrogateescape", "backslashreplace"]

TEXTS = st.one_of(
    st.text(max_size=30),
    st.lists(
        st.sampled_from(["\n", "\r", "\r\n", "a", "é", "あ", "\u2028", "\x85", "𝄞"]),
        max_size=20,
    ).map("".join),
)
BYTES = st.one_of(
    st.binary(max_size=40),
    st.tuples(TEXTS, st.sampled_from(ENCODINGS)).map(
        lambda made: made[0].encode(made[1], "replace")
    ),
)


def read_by_io(data: bytes, *form: Any) -> Outcome:
    return outcome(lambda: io.TextIOWrapper(io.BytesIO(data), *form).read())


def written_by_io(text: str, *form: Any) -> Outcome:
    def write() -> bytes:
        memory = io.BytesIO()
        file = io.TextIOWrapper(memory, *form)
        file.write(text)
        file.flush()
        return memory.getvalue()

    return outcome(write)


@given(
    data=BYTES,
    encoding=st.sampled_from(ENCODINGS),
    errors=st.sampled_from(ERRORS),
    newline=st.sampled_from(NEWLINES),
)
def test_decodes_as_a_text_file_does(
    data: bytes, encoding: str, errors: str, newline: str | None
) -> None:
    form = TextForm(encoding, errors, newline)
    got = outcome(lambda: form.decode(data))
    wanted = read_by_io(data, encoding, errors, newline)
    assert got[0] == wanted[0]
    if got[0] == "returned":
        assert got == wanted


@given(
    text=TEXTS,
    encoding=st.sampled_from(ENCODINGS),
    errors=st.sampled_from(["strict", "ignore", "replace", "backslashreplace"]),
    newline=st.sampled_from(NEWLINES),
)
def test_encodes_as_a_text_file_does(
    text: str, encoding: str, errors: str, newline: str | None
) -> None:
    form = TextForm(encoding, errors, newline)
    assert outcome(lambda: form.encode(text)) == written_by_io(
        text, encoding, errors, newline
    )


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_nothing_is_written_as_by_a_text_file(encoding: str) -> None:
    """Some encodings begin even an empty file with a mark, others do not."""
    got = outcome(lambda: TextForm(encoding, None, None).encode(""))
    assert got == written_by_io("", encoding)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        pytest.param("no mark".encode("utf-16-le"), "utf-16", id="utf-16"),
        pytest.param("no mark".encode("utf-32-le"), "utf-32", id="utf-32"),
        pytest.param(b"no mark", "utf-8-sig", id="utf-8-sig"),
        pytest.param(b"\xff\xfe", "utf-16", id="mark-alone"),
        pytest.param(b"\xff", "utf-16", id="half-a-mark"),
        pytest.param(b"\xfe\xff\x00a", "utf-16", id="big-endian"),
        pytest.param(b"\xef\xbb\xbfa", "utf-8", id="mark-that-is-kept"),
        pytest.param(b"a\xc3", "utf-8", id="cut-off"),
    ],
)
def test_byte_order_marks_are_treated_as_by_a_text_file(
    data: bytes, encoding: str
) -> None:
    got = outcome(lambda: TextForm(encoding, None, None).decode(data))
    wanted = read_by_io(data, encoding)
    assert got[0] == wanted[0]
    if got[0] == "returned":
        assert got == wanted


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(("no-such-encoding", None, None), id="unknown-encoding"),
        pytest.param(("hex", None, None), id="not-for-text"),
        pytest.param(("rot13", None, None), id="text-to-text"),
        pytest.param(("utf-8\0", None, None), id="encoding-with-nul"),
        pytest.param((5, None, None), id="encoding-of-a-wrong-type"),
        pytest.param(("utf-8", 5, None), id="errors-of-a-wrong-type"),
        pytest.param(("utf-8", None, "x"), id="no-line-end"),
        pytest.param(("utf-8", None, "\n\r"), id="wrong-way-round"),
        pytest.param(("utf-8", None, 5), id="newline-of-a-wrong-type"),
        pytest.param(("utf-8", None, b"\n"), id="newline-of-bytes"),
    ],
)
def test_wrong_argument_is_refused_as_by_a_text_file(form: tuple[Any, ...]) -> None:
    wanted = outcome(lambda: io.TextIOWrapper(io.BytesIO(), *form))
    assert outcome(lambda: TextForm(*form))[0] == wanted[0] != "returned"


@pytest.mark.parametrize("encoding", [None, "locale"])
def test_default_encoding_is_that_of_open(encoding: str | None) -> None:
    with io.TextIOWrapper(io.BytesIO(), encoding) as probe:
        wanted = "é".encode(probe.encoding, "replace")
    assert TextForm(encoding, "replace", None).encode("é") == wanted


@pytest.mark.parametrize(
    ("encoding", "matters"),
    [
        ("utf-16", True),
        ("UTF16", True),
        ("utf-32", True),
        ("utf-8-sig", True),
        ("utf_8_sig", True),
        ("iso2022_jp", True),
        ("utf-8", False),
        ("utf-16-le", False),
        ("latin-1", False),
        ("cp1252", False),
        ("shift_jis", False),
        ("cp037", False),
    ],
)
def test_encodings_that_begin_a_file_differently_are_known(
    encoding: str, matters: bool
) -> None:
    assert TextForm(encoding, None, None).start_matters is matters
