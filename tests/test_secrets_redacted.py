"""What was read as a secret is known from then on, and taken out of texts."""

from pathlib import Path

import pytest

from drorch.errors import SecretMissing
from drorch.secrets import CommandSecret, CredentialSecret, EnvSecret, FileSecret, SecretRef, known, redacted


@pytest.mark.parametrize("kind", ["file", "env", "command", "credential"])
def test_whatever_is_read_is_redacted(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = f"canary & <ö> of {kind}"
    file = tmp_path / "secret"
    file.write_text(f"{secret}\n", "utf-8")
    file.chmod(0o600)
    monkeypatch.setenv("A_SECRET", secret)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    references: dict[str, SecretRef] = {
        "file": FileSecret(file),
        "env": EnvSecret("A_SECRET"),
        "command": CommandSecret(("cat", str(file))),
        "credential": CredentialSecret("secret"),
    }
    text = f"a {secret} in a text"
    assert redacted(text) == text
    assert references[kind].read() == secret
    assert redacted(text) == "a *** in a text"
    assert redacted(f"https://user:canary%20%26%20%3C%C3%B6%3E%20of%20{kind}@host/") == "https://user:***@host/"


def test_the_longest_goes_first_and_what_is_very_short_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for number, secret in enumerate(("swordfish", "swordfish of the north", "abc")):
        monkeypatch.setenv(f"SECRET_{number}", secret)
        assert EnvSecret(f"SECRET_{number}").read() == secret
    assert redacted("swordfish of the north, swordfish, abc") == "***, ***, abc"
    assert "abc" not in known()


def test_what_cannot_be_read_is_not_known() -> None:
    before = known()
    with pytest.raises(SecretMissing):
        EnvSecret("NOT_SET_AT_ALL").read()
    assert known() == before
