"""RPOs that schedules cannot keep are told; the catalog says how long runs take, where there is one."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drorch.app.catalogs import opened_catalog
from drorch.app.configuration import broken_promises, load
from drorch.catalog.record import Record
from drorch.config.configuration import Configuration
from drorch.model.run import Run, RunKind, RunOutcome
from tests.doubles import FakeClock

NOON = datetime(2026, 6, 2, 12, tzinfo=UTC)
TARGETS = "".join(
    f'[targets.{name}]\ntype = "local"\npath = "/srv/{name}"\npassword = {{ env = "X" }}\n' for name in "ab"
)


def configuration(folder: Path, jobs: str) -> Configuration:
    """A job called homes with these keys, and others."""
    file = folder / "jobs.toml"
    general = f'[drorch]\nstate_dir = "{folder}/state"\nhost = "web1"\ntimezone = "UTC"\n'
    homes = '[jobs.homes]\nsource = { type = "files", paths = ["/home"] }\ntargets = ["a", "b"]\n'
    file.write_text(general + TARGETS + homes + jobs)
    folder.chmod(0o700)
    return load(str(file))


def told(found: Configuration) -> list[str]:
    return broken_promises(found, FakeClock(NOON))


def took(found: Configuration, minutes: float, target: str, kind: RunKind, outcome: RunOutcome = RunOutcome.OK) -> None:
    run = Run(uuid.uuid4().hex, "homes", kind, "web1", NOON, target, NOON + timedelta(minutes=minutes), outcome)
    with opened_catalog(found) as catalog:
        catalog.ledger.record(Record(run))


def test_a_schedule_that_is_too_rare_is_told_line_by_line_and_no_catalog_is_made(tmp_path: Path) -> None:
    found = configuration(
        tmp_path, 'schedule = "@daily"\nobjectives = { rpo = "23h" }\n[jobs.homes.on.b]\nschedule = "0 0 * * sat,sun"\n'
    )
    assert told(found) == [
        "job homes promises an RPO of 23h, but 24h can pass from one run of homes to the next",
        "job homes promises an RPO of 23h, but 6d can pass from one run of homes@b to the next",
    ]
    assert not (tmp_path / "state").exists()


def test_what_takes_too_long_is_told(tmp_path: Path) -> None:
    found = configuration(tmp_path, 'schedule = "30 2 * * *"\nobjectives = { rpo = "26h" }\n')
    assert told(found) == []
    for minutes in (60, 61, 900):
        took(found, minutes, "a", RunKind.BACKUP)
    took(found, 900, "a", RunKind.BACKUP, RunOutcome.FAILED)
    took(found, 900, "a", RunKind.CHECK)
    assert told(found) == []
    took(found, 58, "b", RunKind.COPY, RunOutcome.INCOMPLETE)
    assert told(found) == []
    for minutes in (60, 70):
        took(found, minutes, "b", RunKind.COPY)
    assert told(found) == [
        "job homes promises an RPO of 26h, but 24h can pass from one run of homes to the next, and it takes 2h1m until "
        "there is a snapshot on b"
    ]


@pytest.mark.parametrize("name", ["catalog.sqlite", "paths.sqlite"])
def test_a_catalog_that_cannot_be_used_keeps_nobody_from_telling(tmp_path: Path, name: str) -> None:
    found = configuration(tmp_path, 'schedule = "@daily"\nobjectives = { rpo = "2h" }\n')
    took(found, 1, "a", RunKind.BACKUP)
    (tmp_path / "state" / name).write_bytes(b"nonsense" * 2000)
    before = sorted(path.name for path in (tmp_path / "state").iterdir())
    [one] = told(found)
    assert one.startswith("job homes promises an RPO of 2h, but 24h can pass")
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == before


def test_a_job_waits_as_long_as_the_one_it_follows(tmp_path: Path) -> None:
    first = '[jobs.etc]\nsource = { type = "files", paths = ["/etc"] }\ntargets = ["a"]\nschedule = "@weekly"\n'
    keys = 'after = "etc"\nobjectives = { rpo = "26h" }\n'
    [one] = told(configuration(tmp_path, keys + first))
    assert one == "job homes promises an RPO of 26h, but 7d can pass from one run of homes to the next"
    assert told(configuration(tmp_path, keys + first + "enabled = false\n")) == []
    assert told(configuration(tmp_path, keys + first.replace("weekly", "daily"))) == []


def test_what_runs_by_hand_or_not_at_all_has_nothing_to_be_held_against(tmp_path: Path) -> None:
    assert told(configuration(tmp_path, 'objectives = { rpo = "1h" }\n')) == []
    assert told(configuration(tmp_path, 'schedule = "@weekly"\n')) == []
    assert told(configuration(tmp_path, 'schedule = "@weekly"\nobjectives = { rpo = "1h" }\nenabled = false\n')) == []


def test_windows_that_end_are_told(tmp_path: Path) -> None:
    keys = 'schedule = "@daily"\nobjectives = { rpo = "26h" }\nallowed = ["2026-06-01/2026-06-09"]\n'
    [one] = told(configuration(tmp_path, keys))
    assert one.endswith("but a time comes when the windows of homes let it begin no more")
