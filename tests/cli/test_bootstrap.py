"""drorch bootstrap: from one repository and its password a bare host has its configuration and catalog again."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commandline import drorch, fault_line
from tests.cli.installation import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation.make(tmp_path)
    made.run("run", "homes")
    return made


def bare(installation: Installation) -> None:
    shutil.rmtree(installation.state)
    installation.config.unlink()


def bootstrap(installation: Installation, *more: str | Path, status: int = 0) -> Any:
    done = drorch(
        "bootstrap", "--repo", installation.place / "two", "-c", installation.config, "--json", *more, status=status
    )
    return json.loads(done.stdout)


def test_a_bare_host_comes_back(installation: Installation) -> None:
    config, runs = installation.config.read_bytes(), installation.runs()
    bare(installation)
    done = bootstrap(installation)
    assert installation.config.read_bytes() == config
    assert installation.config.stat().st_mode & 0o777 == 0o600
    assert installation.runs() == runs
    assert (done["hostname"], done["audit"], done["aside"]) == ("web1", None, [])
    assert [secret["there"] for secret in done["secrets"]] == [True, True]
    assert done["rebuilt"]["targets"] == {"one": 2, "two": 2}
    assert b"content" not in installation.run("history", installation.place / "source" / "file").stderr
    installation.run("run", "homes")
    assert len(installation.runs()) == len(runs) + 2


def test_secrets_that_are_missing_are_named_and_the_given_password_serves(installation: Installation) -> None:
    bare(installation)
    (installation.place / "password").unlink()
    done = bootstrap(installation)
    assert [(one["purpose"], one["reference"], one["there"]) for one in done["secrets"]] == [
        (f"targets.{name}.password", {"file": str(installation.place / "password")}, False) for name in ("one", "two")
    ]
    assert list(done["rebuilt"]["silent"]) == ["one"]
    assert done["rebuilt"]["targets"] == {"two": 2}


def test_nothing_is_replaced_unasked(installation: Installation) -> None:
    content = installation.config.read_bytes() + b"# mine\n"
    installation.config.write_bytes(content)
    arguments = ("bootstrap", "--repo", installation.place / "two", "-c", installation.config)
    assert "is there already" in fault_line(drorch(*arguments, status=64))
    assert installation.config.read_bytes() == content
    other = installation.place / "other.toml"
    assert "catalog.sqlite is there already" in fault_line(drorch(*arguments[:-1], other, status=64))
    assert not other.exists()
    done = bootstrap(installation, "--yes")
    assert Path(done["aside"][0]).read_bytes() == content


def test_all_can_be_put_elsewhere_to_be_looked_at(installation: Installation, tmp_path: Path) -> None:
    done = bootstrap(installation, "--to", tmp_path / "look")
    assert done["config"] == str(tmp_path / "look" / "jobs.toml")
    assert (tmp_path / "look" / "jobs.toml").read_bytes() == installation.config.read_bytes()
    with closing(sqlite3.connect(tmp_path / "look" / "state" / "catalog.sqlite")) as catalog:
        assert catalog.execute("select count(*) from run where job = 'homes'").fetchall() == [(2,)]
    assert done["rebuilt"] is None


def test_a_log_that_was_meddled_with_is_told(installation: Installation) -> None:
    with closing(sqlite3.connect(installation.catalog)) as catalog:
        for (name,) in catalog.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            catalog.execute(f"drop trigger {name}")
        catalog.execute("update audit set username = 'somebody else' where seq = 1")
        catalog.commit()
    installation.run("run", "@state")
    bare(installation)
    assert bootstrap(installation, status=71)["audit"]["seq"] == 1


def test_the_state_of_several_hosts_is_told_apart(installation: Installation) -> None:
    installation.configure("homes", host="web2")
    installation.run("run", "homes")
    bare(installation)
    arguments = ("bootstrap", "--repo", installation.place / "two", "-c", installation.config)
    assert "web1, web2" in fault_line(drorch(*arguments, status=64))
    assert bootstrap(installation, "--host", "web1")["hostname"] == "web1"


def test_a_repository_without_a_state_says_so(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path)
    said = fault_line(drorch("bootstrap", "--repo", tmp_path / "one", "-c", tmp_path / "new.toml", status=1))
    assert "holds no state" in said
    assert installation.config.exists()
