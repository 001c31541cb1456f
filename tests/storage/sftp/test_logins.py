"""Whom a target trusts and how it logs in, the same with both carriers: host keys, user keys, passphrases, a jump."""

import contextlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from drorch.errors import ConfigError, SecretMissing, TargetDenied, TargetError, TargetUnavailable
from drorch.secrets import EnvSecret
from drorch.storage.sftp.carriers import carrier_for
from drorch.storage.sftp.openssh import OpensshCarrier
from drorch.storage.sftp.settings import Carrier, SftpSettings
from drorch.storage.sftp.target import SftpTarget
from tests.servers.ports import free_ports
from tests.servers.sshd import Sshd, SshdOptions, make_key
from tests.storage.contract import PACK
from tests.storage.sftp.children import nothing_is_left_at_work_for

PASSPHRASE = "canary of a passphrase"  # noqa: S105
each_carrier = pytest.mark.parametrize("carrier", ["ssh", "paramiko"])


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, sshd: Sshd) -> Iterator[Sshd]:
    """A jump host, which lets the users of the other server in."""
    with Sshd(tmp_path_factory.mktemp("gate"), SshdOptions(extra=("AllowTcpForwarding yes",))) as server:
        server.admit(sshd.identity)
        yield server


def works(settings: SftpSettings) -> None:
    """Fails unless something can be saved and read there."""
    with contextlib.closing(SftpTarget(settings)) as target:
        target.create()
        target.save(PACK, b"something")
        assert target.load(PACK) == b"something"


def fault_of(settings: SftpSettings) -> TargetError:
    """Why nothing can be; it is one line with a hint, tells no secret, and leaves nothing running."""
    with contextlib.closing(SftpTarget(settings)) as target, pytest.raises(TargetError) as raised:
        target.load(PACK)
    fault = raised.value
    assert fault.hint
    for text in (fault.message, fault.hint):
        assert "\n" not in text
        assert PASSPHRASE not in text
    return fault


def typed(hint: str, server: Sshd) -> None:
    """Do what a hint says, and compare the fingerprint as it asks to."""
    found = re.search(r"type: (.*), and compare the fingerprint", hint)
    assert found is not None, hint
    done = subprocess.run(["sh", "-c", found.group(1)], capture_output=True, timeout=60, check=True)
    own = subprocess.run(["ssh-keygen", "-lf", server.host_key], capture_output=True, timeout=60, check=True)
    assert own.stdout.split()[1] in done.stdout


@each_carrier
def test_an_unknown_server_is_refused_until_the_hint_is_followed(sshd: Sshd, tmp_path: Path, carrier: Carrier) -> None:
    known = tmp_path / "known hosts"
    settings = sshd.settings(f"unknown-{carrier}", carrier=carrier, known_hosts=known)
    fault = fault_of(settings)
    assert type(fault) is TargetDenied
    assert f"the host key of 127.0.0.1 port {sshd.port} is not known" in fault.message
    typed(fault.hint or "", sshd)
    works(settings)


@each_carrier
def test_a_server_with_another_key_is_refused_until_the_hint_is_followed(tmp_path: Path, carrier: Carrier) -> None:
    with Sshd(tmp_path) as server:
        settings = server.settings(carrier=carrier)
        works(settings)
        server.stop()
        server.change_host_key()
        server.start()
        fault = fault_of(settings)
        assert type(fault) is TargetDenied
        assert "somebody may be in between" in fault.message
        typed(fault.hint or "", server)
        works(settings)


@each_carrier
def test_known_hosts_may_be_hashed_and_keys_revoked(sshd: Sshd, tmp_path: Path, carrier: Carrier) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(sshd.known_hosts.read_text())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], capture_output=True, timeout=60, check=True)
    assert "127.0.0.1" not in known.read_text()
    known.write_text(f"# a remark\n\nnonsense\n{known.read_text()}")
    settings = sshd.settings(f"hashed-{carrier}", carrier=carrier, known_hosts=known)
    works(settings)
    with known.open("a") as file:
        file.write(f"@revoked * {sshd.host_key.with_suffix('.pub').read_text()}")
    assert type(fault_of(settings)) is TargetDenied


