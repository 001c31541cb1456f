"""A dump that fails in any way is no dump; one taken while others write is of one moment."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from drorch.errors import DumpFailed, SourceUnavailable
from drorch.sources.databases.contract import RestoreWish
from drorch.sources.postgresql.settings import PostgresqlSettings
from tests.servers.children import descendants
from tests.servers.postgresql import BACKUP_USER, Postgresql, newest_bin_dir
from tests.sources.postgresql import writing
from tests.sources.postgresql.databases import new_name
from tests.sources.postgresql.dumps import dumped, kind_of, read_whole, settings_for


@pytest.fixture(scope="module")
def large(server: Postgresql) -> str:
    """A database whose dump fits into no pipe."""
    name = server.create(new_name("large"))
    server.sql(name, "create table t as select i, repeat(md5(i::text), 8) v from generate_series(1, 60000) i")
    return name


def interrupted(settings: PostgresqlSettings, strike: Callable[[], None]) -> DumpFailed:
    """The error of a dump that something befalls when its first bytes have come."""
    with pytest.raises(DumpFailed) as caught, kind_of(settings).dump() as session:
        (part,) = session.parts()
        stream = part.open()
        buffer = memoryview(bytearray(4096))
        try:
            assert stream.readinto(buffer) > 0
            strike()
            while stream.readinto(buffer):
                pass
        finally:
            stream.close()
        session.facts()
    assert "\n" not in caught.value.message and caught.value.exit_code == 31
    return caught.value


def dumps_running() -> list[int]:
    """The pg_dump processes of this process."""
    found = []
    for pid in descendants(os.getpid()):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "pg_dump":
                found.append(pid)
    return found


def test_pg_dump_is_killed(server: Postgresql, large: str) -> None:
    def strike() -> None:
        for pid in dumps_running():
            os.kill(pid, signal.SIGKILL)

    fault = interrupted(settings_for(server, large, globals=False), strike)
    assert "pg_dump was killed by SIGKILL" in fault.message


def test_its_statement_is_cancelled_and_its_session_ended(server: Postgresql, large: str) -> None:
    for how in ("pg_cancel_backend", "pg_terminate_backend"):

        def strike(how: str = how) -> None:
            (chosen,) = [
                row[0]
                for row in server.sql("postgres", "select pid, application_name from pg_stat_activity")
                if row[1] == "pg_dump"
            ]
            assert server.sql("postgres", f"select {how}({chosen})") == [(True,)]

        fault = interrupted(settings_for(server, large, globals=False), strike)
        assert f"database {large}: pg_dump exited with status 1" in fault.message


def test_a_dump_that_hangs_is_ended(server: Postgresql, large: str) -> None:
    def strike() -> None:
        for pid in dumps_running():
            os.kill(pid, signal.SIGSTOP)

    fault = interrupted(settings_for(server, large, globals=False, quiet_seconds=1.0), strike)
    assert "printed nothing for 1 s" in fault.message and dumps_running() == []


def test_a_dump_that_waits_for_a_lock_is_ended(server: Postgresql, large: str) -> None:
    with server.connect(large) as connection, connection.transaction():
        connection.execute("lock table t in access exclusive mode")
        with pytest.raises(DumpFailed, match="printed nothing for 1 s"):
            dumped(settings_for(server, large, globals=False, quiet_seconds=1.0))


def test_the_server_is_killed() -> None:
    with Postgresql() as alone:
        name = alone.create("gone")
        alone.sql(name, "create table t as select i, repeat('x', 500) v from generate_series(1, 20000) i")
        settings = settings_for(alone, name, globals=False)
        interrupted(settings, alone.stop)
        with pytest.raises(SourceUnavailable), kind_of(settings).dump():
            pass
        alone.start()
        assert dumped(settings).facts.databases[name].tables["public.t"].rows == 20_000


def test_a_stream_that_is_left_early_ends_pg_dump_in_silence(server: Postgresql, large: str) -> None:
    with kind_of(settings_for(server, large, globals=False)).dump() as session:
        (part,) = session.parts()
        stream = part.open()
        stream.readinto(memoryview(bytearray(100)))
        assert dumps_running()
        stream.close()
        stream.close()
        assert dumps_running() == []


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("head -c 0", "cut short: most of it is missing"),
        ("head -c 5000", "cut short"),
        ("head -c -1", "cut short: the data of 1 of its tables is missing"),
        ("sed 's/^PGDMP/PGDUP/'", "it is no archive of pg_dump"),
        ("cat; echo 'pg_dump: error: something' >&2", "pg_dump complained: pg_dump: error: something"),
        ("cat; echo more", "blocks|does not name|cut short"),
        ("cat; exit 3", "pg_dump exited with status 3"),
        ("cat; kill -TERM $$", "pg_dump was killed by SIGTERM"),
        ("cat >/dev/null; echo no >&2; exit 1", "pg_dump exited with status 1: no"),
    ],
)
def test_a_dump_that_is_not_whole(server: Postgresql, large: str, tmp_path: Path, lines: str, told: str) -> None:
    real = newest_bin_dir() / "pg_dump"
    tool = tmp_path / "pg_dump"
    rest = f'"$@" | ( {lines} )' if "kill" not in lines else '"$@"\nkill -TERM $$'
    tool.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec {real} --version\n{real} {rest}\n')
    tool.chmod(0o755)
    with pytest.raises(DumpFailed, match=told):
        dumped(settings_for(server, large, globals=False, bin_dir=tmp_path))


def test_warnings_are_notes(server: Postgresql, tmp_path: Path) -> None:
    name = server.create(new_name("warned"))
    real = newest_bin_dir() / "pg_dump"
    tool = tmp_path / "pg_dump"
    tool.write_text(f"#!/bin/sh\n{real} \"$@\" && echo 'pg_dump: warning: beware' >&2\n")
    tool.chmod(0o755)
    settings = settings_for(server, name, globals=False, bin_dir=tmp_path)
    assert dumped(settings).facts.databases[name].notes == ("pg_dump: warning: beware",)


@contextlib.contextmanager
def writer(server: Postgresql, database: str) -> Iterator[None]:
    """Another process that writes all the time."""
    conninfo = f"host={server.host} port={server.port} dbname={database} user={BACKUP_USER}"
    command = [sys.executable, "-m", writing.__name__, conninfo]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(server.passwords[BACKUP_USER].encode() + b"\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"writing\n"
        yield
        assert child.poll() is None
    finally:
        child.kill()
        child.communicate()


def test_what_is_dumped_while_others_write_is_of_one_moment(server: Postgresql) -> None:
    name = server.create(new_name("busy"))
    with server.connect(name, BACKUP_USER) as connection:
        writing.prepare(connection)
    total = "select sum(balance) from (select balance from here union all select balance from there) s"
    settings = settings_for(server, name, facts={"sum": total, "moves": "select count(*) from moves"}, globals=False)
    with writer(server, name):
        dumps = []
        for _ in range(3):
            dumps.append(dumped(settings))
            time.sleep(0.2)
    moves = [dump.facts.databases[name].tables["public.moves"].rows for dump in dumps]
    assert moves == sorted(set(moves))
    for dump in dumps:
        facts = dump.facts.databases[name]
        assert facts.named == {"sum": str(writing.SUM), "moves": str(facts.tables["public.moves"].rows)}
        into = new_name("busy")
        done = kind_of(settings).restore(RestoreWish(into=into), dump.stored, dump.facts)
        assert (done.differences, done.compared) == ((), True)
        assert server.sql(into, total) == [(writing.SUM,)]


def test_the_password_is_seen_by_nobody(server: Postgresql, large: str) -> None:
    secret = server.passwords[BACKUP_USER].encode()
    with kind_of(settings_for(server, large, globals=False)).dump() as session:
        (part,) = session.parts()
        stream = part.open()
        (pid,) = dumps_running()
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        (passfile,) = [line[11:] for line in environment.split(b"\0") if line.startswith(b"PGPASSFILE=")]
        path = Path(os.fsdecode(passfile))
        assert secret not in environment + Path(f"/proc/{pid}/cmdline").read_bytes()
        assert secret in path.read_bytes() and path.stat().st_mode & 0o777 == 0o600
        read_whole(stream)
    assert not path.exists()


def test_a_backup_role_that_cannot_log_in(server: Postgresql) -> None:
    locked = server.role(new_name("locked"), "nologin")
    with pytest.raises(SourceUnavailable, match="not permitted to log in"):
        kind_of(settings_for(server, "postgres", user=locked)).preflight()
    with pytest.raises(psycopg.OperationalError):
        server.connect("postgres", locked)
