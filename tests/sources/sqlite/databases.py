"""Databases to save: with accounts whose sum no transaction changes, and one that is written to all the time."""

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from drorch.clock import SystemClock
from drorch.sources.databases.facts import Facts
from drorch.sources.sqlite import Sqlite, SqliteSettings

ACCOUNTS = 1000
TOTAL = ACCOUNTS * 100
TIMEOUT_SECONDS = 120.0

# Its transactions move money between accounts and note it: the sum stays, and the notes are as many as it says.
_WRITER = """
import random, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
done = 0
while True:
    one, other = random.sample(range(1000), 2)
    database.execute("BEGIN IMMEDIATE")
    database.execute("UPDATE account SET money = money - 1 WHERE id = ?", (one,))
    database.execute("UPDATE account SET money = money + 1 WHERE id = ?", (other,))
    database.execute("INSERT INTO note VALUES (NULL, hex(randomblob(200)))")
    database.execute("UPDATE counter SET notes = notes + 1")
    database.execute("COMMIT")
    done += 1
    if done == 10:
        print("writing", flush=True)
"""


@dataclass(frozen=True)
class Stored:
    """Parts of a snapshot, by name, in memory."""

    content: Mapping[str, bytes]

    def names(self) -> Sequence[str]:
        return sorted(self.content)

    def size(self, name: str) -> int:
        return len(self.content[name])

    @contextmanager
    def open(self, name: str) -> Iterator[Iterator[bytes]]:
        content = self.content[name]
        yield (content[at : at + 100_000] for at in range(0, len(content), 100_000))


def make(path: Path, journal: str = "delete", *, rows: int = 2000) -> None:
    """A database of accounts with so many further rows of about 1 KiB."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(f"PRAGMA journal_mode = {journal}")
        database.execute("PRAGMA user_version = 7")
        database.executescript(
            """
            CREATE TABLE account (id INTEGER PRIMARY KEY, money INTEGER NOT NULL);
            CREATE TABLE note (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT);
            CREATE TABLE counter (notes INTEGER NOT NULL);
            CREATE TABLE ballast (id INTEGER PRIMARY KEY, content BLOB);
            CREATE TABLE "empty table" (id TEXT PRIMARY KEY) WITHOUT ROWID;
            INSERT INTO counter VALUES (0);
            """
        )
        database.execute("BEGIN")
        database.executemany("INSERT INTO account VALUES (?, 100)", ((number,) for number in range(ACCOUNTS)))
        database.executemany("INSERT INTO ballast VALUES (?, randomblob(1000))", ((number,) for number in range(rows)))
        database.execute("COMMIT")


@contextlib.contextmanager
def written_to(path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A database that another process writes to without pause."""
    child = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE)
    with child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"writing\n"
            yield child
            assert child.poll() is None, "the writer ended: it could not write"
        finally:
            child.kill()


def ask(path: Path, query: str) -> object:
    """The first value of an answer."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchone()[0]


def kind(path: Path, copies: Path, facts: Mapping[str, str] | None = None) -> Sqlite:
    """The database as it is configured."""
    return Sqlite(SqliteSettings(path, facts or {}, wait_seconds=20.0, copies=copies), SystemClock())


def dumped(database: Sqlite) -> tuple[Stored, Facts]:
    """Its dump, read as the engine does."""
    with database.dump() as session:
        content = {}
        for part in session.parts():
            stream = part.open()
            buffer = bytearray(1 << 18)
            pieces = []
            while count := stream.readinto(memoryview(buffer)):
                pieces.append(bytes(buffer[:count]))
            stream.close()
            content[part.name] = b"".join(pieces)
        return Stored(content), session.facts()
