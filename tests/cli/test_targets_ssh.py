"""Repositories behind SSH, as an operator uses them; and what is said where something is wrong."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commandline import drorch, fault_line, new_repository
from tests.cli.places import (
    Elsewhere,
    install,
    keeps_what_every_command_reads,
    run,
    saves_checks_and_brings_back,
)
from tests.servers.sshd import Sshd, SshdOptions


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server for all tests that leave it as it is."""
    with Sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


def behind_ssh(server: Sshd, path: str = "repository") -> Elsewhere:
    """A folder of a server."""
    keys = {
        "host": '"127.0.0.1"',
        "port": str(server.port),
        "user": f'"{server.user}"',
        "path": f'"{path}"',
        "identity_file": f'"{server.identity}"',
        "known_hosts": f'"{server.known_hosts}"',
    }
    return Elsewhere("sftp", keys)


def test_a_job_is_saved_there_checked_and_brought_back(tmp_path: Path, sshd: Sshd) -> None:
    saves_checks_and_brings_back(tmp_path, behind_ssh(sshd, "job"))


def test_what_every_command_reads_is_kept_here(tmp_path: Path, sshd: Sshd) -> None:
    keeps_what_every_command_reads(tmp_path, behind_ssh(sshd, "kept"))


@pytest.mark.parametrize(
    ("changes", "status", "told", "hint"),
    [
        ({"known_hosts": '"/dev/null"'}, 21, "is not known", "ssh-keyscan"),
        ({"identity_file": '"OTHER"'}, 21, "does not let", "authorized_keys"),
        ({"path": '"elsewhere"'}, 10, "no repository", "drorch init"),
        ({"passphrase": '{ env = "UNSET" }'}, 62, "UNSET is not set", "Set UNSET"),
    ],
)
def test_what_is_wrong_with_a_server_is_one_line_with_a_hint(
    tmp_path: Path, sshd: Sshd, changes: dict[str, str], status: int, told: str, hint: str
) -> None:
    other = tmp_path / "other_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True, timeout=60)
    place = behind_ssh(sshd).but({key: value.replace("OTHER", str(other)) for key, value in changes.items()})
    file = install(tmp_path, {"away": place})
    line = fault_line(run(file, place, "snapshots", "-t", "away", status=status, SSH_AUTH_SOCK=""))
    assert told in line
    assert hint in line


def test_a_server_with_another_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sshd").mkdir()
    with Sshd(tmp_path / "sshd") as server:
        place = behind_ssh(server)
        file = install(tmp_path, {"away": place})
        server.stop()
        server.change_host_key()
        server.start()
        line = fault_line(run(file, place, "snapshots", "-t", "away", status=21))
    assert "somebody may be in between" in line
    assert "ssh-keygen -R" in line


def test_a_folder_that_may_only_be_read_is_read_and_not_written(tmp_path: Path) -> None:
    (tmp_path / "sshd").mkdir()
    new_repository(tmp_path / "repository")
    (tmp_path / "notes.txt").write_text("first")
    drorch("--repo", tmp_path / "repository", "backup", tmp_path / "notes.txt")
    with Sshd(tmp_path / "sshd", SshdOptions(sftp="-R")) as server:
        place = behind_ssh(server, str(tmp_path / "repository"))
        file = install(tmp_path, {"away": place})
        assert len(json.loads(run(file, place, "snapshots", "-t", "away", "--no-lock", "--json").stdout)) == 1
        line = fault_line(run(file, place, "backup", "-t", "away", tmp_path / "source", status=21))
    assert "permission denied" in line


def test_the_doctor_finds_what_would_fail_there(tmp_path: Path, sshd: Sshd) -> None:
    targets = {
        "unknown": behind_ssh(sshd).but({"known_hosts": '"/dev/null"'}),
        "lost": behind_ssh(sshd).but({"identity_file": '"/nonexistent/key"'}),
        "away": behind_ssh(sshd).but({"host": '"nowhere.invalid"'}),
        "empty": behind_ssh(sshd, "nothing"),
    }
    file = install(tmp_path, targets)
    *symptoms, _ = [
        json.loads(line) for line in run(file, targets["empty"], "doctor", "--json", status=1).stdout.splitlines()
    ]
    told = {one["subject"]: one for one in symptoms if one["subject"].startswith("target ")}
    expected = {
        "unknown": ("is not known", "ssh-keyscan"),
        "lost": ("identity_file /nonexistent/key cannot be read", "identity_file"),
        "away": ("nowhere.invalid", "getent hosts"),
        "empty": ("repository", "drorch init -t empty"),
    }
    assert told.keys() == {f"target {name}" for name in expected}
    for name, (message, mend) in expected.items():
        assert message in told[f"target {name}"]["message"], name
        assert mend in told[f"target {name}"]["mend"], name
