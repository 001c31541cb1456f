"""The facts: what was true of a database when it was dumped, recorded with the dump, and compared after a restore.

Promise: what was not counted, or not exactly, is never said to agree. The JSON of a repository is hostile input.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TypeVar

FACTS_NAME = "drorch-facts.json"
"""The file at the root of a database's snapshot."""

MOST_BYTES = 64 << 20
"""Of a facts file. More is refused."""

_FORMAT = 1
_MOST_LINES = 100
_LONGEST_SHOWN = 80

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RowCount:
    """Rows of a table; where it is not `exact`, an estimate or a count of another moment than the dump's."""

    rows: int
    exact: bool = True


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """Facts of one database. What a kind does not know is empty.

    `extensions` name their versions; `tables` are keyed as people write them ("public.orders"); `size` is in bytes on
    the server; `named` are the answers to the job's own questions. `schema_digest` is equal for equal definitions.
    """

    encoding: str = ""
    collation: str = ""
    collation_version: str = ""
    extensions: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, RowCount] = field(default_factory=dict)
    schema_digest: str = ""
    size: int = 0
    named: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of a dump: versions of server and tool, when it was taken (ISO 8601), and what it holds.

    `consistent`: all databases are of one moment. Each is consistent in itself either way.
    """

    kind: str
    server: str
    tool: str
    taken: str
    databases: Mapping[str, DatabaseFacts] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    consistent: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a database is like against what was recorded of it, in words.

    `differences`: it is not as recorded. `not_compared`: nobody knows, so nothing may be said to agree. `remarks`:
    differs by the server it is on, and is no fault of the data.
    """

    differences: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def compare(recorded: DatabaseFacts, found: DatabaseFacts) -> Comparison:
    """Compare a restored database with the facts of its dump. Sizes are not: they never survive a restore."""
    sorting = _Sorting()
    for what, before, now in (
        ("encoding", recorded.encoding, found.encoding),
        ("collation", recorded.collation, found.collation),
        ("the digest of its definitions", recorded.schema_digest, found.schema_digest),
    ):
        if before:
            sorting.text(what, before, now or None)
    _compare_tables(recorded.tables, found.tables, sorting)
    for name, before in sorted(recorded.named.items()):
        sorting.text(f"fact {name}", before, found.named.get(name))
    for name, version in sorted(recorded.extensions.items()):
        here = found.extensions.get(name)
        if here is None:
            sorting.differences.append(f"extension {name} is missing")
        elif here != version:
            sorting.remarks.append(f"extension {name} is {here}, was {version}")
    if recorded.collation_version and found.collation_version not in ("", recorded.collation_version):
        sorting.remarks.append(f"collation version is {found.collation_version}, was {recorded.collation_version}")
    return Comparison(
        _told(sorting.differences, "differences"),
        _told(sorting.not_compared, "that could not be compared"),
        _told(sorting.remarks, "remarks"),
    )


def differences(recorded: DatabaseFacts, found: DatabaseFacts) -> list[str]:
    """What keeps a database from being said to agree: its differences, and what could not be compared."""
    comparison = compare(recorded, found)
    return [*comparison.differences, *comparison.not_compared]


class _Sorting:
    def __init__(self) -> None:
        self.differences: list[str] = []
        self.not_compared: list[str] = []
        self.remarks: list[str] = []

    def text(self, what: str, before: str, now: str | None) -> None:
        """Compare two texts, None standing for unknown."""
        if now is None:
            self.not_compared.append(f"{what} was not compared: it is not known now")
        elif now != before:
            self.differences.append(f"{what} is {_short(now)}, was {_short(before)}")


def _compare_tables(recorded: Mapping[str, RowCount], found: Mapping[str, RowCount], sorting: _Sorting) -> None:
    for name, before in sorted(recorded.items()):
        now = found.get(name)
        if now is None:
            sorting.differences.append(f"table {name} is missing")
        elif not before.exact:
            sorting.not_compared.append(f"table {name} was not compared: its rows were not counted exactly at backup")
        elif not now.exact:
            sorting.not_compared.append(f"table {name} was not compared: its rows are not counted exactly now")
        elif now.rows != before.rows:
            sorting.differences.append(f"table {name} has {now.rows} rows, had {before.rows}")
    sorting.differences.extend(f"table {name} was not there" for name in sorted(found.keys() - recorded.keys()))


