"""A process that is killed in the middle of writing leaves a catalog that opens, with all that was written."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from drorch.catalog.migrate import upgrade
from drorch.catalog.open import CatalogPlace, open_catalog
from drorch.catalog.paths.values import PathQuery
from drorch.model.run import RunOutcome
from tests.catalog.making import HOMES, file, file_state, gone, recorded, snapshot_id

_ROOT = Path(__file__).parents[2]


def _child(what: str, place: CatalogPlace) -> list[str]:
    return [sys.executable, "-m", "tests.catalog.children", what, str(place.state_dir)]


def _dies(what: str, place: CatalogPlace) -> None:
    assert subprocess.run(_child(what, place), cwd=_ROOT, check=False).returncode == -9


@pytest.mark.parametrize("moment", [0.0, 0.02, 0.05, 0.11])
def test_killed_while_recording_runs(place: CatalogPlace, moment: float) -> None:
    child = subprocess.Popen(_child("write-until-killed", place), cwd=_ROOT, stdout=subprocess.PIPE)
    assert child.stdout is not None
    said = [int(child.stdout.readline()), int(child.stdout.readline())]
    time.sleep(moment)
    child.kill()
    said += [int(line) for line in child.stdout.read().split()]
    child.wait()
    child.stdout.close()
    with open_catalog(place, upgrade) as catalog:
        runs = {run.snapshot: run for run in catalog.queries.runs()}
        for number in said:
            assert len(runs[snapshot_id(number)].problems) == 1_500
        for run in runs.values():
            assert len(run.problems) == 1_500 or run.outcome is RunOutcome.RUNNING
        assert catalog.audit.verify() is None
        assert catalog.audit.head().seq >= len(said)
        recorded_ids = [one.id for one in catalog.search.snapshots()]
        assert recorded_ids[: len(said)] == [snapshot_id(number) for number in said]
        assert catalog.damage() == []
        newest = len(recorded_ids)
        catalog.recorder.record_delta(recorded(newest + 1), snapshot_id(newest), [gone("/5")])
        for path, expected in ((b"/5", newest), (b"/2999", newest + 1)):
            versions = catalog.search.history(path)[0].versions
            assert [one.state for one in versions] == [file_state(number) for number in range(1, newest + 1)]
            assert versions[-1].last.id == snapshot_id(expected)


def test_killed_while_recording_paths(place: CatalogPlace) -> None:
    with open_catalog(place, upgrade) as catalog:
        catalog.recorder.record_listing(recorded(1), (file(f"/{number}") for number in range(10_000)))
    _dies("record-and-die", place)
    with open_catalog(place, upgrade) as catalog:
        assert catalog.recorder.newest(HOMES) == snapshot_id(1)
        for path in (b"/0", b"/4000", b"/9999"):
            (version,) = catalog.search.history(path)[0].versions
            assert (version.state, version.ended) == (file_state(0), None), "the half written one is not seen"
        catalog.recorder.record_delta(recorded(2), snapshot_id(1), [file("/0", 2), gone("/1")])
        assert [one.state for one in catalog.search.history(b"/0")[0].versions] == [file_state(0), file_state(2)]
        assert catalog.search.history(b"/1")[0].vanished is not None
        assert len(catalog.search.history(b"/4000")[0].versions) == 1
        assert catalog.damage() == []


def test_killed_while_rebuilding(place: CatalogPlace) -> None:
    with open_catalog(place, upgrade) as catalog:
        catalog.recorder.record_listing(recorded(1), [file("/old")])
    _dies("rebuild-and-die", place)
    with open_catalog(place, upgrade) as catalog:
        assert [one.path for one in catalog.search.find(PathQuery(b"*"))] == [b"/old"]
        assert catalog.damage() == []
