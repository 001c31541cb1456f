"""TOML as text -> values, with the place of each: what tomllib gives, and what it lacks.

Promise: for text that is TOML the values are tomllib's own, and every key and value has its place. For text that is
not, each fault that can be told apart is reported, and what is sound around the faults is read all the same.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from drorch.config.faults import Fault, Place

Path = tuple[str | int, ...]

_LANGUAGE = Language(tree_sitter_toml.language())
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_STATEMENT = re.compile(r"""\s*(\[|[\w."'\s-]+=)""")
_KEYS = ("bare_key", "quoted_key", "dotted_key")
_START = Place(1, 1)


@dataclass(slots=True)
class Document:
    """Values and places. `keys` says where a key stands (of a table: in its header), `values` where its value does."""

    data: dict[str, Any] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def key_place(self, path: Path) -> Place:
        """Where a key stands; of what has no place of its own, where that stands which holds it."""
        while path and path not in self.keys and path not in self.values:
            path = path[:-1]
        return self.keys.get(path) or self.values.get(path) or _START

    def value_place(self, path: Path) -> Place:
        """Where a value stands, or else its key."""
        return self.values.get(path) or self.key_place(path)


def parse(text: str) -> Document:
    """Read TOML, sound or not."""
    text = text.replace("\r\n", "\n")
    sound, syntax = _sound_part(text)
    document = _Reader(sound).read()
    try:
        document.data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        document.faults.extend(syntax)
        if not document.faults:
            document.faults.append(_tomllib_fault(fault, text))
    else:
        document.faults.clear()
    return document


def _sound_part(text: str) -> tuple[str, list[Fault]]:
    """The text with every line blanked that is not TOML, and what is wrong with those lines."""
    lines = text.split("\n")
    faults: list[Fault] = []
    blanked = -1
    for _ in range(len(lines)):
        row = _broken_row(lines)
        if row is None:
            break
        start = _opening(lines, row)
        # What follows a broken line and is no statement of its own is the rest of it.
        if start != blanked + 1 or _STATEMENT.match(lines[start]) or blanked < 0:
            faults.append(_line_fault(lines[start], start))
        blanked = _blank(lines, start, max(start, row - 1))
    return "\n".join(lines), sorted(faults)


def _broken_row(lines: list[str]) -> int | None:
    tree = Parser(_LANGUAGE).parse("\n".join(lines).encode())
    if not tree.root_node.has_error:
        return None
    for node in _walk(tree.root_node):
        if node.is_error or node.is_missing:
            row = node.start_point.row
            while row > 0 and not lines[row].strip():
                row -= 1
            return row if lines[row].strip() else None
    return None


def _opening(lines: list[str], row: int) -> int:
    """The row that is to blame for a broken one: where that is sound alone, what was opened above and not closed."""
    above = row
    while above > 0 and _is_sound(lines[row]):
        above -= 1
        if _STATEMENT.match(lines[above]):
            return row if _is_sound(lines[above]) else above
    return row


def _is_sound(line: str) -> bool:
    try:
        tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _blank(lines: list[str], first: int, last: int) -> int:
    """Blank these rows and, below a broken header, what belongs to nothing that is known; the last row blanked."""
    if lines[first].lstrip().startswith("["):
        while last + 1 < len(lines) and not lines[last + 1].lstrip().startswith("["):
            last += 1
    lines[first : last + 1] = [""] * (last + 1 - first)
    return last


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        if child.has_error or child.is_missing:
            yield from _walk(child)


def _line_fault(line: str, row: int) -> Fault:
    indent = len(line) - len(line.lstrip())
    try:
        tomllib.loads(line)
    except tomllib.TOMLDecodeError as fault:
        alone = _tomllib_fault(fault, line)
        return Fault(Place(row + 1, max(alone.place.column, indent + 1)), alone.message)
    return Fault(Place(row + 1, indent + 1), "this is not TOML")


def _tomllib_fault(fault: tomllib.TOMLDecodeError, text: str) -> Fault:
    said = str(fault)
    at = _AT.search(said)
    message = _AT.sub("", said)
    message = f"this is not TOML: {message[:1].lower()}{message[1:]}"
    if at is None or at[1] is None:
        lines = text.rstrip("\n").split("\n")
        return Fault(Place(len(lines), len(lines[-1]) + 1), message)
    return Fault(Place(int(at[1]), int(at[2])), message)


class _Reader:
    """Builds the values of a syntax tree without errors; what is said twice is a fault, and the first counts."""

    def __init__(self, text: str) -> None:
        self._lines = text.encode().split(b"\n")
        self._root = Parser(_LANGUAGE).parse(text.encode()).root_node
        self._document = Document()
        self._headers: dict[Path, Place] = {}

    def read(self) -> Document:
        for node in self._root.children:
            if node.type == "pair":
                self._pair(node, self._document.data, ())
            elif node.type in ("table", "table_array_element"):
                self._table(node)
        return self._document

    def _place(self, node: Node) -> Place:
        row, column = node.start_point
        return Place(row + 1, len(self._lines[row][:column].decode()) + 1)

    def _table(self, node: Node) -> None:
        key = next(child for child in node.children if child.type in _KEYS)
        parts = self._parts(key)
        holder, path = self._enter(self._document.data, (), parts[:-1], through_lists=True)
        name, place = parts[-1]
        table: dict[str, Any] = {}
        repeated = node.type == "table_array_element"
        if holder is not None:
            path = (*path, name)
            there = holder.setdefault(name, [] if repeated else table)
            if repeated and isinstance(there, list):
                self._mark(path, place)
                path = (*path, len(there))
                there.append(table)
                self._mark(path, place)
            elif repeated or not isinstance(there, dict) or path in self._headers:
                self._said_twice(path, place, is_table=True)
                holder = None
            else:
                self._headers[path] = place
                self._mark(path, place, again=there is not table)
                table = there
        for pair in node.children:
            if pair.type == "pair":
                self._pair(pair, table, path if holder is not None else None)

    def _pair(self, node: Node, table: dict[str, Any], path: Path | None) -> None:
        """Read one pair into a table; one without a path leads nowhere and leaves no trace."""
        key, value = (child for child in node.children if child.type not in ("=", "comment"))
        parts = self._parts(key)
        if path is None:
            return
        holder, path = self._enter(table, path, parts[:-1], through_lists=False)
        name, place = parts[-1]
        if holder is None:
            return
        path = (*path, name)
        if name in holder:
            self._said_twice(path, place, is_table=False)
            return
        self._document.keys[path] = place
        holder[name] = self._value(value, path)

    def _enter(
        self, table: dict[str, Any], path: Path, parts: list[tuple[str, Place]], *, through_lists: bool
    ) -> tuple[dict[str, Any] | None, Path]:
        """The table that a dotted key leads to, made where it is missing; None where a value is in the way."""
        for name, place in parts:
            path = (*path, name)
            if name not in table:
                table[name] = {}
                self._mark(path, place)
            inner = table[name]
            if through_lists and isinstance(inner, list) and inner:
                path = (*path, len(inner) - 1)
                inner = inner[-1]
            if not isinstance(inner, dict):
                self._said_twice(path, place, is_table=False)
                return None, path
            table = inner
        return table, path

    def _mark(self, path: Path, place: Place, *, again: bool = False) -> None:
        """Note where a table stands; a header of its own counts more than a mention in another's."""
        if again or path not in self._document.keys:
            self._document.keys[path] = self._document.values[path] = place

    def _said_twice(self, path: Path, place: Place, *, is_table: bool) -> None:
        first = self._document.keys.get(path)
        name = ".".join(map(str, path)) if is_table else str(path[-1])
        shown = f"[{name}]" if is_table else f'"{name}"'
        where = f", first in line {first.line}" if first else ""
        self._document.faults.append(Fault(place, f"{shown} is there twice{where}"))

    def _parts(self, key: Node) -> list[tuple[str, Place]]:
        if key.type == "dotted_key":
            return [part for child in key.children if child.type in _KEYS for part in self._parts(child)]
        text = (key.text or b"").decode()
        if key.type == "bare_key":
            return [(text, self._place(key))]
        return [(str(self._loaded(text, key, wanting="")), self._place(key))]

    def _value(self, node: Node, path: Path) -> Any:
        self._document.values[path] = self._place(node)
        if node.type == "array":
            items = [child for child in node.children if child.type not in ("[", "]", ",", "comment")]
            return [self._value(item, (*path, number)) for number, item in enumerate(items)]
        if node.type == "inline_table":
            table: dict[str, Any] = {}
            for child in node.children:
                if child.type == "pair":
                    self._pair(child, table, path)
            return table
        return self._loaded((node.text or b"").decode(), node, wanting=None)

    def _loaded(self, text: str, node: Node, *, wanting: Any) -> Any:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            self._document.faults.append(Fault(self._place(node), "this is not a value that TOML knows"))
            return wanting
