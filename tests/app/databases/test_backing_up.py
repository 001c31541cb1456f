"""Jobs of databases as `drorch run` and the daemon's workers run them, with a kind of shell scripts for a server."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from drorch.actions.progress import NoProgress
from drorch.app.catalogs import place_of, upgrade
from drorch.app.configuration import load
from drorch.app.jobs import JobRuns, run_jobs
from drorch.catalog.open import Catalog, open_catalog
from drorch.clock import Clock, SystemClock
from drorch.ids import SnapshotId
from drorch.model.job import DatabaseSpec, SqliteSpec
from drorch.model.run import RunKind, RunOutcome
from drorch.orchestrator.runner import RunReport
from drorch.repository.repository import Repository
from drorch.sources.databases.contract import Objection
from drorch.sources.databases.facts import FACTS_NAME, from_json, to_json
from drorch.storage.local import LocalTarget
from tests.cli.commandline import PASSWORD
from tests.cli.homes import install
from tests.restic import Restic, each_restic, restic
from tests.sources.databases.toy import FACTS, Toy

MIB = 1 << 20
NOTE = Objection("table log has no transactional engine", "change its engine", fatal=False)


class Works:
    """An installation whose job orders saves a toy; `said` is what was complained of."""

    def __init__(self, folder: Path, toy: Toy, *, targets: str = '["one"]', more: str = "", hooks: str = "") -> None:
        source = f'{{ type = "sqlite", path = "{folder}/orders.db"{more} }}'
        job = f'[jobs.orders]\nsource = {source}\ntargets = {targets}\ntags = ["shop"]\n{hooks}'
        self.configuration = load(str(install(folder, extra=job)))
        self.folder = folder
        self.toy = toy
        self.said: list[str] = []

    def run(self) -> list[RunReport]:
        """Run the job to its end."""
        wanted = JobRuns(("orders",), kinds=self._kind)
        told = list(run_jobs(self.configuration, wanted, SystemClock(), lambda *_: nullcontext(NoProgress())))
        self.said = [one for one in told if isinstance(one, str)]
        return [one for one in told if isinstance(one, RunReport)]

    def _kind(self, spec: DatabaseSpec, clock: Clock) -> Toy:
        assert isinstance(spec, SqliteSpec)
        assert spec.path == f"{self.folder}/orders.db"
        assert clock.now().tzinfo is not None
        return self.toy

    @contextmanager
    def catalog(self) -> Iterator[Catalog]:
        """What was written down."""
        with open_catalog(place_of(self.configuration), upgrade()) as catalog:
            yield catalog

    def snapshots(self, target: str = "one") -> list[SnapshotId]:
        """The snapshots of the job in a target's folder."""
        listed = Repository.open(LocalTarget(self.folder / target), PASSWORD).list_snapshots().snapshots
        return [named.id for named in listed if "drorch:job=orders" in named.snapshot.tags]


def toy(**changes: object) -> Toy:
    scripts = {"sqlite/globals.sql": "echo globals", "sqlite/orders.db": "head -c 3M /dev/urandom"}
    return replace(Toy(scripts), **changes)  # type: ignore[arg-type]


@each_restic
def test_a_snapshot_holds_the_parts_and_the_facts_for_any_restic(tmp_path: Path, which: Restic) -> None:
    works = Works(tmp_path, toy(blob_bytes=MIB))
    [report] = works.run()
    assert (report.exit_code, report.run.outcome, works.said) == (0, RunOutcome.OK, [])
    assert works.toy.events[0] == "preflight"
    place = tmp_path / "one"
    listed = restic(which, place, "ls", "latest", "--tag", "drorch:job=orders", password=PASSWORD).stdout.decode()
    assert listed.splitlines()[-4:] == [f"/{FACTS_NAME}", "/sqlite", "/sqlite/globals.sql", "/sqlite/orders.db"]
    dumped = restic(which, place, "dump", "latest", "/sqlite/globals.sql", "--tag", "shop", password=PASSWORD).stdout
    assert dumped == b"globals\n"
    facts = restic(which, place, "dump", "latest", f"/{FACTS_NAME}", "--tag", "shop", password=PASSWORD).stdout
    assert from_json(facts) == FACTS
    restic(which, place, "check", "--read-data", password=PASSWORD)


