"""A repository behind SSH: restic opens what drorch put there, and drorch what restic did, in the same folder."""

import contextlib
import secrets
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from drorch.repository.repository import Repository
from drorch.storage.sftp.target import SftpTarget
from tests.interop.comparing import differences, of_folder
from tests.interop.hostile import make_hostile
from tests.interop.judging import faults
from tests.interop.product import drorch, drorch_json
from tests.restic import PASSWORD, Restic, each_restic, restic
from tests.servers.sshd import Sshd


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server where every test has a folder of its own."""
    with Sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def home(sshd: Sshd, tmp_path: Path) -> dict[str, str]:
    """An environment where `ssh` is one that knows the server, as the user's ssh_config would have it."""
    program = tmp_path / "programs" / "ssh"
    program.parent.mkdir()
    options = ["-F", "none", "-i", sshd.identity, "-o", f"UserKnownHostsFile={sshd.known_hosts}"]
    program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} {shlex.join(map(str, options))} "$@"\n')
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:/usr/local/bin:/usr/bin:/bin", "SSH_AUTH_SOCK": ""}


def url_of(server: Sshd, folder: str) -> str:
    """How both name the place: below where the user logs in."""
    return f"sftp://{server.user}@127.0.0.1:{server.port}/{folder}"


@each_restic
def test_restic_reads_what_drorch_put_behind_ssh(
    which: Restic, sshd: Sshd, home: dict[str, str], tmp_path: Path
) -> None:
    source, restored = tmp_path / "source", tmp_path / "restored"
    make_hostile(source, newer=which is Restic.CURRENT)
    (source / "large").write_bytes(secrets.token_bytes(20_000_000))
    url = url_of(sshd, f"drorchs-{which}")
    drorch(url, "init", environment=home)
    drorch(url, "backup", source, environment=home)
    checked = restic(which, url, "check", "--read-data", environment=home)
    assert b"no errors were found" in checked.stdout
    restic(which, url, "restore", "latest", "--target", restored, environment=home)
    assert differences(of_folder(source), of_folder(restored / source.relative_to("/"))) == []
    restic(which, url, "backup", source, environment=home)
    restic(which, url, "forget", "--keep-last", "1", "--group-by", "", "--prune", environment=home)
    with contextlib.closing(SftpTarget(sshd.settings(f"drorchs-{which}"))) as target:
        assert faults(Repository.open(target, PASSWORD)) == []
    assert drorch_json(url, "backup", source, environment=home)["data_added"] < 10_000


@each_restic
def test_drorch_reads_what_restic_put_behind_ssh(
    which: Restic, sshd: Sshd, home: dict[str, str], tmp_path: Path
) -> None:
    source, restored = tmp_path / "source", tmp_path / "restored"
    make_hostile(source, newer=which is Restic.CURRENT)
    url = url_of(sshd, f"restics-{which}")
    restic(which, url, "init", environment=home)
    restic(which, url, "backup", source, environment=home)
    drorch(url, "check", "--read-data", environment=home)
    drorch(url, "restore", "latest", "--to", restored, environment=home)
    assert differences(of_folder(source), of_folder(restored / source.relative_to("/"))) == []
    drorch(url, "backup", source, environment=home)
    checked = restic(which, url, "check", "--read-data", environment=home)
    assert b"no errors were found" in checked.stdout
