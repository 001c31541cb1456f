"""A process that moves money between accounts until it is ended: every transaction keeps the sum as it was."""

import random
import sys

import psycopg

SUM = 100_000
_ACCOUNTS = 1000


def prepare(connection: psycopg.Connection) -> None:
    """Make the accounts, in two tables."""
    for table in ("here", "there"):
        connection.execute(f"create table {table} (id int primary key, balance int not null)".encode())
        fill = f"insert into {table} select i, {SUM // _ACCOUNTS // 2} from generate_series(1, {_ACCOUNTS}) i"  # noqa: S608
        connection.execute(fill.encode())
    connection.execute("create table moves (at int, amount int)")


def write(conninfo: str) -> None:
    """Move until killed; a line on standard output when it has begun. The password comes by standard input."""
    chance = random.Random(7)  # noqa: S311
    with psycopg.connect(conninfo, password=sys.stdin.readline().strip()) as connection:
        for at in range(1_000_000):
            amount = chance.randint(1, 10)
            takes, gives = chance.sample(["here", "there"], 2)
            for table, change in ((takes, -amount), (gives, amount)):
                query = f"update {table} set balance = balance + {change} where id = {chance.randint(1, _ACCOUNTS)}"  # noqa: S608
                connection.execute(query.encode())
            connection.execute("insert into moves values (%s, %s)", [at, amount])
            connection.commit()
            if at == 20:
                sys.stdout.write("writing\n")
                sys.stdout.flush()


if __name__ == "__main__":
    write(sys.argv[1])
