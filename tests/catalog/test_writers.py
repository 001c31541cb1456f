"""Many processes write to one catalog at once: none is turned away, nothing is lost, none waits long for another."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

from sqlalchemy import Connection, Engine, event

from drorch.catalog.engine import sqlite_engine, writes, writing
from drorch.catalog.ledger import Ledger
from drorch.catalog.migrate import upgrade
from drorch.catalog.open import Catalog, CatalogPlace, open_catalog
from drorch.catalog.paths.recording import Recorder
from drorch.catalog.queries import RunQuery
from drorch.catalog.record import Record, Stored
from drorch.catalog.schema import CATALOG, PATHS
from drorch.model.proof import ProofLevel
from tests.catalog.children import WRITERS_SPACING
from tests.catalog.making import deed, file, proof, record, recorded, run, seen

_WRITERS = 8
_SECONDS = 60.0 if os.environ.get("DRORCH_TORTURE") else 6.0
_LONGEST_HOLD = 0.1


def test_processes_that_write_at_once_lose_nothing(place: CatalogPlace) -> None:
    command = [sys.executable, "-m", "tests.catalog.children", "write-runs", str(place.state_dir)]
    children = [
        subprocess.Popen(
            [*command, str(number), str(_SECONDS)],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(_WRITERS)
    ]
    said = []
    for child in children:
        output, complaints = child.communicate()
        assert child.returncode == 0, complaints
        said.append([int(line) for line in output.split()])
    numbers = [number for of_child in said for number in of_child]
    assert min(map(len, said)) > 0, "every writer got its turn"
    with open_catalog(place, upgrade) as catalog:
        runs = {one.id: one for one in catalog.queries.runs(RunQuery(limit=10 * WRITERS_SPACING))}
        assert runs == {run(number).id: record(number, problems=5).run for number in numbers}
        assert len(catalog.queries.known("onsite")) == len(catalog.search.snapshots()) == len(numbers)
        assert catalog.audit.head().seq == len(numbers)
        assert catalog.audit.verify() is None
        for number, of_child in enumerate(said):
            (history,) = catalog.search.history(b"/7", host=f"web{number}")
            assert len(history.versions) == len(of_child)
        assert catalog.damage() == []


@contextmanager
def _holds_measured(engine: Engine) -> Iterator[list[float]]:
    """How long each transaction in the block kept the write lock, in seconds of this process's CPU time.

    CPU time, because other processes of the machine are none of the transaction's fault.
    """
    began: list[float] = []
    holds: list[float] = []

    def begin(_: Connection) -> None:
        began.append(time.process_time())

    def end(connection: Connection) -> None:
        if writes(connection):
            holds.append(time.process_time() - began[-1])

    event.listen(engine, "begin", begin)
    event.listen(engine, "commit", end)
    yield holds
    event.remove(engine, "begin", begin)
    event.remove(engine, "commit", end)


def _longest_hold(measure: Callable[[Path], list[float]], tmp_path: Path) -> float:
    """The longest hold of the same writes done three times over, each write taken at its best.

    A write that is too long is so each time; a moment that the machine took for itself is not in all three.
    """
    passes = []
    for number in range(3):
        place = tmp_path / str(number)
        place.mkdir()
        passes.append(measure(place))
    assert len({len(holds) for holds in passes}) == 1, "the passes write the same"
    best: list[float] = [min(same) for same in zip(*passes, strict=True)]
    return max(best)


def _holds_of_records(place: Path, count: int = 20_000) -> list[float]:
    engine = sqlite_engine(place / "catalog.sqlite")
    upgrade(engine, CATALOG)
    ledger = Ledger(engine)
    numbers = range(1, count // 4 + 1)
    with _holds_measured(engine) as holds:
        for _ in range(2):
            ledger.record(Record(run(1, problems=count)))
            ledger.know(Stored("onsite", seen(number)) for number in numbers)
            ledger.prove(proof(number, level) for number in numbers for level in (ProofLevel.L0, ProofLevel.L1))
        ledger.withdraw("onsite", [seen(number).id for number in numbers], ProofLevel.L0)
        ledger.removed("onsite", [seen(number).id for number in numbers])
    engine.dispose()
    assert len(holds) > 20
    return holds


def test_no_write_holds_the_lock_for_long(tmp_path: Path) -> None:
    assert _longest_hold(_holds_of_records, tmp_path) < _LONGEST_HOLD


def _holds_of_paths(place: Path) -> list[float]:
    engine = sqlite_engine(place / "paths.sqlite")
    upgrade(engine, PATHS)
    recorder = Recorder(engine)
    with _holds_measured(engine) as holds:
        recorder.record_listing(recorded(1), (file(f"/{number % 99}/{number}") for number in range(20_000)))
        recorder.record_listing(recorded(2), (file(f"/{number % 99}/{number}", 1) for number in range(10_000)))
        recorder.record_listing(recorded(3), [])
        recorder.drop([recorded(1).id, recorded(2).id])
    engine.dispose()
    assert len(holds) > 40
    return holds


def test_no_write_of_paths_holds_the_lock_for_long(tmp_path: Path) -> None:
    assert _longest_hold(_holds_of_paths, tmp_path) < _LONGEST_HOLD


def test_connections_to_a_new_file_at_once_are_not_turned_away(tmp_path: Path) -> None:
    ready = Barrier(_WRITERS)

    def connect(path: Path) -> str:
        engine = sqlite_engine(path)
        ready.wait()
        with writing(engine) as connection:
            mode: str = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        engine.dispose()
        return mode

    with ThreadPoolExecutor(_WRITERS) as pool:
        for attempt in range(25):
            path = tmp_path / f"{attempt}.sqlite"
            assert set(pool.map(connect, [path] * _WRITERS)) == {"wal"}


def test_threads_that_append_at_once_make_one_chain(either: Catalog) -> None:
    with ThreadPoolExecutor(4) as pool:
        entries = list(pool.map(lambda number: either.audit.append(deed(number)), range(40)))
    assert sorted(entry.seq for entry in entries) == list(range(1, 41))
    assert either.audit.verify([either.audit.head()]) is None
