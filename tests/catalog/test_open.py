"""Opening: what is missing is made, what was lost or cannot be used is said, and a password is never told."""

import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from drorch.catalog.engine import fault_of
from drorch.catalog.migrate import upgrade
from drorch.catalog.open import CatalogPlace, open_catalog
from drorch.errors import CatalogError
from tests.catalog.making import record
from tests.storage.privileges import need, run_quietly


def _make(place: CatalogPlace) -> None:
    with open_catalog(place, upgrade) as catalog:
        catalog.ledger.record(record(1))


def test_a_catalog_is_made_in_a_folder_of_its_own(place: CatalogPlace) -> None:
    with open_catalog(place, upgrade) as catalog:
        assert catalog.queries.runs() == []
        assert catalog.paths_fault is None
        assert catalog.damage() == []
    assert place.state_dir.stat().st_mode & 0o777 == 0o700


def test_a_lost_catalog_is_said_to_be_lost(place: CatalogPlace) -> None:
    _make(place)
    place.catalog_file.unlink()
    with pytest.raises(CatalogError, match=r"catalog\.sqlite is missing, and it was there") as lost:
        open_catalog(place, upgrade)
    assert lost.value.hint == "Run drorch catalog rebuild."
    with open_catalog(place, upgrade, replacing_lost=True) as catalog:
        assert catalog.queries.runs() == []


def test_lost_path_history_is_made_anew(place: CatalogPlace) -> None:
    _make(place)
    place.paths_file.unlink()
    with open_catalog(place, upgrade) as catalog:
        assert catalog.search.snapshots() == []
        assert catalog.queries.runs() == [record(1).run]


_GARBAGE = pytest.mark.parametrize(
    "content", [b"not a database at all" * 500, b"SQLite format 3\0" + b"\xff" * 8000], ids=["none", "only a header"]
)


@_GARBAGE
def test_a_corrupt_catalog_is_said_to_be_damaged(place: CatalogPlace, content: bytes) -> None:
    _make(place)
    place.catalog_file.write_bytes(content)
    with pytest.raises(CatalogError, match=r"catalog .*catalog\.sqlite is damaged") as damaged:
        open_catalog(place, upgrade)
    assert damaged.value.hint == "Run drorch catalog rebuild."


@_GARBAGE
def test_a_corrupt_path_history_keeps_nobody_from_the_rest(place: CatalogPlace, content: bytes) -> None:
    _make(place)
    place.paths_file.write_bytes(content)
    with open_catalog(place, upgrade) as catalog:
        catalog.ledger.record(record(2))
        assert len(catalog.queries.runs()) == 2
        for door in ("recorder", "search"):
            with pytest.raises(CatalogError, match=r"catalog .*paths\.sqlite is damaged") as damaged:
                getattr(catalog, door)
            assert damaged.value.hint == "Run drorch catalog rebuild."
    assert place.paths_file.read_bytes() == content


def test_damage_inside_a_file_is_found_when_asked(place: CatalogPlace) -> None:
    with open_catalog(place, upgrade) as catalog:
        for number in range(1, 200):
            catalog.ledger.record(record(number))
    with sqlite3.connect(place.catalog_file) as raw:
        page = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'run_by_job'").fetchone()[0]
    raw.close()
    with place.catalog_file.open("r+b") as file:
        file.seek(page * 4096 - 40)
        file.write(os.urandom(40))
    with open_catalog(place, upgrade) as catalog:
        assert catalog.damage() != []


def test_a_read_only_state_dir_is_said_to_be_so(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    place = CatalogPlace(state)
    mounted = run_quietly("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(state)) == 0
    need("the right to mount", present=mounted)
    try:
        _make(place)
        subprocess.run(["mount", "-o", "remount,ro", state], check=True)
        with pytest.raises(CatalogError, match=r"cannot be (written|opened)") as refused:
            _make(place)
        assert refused.value.hint
    finally:
        subprocess.run(["umount", state], check=True)


def test_a_full_disk_is_said_to_be_full_whatever_sqlite_calls_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    place = CatalogPlace(state)
    mounted = run_quietly("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(state)) == 0
    need("the right to mount", present=mounted)
    try:
        _make(place)
        assert "disk I/O error" in str(fault_of(str(place.catalog_file), sqlite3.OperationalError("disk I/O error")))
        with (state / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space left"):
            while True:
                filler.write(bytes(4096))
        with pytest.raises(CatalogError, match=r"catalog\.sqlite: no space left on its disk") as refused:
            _make(place)
        assert refused.value.hint == "Make room there."
    finally:
        subprocess.run(["umount", state], check=True)


def test_a_state_dir_that_cannot_be_made_is_an_error_of_the_catalog(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CatalogError, match=r"state_dir .*: Not a directory"):
        open_catalog(CatalogPlace(tmp_path / "file" / "state"), upgrade)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:canary-7f3@h/d",
        "canary-7f3",
        "postgresql://u:canary-7f3@127.0.0.1:1/d",
        "postgresql://u:canary-7f3@[::1/d",
    ],
)
def test_a_bad_url_is_an_error_that_tells_no_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(CatalogError) as refused:
        open_catalog(CatalogPlace(tmp_path / "state", url), upgrade)
    assert "canary-7f3" not in f"{refused.value} {refused.value.hint} {refused.value.context}"
