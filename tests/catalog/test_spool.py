"""A record that the catalog cannot take waits in a file, and is in the catalog once after the next opening."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from drorch.catalog.migrate import upgrade
from drorch.catalog.open import Catalog, CatalogPlace, open_catalog
from drorch.catalog.record import Record, from_json, to_json
from drorch.catalog.spool import Spool, record_or_spool
from drorch.errors import CatalogError
from drorch.model.facts import DumpFacts
from tests.catalog.making import record, run
from tests.storage.privileges import need, run_quietly


def test_a_record_survives_being_json() -> None:
    written = record(1, problems=3)
    assert from_json(to_json(written)) == written
    assert to_json(written).isascii()


def test_a_record_tells_the_launch_and_one_from_before_there_were_any_is_read() -> None:
    launched = Record(replace(run(1), launch="a" * 32))
    assert from_json(to_json(launched)) == launched
    document = json.loads(to_json(launched))
    del document["run"]["launch"]
    assert from_json(json.dumps(document)) == Record(run(1))


def test_a_record_tells_the_facts_and_one_from_before_there_were_any_is_read() -> None:
    original = replace(record(1), facts=DumpFacts("sqlite", "{}"))
    text = to_json(original)
    assert from_json(text) == original
    assert from_json(text.replace('"facts": ["sqlite", "{}"], ', "")) == record(1)


def test_a_record_goes_to_the_catalog_where_it_can(catalog: Catalog, place: CatalogPlace) -> None:
    assert record_or_spool(record(1), catalog.ledger, place.spool) is None
    assert place.spool.waiting() == []
    assert catalog.queries.runs() == [record(1).run]


def test_records_wait_until_the_next_opening(place: CatalogPlace) -> None:
    for number in (1, 2, 2):
        assert isinstance(record_or_spool(record(number, problems=2), None, place.spool), CatalogError)
    assert len(place.spool.waiting()) == 2
    for expected in (2, 0):
        with open_catalog(place, upgrade) as catalog:
            assert catalog.replayed.recorded == expected
            assert catalog.queries.runs() == [record(number, problems=2).run for number in (2, 1)]
            assert [one.id for one in catalog.queries.known("onsite")] == [record(n).run.snapshot for n in (1, 2)]
    assert place.spool.waiting() == []


def test_a_record_that_is_in_the_catalog_already_is_replayed_without_harm(place: CatalogPlace) -> None:
    place.spool.save(record(1))
    with open_catalog(place, upgrade):
        place.spool.save(record(1))
    with open_catalog(place, upgrade) as catalog:
        assert catalog.queries.runs() == [record(1).run]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 9}', b"\xff", b'{"version": 1, "run": {}}', b"7"])
def test_a_file_that_is_no_record_is_set_aside_and_told(place: CatalogPlace, content: bytes) -> None:
    place.spool.save(record(1))
    stray = place.state_dir / "spool" / "0.json"
    stray.write_bytes(content)
    with open_catalog(place, upgrade) as catalog:
        assert catalog.replayed.recorded == 1
        assert [problem.subject for problem in catalog.replayed.refused] == [str(stray)]
    assert stray.with_suffix(".refused").read_bytes() == content
    with open_catalog(place, upgrade) as catalog:
        assert catalog.replayed.refused == ()


def test_a_half_written_record_is_not_read(place: CatalogPlace) -> None:
    path = place.spool.save(record(1))
    path.rename(path.with_suffix(".new"))
    assert place.spool.waiting() == []


def test_a_full_disk_under_the_catalog_sends_records_to_the_spare_folder(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    mounted = run_quietly("mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(state)) == 0
    need("the right to mount", present=mounted)
    place = CatalogPlace(state, spare_spool=tmp_path / "spare")
    try:
        with open_catalog(place, upgrade) as catalog:
            catalog.ledger.record(record(1))
            with (state / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space left"):
                while True:
                    filler.write(bytes(4096))
            numbers = range(2, 40)
            reasons = [record_or_spool(record(n, problems=50), catalog.ledger, place.spool) for n in numbers]
            assert any("no space left" in str(reason) for reason in reasons)
            assert list((tmp_path / "spare").glob("*.json"))
            (state / "filler").unlink()
        with open_catalog(place, upgrade) as catalog:
            assert {run.snapshot for run in catalog.queries.runs()} == {record(n).run.snapshot for n in range(1, 40)}
            assert len(catalog.queries.runs()[0].problems) == 50
            assert catalog.damage() == []
        assert place.spool.waiting() == []
    finally:
        subprocess.run(["umount", state], check=True)


def test_where_no_folder_takes_it_the_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CatalogError, match=r"the record of run 00000000 cannot be kept: .*Not a directory"):
        record_or_spool(record(1), None, Spool([tmp_path / "file" / "spool"]))


def test_a_folder_that_others_may_write_is_neither_used_nor_read(tmp_path: Path) -> None:
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir()
    shared.chmod(0o777)
    (tmp_path / "link").symlink_to(own)
    (shared / "planted.json").write_text(to_json(record(9)))
    spool = Spool([shared, tmp_path / "link", own])
    own.mkdir(mode=0o700)
    assert spool.save(record(1)).parent == own
    assert [path.parent for path in spool.waiting()] == [own]
    assert own.stat().st_uid == os.geteuid()
