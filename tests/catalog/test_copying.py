"""A copy of the catalog is a catalog.sqlite, whole, of one moment, wherever the catalog itself is."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from drorch.catalog.copying import copy_catalog
from drorch.catalog.migrate import upgrade
from drorch.catalog.open import CatalogPlace, open_catalog
from drorch.errors import CatalogError
from drorch.model.facts import DumpFacts
from drorch.model.launch import Pause
from tests.catalog.making import deed, hours, launch, over, record, snapshot_id


@pytest.fixture(params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> CatalogPlace:
    """A place with two runs, one of them with problems, three deeds, two launches, a pause and facts."""
    url = request.getfixturevalue("database") if request.param == "postgresql" else None
    place = CatalogPlace(tmp_path / "state", url)
    with open_catalog(place, upgrade) as catalog:
        for number in (1, 2):
            catalog.ledger.record(record(number, problems=number - 1))
        for number in (1, 2, 3):
            catalog.audit.append(deed(number))
        catalog.launches.update(over(1, due=1))
        catalog.launches.claim(launch(2))
        catalog.ledger.remember_facts(snapshot_id(1), DumpFacts("redis", "{}"))
        catalog.launches.pause(Pause("homes", hours(1), "anna", hours(9)))
    return place


def test_a_copy_is_a_catalog_in_one_file(filled: CatalogPlace, tmp_path: Path) -> None:
    elsewhere = CatalogPlace(tmp_path / "elsewhere")
    elsewhere.state_dir.mkdir()
    head = copy_catalog(filled, elsewhere.catalog_file, upgrade)
    assert [path.name for path in elsewhere.state_dir.iterdir()] == ["catalog.sqlite"]
    with open_catalog(elsewhere, upgrade) as copied, open_catalog(filled, upgrade) as original:
        assert copied.queries.runs() == original.queries.runs() == [record(2, problems=1).run, record(1).run]
        assert copied.queries.known("onsite") == original.queries.known("onsite")
        assert copied.queries.proofs() == original.queries.proofs()
        assert copied.queries.facts_of(snapshot_id(1)) == DumpFacts("redis", "{}")
        assert copied.launches.recent() == original.launches.recent() == [launch(2), over(1, due=1)]
        assert copied.launches.pauses(hours(2)) == original.launches.pauses(hours(2)) != []
        assert copied.audit.verify([head, original.audit.head()]) is None
        assert head == copied.audit.head() == original.audit.head()
    with closing(sqlite3.connect(elsewhere.catalog_file)) as raw, pytest.raises(sqlite3.IntegrityError):
        raw.execute("delete from audit")


def test_what_cannot_be_copied_is_an_error_and_leaves_nothing(filled: CatalogPlace, tmp_path: Path) -> None:
    with pytest.raises(CatalogError):
        copy_catalog(filled, tmp_path / "nowhere" / "copy", upgrade)
    gone = CatalogPlace(tmp_path / "empty", filled.url and "postgresql://drorch@127.0.0.1:1/none")
    with pytest.raises(CatalogError):
        copy_catalog(gone, tmp_path / "copy", upgrade)
    assert list(tmp_path.glob("copy*")) == []
