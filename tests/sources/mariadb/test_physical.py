"""A copy of a server's files under load becomes a server again; whatever is wrong with one is refused."""

import re
import struct
import zlib
from pathlib import Path

import pytest

from drorch.errors import DumpFailed, RestoreError
from drorch.sources.databases.contract import RestoreWish
from drorch.sources.mariadb.settings import PHYSICAL_NAME
from drorch.sources.mariadb.xbstream import PathGuard
from tests.servers.mariadb import MariaDB, own, private_place, program
from tests.sources.mariadb.databases import new_name
from tests.sources.mariadb.dumps import Taken, folder_of_tools, kind_for, take, wish
from tests.sources.mariadb.writing import SUM, sum_of, writing
from tests.sources.needs import need_root


@pytest.fixture(autouse=True)
def able() -> None:
    """The copy is made of the server's own files."""
    need_root()
    program("mariabackup")


def chunk(path: bytes, content: bytes = b"x", magic: bytes = b"XBSTCK01") -> bytes:
    """A piece of a file as it stands in a stream."""
    head = struct.pack("<8sBcI", magic, 0, b"P", len(path)) + path
    return head + struct.pack("<QQI", len(content), 0, 0) + content


def test_under_load_a_server_starts_on_it_and_is_sound(server: MariaDB) -> None:
    name = new_name("bank")
    with writing(server, name) as writer:
        taken = take(kind_for(server, physical=True))
        assert writer.committed() > 0
    assert taken.names() == [PHYSICAL_NAME]
    assert taken.facts is not None
    assert not taken.facts.databases[name].tables["accounts"].exact
    with private_place() as place:
        wanted = RestoreWish(into=str(place / "data"))
        kind = kind_for(server)
        assert [one for one in kind.restore_preflight(wanted, taken, taken.facts) if one.fatal] == []
        loaded = kind.restore(wanted, taken, taken.facts)
        assert not loaded.compared
        assert any("chown" in note for note in loaded.notes)
        own(place)
        with MariaDB(place, server.password).started() as again:
            assert sum_of(again, name) == SUM
            with again.connected(database=name) as cursor:
                cursor.execute("CHECK TABLE accounts, log EXTENDED")
                assert {row[3] for row in cursor.fetchall()} == {"OK"}


def test_a_folder_with_something_in_it_is_left_alone(server: MariaDB, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    taken = Taken({PHYSICAL_NAME: b""})
    for into in (str(tmp_path), "relative", None):
        with pytest.raises(RestoreError):
            kind_for(server).restore(RestoreWish(into=into, overwrite=True), taken, None)
        [objection] = kind_for(server).restore_preflight(RestoreWish(into=into), taken, None)
        assert objection.fatal
    with pytest.raises(RestoreError, match="whole"):
        kind_for(server).restore(RestoreWish(into=str(tmp_path / "new"), tables=("t",)), taken, None)


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        (chunk(b"../escaped"), "go elsewhere"),
        (chunk(b"a/../../escaped"), "go elsewhere"),
        (chunk(b"/tmp/escaped"), "go elsewhere"),
        (chunk(b"fine") + chunk(b"a/.."), "go elsewhere"),
        (b"no stream at all, and long enough", "not what mariabackup writes"),
        (chunk(b"fine", b"x" * 100)[:-1], "middle of a file"),
        (chunk(b"fine") + b"XBST", "middle of a file"),
    ],
)
def test_a_hostile_copy_leaves_its_folder_to_nobody(server: MariaDB, tmp_path: Path, stream: bytes, told: str) -> None:
    taken = Taken({PHYSICAL_NAME: stream}, piece=7)
    with pytest.raises(RestoreError, match=told):
        kind_for(server).restore(wish(str(tmp_path / "deep" / "data")), taken, None)
    assert not (tmp_path / "escaped").exists()
    assert not (tmp_path / "deep" / "escaped").exists()


