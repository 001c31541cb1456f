"""MariaDB as an administrator saves it and puts it back, on a real server."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.commandline import drorch
from tests.cli.homes import install
from tests.servers.mariadb import MariaDB, own, private_place, program

_ROWS = 500
_SAVING = "SELECT, SHOW VIEW, TRIGGER, LOCK TABLES, EVENT, RELOAD, PROCESS, BINLOG MONITOR ON *.*"
_CONTENT = (
    "create table orders (id int primary key auto_increment, amount int not null, twice int as (amount * 2) stored)",
    "insert into orders (amount) select seq from seq_1_to_500",
    "create table `odd ``name``` (`a b` varbinary(300), note text) default charset utf8mb4",
    "create table empty (id int)",
    "create table parent (id int primary key)",
    "create table child (id int primary key, parent int, foreign key (parent) references parent (id))",
    "insert into parent values (1), (2)",
    "insert into child values (1, 1), (2, 2)",
    "create table split (id int) partition by range (id) (partition low values less than (10),"
    " partition high values less than maxvalue)",
    "insert into split select seq from seq_1_to_20",
    "create view totals as select sum(amount) as total from orders",
    "create procedure add_order(n int) insert into orders (amount) values (n)",
    "create function half(n int) returns int deterministic return n div 2",
    "create trigger stamped before insert on child for each row set new.id = new.id",
    "create event nightly on schedule every 1 day disable do delete from empty",
)


@dataclass(frozen=True)
class Shop:
    """A server with the database orders, and an installation whose job saved it once."""

    server: MariaDB
    file: Path

    def restore(self, *arguments: str, status: int = 0) -> str:
        """What `drorch restore` prints."""
        done = drorch("-c", self.file, "restore", "-t", "one", "latest:orders", *arguments, status=status)
        return done.stdout.decode()

    def refused(self, *arguments: str) -> str:
        """The line that says why there is no restore; warnings stand before it."""
        done = drorch("-c", self.file, "restore", "-t", "one", "latest:orders", *arguments, status=40)
        return done.stderr.decode().splitlines()[-1]

    def one(self, query: str) -> tuple[object, ...]:
        """The one row that a query answers."""
        with self.server.connected() as cursor:
            cursor.execute(query)
            row = cursor.fetchone()
        assert row is not None
        return tuple(row)


def job(folder: Path, server: MariaDB, name: str, user: str, password: str, keys: str, facts: str = "") -> str:
    """The table of a job that saves databases of a server."""
    secret = folder / f"{name}-password"
    secret.write_text(password)
    secret.chmod(0o600)
    return f"""
        [jobs.{name}]
        targets = ["one"]
        {facts}
        [jobs.{name}.source]
        type = "mariadb"
        host = "127.0.0.1"
        port = {server.port}
        user = "{user}"
        password = {{ file = "{secret}" }}
        {keys}
        """


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("orders")
    with MariaDB.new("--log-bin-trust-function-creators=1") as server:
        with server.connected() as cursor:
            cursor.execute("create database orders character set utf8mb4")
            cursor.execute("use orders")
            for statement in _CONTENT:
                cursor.execute(statement)
            every_byte = bytes(range(256))
            cursor.execute("insert into `odd ``name``` values (%s, %s)", (every_byte, "naïve ☃ \\ ' \" \n ; -- "))
        facts = 'facts = { amount = "select sum(amount) from orders" }'
        keys = 'database = "orders"\n        users = false'
        saving = job(folder, server, "orders", "backup", server.create_user("backup", _SAVING), keys, facts)
        rights = "ALL ON `orders\\_%`.*"
        loading = job(folder, server, "loader", "loader", server.create_user("loader", rights), keys, facts)
        file = install(folder, extra=saving + loading)
        drorch("-c", file, "run", "orders")
        yield Shop(server, file)


def test_it_comes_back_under_another_name_and_agrees(shop: Shop) -> None:
    said = shop.restore("--into", "orders_check", "--using", "loader")
    assert "agrees with the facts recorded at backup: 6 tables, 525 rows" in said
    for query in (
        "select count(*), sum(amount), sum(twice) from {}.orders",
        "select hex(`a b`), note from {}.`odd ``name```",
    ):
        assert shop.one(query.format("orders_check")) == shop.one(query.format("orders"))
    assert shop.one("select total from orders_check.totals") == shop.one("select total from orders.totals")
    assert shop.one("select orders_check.half(8)") == (4,)
    for table, column in (("ROUTINES", "ROUTINE_SCHEMA"), ("TRIGGERS", "TRIGGER_SCHEMA"), ("EVENTS", "EVENT_SCHEMA")):
        query = f"select count(*) from information_schema.{table} where {column} = "  # noqa: S608
        assert shop.one(query + "'orders_check'") == shop.one(query + "'orders'")


def test_what_is_there_is_replaced_only_on_demand(shop: Shop) -> None:
    shop.restore("--into", "orders_again", "--using", "loader")
    assert "database orders_again is not empty" in shop.refused("--into", "orders_again", "--using", "loader")
    with shop.server.connected(database="orders_again") as cursor:
        cursor.execute("delete from orders")
    shop.restore("--into", "orders_again", "--using", "loader", "--overwrite")
    assert shop.one("select count(*) from orders_again.orders") == (_ROWS,)


def test_a_row_more_or_less_is_a_difference(shop: Shop) -> None:
    said = shop.restore("--into", "orders_one", "--using", "loader", "--table", "orders")
    assert shop.one("select count(*) from information_schema.tables where table_schema = 'orders_one'") == (1,)
    assert "orders" in said


def test_an_account_that_may_do_anything_is_not_lent_to_a_dump(shop: Shop) -> None:
    text = shop.file.read_text()
    root = job(shop.file.parent, shop.server, "asroot", "root", shop.server.password, 'database = "orders"')
    shop.file.write_text(text + root)
    with shop.server.connected() as cursor:
        cursor.execute(f"create or replace user root@`127.0.0.1` identified by '{shop.server.password}'")
        cursor.execute("grant all on *.* to root@`127.0.0.1` with grant option")
    try:
        assert "the account may do more than load a database" in shop.refused("--into", "x", "--using", "asroot")
        shop.restore("--into", "orders_super", "--using", "asroot", "--as-superuser")
    finally:
        shop.file.write_text(text)


def test_a_dump_that_holds_commands_of_the_client_runs_none(shop: Shop, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    commands = f"\\! touch {proof}\nsystem touch {proof}\nsource {tmp_path}/none\n"
    hostile = f"create table t (a int);\n{commands}-- Dump completed\n".encode()
    stored = ("--stdin", "--stdin-filename", "mariadb/orders.sql", "--tag", "drorch:job=orders")
    drorch("-c", shop.file, "-t", "two", "backup", *stored, stdin=hostile)
    into = ("--into", "orders_evil", "--using", "loader")
    done = drorch("-c", shop.file, "restore", "-t", "two", "latest", *into, status=40)
    assert b"orders_evil, which was new, is removed again" in done.stderr
    assert not proof.exists()


def test_any_restic_gives_a_dump_that_the_client_loads(shop: Shop) -> None:
    dumped = drorch("-c", shop.file, "dump", "-t", "one", "latest:orders", "/mariadb/orders.sql").stdout
    with shop.server.connected() as cursor:
        cursor.execute("create database orders_bare")
    client = [program("mariadb"), "--no-defaults", "-S", str(shop.server.socket), "-uroot", f"-p{shop.server.password}"]
    subprocess.run([*client, "orders_bare"], input=dumped, check=True, capture_output=True, timeout=60)
    assert shop.one("select count(*), sum(amount) from orders_bare.orders") == shop.one(
        "select count(*), sum(amount) from orders.orders"
    )


def test_the_servers_files_are_copied_while_it_works_and_start_again(shop: Shop) -> None:
    rights = "RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR ON *.*"
    password = shop.server.create_user("copier", rights)
    text = shop.file.read_text()
    shop.file.write_text(text + job(shop.file.parent, shop.server, "copied", "copier", password, "physical = true"))
    try:
        drorch("-c", shop.file, "run", "copied")
        with private_place() as place:
            into = ("--into", place / "data")
            drorch("-c", shop.file, "restore", "-t", "one", "latest:copied", *into)
            own(place)
            with MariaDB(place, shop.server.password).started() as again, again.connected() as cursor:
                cursor.execute("select count(*), sum(amount) from orders.orders")
                assert cursor.fetchone() == shop.one("select count(*), sum(amount) from orders.orders")
                cursor.execute("check table orders.orders extended")
                assert [row[-1] for row in cursor.fetchall()] == ["OK"]
    finally:
        shop.file.write_text(text)
