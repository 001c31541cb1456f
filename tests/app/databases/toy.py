"""A kind of database in memory, on its way back: names of databases, each with the rows of its tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drorch.sources.databases.contract import Loaded, Objection, RestoreWish, StoredParts
from drorch.sources.databases.facts import FACTS_NAME, DatabaseFacts, Facts, RowCount, compare, to_json
from tests.actions.trees import Tree

KIND = "redis"
"""The toy goes by the name of a kind that drorch knows: a snapshot says by a folder's name what it holds."""

Databases = Mapping[str, Mapping[str, Sequence[str]]]

SHOP: Databases = {"orders": {"open": ["one", "two", "three"], "paid": ["four"]}, "stock": {"shelf": ["nuts"]}}


def facts_of(databases: Databases) -> Facts:
    """What is true of these databases."""
    counted = {
        name: DatabaseFacts(tables={table: RowCount(len(rows)) for table, rows in tables.items()})
        for name, tables in databases.items()
    }
    return Facts(KIND, "Toy 1.2", "toy-dump 1.2", "2026-08-01T02:30:00+00:00", counted)


def dumped(databases: Databases) -> dict[bytes, bytes]:
    """The parts of a dump, by the last part of their names."""
    return {
        f"{name}.dump".encode(): "".join(f"{table}\t{row}\n" for table, rows in tables.items() for row in rows).encode()
        for name, tables in databases.items()
    }


def saved(databases: Databases = SHOP) -> dict[bytes, "bytes | Tree"]:
    """The tree of a snapshot of these databases."""
    return {KIND.encode(): dumped(databases), FACTS_NAME.encode(): to_json(facts_of(databases))}


@dataclass
class Toy:
    """What its server has, and what it does wrong on purpose: `loses` is how many rows of each table."""

    databases: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    loses: int = 0
    kind: str = KIND

    def restore_preflight(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Sequence[Objection]:
        names = [wish.into] if wish.into else [name for name in map(_recorded, parts.names()) if _wanted(name, wish)]
        found = [Objection("the toy has no facts", "", fatal=False)] if facts is None else []
        found += [
            Objection(f"database {name} is not empty", "Type --overwrite to replace it.", fatal=True)
            for name in names
            if name in self.databases and not wish.overwrite
        ]
        return found

    def restore(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Loaded:
        done, differences = [], list[str]()
        for part in parts.names():
            recorded = _recorded(part)
            if not _wanted(recorded, wish):
                continue
            name = wish.into or recorded
            with parts.open(part) as pieces:
                self.databases[name] = _loaded(b"".join(pieces), self.loses)
            done.append(name)
            if facts is not None:
                now = facts_of(self.databases).databases[name]
                differences += compare(facts.databases[recorded], now).differences
        # It says that it compared even where there was nothing to compare with: it is not believed then.
        return Loaded(tuple(done), tuple(differences), (), compared=True)


def _recorded(part: str) -> str:
    return part.removeprefix(f"{KIND}/").removesuffix(".dump")


def _wanted(name: str, wish: RestoreWish) -> bool:
    return wish.only in (None, name)


def _loaded(text: bytes, loses: int) -> dict[str, list[str]]:
    tables: dict[str, list[str]] = {}
    for line in text.decode().splitlines():
        table, _, row = line.partition("\t")
        tables.setdefault(table, []).append(row)
    return {table: rows[: len(rows) - loses] for table, rows in tables.items()}
