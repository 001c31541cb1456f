"""References to secrets: each kind is read when it is asked, and what fails is told without the secret."""

import sys
from pathlib import Path

import pytest

from drorch.errors import DrorchError, SecretMissing
from drorch.process.commands import ChildFailed
from drorch.secrets import (
    CommandSecret,
    CredentialSecret,
    EnvSecret,
    FileSecret,
    SecretRef,
    described,
    is_exposed,
)

CANARY = "canary-51d07b"


def printing(text: str, status: int = 0) -> CommandSecret:
    return CommandSecret((sys.executable, "-c", f"print('{text[:9]}' '{text[9:]}'); raise SystemExit({status})"))


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as systemd gives it to a service."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return folder


def test_each_kind_is_read_where_it_is(tmp_path: Path, credentials: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text(f" {CANARY}\n")
    (tmp_path / "secret").chmod(0o600)
    (credentials / "repo").write_text(f"{CANARY}\n")
    monkeypatch.setenv("REPO_PASSWORD", CANARY)
    references: list[SecretRef] = [
        FileSecret(tmp_path / "secret"),
        EnvSecret("REPO_PASSWORD"),
        printing(CANARY),
        CredentialSecret("repo"),
    ]
    assert [reference.read() for reference in references] == [CANARY] * 4
    assert CANARY not in repr(references)
    assert [next(iter(described(reference))) for reference in references] == ["file", "env", "command", "credential"]


def test_what_is_missing_or_empty_is_told(tmp_path: Path, credentials: Path) -> None:
    (credentials / "empty").write_text("\n")
    for reference in (
        FileSecret(tmp_path / "gone"),
        EnvSecret("DRORCH_NOT_SET"),
        printing(""),
        CredentialSecret("gone"),
        CredentialSecret("empty"),
    ):
        with pytest.raises(SecretMissing) as raised:
            reference.read()
        assert raised.value.hint


def test_a_credential_is_known_to_the_service_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(SecretMissing, match="credential repo is known to the service only"):
        CredentialSecret("repo").read()


def test_a_command_that_fails_is_told_without_what_it_printed() -> None:
    with pytest.raises(ChildFailed, match="exited with status 3") as raised:
        printing(CANARY, 3).read()
    assert CANARY not in repr(raised.value) + str(raised.value.hint)


def test_a_secret_that_is_no_text_is_not_shown(credentials: Path) -> None:
    (credentials / "raw").write_bytes(CANARY.encode() + b"\xff")
    with pytest.raises(DrorchError) as raised:
        CredentialSecret("raw").read()
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize(("mode", "exposed"), [(0o600, False), (0o640, False), (0o604, True), (0o644, True)])
def test_a_file_is_exposed_where_everyone_can_read_it(tmp_path: Path, mode: int, exposed: bool) -> None:
    file = tmp_path / "secret"
    file.write_text("x")
    file.chmod(mode)
    assert is_exposed(file) is exposed
    assert not is_exposed(tmp_path)
    assert not is_exposed(tmp_path / "gone")
