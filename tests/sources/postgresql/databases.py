"""Databases that hold what is hard to dump and to put back."""

import secrets

from tests.servers.postgresql import Postgresql

ODD = 'Odd "näme"\n€'

RICH = (
    "create extension hstore; create extension pgcrypto",
    "create type mood as enum ('sad', 'ok', 'happy'); create domain small as int check (value < 1000)",
    "create type pair as (a int, b text)",
    "create table accounts (id int generated always as identity primary key, name text not null, balance numeric not"
    " null default 0, kind varchar(10) check (kind in ('a', 'b')), twice numeric generated always as (balance * 2)"
    " stored, feeling mood default 'ok', note hstore, both_ pair)",
    "insert into accounts (name, balance, kind) select 'n' || i, 100, 'a' from generate_series(1, 500) i",
    "create index on accounts (lower(name)) where balance > 0",
    "create table empty (a int, b small); create table nothing ()",
    "insert into nothing select from generate_series(1, 7)",
    "create table texts (t text); insert into texts values (E'a\\nb\\tc\\\\d'), ('\\.'), (null), (''), (repeat('x',"
    " 3000)), (repeat(E'\\n', 70000)), (repeat('y', 2555))",
    "create table bytes (b bytea); insert into bytes select gen_random_bytes(i * 37) from generate_series(1, 27) i",
    "create table parts (at date not null, v int) partition by range (at)",
    "create table parts_1 partition of parts for values from ('2026-01-01') to ('2026-02-01')",
    "create table parts_2 partition of parts for values from ('2026-02-01') to ('2026-03-01')",
    "insert into parts select '2026-01-01'::date + i % 59, i from generate_series(0, 999) i",
    "create table parent (a int); create table child (b int) inherits (parent)",
    "insert into parent values (1); insert into child values (2, 3), (4, 5)",
    "create sequence counter start 5 increment 3; select nextval('counter'), nextval('counter')",
    "create view rich as select id, name from accounts where balance >= 100 and kind in ('a', 'b')",
    "create materialized view total as select sum(balance) s from accounts",
    "create function touched() returns trigger language plpgsql as $$ begin new.name := new.name || '!'; return new;"
    " end $$",
    "create trigger touch before update of kind on accounts for each row execute function touched()",
    "create schema other; create table other.t (id int references accounts (id), unique (id));"
    " insert into other.t values (1), (2)",
    "create rule quiet as on delete to empty do instead nothing",
    "create statistics both_s on a, b from empty",
    "create unlogged table scratch (a int); insert into scratch values (1)",
    "select lo_from_bytea(0, decode(repeat('00ff0a5c', 50000), 'hex')), lo_from_bytea(0, '')",
)


def new_name(prefix: str) -> str:
    """A name that no other test uses."""
    return f"{prefix}_{secrets.token_hex(3)}"


def rich_database(server: Postgresql) -> str:
    """A new database with all kinds of things in it, which belongs to `backup`; its name."""
    name = server.create(new_name("rich"))
    with server.connect(name, "backup") as connection:
        for statement in RICH:
            connection.execute(statement.encode())
        odd = ODD.replace('"', '""')
        connection.execute(f'create schema "{odd}"; create table "{odd}"."{odd}" ("{odd}" int)'.encode())
        connection.execute(f'insert into "{odd}"."{odd}" select generate_series(1, 11)'.encode())
    return name
