"""Processes that write to a catalog until they are done or killed: `python -m tests.catalog.children WHAT PLACE ...`.

What is durably written is said on standard output, one number a line.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from drorch.catalog.migrate import upgrade
from drorch.catalog.open import CatalogPlace, open_catalog
from drorch.catalog.paths.rebuilding import rebuild
from drorch.catalog.paths.values import PathEntry, SnapshotListing
from drorch.model.hold import Lineage
from tests.catalog.making import DUE_TIMES, begun, deed, file, launch, record, recorded

WRITERS_SPACING = 100_000


def write_runs(place: CatalogPlace, number: int, seconds: float) -> None:
    """Begin and record runs with problems, deeds and paths, as fast as it goes, for so many seconds."""
    end = time.monotonic() + seconds
    lineage = Lineage(f"web{number}", "homes")
    first = written = WRITERS_SPACING * number + 1
    with open_catalog(place, upgrade) as catalog:
        while time.monotonic() < end:
            catalog.ledger.begin(begun(written))
            parent = catalog.recorder.newest(lineage)
            changes = [file(f"/{name}", written) for name in range(20)]
            catalog.recorder.record_delta(recorded(written, lineage), parent, changes)
            catalog.audit.append(deed(number))
            catalog.ledger.record(record(written, problems=5))
            _say(written)
            written += 1
    assert written > first


def write_until_killed(place: CatalogPlace) -> None:
    """Record runs one after the other, each with a listing of many batches, until killed."""
    number = 1
    while True:
        with open_catalog(place, upgrade) as catalog:
            catalog.recorder.record_listing(recorded(number), (file(f"/{n}", number) for n in range(3_000)))
            catalog.audit.append(deed(number))
            catalog.ledger.record(record(number, problems=1_500))
            _say(number)
        number += 1


def record_and_die(place: CatalogPlace) -> None:
    """Die in the middle of a listing that changes everything."""

    def entries() -> Iterator[PathEntry]:
        for number in range(10_000):
            if number == 5_000:
                os.kill(os.getpid(), signal.SIGKILL)
            yield file(f"/{number}", 7)

    with open_catalog(place, upgrade) as catalog:
        catalog.recorder.record_listing(recorded(7), entries())


def claim(place: CatalogPlace, number: int) -> None:
    """Claim the same due times as others do, in another order, once told to; those that were had are said."""
    with open_catalog(place, upgrade) as catalog:
        _say(0)
        sys.stdin.readline()
        numbers = range(1, DUE_TIMES + 1)
        for due in numbers if number % 2 else reversed(numbers):
            if catalog.launches.claim(launch(WRITERS_SPACING * number + due, due=due)):
                _say(due)


def rebuild_and_die(place: CatalogPlace) -> None:
    """Die in the middle of a rebuild."""

    def listings() -> Iterator[SnapshotListing]:
        yield SnapshotListing(recorded(1), [file("/rebuilt")])
        os.kill(os.getpid(), signal.SIGKILL)

    rebuild(place.paths_file, listings(), upgrade)


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    what, state_dir, *rest = sys.argv[1:]
    where = CatalogPlace(Path(state_dir))
    match what:
        case "write-runs":
            write_runs(where, int(rest[0]), float(rest[1]))
        case "write-until-killed":
            write_until_killed(where)
        case "record-and-die":
            record_and_die(where)
        case "claim":
            claim(where, int(rest[0]))
        case "rebuild-and-die":
            rebuild_and_die(where)
        case _:
            raise AssertionError(what)
