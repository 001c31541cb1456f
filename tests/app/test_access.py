import shlex
from pathlib import Path

import pytest

from drorch.app.access import Access, PasswordOrigin
from drorch.app.door import opened
from drorch.app.locations import located
from drorch.app.upkeep import initialize
from drorch.errors import RepositoryError, SecretMissing, TargetDenied, UsageError
from drorch.process.commands import ChildFailed
from drorch.repository.layout import FileKind


def _secret(place: Path, content: bytes) -> Path:
    place.write_bytes(content)
    place.chmod(0o600)
    return place


def test_a_file_counts_first_then_a_command_then_text_then_a_person(tmp_path: Path) -> None:
    file = _secret(tmp_path / "f", b"from file\n")
    command = "printf ' from command '"
    everything = PasswordOrigin(file, command, "from text", lambda: "from a person")
    assert everything.read() == "from file"
    assert PasswordOrigin(None, command, "from text", lambda: "from a person").read() == "from command"
    assert PasswordOrigin(text="from text", ask=lambda: "from a person").read() == "from text"
    assert PasswordOrigin(ask=lambda: "from a person").read() == "from a person"


@pytest.mark.parametrize(
    ("origin", "error", "part"),
    [
        (PasswordOrigin(), SecretMissing, "no password"),
        (PasswordOrigin(ask=lambda: ""), SecretMissing, "no password"),
        (PasswordOrigin(command="true"), SecretMissing, "printed no password"),
        (PasswordOrigin(command="'unclosed"), UsageError, "cannot be read"),
        (PasswordOrigin(command=" "), UsageError, "is empty"),
        (PasswordOrigin(command="sh -c 'echo secret; exit 4'"), ChildFailed, "exited with status 4"),
        (PasswordOrigin(command="/nowhere/ask"), ChildFailed, "/nowhere/ask"),
    ],
)
def test_where_there_is_no_password(origin: PasswordOrigin, error: type[Exception], part: str) -> None:
    with pytest.raises(error, match=part) as caught:
        origin.read()
    assert "secret" not in str(caught.value)


def test_a_command_is_an_argument_list_and_no_shell(tmp_path: Path) -> None:
    assert PasswordOrigin(command=f"echo $HOME; touch {shlex.quote(str(tmp_path / 'x'))}").read().startswith("$HOME;")
    assert not (tmp_path / "x").exists()


def test_a_password_never_shows_in_what_is_printed_of_it() -> None:
    assert "geheim" not in repr(Access(located("/x"), PasswordOrigin(text="geheim")))


def test_a_repository_is_locked_while_it_is_open_and_not_longer(tmp_path: Path) -> None:
    access = Access(located(str(tmp_path / "r")), PasswordOrigin(text="x"))
    initialize(access)
    with opened(access) as repository:
        assert len(list(repository.stored(FileKind.LOCK))) == 1
    with opened(access, lock=False) as repository:
        assert list(repository.stored(FileKind.LOCK)) == []


def test_without_a_lock_nothing_can_be_written(tmp_path: Path) -> None:
    access = Access(located(str(tmp_path / "r")), PasswordOrigin(text="x"))
    initialize(access)
    with opened(Access(access.location, access.password, lock=False)) as repository:
        assert list(repository.stored(FileKind.LOCK)) == []
        with pytest.raises(TargetDenied):
            repository.target.remove("config")


def test_a_repository_like_another_shares_its_polynomial(tmp_path: Path) -> None:
    password = PasswordOrigin(text="x")
    model, copy, other = (Access(located(str(tmp_path / name)), password) for name in ("model", "copy", "other"))
    initialize(model, version=1)
    initialize(copy, like=model)
    initialize(other)
    polynomials = []
    for access in (model, copy, other):
        with opened(access) as repository:
            polynomials.append(repository.config.chunker_polynomial)
    assert polynomials[0] == polynomials[1] != polynomials[2]
    with pytest.raises(RepositoryError, match="already"):
        initialize(other)
