"""What a configuration asks of the daemon, and since when."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drorch.app import configuration as app_configuration
from drorch.app.roster import in_force_since, roster_of
from drorch.config.configuration import Configuration
from drorch.model.timetable import due

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    file = tmp_path / "jobs.toml"
    file.write_text(
        f"""
        [drorch]
        state_dir = "{tmp_path}/state"
        timezone = "UTC"
        [targets.one]
        type = "local"
        path = "{tmp_path}/one"
        password = {{ env = "PASSWORD_ONE" }}
        [jobs.homes]
        source = {{ type = "files", paths = ["/srv"] }}
        targets = ["one"]
        schedule = "0 * * * *"
        """
    )
    file.chmod(0o600)
    tmp_path.chmod(0o700)
    return app_configuration.load(str(file))


def written(configuration: Configuration, at: datetime) -> None:
    os.utime(configuration.file, (at.timestamp(), at.timestamp()))


def test_it_asks_since_its_file_was_written(configuration: Configuration) -> None:
    written(configuration, NOON - timedelta(days=1))
    assert roster_of(configuration, NOON).since == NOON - timedelta(days=1)


def test_a_file_written_by_a_clock_that_ran_ahead_asks_from_now_on(configuration: Configuration) -> None:
    written(configuration, NOON + timedelta(days=365))
    assert in_force_since(configuration, NOON) == NOON
    roster = roster_of(configuration, NOON)
    (entry,) = roster.entries
    assert entry.timetable is not None
    assert due(entry.timetable, None, roster.since, NOON + timedelta(hours=1)) == NOON + timedelta(hours=1)
