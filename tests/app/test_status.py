"""The status of an installation: what the catalog knows, judged at the time the clock shows."""

import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drorch.app.catalogs import opened_catalog
from drorch.app.configuration import load
from drorch.app.status import Status, status
from drorch.catalog.record import Record, Stored
from drorch.config.configuration import Configuration
from drorch.errors import ConfigError
from drorch.ids import SnapshotId, TreeId
from drorch.model.finding import Finding, FindingKind
from drorch.model.hold import Lineage
from drorch.model.names import job_name
from drorch.model.proof import Proof, ProofLevel, Scope
from drorch.model.reconciliation import SeenSnapshot
from drorch.model.run import Run, RunKind, RunOutcome
from drorch.model.standing import Condition
from drorch.orchestrator.joblock import only_run_of
from tests.doubles import FakeClock

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
WRITTEN = NOON - timedelta(days=30)


@pytest.fixture
def configuration(tmp_path: Path) -> Iterator[Configuration]:
    """Job homes on two targets, nightly and with an objective; etc by hand; old is disabled."""
    (tmp_path / "jobs.toml").write_text(
        f"""
        [drorch]
        state_dir = "{tmp_path}/state"
        host = "web1"
        timezone = "UTC"
        [targets.one]
        type = "local"
        path = "{tmp_path}/one"
        password = {{ env = "X" }}
        [targets.two]
        type = "local"
        path = "{tmp_path}/two"
        password = {{ env = "X" }}
        [jobs.homes]
        source = {{ type = "files", paths = ["/home"] }}
        targets = ["one", "two"]
        schedule = "30 2 * * *"
        objectives = {{ rpo = "26h" }}
        [jobs.etc]
        source = {{ type = "files", paths = ["/etc"] }}
        targets = ["one"]
        [jobs.old]
        source = {{ type = "files", paths = ["/old"] }}
        targets = ["one"]
        schedule = "30 2 * * *"
        enabled = false
        """
    )
    tmp_path.chmod(0o700)
    os.utime(tmp_path / "jobs.toml", (WRITTEN.timestamp(),) * 2)
    yield load(str(tmp_path / "jobs.toml"))


def wrote(
    configuration: Configuration,
    job: str,
    target: str,
    at: datetime,
    outcome: RunOutcome = RunOutcome.OK,
    *,
    host: str = "web1",
) -> SnapshotId:
    """A run that saved a snapshot (unless it failed) is in the catalog."""
    snapshot = SnapshotId(os.urandom(32))
    saved = outcome in (RunOutcome.OK, RunOutcome.INCOMPLETE)
    seen = SeenSnapshot(snapshot, snapshot, TreeId(bytes(32)), Lineage(host, job), at)
    run = Run(uuid.uuid4().hex, job, RunKind.BACKUP, host, at, target, at, outcome, snapshot if saved else None)
    listed = Proof(target, snapshot, Scope.FULL, ProofLevel.L0, at)
    with opened_catalog(configuration) as catalog:
        catalog.ledger.record(Record(run, (Stored(target, seen),) if saved else (), (listed,) if saved else ()))
    return snapshot


def began(configuration: Configuration, job: str, target: str, at: datetime) -> None:
    """A run has begun and not ended."""
    with opened_catalog(configuration) as catalog:
        catalog.ledger.begin(Run(uuid.uuid4().hex, job, RunKind.BACKUP, "web1", at, target))


def conditions(found: Status) -> dict[str, Condition]:
    return {f"{one.duty.job.name}@{one.duty.target}": one.condition for one in found.standings}


def test_jobs_that_nothing_is_known_of_are_never_well(configuration: Configuration) -> None:
    found = status(configuration, FakeClock(NOON))
    assert conditions(found) == {
        "homes@one": Condition.OVERDUE,
        "homes@two": Condition.OVERDUE,
        "etc@one": Condition.UNKNOWN,
        "old@one": Condition.DISABLED,
    }
    assert found.overdue
    fresh = status(configuration, FakeClock(WRITTEN + timedelta(minutes=1)))
    assert conditions(fresh)["homes@one"] is Condition.UNKNOWN
    assert not fresh.overdue


