"""An installation to be lost and brought back: a configuration with a job on two targets, and its state_dir."""

import json
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.commandline import PASSWORD, drorch, new_repository


@dataclass(frozen=True)
class Installation:
    """A folder with a source, the targets `one` and `two`, jobs.toml and state."""

    place: Path

    @staticmethod
    def make(place: Path, *, host: str = "web1") -> "Installation":
        place.chmod(0o700)
        (place / "source").mkdir()
        (place / "source" / "file").write_text("content")
        (place / "password").write_text(PASSWORD)
        (place / "password").chmod(0o600)
        for name in ("one", "two"):
            new_repository(place / name)
        made = Installation(place)
        made.configure("homes", host=host)
        return made

    @property
    def config(self) -> Path:
        return self.place / "jobs.toml"

    @property
    def state(self) -> Path:
        return self.place / "state"

    @property
    def catalog(self) -> Path:
        return self.state / "catalog.sqlite"

    def configure(self, job: str, *, host: str = "web1") -> None:
        """Write jobs.toml with one job of this name."""
        targets = "".join(
            f"""
            [targets.{name}]
            type = "local"
            path = "{self.place}/{name}"
            password = {{ file = "{self.place}/password" }}
            """
            for name in ("one", "two")
        )
        self.config.write_text(
            f"""
            [drorch]
            state_dir = "{self.state}"
            host = "{host}"
            {targets}
            [jobs.{job}]
            source = {{ type = "files", paths = ["{self.place}/source"] }}
            targets = ["one", "two"]
            """
        )

    def run(self, *arguments: str | Path, status: int = 0) -> "subprocess.CompletedProcess[bytes]":
        """drorch with this configuration."""
        return drorch("-c", self.config, *arguments, status=status)

    def said(self, *arguments: str | Path, status: int = 0) -> list[dict[str, Any]]:
        """The objects that drorch prints with --json."""
        return [json.loads(line) for line in self.run(*arguments, "--json", status=status).stdout.splitlines()]

    def snapshots(self, target: str, tag: str) -> list[dict[str, Any]]:
        """The snapshots on a target with a tag, oldest first."""
        found: list[dict[str, Any]] = json.loads(self.run("snapshots", "-t", target, "--tag", tag, "--json").stdout)
        return found

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the catalog answers in plain SQL."""
        with closing(sqlite3.connect(self.catalog)) as opened:
            return opened.execute(query).fetchall()

    def runs(self) -> list[tuple[str, str, str]]:
        """Job, target and outcome of every run of a job in the catalog, oldest first."""
        return self.rows("select job, target, outcome from run where job != '@state' order by started")
