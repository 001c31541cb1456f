"""PostgreSQL as an administrator saves it and puts it back, on a real server."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.commandline import drorch, drorch_lines, fault_line
from tests.cli.homes import install
from tests.servers.postgresql import BACKUP_USER, Postgresql, newest_bin_dir

_ROWS = 500
_QUESTION = "select sum(amount) from orders"


@dataclass(frozen=True)
class Shop:
    """A server with the database orders, and an installation whose job saved it once."""

    server: Postgresql
    file: Path

    def restore(self, *arguments: str, status: int = 0) -> str:
        """What `drorch restore` prints."""
        done = drorch("-c", self.file, "restore", "-t", "one", "latest:orders", *arguments, status=status)
        return done.stdout.decode()

    def refused(self, *arguments: str) -> str:
        """The line that says why there is no restore; warnings stand before it."""
        done = drorch("-c", self.file, "restore", "-t", "one", "latest:orders", *arguments, status=40)
        return done.stderr.decode().splitlines()[-1]

    def amounts(self, database: str) -> tuple[object, ...]:
        [row] = self.server.sql(database, "select count(*), sum(amount) from orders")
        return row

    def names(self) -> set[object]:
        return {row[0] for row in self.server.sql("postgres", "select datname from pg_database")}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("orders")
    with Postgresql() as server:
        server.create("orders")
        server.sql(
            "orders",
            "create table orders (id serial primary key, amount int not null)",
            f"insert into orders (amount) select n from generate_series(1, {_ROWS}) n",  # noqa: S608
            "create table empty (id int)",
        )
        secret = folder / "database-password"
        secret.write_text(server.passwords[BACKUP_USER])
        secret.chmod(0o600)
        file = install(
            folder,
            extra=f"""
            [jobs.orders]
            targets = ["one"]
            facts = {{ amount = "{_QUESTION}" }}
            [jobs.orders.source]
            type = "postgresql"
            database = "orders"
            host = "127.0.0.1"
            port = {server.port}
            user = "{BACKUP_USER}"
            password = {{ file = "{secret}" }}
            """,
        )
        drorch("-c", file, "run", "orders")
        yield Shop(server, file)


def test_it_comes_back_beside_the_one_that_is_there_and_agrees(shop: Shop) -> None:
    said = shop.restore("--into", "orders_check")
    assert shop.amounts("orders_check") == shop.amounts("orders")
    assert f"agrees with the facts recorded at backup: 2 tables, {_ROWS} rows" in said
    assert f"on PostgreSQL at 127.0.0.1:{shop.server.port}" in said


def test_a_dry_run_changes_nothing(shop: Shop) -> None:
    before = shop.names()
    said = shop.restore("--into", "orders_dry", "--dry-run")
    assert "postgresql/orders.dump" in said
    assert f"orders: 2 tables, {_ROWS} rows" in said
    assert shop.names() == before


def test_what_is_there_is_left_alone_and_replaced_when_that_is_said(shop: Shop) -> None:
    shop.restore("--into", "orders_lost")
    shop.server.sql("orders_lost", "delete from orders where id > 10")
    assert "--overwrite" in shop.refused("--into", "orders_lost")
    assert shop.amounts("orders_lost")[0] == 10
    shop.restore("--into", "orders_lost", "--overwrite")
    assert shop.amounts("orders_lost") == shop.amounts("orders")


def test_one_table_comes_back_alone(shop: Shop) -> None:
    shop.restore("--into", "orders_table", "--table", "empty")
    tables = shop.server.sql("orders_table", "select tablename from pg_tables where schemaname = 'public'")
    assert tables == [("empty",)]


def test_json_says_what_was_seen(shop: Shop) -> None:
    done = drorch_lines("-c", shop.file, "restore", "-t", "one", "latest:orders", "--into", "orders_json")[-1]
    assert (done["kind"], done["databases"], done["agrees"]) == ("postgresql", ["orders_json"], True)
    assert done["differences"] == []


def test_a_server_that_is_not_there_is_told_in_one_line(shop: Shop, tmp_path: Path) -> None:
    gone = tmp_path / "jobs.toml"
    gone.write_text(shop.file.read_text().replace(f"port = {shop.server.port}", "port = 1"))
    gone.chmod(0o600)
    tmp_path.chmod(0o700)
    line = fault_line(drorch("-c", gone, "restore", "-t", "one", "latest:orders", "--into", "orders_gone", status=30))
    assert shop.server.passwords[BACKUP_USER] not in line


def test_the_dump_is_loaded_without_a_configuration(shop: Shop) -> None:
    dump = drorch(
        "-r", shop.file.parent / "one", "dump", "latest", "--tag", "drorch:job=orders", "/postgresql/orders.dump"
    )
    shop.server.create("orders_by_hand")
    address = (
        f"postgresql://{BACKUP_USER}:{shop.server.passwords[BACKUP_USER]}@127.0.0.1:{shop.server.port}/orders_by_hand"
    )
    command = [str(newest_bin_dir() / "pg_restore"), "--exit-on-error", "--no-owner", "-d", address]
    subprocess.run(command, input=dump.stdout, check=True, capture_output=True, timeout=120)
    assert shop.amounts("orders_by_hand") == shop.amounts("orders")