@each_carrier
def test_a_key_that_the_server_does_not_know(sshd: Sshd, tmp_path: Path, carrier: Carrier) -> None:
    key = tmp_path / "a key"
    make_key(key)
    fault = fault_of(sshd.settings(carrier=carrier, identity_file=key))
    assert type(fault) is TargetDenied
    assert f"does not let {sshd.user} in" in fault.message
    assert f"ssh-keygen -yf '{key}'" in (fault.hint or "")


@each_carrier
@pytest.mark.parametrize("content", [None, b"no key"])
def test_a_file_that_is_no_key(sshd: Sshd, tmp_path: Path, carrier: Carrier, content: bytes | None) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.write_bytes(content)
        key.chmod(0o600)
    assert type(fault_of(sshd.settings(carrier=carrier, identity_file=key))) is TargetDenied


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_key_with_a_passphrase(sshd: Sshd, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "key"
    make_key(key, PASSPHRASE, kind)
    sshd.admit(key)
    settings = sshd.settings(f"passphrase-{kind}", identity_file=key, passphrase=EnvSecret("SSH_PASSPHRASE"))
    with contextlib.closing(SftpTarget(settings)) as target, pytest.raises(SecretMissing):
        target.load(PACK)
    monkeypatch.setenv("SSH_PASSPHRASE", PASSPHRASE)
    works(settings)
    monkeypatch.setenv("SSH_PASSPHRASE", "another " + PASSPHRASE)
    fault = fault_of(settings)
    assert type(fault) is TargetDenied
    assert "not one with this passphrase" in fault.message
    without = fault_of(replace(settings, carrier="paramiko", passphrase=None))
    assert type(without) is TargetDenied
    assert "has a passphrase" in without.message
    nothing_is_left_at_work_for(sshd.port)


def test_a_passphrase_that_is_not_needed_does_no_harm(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_PASSPHRASE", PASSPHRASE)
    works(sshd.settings("needless", passphrase=EnvSecret("SSH_PASSPHRASE")))


def test_ssh_is_preferred_and_cannot_be_told_a_passphrase(sshd: Sshd) -> None:
    assert isinstance(carrier_for(sshd.settings()), OpensshCarrier)
    told = sshd.settings(passphrase=EnvSecret("SSH_PASSPHRASE"))
    assert not isinstance(carrier_for(told), OpensshCarrier)
    with pytest.raises(ConfigError, match="passphrase"):
        SftpTarget(replace(told, carrier="ssh"))


@each_carrier
def test_a_jump_host(sshd: Sshd, gate: Sshd, tmp_path: Path, carrier: Carrier) -> None:
    known = tmp_path / "known %h hosts"
    known.write_text(gate.known_hosts.read_text() + sshd.known_hosts.read_text())
    jump = f"{gate.user}@127.0.0.1:{gate.port}"
    settings = sshd.settings(f"jump-{carrier}", carrier=carrier, known_hosts=known, jump=jump)
    works(settings)
    known.write_text(sshd.known_hosts.read_text())
    fault = fault_of(settings)
    assert type(fault) is TargetDenied
    assert "is not known" in fault.message
    assert str(gate.port) in fault.message
    typed(fault.hint or "", gate)
    works(settings)
    nothing_is_left_at_work_for(sshd.port, gate.port)


@each_carrier
def test_nobody_answers(sshd: Sshd, carrier: Carrier) -> None:
    (port,) = free_ports(1)
    fault = fault_of(sshd.settings(carrier=carrier, port=port))
    assert type(fault) is TargetUnavailable
    assert "refused" in fault.message
    unknown = fault_of(sshd.settings(carrier=carrier, host="nowhere.invalid"))
    assert type(unknown) is TargetUnavailable
    assert "host nowhere.invalid is not known" in unknown.message


@each_carrier
def test_a_server_without_sftp(tmp_path: Path, carrier: Carrier) -> None:
    with Sshd(tmp_path, SshdOptions(extra=("ForceCommand echo This account is not available.",))) as server:
        fault = fault_of(server.settings(carrier=carrier))
    assert type(fault) is TargetDenied
    assert "offers no SFTP" in fault.message
