import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.cli.output.escaping import visible, visible_name, width
from drorch.cli.output.terminal import print_table
from drorch.cli.output.writer import json_text, plain_table


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain name.txt", "plain name.txt"),
        (b"\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        (b"two\nlines\r\t", r"two\nlines\r\t"),
        ("gpj.\u202eexe".encode(), r"gpj.\u202eexe"),
        (b"latin \xe9", r"latin \xe9"),
        ("Grüße 日本".encode(), "Grüße 日本"),
        ("\x9b31m c1".encode(), r"\x9b31m c1"),
        ("tag \U000e0041".encode(), r"tag \U000e0041"),
        (b"back\\slash", "back\\slash"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_instead(raw: bytes, shown: str) -> None:
    assert visible_name(raw) == shown


@given(st.binary())
def test_no_bytes_ever_reach_a_terminal_as_controls(raw: bytes) -> None:
    shown = visible_name(raw)
    assert all(c == " " or unicodedata.category(c)[0] not in "CZ" for c in shown)
    assert visible(shown) == shown
    shown.encode()


@given(st.text(alphabet=st.characters()))
def test_no_text_ever_reaches_a_terminal_as_controls(text: str) -> None:
    assert all(c == " " or unicodedata.category(c)[0] not in "CZ" for c in visible(text))


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_tables_hold_no_controls(rows: list[tuple[str, str]]) -> None:
    for line in plain_table(("A", "B"), rows):
        assert visible(line) == line


@given(st.text(max_size=30))
def test_drawn_tables_read_no_markup_and_hold_no_controls(cell: str) -> None:
    stream = io.StringIO()
    print_table(stream, ("A",), [(cell,), ("[bold]x[/bold]",)])
    assert "[bold]x[/bold]" in stream.getvalue()
    assert all(visible(line) == line for line in stream.getvalue().split("\n"))


@given(st.text(alphabet=st.characters()))
def test_json_is_ascii_and_says_the_same(text: str) -> None:
    line = json_text({"name": text})
    assert all(" " <= c <= "~" for c in line)
    assert json.loads(line) == {"name": text}


def test_columns_line_up_under_wide_characters() -> None:
    lines = plain_table(("Name", "Size"), [("日本", "1"), ("abcdef", "2")])
    assert [width(line) for line in lines[2:]] == [9, 9]
