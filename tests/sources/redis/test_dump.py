"""A real server is dumped as a replica gets it: whole or not at all, and its password is nowhere."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.errors import DrorchError, DumpFailed, SourceUnavailable
from drorch.sources.databases.facts import RowCount
from drorch.sources.redis import Redis
from tests.servers.redis import BACKUP_USER, RedisServer, program
from tests.sources.redis.dumping import KEYS, dumped, settings, tools


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as started:
        started.fill(KEYS)
        yield started


@pytest.fixture
def large(tmp_path: Path) -> Iterator[RedisServer]:
    """A server whose dump fits into no pipe, so that its client is there while it is read."""
    with RedisServer(tmp_path / "large", "--client-output-buffer-limit", "replica 0 0 0") as started:
        started.fill(60, 500_000)
        yield started


@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_a_dump_is_a_whole_rdb_and_its_keys_are_counted(server: RedisServer, tmp_path: Path, diskless: str) -> None:
    server.cli("config", "set", "repl-diskless-sync", diskless)
    content, facts = dumped(Redis(settings(server), SystemClock()))
    assert content.startswith(b"REDIS")
    file = tmp_path / "dump.rdb"
    file.write_bytes(content)
    subprocess.run([program("redis-check-rdb"), file], check=True, capture_output=True, timeout=60)
    assert facts.kind == "redis"
    assert facts.server == f"Redis {server.cli('info', 'server').partition('redis_version:')[2].split()[0]}"
    assert facts.tool.startswith("redis-cli ")
    found = facts.databases["dump"]
    assert dict(found.tables) == {"keys": RowCount(KEYS), "keys that expire": RowCount(KEYS // 4)}
    assert found.size == len(content)
    assert any(f"db3 about {KEYS // 10} keys" in note for note in found.notes)
    assert any("role master" in note for note in found.notes)


def test_the_file_starts_a_server_that_holds_the_same(server: RedisServer, tmp_path: Path) -> None:
    content, _ = dumped(Redis(settings(server), SystemClock()))
    place = tmp_path / "restored"
    place.mkdir()
    (place / "dump.rdb").write_bytes(content)
    with RedisServer(place) as restored:
        assert restored.cli("dbsize") == str(KEYS - KEYS // 10)
        assert restored.cli("debug", "digest") == server.cli("debug", "digest") or restored.cli("get", "key:1") != ""
        assert int(restored.cli("ttl", "key:4")) > 0


def test_a_user_with_the_least_rights_and_a_socket_are_enough(server: RedisServer) -> None:
    least = replace(settings(server), user=BACKUP_USER, password=lambda: server.backup_password)
    assert list(Redis(least, SystemClock()).preflight()) == []
    by_socket = replace(least, host=None, port=None, socket=server.socket)
    content, facts = dumped(Redis(by_socket, SystemClock()))
    assert content
    assert facts.databases["dump"].tables["keys"] == RowCount(KEYS)


def test_without_a_checker_nothing_is_counted_exactly_and_that_is_said(server: RedisServer, tmp_path: Path) -> None:
    bin_dir = tools(tmp_path, checker=None)
    _, facts = dumped(Redis(replace(settings(server), bin_dir=bin_dir), SystemClock()))
    found = facts.databases["dump"]
    assert found.tables["keys"] == RowCount(KEYS, exact=False)
    assert any("checksum is not known to be right" in note for note in found.notes)


def test_a_checker_older_than_the_server_is_no_fault_of_the_dump(server: RedisServer, tmp_path: Path) -> None:
    bin_dir = tools(tmp_path, checker='echo "--- RDB ERROR DETECTED ---\nCan\'t handle RDB format version 99"; exit 1')
    _, facts = dumped(Redis(replace(settings(server), bin_dir=bin_dir), SystemClock()))
    assert not facts.databases["dump"].tables["keys"].exact
    assert any("older than the server" in note for note in facts.databases["dump"].notes)


def test_the_password_is_in_no_command_line_and_no_environment(large: RedisServer) -> None:
    database = Redis(settings(large), SystemClock())
    secret = large.password.encode()
    with database.dump() as session:
        stream = session.parts()[0].open()
        assert stream.readinto(memoryview(bytearray(10))) == 10
        [client] = _clients(large.port)
        assert secret not in Path(f"/proc/{client}/cmdline").read_bytes()
        assert secret not in Path(f"/proc/{client}/environ").read_bytes()
        stream.close()


def _cli(body: str) -> str:
    """A redis-cli that does something else where it is asked for a dump."""
    return f'case " $* " in *" --rdb "*) {body} ;; *) exec {program("redis-cli")} "$@" ;; esac'


def _real(after: str) -> str:
    """The real stream, through something that changes it; what redis-cli says is kept."""
    return _cli(f'{program("redis-cli")} "$@" | {after}; exit 0')


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (_cli("kill -9 $$"), "was killed by SIGKILL"),
        (_cli("exit 0"), "exited with status 0"),
        (_cli("echo the disk is full >&2; exit 1"), "the disk is full"),
        (_cli("printf 'no rdb at all, never'; exit 0"), "does not begin as an RDB does"),
        (_cli(f'{program("redis-cli")} "$@"; kill -9 $$'), "was killed by SIGKILL"),
        (_cli(f'{program("redis-cli")} "$@"; exit 7'), "exited with status 7"),
        (_real("head -c 5"), "does not begin as an RDB does"),
        (_real("{ head -c 3000; cat > /dev/null; }"), "bytes came, where redis-cli says"),
        (_real("head -c -1"), "bytes came, where redis-cli says"),
        (_real("cat; echo -n x"), "bytes came, where redis-cli says"),
        (_cli(f'{program("redis-cli")} "$@" 2>/dev/null'), "exited with status 0"),
    ],
)
def test_a_stream_that_is_not_whole_is_no_dump(server: RedisServer, tmp_path: Path, body: str, said: str) -> None:
    broken = replace(settings(server), bin_dir=tools(tmp_path, client=body))
    with pytest.raises(DumpFailed) as caught:
        dumped(Redis(broken, SystemClock()))
    assert said in caught.value.message
    assert "\n" not in caught.value.message
    assert server.password not in caught.value.message


@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_a_byte_that_changed_on_the_way_is_seen_by_the_checksum(
    server: RedisServer, tmp_path: Path, diskless: str
) -> None:
    server.cli("config", "set", "repl-diskless-sync", diskless)
    flip = "perl -0777 -pe 'substr($_, length($_) / 2, 1) ^= chr(1)'"
    assert shutil.which("perl")
    broken = replace(settings(server), bin_dir=tools(tmp_path, client=_real(flip)))
    with pytest.raises(DumpFailed, match="redis-check-rdb says"):
        dumped(Redis(broken, SystemClock()))


def test_a_client_that_hangs_is_ended(server: RedisServer, tmp_path: Path) -> None:
    hanging = replace(settings(server), bin_dir=tools(tmp_path, client=_cli("sleep 600")), quiet_seconds=1.0)
    with pytest.raises(DumpFailed, match="printed nothing for 1 s and was killed"):
        dumped(Redis(hanging, SystemClock()))


@pytest.mark.parametrize("victim", ["client", "server"])
def test_what_is_killed_midway_leaves_no_dump(large: RedisServer, victim: str) -> None:
    with Redis(settings(large), SystemClock()).dump() as session:
        stream = session.parts()[0].open()
        assert stream.readinto(memoryview(bytearray(1000))) == 1000
        for process in [large.pid, *_children(large.pid)] if victim == "server" else _clients(large.port):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        with pytest.raises(DumpFailed):
            while stream.readinto(memoryview(bytearray(1 << 20))):
                pass
        stream.close()


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _clients(port: int) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"--rdb" in words and str(port).encode() in words:
                found.append(int(process.name))
    return found


def test_a_stream_left_in_the_middle_ends_in_silence(large: RedisServer) -> None:
    with Redis(settings(large), SystemClock()).dump() as session:
        stream = session.parts()[0].open()
        assert stream.readinto(memoryview(bytearray(10))) == 10
        assert _clients(large.port)
        stream.close()
        stream.close()
    assert _clients(large.port) == []


def test_preflight_says_what_a_dump_would_meet(server: RedisServer, tmp_path: Path) -> None:
    def said(**changes: object) -> str:
        [objection] = Redis(replace(settings(server), **changes), SystemClock()).preflight()  # type: ignore[arg-type]
        assert objection.fatal
        assert objection.hint
        assert server.password not in objection.message
        return objection.message

    assert list(Redis(settings(server), SystemClock()).preflight()) == []
    assert "refuses the password" in said(password=lambda: "wrong")
    assert "refuses the password" in said(password=None)
    assert "redis-cli is not installed" in said(bin_dir=tmp_path)
    server.cli("acl", "setuser", "nobody", "on", ">pw", "+ping", "+info")
    assert "no permissions" in said(user="nobody", password=lambda: "pw")
    server.cli("acl", "setuser", "somebody", "on", ">pw", "+ping", "+info", "+replconf", "+acl")
    assert "may not ask for a dump" in said(user="somebody", password=lambda: "pw")
    server.cli("acl", "setuser", "silent", "on", ">pw", "+ping", "+replconf", "+sync")
    [objection] = Redis(replace(settings(server), user="silent", password=lambda: "pw"), SystemClock()).preflight()
    assert not objection.fatal
    content, facts = dumped(Redis(replace(settings(server), user="silent", password=lambda: "pw"), SystemClock()))
    assert content
    assert facts.server == ""
    assert facts.notes


def test_a_server_that_does_not_answer_may_be_tried_again(server: RedisServer) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        gone = Redis(replace(settings(server), port=nobody.getsockname()[1]), SystemClock())
        with pytest.raises(SourceUnavailable, match="Could not connect"):
            gone.preflight()
        with pytest.raises(SourceUnavailable), gone.dump():
            pass


def test_a_replica_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "replica") as replica:
        replica.cli("replicaof", "127.0.0.1", "1")
        [objection] = Redis(settings(replica), SystemClock()).preflight()
        assert objection.fatal
        assert "cut off from its primary" in objection.message
        with pytest.raises(DrorchError):
            dumped(Redis(settings(replica), SystemClock()))


def test_under_writes_a_dump_is_of_one_moment(server: RedisServer, tmp_path: Path) -> None:
    """Two counters that every transaction keeps equal."""
    server.cli("mset", "one", "0", "other", "0")
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            server.cli(given=b"MULTI\nINCR one\nINCR other\nEXEC\n" * 200)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        began = time.monotonic()
        while server.cli("get", "one") == "0":
            assert time.monotonic() - began < 60
        content, facts = dumped(Redis(settings(server), SystemClock()))
    finally:
        over.set()
        writer.join()
        values = server.cli("mget", "one", "other")
        server.cli("del", "one", "other")
    assert len(set(values.split())) == 1
    assert facts.databases["dump"].tables["keys"] == RowCount(KEYS + 2)
    place = tmp_path / "restored"
    place.mkdir()
    (place / "dump.rdb").write_bytes(content)
    with RedisServer(place) as restored:
        one, other = restored.cli("mget", "one", "other").split()
        assert one == other
        assert int(one) > 0


def test_no_file_is_written_meanwhile(large: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", None)
    with Redis(settings(large), SystemClock()).dump() as session:
        stream = session.parts()[0].open()
        assert stream.readinto(memoryview(bytearray(10))) == 10
        assert list(place.iterdir()) == []
        stream.close()
