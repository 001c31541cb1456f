"""Values and places agree with tomllib, whatever the document; and damage is always told."""

import datetime
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drorch.config.faults import Place
from drorch.config.reference import example
from drorch.config.syntax import Document, Path, parse

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_KEYS = st.one_of(st.sampled_from(["a", "b-1", "c_", "7", "ä", "", "x.y", '"', "#"]), _TEXT)
_LEAVES = st.one_of(
    st.integers(-(2**40), 2**40),
    st.booleans(),
    _TEXT,
    st.floats(allow_nan=False, allow_infinity=False),
    st.dates(datetime.date(1000, 1, 1)),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)),
    max_leaves=8,
)
_DOCUMENTS = st.dictionaries(_KEYS, _VALUES, max_size=4)


@dataclass
class Writer:
    """Writes values as TOML in a style that is drawn, and remembers what stands for each path."""

    draw: st.DataObject
    lines: list[str] = field(default_factory=list)
    written: dict[Path, str] = field(default_factory=dict)

    def table(self, table: dict[str, Any], path: Path) -> None:
        later = []
        for key, value in table.items():
            below = (*path, key)
            as_table = isinstance(value, dict) and self.chance()
            as_tables = isinstance(value, list) and value and all(isinstance(one, dict) for one in value)
            if as_table or (as_tables and self.chance()):
                later.append((below, value))
            elif isinstance(value, dict) and value and self.chance():
                for inner, one in value.items():
                    self.lines.append(
                        f"{self.key(below)} . {self.key((*below, inner))} = {self.value(one, (*below, inner))}"
                    )
            else:
                self.lines.append(f"{self.blank()}{self.key(below)} = {self.value(value, below)}{self.blank()}# é")
        for below, value in later:
            names = ".".join(self.key(below[: depth + 1]) for depth, part in enumerate(below) if isinstance(part, str))
            if isinstance(value, dict):
                self.lines.append(f"{self.blank()}[{names}]")
                self.table(value, below)
                continue
            for number, one in enumerate(value):
                self.lines.append(f"[[ {names} ]]")
                self.table(one, (*below, number))

    def chance(self) -> bool:
        return self.draw.draw(st.booleans())

    def blank(self) -> str:
        return "  " if self.chance() else ""

    def key(self, path: Path) -> str:
        name = str(path[-1])
        text = name if _BARE.fullmatch(name) and self.chance() else quoted(name)
        self.written.setdefault(path, text)
        return text

    def value(self, value: Any, path: Path) -> str:
        if isinstance(value, dict):
            return (
                "{" + ", ".join(f"{self.key((*path, k))}={self.value(v, (*path, k))}" for k, v in value.items()) + "}"
            )
        if isinstance(value, list):
            space = "\n " if self.chance() else " "
            return "[" + space + ",".join(self.value(one, (*path, n)) + space for n, one in enumerate(value)) + "]"
        if isinstance(value, str):
            return quoted(value)
        return value.isoformat() if isinstance(value, datetime.date) else json.dumps(value)


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value of a document that holds no other, and every path to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if isinstance(value, dict | list):
        for key, one in inner:
            yield from leaves(one, (*path, key))
    else:
        yield path, value


def standing_at(lines: list[str], place: Place) -> str:
    return "\n".join([lines[place.line - 1][place.column - 1 :], *lines[place.line :]])


@settings(max_examples=150, deadline=None)
@given(_DOCUMENTS, st.data())
def test_every_key_and_value_is_found_where_it_stands(data: dict[str, Any], draw: st.DataObject) -> None:
    writer = Writer(draw)
    writer.table(data, ())
    text = "\n".join(writer.lines)
    assert tomllib.loads(text) == data
    found = parse(text)
    assert found.data == data
    assert found.faults == []
    for path, value in leaves(data):
        there = standing_at(text.split("\n"), found.values[path])
        assert there.startswith(writer.value(value, path)) or isinstance(value, float), path
        if isinstance(path[-1], str):
            name = json.loads(key) if (key := key_at(text, found, path)).startswith('"') else key
            assert name == path[-1]


def key_at(text: str, found: Document, path: Path) -> str:
    """The key that stands at the place of a path, as it is written."""
    there = standing_at(text.split("\n"), found.keys[path])
    match = re.match(r'"(?:[^"\\]|\\.)*"|[A-Za-z0-9_-]+', there)
    assert match is not None, there
    return match[0]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_is_told_if_and_only_if_there_is_some(draw: st.DataObject) -> None:
    text = example()
    start = draw.draw(st.integers(0, len(text)))
    text = (
        text[:start]
        + draw.draw(st.sampled_from(["", "[", '"', "=", "\n", "x", "'", "{", "\x00"]))
        + text[start + draw.draw(st.integers(0, 30)) :]
    )
    found = parse(text)
    lines = text.split("\n")
    for fault in found.faults:
        assert 1 <= fault.place.line <= len(lines)
        assert 1 <= fault.place.column <= len(lines[fault.place.line - 1]) + 1
    try:
        assert tomllib.loads(text) == found.data
        assert found.faults == []
    except tomllib.TOMLDecodeError:
        assert found.faults


@pytest.mark.parametrize("text", ["", "\n", "# nothing", "a = 1\r\nb = 2\r\n", "a.b.c = 1\na.b.d = 2\n[e]\n[e.f]\n"])
def test_small_documents_are_read_as_tomllib_reads_them(text: str) -> None:
    assert (parse(text).data, parse(text).faults) == (tomllib.loads(text), [])


def test_what_is_not_there_is_where_its_table_is() -> None:
    found = parse("[a.b]\nc = 1\n")
    assert found.key_place(("a", "b", "missing")) == Place(1, 4)
    assert found.key_place(("missing",)) == Place(1, 1)


def test_each_broken_line_is_told_once() -> None:
    found = parse('a = \nb = 1\nc = "x\nd = [1,\n  2,\n  3\n[t]\ne = 2\n[u\nf = 1\n[v]\ng == 1\n')
    assert [fault.place.line for fault in found.faults] == [1, 3, 4, 9, 12]
    assert found.data == {"b": 1, "t": {"e": 2}, "v": {}}
