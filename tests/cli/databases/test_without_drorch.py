"""restic's `dump`, piped into the database's own client, brings a database back. drorch has no part in it."""

import json
import os
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from tests.cli.databases.running import JOB, Place
from tests.restic import Restic, each_restic, restic, start_restic
from tests.servers.mariadb import MariaDB, program
from tests.servers.postgresql import BACKUP_USER, SUPERUSER, Postgresql, newest_bin_dir

_TIMEOUT_SECONDS = 60.0
_SUM = "select count(*), sum(amount) from orders"
_NEWEST = ("latest", "--tag", f"drorch:job={JOB}")


def secret(folder: Path, password: str) -> str:
    """The password of a source, in a file, as TOML."""
    file = folder / "database-password"
    file.write_text(password)
    file.chmod(0o600)
    return f'password = {{ file = "{file}" }}'


def backed_up(folder: Path, source: str, kind: str) -> Path:
    """A repository with a snapshot of the source, whose facts are to be seen in it."""
    place = Place(folder, source)
    ran = place.run()
    assert ran.status == 0, ran
    repository = folder / "one"
    facts = json.loads(restic(Restic.DEBIAN, repository, "dump", *_NEWEST, "/drorch-facts.json").stdout)
    assert facts["kind"] == kind
    return repository


def pipe(
    which: Restic, repository: Path, part: str, client: Sequence[str], variables: Mapping[str, str] | None = None
) -> None:
    """What restic prints of a file of the newest snapshot goes into a client, which must be content."""
    with start_restic(which, repository, "dump", *_NEWEST, part) as dump:
        done = subprocess.run(
            client,
            stdin=dump.stdout,
            capture_output=True,
            env={**os.environ, **(variables or {})},
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        dump.communicate(timeout=_TIMEOUT_SECONDS)
    assert (done.returncode, dump.returncode) == (0, 0), done.stderr


@each_restic
def test_postgresql(tmp_path: Path, which: Restic) -> None:
    with Postgresql() as server:
        server.create("orders")
        server.sql(
            "orders",
            "create table orders (id int generated always as identity primary key, amount int not null)",
            "insert into orders (amount) select n % 97 from generate_series(1, 5000) n",
        )
        where = f'host = "127.0.0.1", port = {server.port}, user = "{BACKUP_USER}"'
        password = server.passwords[BACKUP_USER]
        source = f'{{ type = "postgresql", database = "orders", {where}, {secret(tmp_path, password)} }}'
        repository = backed_up(tmp_path, source, "postgresql")
        server.create("back")
        tools, address = newest_bin_dir(), ["-h", "127.0.0.1", "-p", str(server.port), "-U", SUPERUSER]
        variables = {"PGPASSWORD": server.passwords[SUPERUSER]}
        client = [str(tools / "pg_restore"), "--exit-on-error", *address, "-d", "back"]
        pipe(which, repository, "/postgresql/orders.dump", client, variables)
        assert server.sql("back", _SUM) == server.sql("orders", _SUM)
        assert server.sql("back", "insert into orders (amount) values (1) returning id") == [(5001,)]


@each_restic
def test_mariadb(tmp_path: Path, which: Restic) -> None:
    with MariaDB.new() as server, server.connected() as cursor:
        cursor.execute("create database orders")
        cursor.execute("use orders")
        cursor.execute("create table orders (id int auto_increment primary key, amount int not null)")
        cursor.execute("insert into orders (amount) select seq % 97 from seq_1_to_5000")
        cursor.execute("create table shown as select 1 as one")
        where = f'socket = "{server.socket}", user = "root"'
        source = f'{{ type = "mariadb", database = "orders", {where}, {secret(tmp_path, server.password)} }}'
        repository = backed_up(tmp_path, source, "mariadb")
        cursor.execute("create database back")
        options = tmp_path / "options"
        options.write_text(f"[client]\nsocket={server.socket}\nuser=root\npassword={server.password}\n")
        pipe(which, repository, "/mariadb/orders.sql", [program("mariadb"), f"--defaults-file={options}", "back"])
        cursor.execute(_SUM)
        before = cursor.fetchall()
        cursor.execute("use back")
        cursor.execute(_SUM)
        assert cursor.fetchall() == before


@each_restic
def test_sqlite(tmp_path: Path, which: Restic) -> None:
    file = tmp_path / "orders.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("create table orders (id integer primary key, amount int not null)")
        database.executemany("insert into orders (amount) values (?)", [(number % 97,) for number in range(5000)])
        database.commit()
        before = database.execute(_SUM).fetchall()
    repository = backed_up(tmp_path, f'{{ type = "sqlite", path = "{file}" }}', "sqlite")
    back = tmp_path / "back.db"
    pipe(which, repository, "/sqlite/orders.sqlite", ["sh", "-c", f"cat > '{back}'"])
    done = subprocess.run(
        ["sqlite3", back, f"pragma integrity_check; {_SUM}"], capture_output=True, timeout=_TIMEOUT_SECONDS, check=True
    )
    assert done.stdout.decode().split() == ["ok", "|".join(map(str, before[0]))]