def test_the_snapshot_and_the_run_say_what_they_are(tmp_path: Path) -> None:
    works = Works(tmp_path, toy())
    [report] = works.run()
    assert report.result is not None
    snapshot = report.result.snapshot
    assert (snapshot.paths, snapshot.hostname, snapshot.parent) == (("/sqlite",), "web1", None)
    assert snapshot.tags == ("drorch:job=orders", "shop")
    with works.catalog() as catalog:
        run = catalog.queries.last_runs()["orders"]
        known = catalog.queries.facts_of(report.result.id)
        assert catalog.queries.facts_of(SnapshotId(bytes(32))) is None
    assert (run.outcome, run.snapshot, run.problems) == (RunOutcome.OK, report.result.id, ())
    assert run.counters["total_bytes_processed"] == 3 * MIB + len("globals\n") + len(to_json(FACTS))
    assert known is not None
    assert (known.kind, from_json(known.document.encode())) == ("sqlite", FACTS)


def test_it_is_copied_to_its_other_targets_with_its_hooks_around_it(tmp_path: Path) -> None:
    hooks = "".join(
        f'[[jobs.orders.hooks]]\nwhen = "{when}"\ncommand = ["/bin/sh", "-c", "echo {when} >> {tmp_path}/hooks"]\n'
        for when in ("before", "always")
    )
    works = Works(tmp_path, toy(), targets='["one", "two"]', hooks=hooks)
    reports = works.run()
    assert [(one.run.kind, one.run.target, one.exit_code) for one in reports] == [
        (RunKind.BACKUP, "one", 0),
        (RunKind.COPY, "two", 0),
    ]
    assert works.toy.events.count("begin") == 1
    assert (tmp_path / "hooks").read_text() == "before\nalways\n"
    assert [len(works.snapshots(target)) for target in ("one", "two")] == [1, 1]
    with works.catalog() as catalog:
        [copied] = [one for one in catalog.queries.known("two") if one.lineage.job == "orders"]
        assert catalog.queries.facts_of(copied.original) is not None


def test_what_should_be_known_is_said_and_recorded_and_leaves_the_run_whole(tmp_path: Path) -> None:
    works = Works(tmp_path, toy(objections=[NOTE]))
    [report] = works.run()
    assert report.exit_code == 0
    assert works.said == ["orders: table log has no transactional engine. Change its engine"]
    assert report.result is not None
    assert report.result.facts is not None
    assert json.loads(report.result.facts.document)["notes"] == ["table log has no transactional engine"]


def test_what_stands_in_the_way_is_said_before_anything_is_begun(tmp_path: Path) -> None:
    fatal = [Objection("pg_dump 13 is older than the server", "install pg_dump 15", fatal=True), NOTE]
    works = Works(tmp_path, toy(objections=fatal))
    [report] = works.run()
    assert report.exit_code == 31
    assert report.fault is not None
    assert report.fault.message == "pg_dump 13 is older than the server"
    assert report.fault.hint == "Install pg_dump 15"
    assert works.toy.events == ["preflight"]
    assert works.snapshots() == []


FAILING = {
    "a part": (toy(scripts={"sqlite/a": "echo; exit 3"}), "", 31, "the script exited with status 3"),
    "the last part": (toy(scripts={"sqlite/a": "echo", "sqlite/b": "echo b; exit 3"}), "", 31, "exited with status 3"),
    "the server": (toy(unavailable=True), "", 30, "the toy does not answer"),
    "no part": (toy(scripts={}), "", 32, "the dump was empty"),
    "empty parts": (toy(scripts={"sqlite/a": ":"}), "", 32, "the dump was empty"),
    "too little": (toy(scripts={"sqlite/a": "echo"}), ', min_bytes = "500 B"', 32, "at least 500 B are expected"),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_dump_that_fails_leaves_no_snapshot_and_a_failed_run(tmp_path: Path, name: str) -> None:
    failing, more, status, message = FAILING[name]
    works = Works(tmp_path, replace(failing, events=[]), more=more)
    [report] = works.run()
    assert report.exit_code == status
    assert report.fault is not None
    assert message in report.fault.message
    assert works.snapshots() == []
    with works.catalog() as catalog:
        run = catalog.queries.last_runs()["orders"]
        assert (run.outcome, run.snapshot) == (RunOutcome.FAILED, None)
        assert message in run.problems[0].message
    assert "begin" not in works.toy.events or works.toy.events[-1] == "end"


def test_facts_that_the_catalog_could_not_take_wait_with_their_run(tmp_path: Path) -> None:
    works = Works(tmp_path, toy())
    works.run()
    catalog_file = tmp_path / "state" / "catalog.sqlite"
    kept = catalog_file.read_bytes()
    catalog_file.write_bytes(b"not a database" * 1000)
    [report] = works.run()
    assert report.exit_code == 0
    assert works.said
    catalog_file.write_bytes(kept)
    assert report.result is not None
    with works.catalog() as catalog:
        assert catalog.queries.facts_of(report.result.id) is not None
