"""What `restore --dry-run` tells beforehand: bytes, packs, time at the speed measured here, and money."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commandline import PASSWORD, drorch, drorch_json, new_repository

_BYTES = 6 * 1024 * 1024


@pytest.fixture
def config(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    new_repository(tmp_path / "repository")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "noise").write_bytes(os.urandom(_BYTES))
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password").chmod(0o600)
    file = tmp_path / "jobs.toml"
    file.write_text(
        f"""
        [drorch]
        state_dir = "{tmp_path}/state"
        [targets.one]
        type = "local"
        path = "{tmp_path}/repository"
        password = {{ file = "{tmp_path}/password" }}
        price = {{ fetch_per_gib = 10.0, request_per_1000 = 2.0, currency = "EUR" }}
        """
    )
    drorch("-c", file, "-t", "one", "backup", tmp_path / "source")
    return file


def _planned(config: Path, *more: str) -> dict[str, Any]:
    summary = drorch_json("-c", config, "restore", "latest", "--to", config.parent / "back", "-n", *more)
    return dict(summary)


def test_time_is_told_once_it_was_measured_and_money_where_a_price_is_configured(config: Path) -> None:
    before = _planned(config, "-t", "one")
    assert _BYTES < before["bytes_to_fetch"] < 1.01 * _BYTES
    assert before["bytes_to_write"] == _BYTES
    assert before["packs_to_fetch"] == before["requests"] == 1
    assert (before["seconds_to_fetch"], before["bytes_per_second"]) == (None, None)
    assert before["cost"] == pytest.approx(_BYTES / 2**30 * 10 + 0.002, rel=0.02)
    assert before["currency"] == "EUR"
    shown = drorch("-c", config, "-t", "one", "restore", "latest", "--to", config.parent / "back", "-n").stdout
    assert b"not known yet" in shown
    assert b"about 0.06 EUR" in shown
    drorch("-c", config, "-t", "one", "check", "--read-data")
    after = _planned(config, "-t", "one")
    assert after["bytes_per_second"] > 0
    assert after["seconds_to_fetch"] == pytest.approx(after["bytes_to_fetch"] / after["bytes_per_second"], abs=0.1)
    assert not (config.parent / "back").exists()


def test_packs_are_named_at_most_verbosity(config: Path) -> None:
    told = drorch("-c", config, "-t", "one", "restore", "latest", "--to", config.parent / "back", "-n", "-vv").stdout
    [pack] = [line.split()[-1].decode() for line in told.splitlines() if line.startswith(b"fetch pack")]
    assert (config.parent / "repository" / "data" / pack[:2] / pack).exists()


def test_without_a_target_of_the_configuration_neither_time_nor_money_is_known(config: Path) -> None:
    where = ("--repo", str(config.parent / "repository"), "--password-file", str(config.parent / "password"))
    planned = _planned(config, *where)
    assert planned["bytes_to_fetch"] > _BYTES
    assert (planned["seconds_to_fetch"], planned["cost"], planned["currency"]) == (None, None, None)
