"""The hot side of text: who answers, in C and in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace._typing import WAIT
from tests._native.conftest import core_in_c, core_in_python
from tests._native.test_ready import finish

PY = core_in_python()


def text_type(implementation: str) -> Any:
    if implementation == "c":
        return core_in_c().Text
    from headrace._native.py.text import Text

    return Text


@pytest.fixture(params=["c", "py"])
def text(request: pytest.FixtureRequest) -> Any:
    """Give one implementation after the other."""
    return text_file(request.param)


def text_file(implementation: str) -> Any:
    """Make a text file whose slow side says that it was asked."""
    base = text_type(implementation)

    class Under(base):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__()
            self.asked: list[Any] = []

        def _ask(self, *args: Any) -> Any:
            self.asked.append(args)
            return WAIT

        async def _answer(self, *args: Any) -> Any:
            self.asked.append(args)
            return ""

        _read_now = _readline_now = _write_now = _ask
        _read_wait = _readline_wait = _write_wait = _answer

    return Under()


def test_nothing_is_answered_before_a_fast_path_is_opened(text: Any) -> None:
    assert finish(text.read(1)) == finish(text.readline()) == ""
    finish(text.write("x"))
    assert text.asked == [(1,), (1,), (-1,), (-1,), ("x",), ("x",)]
    assert text._piled() == b""


def test_reads_are_answered_up_to_the_limit(text: Any) -> None:
    text._text, text._limit = "aé€😀", 3
    assert [finish(text.read(2)), finish(text.read(1))] == ["aé", "€"]
    assert text.asked == []
    assert finish(text.read(1)) == ""
    assert (text._pos, text.asked) == (3, [(1,), (1,)])


@pytest.mark.parametrize("size", [None, -1, -2, 2**80, "1"])
def test_other_sizes_are_asked_for(text: Any, size: Any) -> None:
    text._text, text._limit = "abc", 3
    assert finish(text.read(size)) == ""
    assert text.asked == [(size,), (size,)]


def test_cut_lines_are_handed_out(text: Any) -> None:
    text._text = "a\né\nb"
    assert text._cut_lines(9, None)
    assert [finish(text.readline()), finish(text.__anext__())] == ["a\n", "é\n"]
    assert text.asked == []
    with pytest.raises(StopAsyncIteration):
        finish(text.__anext__())
    assert not text._settle_lines()
    assert (text._pos, text._has_lines) == (4, False)


@pytest.mark.parametrize("newline", [None, "", "\n", "\r", "\r\n"])
@pytest.mark.parametrize("window", [1, 2, 3, 4, 7, 99])
def test_lines_of_a_window_are_those_that_are_found(
    text: Any, newline: str | None, window: int
) -> None:
    text._text, text._pos = "xa\nb\rc\r\n\x0b\u2028d\r", 1
    end = PY.last_line_end(text._text, 1, 1 + window, newline)
    assert text._cut_lines(window, newline) == (end >= 0)
    if end >= 0:
        lines = PY.split_lines(text._text[1:end], newline)
        assert [text._next_line() for _ in lines[1:]] == lines[:-1]
        assert text._settle_lines()
        assert text._pos == end - len(lines[-1])


def test_counting_lines_goes_on_handing_them_out(text: Any) -> None:
    text._text = "a\nb\n"
    text._cut_lines(9, None)
    text._next_line()
    text._count_lines()
    assert (text._pos, text._next_line()) == (2, "b\n")
    text._count_lines()
    assert text._pos == 4


def test_readline_with_a_size_takes_no_cut_line(text: Any) -> None:
    text._text = "a\n"
    assert text._cut_lines(9, None)
    assert finish(text.readline(3)) == ""
    assert (text._next_line(), text.asked) == ("a\n", [(3,), (3,)])


@pytest.mark.parametrize("utf8", [False, True])
def test_writes_are_accepted_while_there_is_room(text: Any, utf8: bool) -> None:
    text._room, text._utf8 = 5, utf8
    finish(text.write("ab"))
    finish(text.write("é"))
    finish(text.write("cd"))
    if utf8:
        assert (text._piled(), text._room) == ("abé".encode(), 1)
        assert text.asked == [("cd",), ("cd",)]
    else:
        assert (text._piled(), text._room) == (b"abcd", 1)
        assert text.asked == [("é",), ("é",)]


def test_what_cannot_be_encoded_is_not_accepted(text: Any) -> None:
    text._room, text._utf8 = 50, True
    with pytest.raises(UnicodeEncodeError):
        finish(text.write("\ud800"))
    assert (text._piled(), text._room) == (b"", 50)


def test_only_str_is_written(text: Any) -> None:
    text._room = 100
    for wrong in (b"a", None, 3):
        finish(text.write(wrong))
    assert text.asked == [(b"a",), (b"a",), (None,), (None,), (3,), (3,)]


# -- C and Python do the same, whatever is done in whatever order -----------------

LETTERS = st.text(alphabet="ab\n\r\x0b\x85é€😀\ud800", max_size=30)
NEWLINES = st.sampled_from([None, "", "\n", "\r", "\r\n"])
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("feed"), LETTERS),
        st.tuples(st.just("read"), st.integers(-2, 12)),
        st.tuples(st.just("read"), st.sampled_from([None, 2**80, "1"])),
        st.tuples(st.just("limit"), st.integers(-1, 12)),
        st.tuples(st.just("readline"), st.sampled_from([-1, -1, -1, 0, 3, None])),
        st.tuples(st.just("anext"), st.none()),
        st.tuples(st.just("cut"), st.tuples(st.integers(0, 20), NEWLINES)),
        st.tuples(st.just("next"), st.none()),
        st.tuples(st.just("count"), st.none()),
        st.tuples(st.just("settle"), st.none()),
        st.tuples(st.just("room"), st.integers(-1, 40)),
        st.tuples(st.just("utf8"), st.booleans()),
        st.tuples(st.just("write"), LETTERS),
        st.tuples(st.just("write"), st.sampled_from([b"ab", None, 3, "x" * 39])),
        st.tuples(
            st.just("put"), st.sampled_from(["", "abc", "é".encode(), b"x" * 600])
        ),
        st.tuples(st.just("piled"), st.none()),
        st.tuples(st.just("clear"), st.none()),
    ),
    max_size=40,
)


def feed(file: Any, text: str) -> None:
    file._settle_lines()
    file._text, file._pos, file._limit = file._text[file._pos :] + text, 0, -1


def let_read(file: Any, count: int) -> None:
    file._settle_lines()
    file._limit = min(file._pos + count, len(file._text))


def cut(file: Any, arguments: tuple[int, str | None]) -> bool:
    file._settle_lines()
    found: bool = file._cut_lines(*arguments)
    return found


DOINGS: dict[str, Callable[[Any, Any], Any]] = {
    "feed": feed,
    "limit": let_read,
    "cut": cut,
    "read": lambda file, size: finish(file.read(size)),
    "readline": lambda file, size: finish(file.readline(size)),
    "write": lambda file, text: finish(file.write(text)),
    "anext": lambda file, _: finish(file.__anext__()),
    "next": lambda file, _: file._next_line(),
    "count": lambda file, _: (file._count_lines(), file._pos),
    "settle": lambda file, _: (file._settle_lines(), file._pos),
    "room": lambda file, room: setattr(file, "_room", room),
    "utf8": lambda file, utf8: setattr(file, "_utf8", utf8),
    "put": lambda file, piece: file._put(piece),
    "piled": lambda file, _: file._piled(),
    "clear": lambda file, _: file._clear_pile(),
}


def perform(file: Any, name: str, argument: Any) -> Any:
    """Do one operation of `OPERATIONS`; the result or the kind of error."""
    try:
        return DOINGS[name](file, argument)
    except (StopIteration, StopAsyncIteration, UnicodeEncodeError) as error:
        return type(error)


@settings(max_examples=300)
@given(OPERATIONS)
def test_texts_do_the_same(operations: list[tuple[str, Any]]) -> None:
    c, py = text_file("c"), text_file("py")
    for name, argument in [*operations, ("settle", None), ("piled", None)]:
        assert perform(c, name, argument) == perform(py, name, argument)
        assert c.asked == py.asked
        assert (c._limit, c._has_lines, c._room) == (py._limit, py._has_lines, py._room)