def _told(lines: Sequence[str], what: str) -> tuple[str, ...]:
    """All the lines, or the first ones and how many there are."""
    if len(lines) <= _MOST_LINES:
        return tuple(lines)
    return (*lines[:_MOST_LINES], f"and {len(lines) - _MOST_LINES} more {what}")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def to_json(facts: Facts) -> bytes:
    """As they stand in the snapshot: keys sorted, the same bytes for the same facts, readable, ending in a newline."""
    # ASCII: names of a database need not be text in any encoding, and come back as they were.
    return json.dumps({"format": _FORMAT, **asdict(facts)}, sort_keys=True, indent=1).encode("ascii") + b"\n"


def from_json(text: bytes) -> Facts:
    """Read what `to_json` wrote. Raises `ValueError` for anything that is not such, whatever it is."""
    if len(text) > MOST_BYTES:
        raise ValueError("the facts are too large to be facts")
    try:
        found = json.loads(text)
    except RecursionError as fault:
        raise ValueError("the facts are nested too deep") from fault
    top = _Fields(found, "the facts")
    if top.whole("format") != _FORMAT:
        raise ValueError(f"the facts are of format {top.whole('format')}, known is {_FORMAT}")
    return Facts(
        kind=top.text("kind"),
        server=top.text("server"),
        tool=top.text("tool"),
        taken=top.text("taken"),
        databases={name: _database(value, name) for name, value in top.mapping("databases").items()},
        roles=top.texts("roles"),
        consistent=top.truth("consistent"),
        notes=top.texts("notes"),
    )


def _database(value: object, name: str) -> DatabaseFacts:
    fields = _Fields(value, f"database {_short(name)!r}")
    return DatabaseFacts(
        encoding=fields.text("encoding"),
        collation=fields.text("collation"),
        collation_version=fields.text("collation_version"),
        extensions=fields.named_texts("extensions"),
        tables={table: _count(count, table) for table, count in fields.mapping("tables").items()},
        schema_digest=fields.text("schema_digest"),
        size=fields.whole("size"),
        named=fields.named_texts("named"),
        notes=fields.texts("notes"),
    )


def _count(value: object, name: str) -> RowCount:
    fields = _Fields(value, f"table {_short(name)!r}")
    return RowCount(fields.whole("rows"), fields.truth("exact"))


class _Fields:
    """Fields of a JSON object, each of the type it must be of. Unknown ones are somebody else's."""

    def __init__(self, value: object, what: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{what}: not an object")
        self._value = value
        self._what = what

    def _field(self, name: str, type_: type[_T]) -> _T:
        value = self._value.get(name)
        # A bool is an int in Python, and a float is no count of anything.
        if type(value) is not type_:
            raise ValueError(f"{self._what}: {name} is not what it must be")
        return value

    def text(self, name: str) -> str:
        """A string."""
        return self._field(name, str)

    def truth(self, name: str) -> bool:
        """A truth value."""
        return self._field(name, bool)

    def whole(self, name: str) -> int:
        """A number that is not negative and fits 63 bits."""
        number = self._field(name, int)
        if not 0 <= number < 1 << 63:
            raise ValueError(f"{self._what}: {name} is out of range")
        return number

    def mapping(self, name: str) -> dict[str, object]:
        """An object of any values."""
        return self._field(name, dict)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        values = self._field(name, list)
        if not all(isinstance(value, str) for value in values):
            raise ValueError(f"{self._what}: {name} holds something else than text")
        return tuple(values)

    def named_texts(self, name: str) -> dict[str, str]:
        """An object whose values are strings."""
        values = self.mapping(name)
        if not all(isinstance(value, str) for value in values.values()):
            raise ValueError(f"{self._what}: {name} holds something else than text")
        return {key: str(value) for key, value in values.items()}
