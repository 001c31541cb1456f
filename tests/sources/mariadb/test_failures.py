"""Whatever goes wrong with a dump is `DumpFailed` in one clear line, never a shorter dump."""

import os
import signal
import time
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.errors import DumpFailed, SourceUnavailable
from drorch.sources.databases.contract import DumpStream
from drorch.sources.mariadb.kind import Mariadb
from drorch.sources.mariadb.settings import MariadbSettings
from tests.servers.children import descendants
from tests.servers.mariadb import MariaDB, program
from tests.sources.mariadb.databases import new_name
from tests.sources.mariadb.dumps import folder_of_tools, kind_for, read_whole, take

LINES = "LOCK TABLES `t` WRITE;\\nINSERT INTO `t` VALUES\\n(1);\\nUNLOCK TABLES;\\n"
DONE = "-- Dump completed\\n"
VERSION = 'case "$1" in --version) echo mariadb-dump Ver 10.19 Distrib 10.11.19-MariaDB; exit;; esac'


@pytest.fixture(scope="module")
def name(server: MariaDB) -> str:
    """A database with one table of 20 MB."""
    made = new_name("failing")
    with server.connected() as cursor:
        cursor.execute(f"CREATE DATABASE {made}")
        cursor.execute(f"USE {made}")
        cursor.execute(
            "CREATE TABLE t (id INT PRIMARY KEY, pad TEXT) AS SELECT seq id, REPEAT('x', 1000) pad FROM seq_1_to_20000"
        )
    return made


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (f"printf '{LINES}{DONE}'; exit 2", "exited with status 2"),
        (f"printf '{LINES}{DONE}'; kill -SEGV $$", "was killed by SIGSEGV"),
        (f"printf '{LINES}'", "closing line is missing"),
        (f"printf '{LINES}-- Dump completed'", "closing line is missing"),
        (f"printf '{LINES}{DONE}(2);\\n'", "closing line is missing"),
        ("exit 0", "closing line is missing"),
        (f"printf '{LINES}{DONE}'; echo mysqldump: Got error: 1356 >&2", "complained; it said: mysqldump: Got error"),
        (f"echo mysqldump: Error 2013: Lost connection >&2; printf '{LINES}'; exit 3", "Lost connection"),
        (f"printf '{LINES}'; sleep 60", "printed nothing for 1 s"),
        (f"printf '{LINES}{DONE}'; exec >&-; sleep 60", "did not end|printed nothing"),
    ],
)  # fmt: skip
def test_a_tool_that_fails(server: MariaDB, name: str, tmp_path: Path, script: str, told: str) -> None:
    tools = folder_of_tools(tmp_path / "tools", mariadb_dump=f"{VERSION}\n{script}")
    kind = kind_for(server, name, bin_dir=tools, quiet_seconds=1.0)
    with pytest.raises(DumpFailed, match=told) as caught:
        take(kind)
    assert server.password not in caught.value.message
    assert "\n" not in caught.value.message


def test_a_tool_that_does_well_is_believed(server: MariaDB, name: str, tmp_path: Path) -> None:
    """The scripts above fail for what they do, and not for being scripts."""
    tools = folder_of_tools(tmp_path / "tools", mariadb_dump=f"{VERSION}\nprintf '{LINES}{DONE}'; echo note >&2")
    taken = take(kind_for(server, name, bin_dir=tools))
    assert taken.facts is not None
    assert taken.facts.databases[name].tables["t"].rows == 1


def _begun(stream: DumpStream) -> None:
    buffer = memoryview(bytearray(1 << 16))
    assert stream.readinto(buffer)


def _tools() -> list[int]:
    dumps = program("mariadb-dump")
    found = [pid for pid in descendants(os.getpid()) if _is_run_by(pid, Path(dumps).resolve())]
    assert found
    return found


def _is_run_by(pid: int, path: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/exe").resolve() == path
    except OSError:
        return False


def test_a_tool_that_is_killed(server: MariaDB, name: str) -> None:
    with kind_for(server, name).dump() as session:
        [part] = session.parts()
        stream = part.open()
        _begun(stream)
        for pid in _tools():
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(DumpFailed, match="SIGKILL"):
            read_whole(stream)
        stream.close()


def test_one_left_early_is_ended_in_silence(server: MariaDB, name: str) -> None:
    with kind_for(server, name).dump() as session:
        [part] = session.parts()
        stream = part.open()
        _begun(stream)
        [pid] = _tools()
        stream.close()
        assert not Path(f"/proc/{pid}").exists()


def test_no_password_in_arguments_or_environment_and_no_file_left(server: MariaDB, name: str) -> None:
    with kind_for(server, name).dump() as session:
        [part] = session.parts()
        stream = part.open()
        _begun(stream)
        [pid] = _tools()
        told = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert server.password.encode() not in told + Path(f"/proc/{pid}/environ").read_bytes()
        [options] = [word for word in told.decode().split("\0") if word.startswith("--defaults-file=")]
        file = Path(options.partition("=")[2])
        assert file.stat().st_mode & 0o777 == 0o600
        assert server.password in file.read_text()
        stream.close()
    assert not file.parent.exists()


def test_a_server_that_dies_midway() -> None:
    with MariaDB.new() as server:
        with server.connected() as cursor:
            cursor.execute("CREATE DATABASE big")
            cursor.execute("CREATE TABLE big.t AS SELECT seq, REPEAT('x', 1000) pad FROM big.seq_1_to_60000")
        with kind_for(server, "big").dump() as session:
            [part] = session.parts()
            stream = part.open()
            _begun(stream)
            server.kill()
            with pytest.raises(DumpFailed, match="Lost connection"):
                read_whole(stream)
            stream.close()
        with pytest.raises(SourceUnavailable, match="does not answer"), kind_for(server, "big").dump():
            pass


def test_a_view_that_lost_its_table_fails_the_dump(server: MariaDB) -> None:
    name = new_name("broken")
    with server.connected() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        cursor.execute(f"USE {name}")
        cursor.execute("CREATE TABLE t (a INT)")
        cursor.execute("CREATE VIEW v AS SELECT a FROM t")
        cursor.execute("DROP TABLE t")
    with pytest.raises(DumpFailed, match=r"\bv\b"):
        take(kind_for(server, name))


def test_who_does_not_answer_and_who_refuses(server: MariaDB, name: str) -> None:
    nobody = MariadbSettings((name,), socket="/nowhere/s.sock", user="root")
    with pytest.raises(SourceUnavailable, match=r"/nowhere/s\.sock"), Mariadb(nobody, SystemClock()).dump():
        pass
    started = time.monotonic()
    wrong = kind_for(server, name, password=lambda: "wrong")
    with pytest.raises(DumpFailed, match="refuses the account root") as caught, wrong.dump():
        pass
    assert time.monotonic() - started < 20
    assert "wrong" not in caught.value.message
    with pytest.raises(DumpFailed, match="no database nowhere"), kind_for(server, "nowhere").dump():
        pass
