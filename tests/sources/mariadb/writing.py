"""A second process that moves money between accounts: the sum of all balances is the same after every transaction.

python -m tests.sources.mariadb.writing SOCKET PASSWORD DATABASE
"""

import contextlib
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pymysql

from tests.servers.children import stop
from tests.servers.mariadb import MariaDB
from tests.sources.mariadb.databases import quoted

ACCOUNTS = 2000
SUM = ACCOUNTS * 100
_ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Writer:
    """The process at work on a database."""

    server: MariaDB
    database: str

    def committed(self) -> int:
        """How many transfers there were so far."""
        with self.server.connected(database=self.database) as cursor:
            cursor.execute("SELECT COUNT(*) FROM log")
            return int(cursor.fetchall()[0][0])


@contextlib.contextmanager
def writing(server: MariaDB, database: str) -> Iterator[Writer]:
    """A new database that is written to while the block runs."""
    with server.connected() as cursor:
        cursor.execute(f"CREATE DATABASE {quoted(database)}")
        cursor.execute(f"USE {quoted(database)}")
        cursor.execute("CREATE TABLE accounts (id INT PRIMARY KEY, balance INT NOT NULL, pad VARCHAR(200))")
        cursor.execute(f"INSERT INTO accounts SELECT seq, 100, REPEAT('x', 150) FROM seq_1_to_{ACCOUNTS}")  # noqa: S608
        cursor.execute("CREATE TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b INT, amount INT)")
    argv = [sys.executable, "-m", __name__, str(server.socket), server.password, database]
    child = subprocess.Popen(argv, cwd=_ROOT, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        yield Writer(server, database)
        assert child.poll() is None, "the writer ended before its time"
    finally:
        stop(child, signal.SIGKILL)
        if child.stdout is not None:
            child.stdout.close()


def sum_of(server: MariaDB, database: str) -> int:
    """The sum of all balances."""
    with server.connected(database=database) as cursor:
        cursor.execute("SELECT SUM(balance) FROM accounts")
        return int(cursor.fetchall()[0][0])


def write(socket: str, password: str, database: str) -> None:
    """Move money until somebody ends the process."""
    chance = random.Random(1)  # noqa: S311 - no secret
    with pymysql.connect(unix_socket=socket, user="root", password=password, database=database) as connection:
        for count in range(sys.maxsize):
            first, second = sorted(chance.sample(range(1, ACCOUNTS + 1), 2))
            with connection.cursor() as cursor:
                cursor.execute("UPDATE accounts SET balance = balance - 5 WHERE id = %s", [first])
                cursor.execute("UPDATE accounts SET balance = balance + 5 WHERE id = %s", [second])
                cursor.execute("INSERT INTO log (a, b, amount) VALUES (%s, %s, 5)", [first, second])
            connection.commit()
            if count == 50:
                sys.stdout.write("ready\n")
                sys.stdout.flush()


if __name__ == "__main__":
    write(*sys.argv[1:])