def test_a_whole_stream_passes_the_guard_in_any_pieces() -> None:
    end = struct.pack("<8sBcI", b"XBSTCK01", 0, b"E", 1) + b"a"
    stream = chunk(b"a", b"123" * 100) + chunk(b"b/c", b"") + end
    for size in (1, 2, 13, 64, len(stream)):
        guard = PathGuard()
        for start in range(0, len(stream), size):
            guard.feed(stream[start : start + size])
        guard.finish()


def test_a_file_that_the_unpacker_leaves_out_is_missing(server: MariaDB, tmp_path: Path) -> None:
    taken = Taken({PHYSICAL_NAME: chunk(b"./ibdata1")})
    with pytest.raises(RestoreError, match="invalid filename"):
        kind_for(server).restore(wish(str(tmp_path / "data")), taken, None)


@pytest.mark.parametrize("script", ["exit 1", "exit 0", "echo 'completed OK!' >&2; echo more >&2", "kill -KILL $$"])
def test_a_copy_that_does_not_complete(server: MariaDB, tmp_path: Path, script: str) -> None:
    version = 'case "$1" in --version) echo mariabackup based on MariaDB server 10.11.19-MariaDB; exit;; esac'
    tools = folder_of_tools(tmp_path / "tools", mariabackup=f"{version}\necho data\n{script}")
    with pytest.raises(DumpFailed, match="the copy of the server: the tool"):
        take(kind_for(server, physical=True, bin_dir=tools))


@pytest.mark.parametrize(
    ("path", "content", "told"),
    [
        (b"backup-my.cnf", b"[mysqld]\nplugin_load=evil.so\n", "plugin_load=evil.so"),
        (b"backup-my.cnf", b"[mariabackup]\nplugin-dir = /tmp\n", "mariabackup"),
        (b"backup-my.cnf", b"[mysqld]\n  plugin_load = evil.so", "plugin_load"),
        (b"backup-my.cnf", b"[mysqld]\ninnodb_page_size=16384\rplugin_load=evil.so\n", "innodb_page_size"),
        (b"backup-my.cnf", b"[mysqld]\n!include /tmp/evil.cnf\n", "!include"),
        (b"backup-my.cnf", b"[mysqld]\ninnodb_data_file_path=/tmp/ibdata:12M\n", "ibdata"),
        (b"backup-my.cnf", b"[mysqld]\ninnodb_undo_directory=../..\n", "undo"),
        (b"backup-my.cnf", b"#" * 100_000, "none that mariabackup writes"),
        (b"shop/backup-my.cnf", b"[mysqld]\nplugin_load=evil.so\n", "plugin_load"),
        (b"shop/t.isl", b"/tmp/t.ibd", "lie elsewhere: shop/t.isl"),
    ],
)
def test_a_copy_has_nothing_loaded_and_points_nowhere(
    server: MariaDB, tmp_path: Path, path: bytes, content: bytes, told: str
) -> None:
    end = struct.pack("<8sBcI", b"XBSTCK01", 0, b"E", len(path)) + path
    stream = struct.pack("<8sBcI", b"XBSTCK01", 0, b"P", len(path)) + path
    stream += struct.pack("<QQI", len(content), 0, zlib.crc32(content)) + content + end
    proof = tmp_path / "proof"
    tools = folder_of_tools(
        tmp_path / "tools",
        mariabackup=f'case "$1" in --version) echo mariabackup; exit;; esac\ntouch {proof}\necho completed OK! >&2',
        mbstream=f'exec {program("mbstream")} "$@"',
    )
    kind = kind_for(server, bin_dir=tools)
    taken = Taken({PHYSICAL_NAME: stream})
    with pytest.raises(RestoreError, match=re.escape(told)) as caught:
        kind.restore(wish(str(tmp_path / "data")), taken, None)
    assert "\n" not in caught.value.message
    assert not proof.exists()
    kind.restore(wish(str(tmp_path / "trusted"), as_superuser=True), taken, None)
    assert proof.exists()
