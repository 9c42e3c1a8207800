"""Line ends in decoded text, against `io.StringIO` and against brute force."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace._native import find_line_end, last_line_end, split_lines

NEWLINES = [None, "", "\n", "\r", "\r\n"]

# Every character that str.splitlines() takes for a line end, and some that it does not.
ODD = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
texts = st.text(alphabet="ab\n\r" + ODD + "é漢\U0001f600", max_size=30)
newlines = st.sampled_from(NEWLINES)


def lines_by_hand(text: str, newline: str | None) -> list[str]:
    """Cut *text* character by character."""
    ends = ["\r\n", "\r", "\n"] if newline == "" else [newline or "\n"]
    lines, line = [], ""
    while text:
        end = next((end for end in ends if text.startswith(end)), None)
        piece = end or text[0]
        line, text = line + piece, text[len(piece) :]
        if end:
            lines.append(line)
            line = ""
    return [*lines, line] if line else lines


@given(text=texts, newline=newlines)
def test_split_lines_cuts_at_line_ends_alone(text: str, newline: str | None) -> None:
    assert split_lines(text, newline) == lines_by_hand(text, newline)


@given(text=texts)
def test_split_lines_agrees_with_text_io_wrapper(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    for newline in NEWLINES:
        file = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline=newline)
        expected = list(file)
        assert split_lines("".join(expected), newline) == expected


@given(text=texts, newline=newlines)
def test_found_ends_are_where_lines_are_cut(text: str, newline: str | None) -> None:
    ends, start = [], 0
    while (end := find_line_end(text, start, newline)) >= 0:
        ends.append(text[start:end])
        start = end
    rest = [text[start:]] if start < len(text) else []
    assert ends + rest == lines_by_hand(text, newline)


@given(text=texts, newline=newlines, start=st.integers(0, 31), stop=st.integers(0, 31))
def test_last_end_is_the_last_that_begins_in_the_slice(
    text: str, newline: str | None, start: int, stop: int
) -> None:
    found = last_line_end(text, start, stop, newline)
    begun = text[start:stop]
    if newline == "":
        place = max(begun.rfind("\n"), begun.rfind("\r"))
        expected = -1 if place < 0 else find_line_end(text, start + place, newline)
    else:
        end = newline or "\n"
        place = begun.rfind(end)
        expected = -1 if place < 0 else start + place + len(end)
    assert found == expected


@pytest.mark.parametrize("odd", ODD)
def test_characters_that_str_splitlines_cuts_at_do_not_end_lines(odd: str) -> None:
    for newline in NEWLINES:
        assert split_lines(f"a{odd}b", newline) == [f"a{odd}b"]


@pytest.mark.parametrize(
    ("text", "newline", "end"),
    [
        pytest.param("", None, -1, id="nothing"),
        pytest.param("a\rb\n", None, 4, id="translated-text-keeps-lone-cr"),
        pytest.param("a\rb\n", "", 2, id="cr"),
        pytest.param("a\r\nb", "", 3, id="crlf-is-one-end"),
        pytest.param("a\n\rb", "", 2, id="lf-before-cr"),
        pytest.param("a\r", "", 2, id="cr-at-the-end"),
        pytest.param("a\nb\r", "\r", 4, id="only-cr"),
        pytest.param("a\rb\n\r\n", "\r\n", 6, id="only-crlf"),
        pytest.param("a\r", "\r\n", -1, id="half-of-crlf"),
    ],
)
def test_first_line_end(text: str, newline: str | None, end: int) -> None:
    assert find_line_end(text, 0, newline) == end