def test_each_target_of_a_job_has_its_own_runs_and_snapshots(configuration: Configuration) -> None:
    night = NOON.replace(hour=2, minute=30)
    wrote(configuration, "homes", "two", night - timedelta(days=3))
    newest = wrote(configuration, "homes", "one", night)
    wrote(configuration, "homes", "two", NOON, host="web2")
    found = status(configuration, FakeClock(NOON))
    one, two = found.standings[:2]
    assert (one.condition, two.condition) == (Condition.OK, Condition.OVERDUE)
    assert one.record.newest is not None
    assert one.record.newest.id == newest
    assert one.age == timedelta(hours=9, minutes=30)
    assert two.age == timedelta(days=3, hours=9, minutes=30)
    assert conditions(status(configuration, FakeClock(NOON), "one")) == {
        "homes@one": Condition.OK,
        "etc@one": Condition.UNKNOWN,
        "old@one": Condition.DISABLED,
    }
    with pytest.raises(ConfigError):
        status(configuration, FakeClock(NOON), "three")


def test_time_alone_makes_a_job_overdue(configuration: Configuration) -> None:
    clock = FakeClock(NOON)
    wrote(configuration, "homes", "one", NOON)
    assert conditions(status(configuration, clock, "one"))["homes@one"] is Condition.OK
    clock.advance(14.5 * 3600)
    assert conditions(status(configuration, clock, "one"))["homes@one"] is Condition.OK
    clock.advance(61)
    assert conditions(status(configuration, clock, "one"))["homes@one"] is Condition.OVERDUE


def test_a_run_that_never_ended_counts_as_going_on_only_while_its_job_is_locked(configuration: Configuration) -> None:
    night = NOON.replace(hour=2, minute=30)
    wrote(configuration, "homes", "one", night - timedelta(hours=1))
    began(configuration, "homes", "one", night)
    with only_run_of(job_name("homes"), configuration.state_dir):
        assert conditions(status(configuration, FakeClock(NOON), "one"))["homes@one"] is Condition.OK
    assert conditions(status(configuration, FakeClock(NOON), "one"))["homes@one"] is Condition.FAILED


def test_a_run_that_was_skipped_is_no_run(configuration: Configuration) -> None:
    night = NOON.replace(hour=2, minute=30)
    wrote(configuration, "homes", "one", night - timedelta(hours=20))
    wrote(configuration, "homes", "one", night, RunOutcome.SKIPPED)
    assert conditions(status(configuration, FakeClock(NOON), "one"))["homes@one"] is Condition.OVERDUE


def test_proof_of_the_newest_and_the_best_that_is_proven(configuration: Configuration) -> None:
    older = wrote(configuration, "homes", "one", NOON - timedelta(days=1))
    newest = wrote(configuration, "homes", "one", NOON)
    with opened_catalog(configuration) as catalog:
        catalog.ledger.prove([Proof("one", older, Scope.FULL, ProofLevel.L2, NOON)])
        catalog.ledger.prove([Proof("one", newest, Scope.SAMPLE, ProofLevel.L2, NOON)])
    record = status(configuration, FakeClock(NOON)).standings[0].record
    assert record.proof == Proof("one", newest, Scope.FULL, ProofLevel.L0, NOON)
    assert record.best == Proof("one", older, Scope.FULL, ProofLevel.L2, NOON)


def test_findings_are_those_of_the_job_and_of_its_target(configuration: Configuration) -> None:
    wrote(configuration, "homes", "one", NOON)
    subjects = ("homes@one", "one", "one:data", "homes@two", "etc@one", "onetwo")
    with opened_catalog(configuration) as catalog:
        for subject in subjects:
            catalog.ledger.open_finding(Finding(uuid.uuid4().hex, FindingKind.DAMAGE, subject, "bad", NOON))
    found = status(configuration, FakeClock(NOON))
    assert {one.subject for one in found.standings[0].record.findings} == {"homes@one", "one", "one:data"}
    assert found.standings[0].condition is Condition.ATTENTION
    assert len(found.findings) == len(subjects)
