"""What a dump in a snapshot holds, by its table of contents, and which lines of it some tables need.

A dump is hostile input: nothing that is read here is run, but for options of CREATE DATABASE that are known words.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from drorch.errors import RestoreError
from drorch.sources.databases.contract import StoredParts
from drorch.sources.postgresql.archive import ArchiveBroken, ArchiveScan, Entry
from drorch.sources.postgresql.settings import shown_name

_TABLES = frozenset({"TABLE", "FOREIGN TABLE"})
_RELATIONS = _TABLES | {"VIEW", "MATERIALIZED VIEW"}
_GROUNDS = _RELATIONS | {"CONSTRAINT", "INDEX"}
_SUBSIDIARY = frozenset(
    {
        "TABLE DATA", "SEQUENCE", "SEQUENCE OWNED BY", "SEQUENCE SET", "DEFAULT", "CONSTRAINT", "CHECK CONSTRAINT",
        "FK CONSTRAINT", "INDEX", "INDEX ATTACH", "TABLE ATTACH", "TRIGGER", "RULE", "POLICY", "ROW SECURITY",
        "COMMENT", "STATISTICS", "ACL",
    }
)  # fmt: skip
_BY_SUPERUSERS = frozenset(
    {"EVENT TRIGGER", "FOREIGN DATA WRAPPER", "ACCESS METHOD", "OPERATOR CLASS", "OPERATOR FAMILY", "SHELL TYPE",
     "TRANSFORM"}
)  # fmt: skip
_UNSAFE_LANGUAGE = re.compile(rb"\bLANGUAGE\s+\"?(c|internal)\"?\b")
_WORDS: dict[str, LiteralString] = {
    "ENCODING": "ENCODING",
    "LOCALE_PROVIDER": "LOCALE_PROVIDER",
    "LOCALE": "LOCALE",
    "LC_COLLATE": "LC_COLLATE",
    "LC_CTYPE": "LC_CTYPE",
    "ICU_LOCALE": "ICU_LOCALE",
    "BUILTIN_LOCALE": "BUILTIN_LOCALE",
}
_OPTION = re.compile(rf"\b({'|'.join(_WORDS)}) = (?:'([^'\\]*)'|(\w+))")
_ENCODING = re.compile(rb"client_encoding = '(\w+)'")
_CODECS = (
    (re.compile(r"LATIN([1-4])"), "iso8859-{}"),
    (re.compile(r"WIN(\d+)"), "cp{}"),
    (re.compile(r"ISO_8859_(\d)"), "iso8859-{}"),
    (re.compile(r"(EUC_JP|EUC_KR|KOI8R|KOI8U|SJIS|BIG5|GBK|GB18030|JOHAB|UHC)"), "{}"),
)
_OTHER_CODECS = {
    "LATIN5": "iso8859-9",
    "LATIN6": "iso8859-10",
    "LATIN7": "iso8859-13",
    "LATIN8": "iso8859-14",
    "LATIN9": "iso8859-15",
    "LATIN10": "iso8859-16",
    "EUC_CN": "gb2312",
    "KOI8R": "koi8-r",
    "KOI8U": "koi8-u",
    "UHC": "cp949",
}


@dataclass(frozen=True, slots=True)
class Contents:
    """The table of contents of one dump. `unknown` says why it could not be read, if so."""

    entries: tuple[Entry, ...]
    tool: str
    unknown: str

    @property
    def extensions(self) -> frozenset[str]:
        """Names of the extensions it makes."""
        return frozenset(self.text(entry.tag) for entry in self.entries if entry.kind == "EXTENSION")

    @property
    def owners(self) -> frozenset[str]:
        """The roles that own what it makes."""
        return frozenset(self.text(entry.owner) for entry in self.entries if entry.owner)

    @property
    def tablespaces(self) -> frozenset[str]:
        """The tablespaces it names."""
        return frozenset(self.text(entry.tablespace) for entry in self.entries if entry.tablespace)

    @property
    def grants(self) -> bool:
        """Whether it grants rights to roles."""
        return any(entry.kind in ("ACL", "DEFAULT ACL") for entry in self.entries)

    def for_superusers(self) -> tuple[str, ...]:
        """What of it only a superuser may make, in words."""
        return tuple(
            f"{entry.kind.lower()} {self.text(entry.tag)}"
            for entry in self.entries
            if entry.kind in _BY_SUPERUSERS
            or (entry.kind == "FUNCTION" and _UNSAFE_LANGUAGE.search(entry.definition) is not None)
        )

    def text(self, raw: bytes) -> str:
        """A text of the archive, which is in the encoding of its database."""
        return raw.decode(self._codec(), errors="backslashreplace")

    def options(self) -> sql.Composed:
        """Encoding and locale of the database, for CREATE DATABASE: known words, each value a literal."""
        definitions = [entry.definition for entry in self.entries if entry.kind == "DATABASE"]
        found = _OPTION.findall(self.text(definitions[0])) if definitions else []
        # A name may look like an option, and is in front of them: the last one counts.
        values = {word: (quoted, plain) for word, quoted, plain in found}
        parts = []
        for word, (quoted, plain) in values.items():
            value = sql.Identifier(plain) if plain else sql.Literal(quoted)
            parts.append(sql.SQL(" = ").join((sql.SQL(_WORDS[word]), value)))
        return sql.SQL(" ").join(parts)

    def shown(self, entry: Entry) -> str:
        """A line's name as people write it."""
        return shown_name(self.text(entry.namespace), self.text(entry.tag))

    def tables(self) -> dict[str, Entry]:
        """Its tables by name."""
        return {self.shown(entry): entry for entry in self.entries if entry.kind in _TABLES}

    def missing(self, tables: Iterable[str], schemas: Iterable[str]) -> list[str]:
        """What is asked for and not there, in words."""
        there = {self.text(entry.namespace) for entry in self.entries}
        missing = [f"table {name}" for name in tables if _full(name) not in self.tables()]
        return [*missing, *(f"schema {name}" for name in schemas if name not in there)]

    def chosen(self, tables: Sequence[str], schemas: Sequence[str]) -> list[int]:
        """The lines that some tables and schemas need, with indexes, constraints and triggers, in their order."""
        known = self.tables()
        wanted = {known[_full(name)].dump_id for name in tables}
        wanted |= {entry.dump_id for entry in self.entries if entry.namespace and self.text(entry.namespace) in schemas}
        return _complete(self.entries, wanted)

    def _codec(self) -> str:
        for entry in self.entries:
            told = _ENCODING.search(entry.definition) if entry.kind == "ENCODING" else None
            if told is not None:
                return codec_of(told[1].decode("ascii", errors="replace"))
        return "utf-8"


