"""An RDB is put back as a file: whole, in one step, and a server that starts with it holds what was dumped."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.errors import RestoreError
from drorch.sources.databases.contract import RestoreWish
from drorch.sources.databases.facts import Facts, RowCount
from drorch.sources.redis import Redis
from tests.servers.redis import RedisServer
from tests.sources.redis.dumping import KEYS, dumped, settings, tools
from tests.sources.sqlite.databases import Stored

PART = "redis/dump.rdb"


@dataclass(frozen=True)
class Taken:
    """A dump, and the server as it is configured."""

    redis: Redis
    server: RedisServer
    content: bytes
    facts: Facts

    @property
    def stored(self) -> Stored:
        return Stored({PART: self.content})


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        server.fill(KEYS)
        redis = Redis(settings(server), SystemClock())
        yield Taken(redis, server, *dumped(redis))


def test_a_server_that_starts_with_the_file_holds_what_was_dumped(taken: Taken, tmp_path: Path) -> None:
    wish = RestoreWish(into=str(tmp_path / "dump.rdb"))
    assert list(taken.redis.restore_preflight(wish, taken.stored, taken.facts)) == []
    loaded = taken.redis.restore(wish, taken.stored, taken.facts)
    assert loaded.compared
    assert loaded.differences == ()
    assert any("appendonly" in note for note in loaded.notes)
    assert [file.name for file in tmp_path.iterdir()] == ["dump.rdb"]
    with RedisServer(tmp_path) as restored:
        assert restored.cli("dbsize") == taken.server.cli("dbsize") == str(KEYS - KEYS // 10)
        assert restored.cli("-n", "3", "get", "key:10") == taken.server.cli("-n", "3", "get", "key:10") != ""
        assert int(restored.cli("ttl", "key:4")) > 0


def test_without_a_place_or_for_a_part_of_it_it_says_how(taken: Taken, tmp_path: Path) -> None:
    into = str(tmp_path / "dump.rdb")
    for wish, words in (
        (RestoreWish(), "cannot be loaded into a running server"),
        (RestoreWish(into=into, tables=("key:1",)), "cannot be restored alone"),
        (RestoreWish(into=str(tmp_path)), "cannot be a file"),
        (RestoreWish(into=str(tmp_path / "nowhere" / "dump.rdb")), "cannot be a file"),
    ):
        [objection] = taken.redis.restore_preflight(wish, taken.stored, taken.facts)
        assert objection.fatal
        assert words in objection.message
        with pytest.raises(RestoreError):
            taken.redis.restore(wish, taken.stored, taken.facts)
    with pytest.raises(RestoreError, match="holds no redis/dump"):
        taken.redis.restore(RestoreWish(into=into), Stored({"redis/other": b""}), None)


def test_a_file_that_is_there_is_replaced_only_where_that_was_said(taken: Taken, tmp_path: Path) -> None:
    place = tmp_path / "dump.rdb"
    place.write_bytes(b"of another server")
    with pytest.raises(RestoreError, match="exists"):
        taken.redis.restore(RestoreWish(into=str(place)), taken.stored, taken.facts)
    assert place.read_bytes() == b"of another server"
    assert taken.redis.restore(RestoreWish(into=str(place), overwrite=True), taken.stored, taken.facts).compared
    assert place.read_bytes() == taken.content


@pytest.mark.parametrize("damage", ["empty", "begin", "end", "middle", "longer"])
def test_a_damaged_rdb_takes_nobodys_place(taken: Taken, tmp_path: Path, damage: str) -> None:
    place = tmp_path / "dump.rdb"
    place.write_bytes(b"of another server")
    whole = taken.content
    middle = bytes([whole[len(whole) // 2] ^ 1])
    content = {
        "empty": b"",
        "begin": b"X" + whole[1:],
        "end": whole[:-1],
        "middle": whole[: len(whole) // 2] + middle + whole[len(whole) // 2 + 1 :],
        "longer": whole + b"x" * 100,
    }[damage]
    with pytest.raises(RestoreError, match="is damaged"):
        taken.redis.restore(RestoreWish(into=str(place), overwrite=True), Stored({PART: content}), taken.facts)
    assert [file.name for file in tmp_path.iterdir()] == ["dump.rdb"]
    assert place.read_bytes() == b"of another server"


def test_what_differs_or_cannot_be_compared_is_said(taken: Taken, tmp_path: Path) -> None:
    wish = RestoreWish(into=str(tmp_path / "dump.rdb"), overwrite=True)
    found = taken.facts.databases["dump"]
    for recorded, compared, words in (
        (RowCount(KEYS + 1), True, f"table keys has {KEYS} rows, had {KEYS + 1}"),
        (RowCount(KEYS, exact=False), False, "not counted exactly at backup"),
    ):
        changed = replace(found, tables={**found.tables, "keys": recorded})
        loaded = taken.redis.restore(wish, taken.stored, replace(taken.facts, databases={"dump": changed}))
        assert loaded.compared is compared
        assert words in "; ".join((*loaded.differences, *loaded.notes))
    assert not taken.redis.restore(wish, taken.stored, None).compared
    without = Redis(replace(settings(taken.server), bin_dir=tools(tmp_path, checker=None)), SystemClock())
    loaded = without.restore(wish, taken.stored, taken.facts)
    assert not loaded.compared
    assert any("redis-check-rdb" in note for note in loaded.notes)
