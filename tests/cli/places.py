"""Places elsewhere for tests of the command line, and what must go well on a place of any kind."""

import filecmp
import json
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from drorch.app.configuration import load
from drorch.app.opening import bare_target
from drorch.app.targets import location_of
from drorch.clock import SystemClock
from drorch.repository.keys import ScryptCost
from drorch.repository.repository import initialize
from tests.cli.commandline import PASSWORD, drorch
from tests.servers.seaweedfs import SeaweedFS


@dataclass(frozen=True)
class Elsewhere:
    """A target as jobs.toml says it (beside its password), and the environment that holds its secrets."""

    kind: str
    keys: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def but(self, changes: Mapping[str, str]) -> "Elsewhere":
        """The same with other keys, written as TOML; an empty one is left out."""
        keys = {**self.keys, **changes}
        return replace(self, keys={key: value for key, value in keys.items() if value})

    def table(self, name: str, password: Path) -> str:
        """The target's table."""
        lines = [f"[targets.{name}]", f'type = "{self.kind}"', f'password = {{ file = "{password}" }}']
        return "\n".join([*lines, *(f"{key} = {value}" for key, value in self.keys.items())])


def in_bucket(server: SeaweedFS, bucket: str, prefix: str = "web1") -> Elsewhere:
    """A prefix of a bucket."""
    keys = {
        "endpoint": f'"{server.endpoint}"',
        "bucket": f'"{bucket}"',
        "prefix": f'"{prefix}"',
        "access_key": '{ env = "TEST_ACCESS_KEY" }',
        "secret_key": '{ env = "TEST_SECRET_KEY" }',
    }
    return Elsewhere("s3", keys, {"TEST_ACCESS_KEY": server.access_key, "TEST_SECRET_KEY": server.secret_key})


def install(folder: Path, targets: Mapping[str, Elsewhere]) -> Path:
    """A configuration with these targets and the job homes on all of them; its source has two files."""
    source = folder / "source"
    source.mkdir(exist_ok=True)
    (source / "notes.txt").write_text("first")
    (source / "plan.txt").write_text("plan" * 10_000)
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    named = ", ".join(f'"{name}"' for name in targets)
    text = [
        "[drorch]",
        f'state_dir = "{folder}/state"',
        'host = "web1"',
        *(place.table(name, password) for name, place in targets.items()),
        "[jobs.homes]",
        f'source = {{ type = "files", paths = ["{source}"] }}',
        f"targets = [{named}]",
    ]
    file = folder / "jobs.toml"
    file.write_text("\n".join(text) + "\n")
    file.chmod(0o600)
    folder.chmod(0o700)
    return file


def make_repository(file: Path, name: str, place: Elsewhere) -> None:
    """An empty repository on a target of a configuration, with the cheapest legal scrypt."""
    with pytest.MonkeyPatch.context() as environment, ExitStack() as stack:
        for variable, secret in place.environment.items():
            environment.setenv(variable, secret)
        target = stack.enter_context(closing(bare_target(location_of(load(str(file)), name), SystemClock())))
        initialize(target, PASSWORD, cost=ScryptCost(2, 1, 1))


def run(
    file: Path, place: Elsewhere, *arguments: str | Path, status: int = 0, **environment: str
) -> "subprocess.CompletedProcess[bytes]":
    """drorch with a configuration, and with the secrets of a target."""
    secrets = {**place.environment, **environment}
    done = drorch("-c", file, *arguments, status=status, env=secrets, password=None)
    for secret in place.environment.values():
        assert secret.encode() not in done.stdout + done.stderr
    return done


def same_files(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files."""
    names = sorted(path.name for path in one.iterdir())
    _, wrong, odd = filecmp.cmpfiles(one, other, names, shallow=False)
    return bool(names) and not wrong and not odd


def saves_checks_and_brings_back(tmp_path: Path, place: Elsewhere) -> None:
    """A job is run twice; both snapshots are there, sound, and come back. The doctor is content."""
    file = install(tmp_path, {"away": place.but({"limits": '[{ upload = "100 MiB/s", download = "100 MiB/s" }]'})})
    make_repository(file, "away", place)
    assert b"homes@away: ok" in run(file, place, "run", "homes").stdout
    (tmp_path / "source" / "notes.txt").write_text("second")
    assert b"homes@away: ok" in run(file, place, "run", "homes").stdout
    listed = json.loads(run(file, place, "snapshots", "-t", "away", "--tag", "drorch:job=homes", "--json").stdout)
    assert [one["hostname"] for one in listed] == ["web1", "web1"]
    assert b"no errors were found" in run(file, place, "check", "-t", "away", "--read-data").stdout
    run(file, place, "restore", "-t", "away", "latest:homes", "--to", tmp_path / "back")
    assert same_files(tmp_path / "source", tmp_path / "back" / str(tmp_path / "source").lstrip("/"))
    assert b"nothing would fail" in run(file, place, "doctor").stdout


def keeps_what_every_command_reads(tmp_path: Path, place: Elsewhere) -> None:
    """Metadata is kept below state_dir, and with --no-cache nothing is."""
    file = install(tmp_path, {"away": place})
    caches = tmp_path / "state" / "cache"
    make_repository(file, "away", place)
    run(file, place, "backup", "-t", "away", tmp_path / "source", "--no-cache")
    run(file, place, "snapshots", "-t", "away", "--no-cache")
    assert not caches.exists()
    run(file, place, "ls", "-t", "away", "latest")
    kept = {path.relative_to(caches).parts[1] for path in caches.rglob("*") if path.is_file()}
    assert {"index", "snapshots", "data"} <= kept
    assert all(folder.stat().st_mode & 0o077 == 0 for folder in caches.iterdir())