def codec_of(encoding: str) -> str:
    """Python's name for one of PostgreSQL's encodings; UTF-8 where there is none."""
    if encoding in _OTHER_CODECS:
        return _OTHER_CODECS[encoding]
    for pattern, codec in _CODECS:
        if named := pattern.fullmatch(encoding):
            return codec.format(named[1])
    return "utf-8"


def contents_of(parts: StoredParts, name: str) -> Contents:
    """Read the table of contents of a dump; no more of it is read. Raises `RestoreError` where it is none."""
    scan = ArchiveScan()
    try:
        with parts.open(name) as pieces:
            for piece in pieces:
                scan.feed(piece)
                if scan.has_contents or scan.unknown:
                    break
            else:
                scan.finish()
    except ArchiveBroken as fault:
        raise RestoreError(f"{name}: {fault}", hint="choose another snapshot") from fault
    return Contents(scan.entries, scan.tool, scan.unknown)


def _full(name: str) -> str:
    return name if "." in name else f"public.{name}"


def _complete(entries: Sequence[Entry], wanted: set[int]) -> list[int]:
    """Add what is needed, and what belongs to the tables and needs no table that is left out."""
    known = {entry.dump_id: entry for entry in entries}
    before = -1
    while len(wanted) != before:
        before = len(wanted)
        for entry in entries:
            if entry.kind == "TABLE ATTACH" and _parents(entry, known) & wanted:
                wanted |= _relations(entry, known)
            if entry.kind in _SUBSIDIARY and wanted.intersection(entry.needs) and not _lacks(entry, known, wanted):
                wanted.add(entry.dump_id)
            if entry.dump_id in wanted and entry.kind != "TABLE ATTACH":
                wanted |= {need for need in entry.needs if need in known}
    return [entry.dump_id for entry in entries if entry.dump_id in wanted]


def _relations(entry: Entry, known: dict[int, Entry]) -> set[int]:
    return {need for need in entry.needs if need in known and known[need].kind in _RELATIONS}


def _parents(entry: Entry, known: dict[int, Entry]) -> set[int]:
    """The partitioned table, where an entry attaches a partition to it."""
    own = (entry.namespace, entry.tag)
    return {need for need in _relations(entry, known) if (known[need].namespace, known[need].tag) != own}


def _lacks(entry: Entry, known: dict[int, Entry], wanted: set[int]) -> bool:
    return any(need in known and known[need].kind in _GROUNDS and need not in wanted for need in entry.needs)
