"""Measures path history: `python -m benchmarks.catalog [--snapshots 200] [--paths 50000] [--changing 0.01]`.

Records so many snapshots of a tree in which a share of the files changes each time, and tells the size of
paths.sqlite, the longest time a run's difference took to write, and the longest a question took.
"""

import argparse
import hashlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from drorch.catalog.migrate import upgrade
from drorch.catalog.open import Catalog, CatalogPlace, open_catalog
from drorch.catalog.paths.values import PathEntry, PathQuery, PathState, PathType, RecordedSnapshot
from drorch.ids import SnapshotId
from drorch.model.hold import Lineage

_LINEAGE = Lineage("bench", "tree")
_START = datetime(2026, 1, 1, tzinfo=UTC)
_QUESTIONS = 50


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is recorded: `changing` is the share of the paths that differ from one snapshot to the next."""

    snapshots: int = 200
    paths: int = 50_000
    changing: float = 0.01


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured: bytes and seconds; the longest of each kind."""

    size: int
    first_listing: float
    delta: float
    unchanged_listing: float
    history: float
    find: float


def measure(plan: Plan, folder: Path) -> Figures:
    """Record the plan's snapshots in a catalog in `folder` and question it."""
    place = CatalogPlace(folder)
    names = [_path(number) for number in range(plan.paths)]
    with open_catalog(place, upgrade) as catalog:
        listing = [_entry(name, 0) for name in names]
        first = _timed(partial(catalog.recorder.record_listing, _snapshot(1), listing))
        deltas = list(_record_deltas(catalog, plan, names))
        now = {entry.path: entry for entry in listing}
        for number in range(2, plan.snapshots + 1):
            now |= {name: _entry(name, number) for name in _changing(plan, names, number)}
        last = _snapshot(plan.snapshots + 1)
        unchanged = _timed(partial(catalog.recorder.record_listing, last, now.values()))
        asked = random.Random(1).sample(names, min(_QUESTIONS, len(names)))
        history = max(_timed(partial(catalog.search.history, name)) for name in asked)
        find = _timed(partial(catalog.search.find, PathQuery(b"file-1*7.txt")))
    size = sum(path.stat().st_size for path in folder.glob("paths.sqlite*"))
    return Figures(size, first, max(deltas), unchanged, history, find)


def _record_deltas(catalog: Catalog, plan: Plan, names: Sequence[bytes]) -> Iterator[float]:
    for number in range(2, plan.snapshots + 1):
        changes = [_entry(name, number) for name in _changing(plan, names, number)]
        parent = _snapshot(number - 1).id
        yield _timed(partial(catalog.recorder.record_delta, _snapshot(number), parent, changes))


def _changing(plan: Plan, names: Sequence[bytes], number: int) -> list[bytes]:
    return random.Random(number).sample(names, round(plan.paths * plan.changing))


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _path(number: int) -> bytes:
    return f"/srv/data/customer-{number % 40}/project-{number % 1_000}/documents/file-{number}.txt".encode()


def _entry(path: bytes, version: int) -> PathEntry:
    digest = hashlib.sha256(path + version.to_bytes(4, "big")).digest()
    return PathEntry(path, PathState(PathType.FILE, 4_000 + version, 1_760_000_000_000_000_000 + version, digest))


def _snapshot(number: int) -> RecordedSnapshot:
    return RecordedSnapshot(SnapshotId(number.to_bytes(32, "big")), _LINEAGE, _START + timedelta(hours=number))


def main(argv: Sequence[str]) -> None:
    """Measure and tell the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.catalog", description=__doc__)
    parser.add_argument("--snapshots", type=int, default=200)
    parser.add_argument("--paths", type=int, default=50_000)
    parser.add_argument("--changing", type=float, default=0.01)
    plan = Plan(**vars(parser.parse_args(argv)))
    with tempfile.TemporaryDirectory(prefix="drorch-bench-") as folder:
        print(json.dumps(asdict(plan) | asdict(measure(plan, Path(folder)))))


if __name__ == "__main__":
    main(sys.argv[1:])
