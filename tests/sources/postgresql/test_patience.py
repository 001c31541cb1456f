"""Connections to a server that is stopped in the middle are given up; one that only takes its time is not."""

import os
import signal

import psycopg
import pytest

from drorch.sources.postgresql.server import connected
from tests.servers.postgresql import Postgresql
from tests.sources.postgresql.dumps import settings_for


def test_a_server_that_is_stopped_is_given_up(server: Postgresql) -> None:
    with connected(settings_for(server), "postgres", 1.0) as connection:
        [pid] = connection.execute("select pg_backend_pid()").fetchone() or [0]
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(psycopg.OperationalError, match="silent for 1 s"):
                connection.execute("select 1")
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_server_that_goes_on_sending_is_waited_for(server: Postgresql) -> None:
    query = "select n, pg_sleep(0.1), repeat('x', 20000) from generate_series(1, 25) n"
    with connected(settings_for(server), "postgres", 2.0) as connection:
        assert len(connection.execute(query).fetchall()) == 25


def test_without_a_limit_it_is_waited_for(server: Postgresql) -> None:
    with connected(settings_for(server), "postgres") as connection:
        assert connection.execute("select 1 from pg_sleep(1.5)").fetchall() == [(1,)]
