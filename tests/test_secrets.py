"""Passwords: read as restic reads them, and only from places that others cannot read."""

import os
from pathlib import Path

import pytest

from drorch.errors import SecretMissing
from drorch.secrets import decode_password, read_password_file
from tests.repository.fresh import fresh_folder
from tests.restic import PASSWORD, Restic, restic


@pytest.mark.parametrize(
    ("raw", "password"),
    [
        *((b"secret", "secret"), (b" se cret\r\n", "se cret"), (b"\xef\xbb\xbfsecret\n", "secret"), (b"", "")),
        *(("sécret".encode("utf-16"), "sécret"), (b"\xfe\xff" + "sécret".encode("utf-16-be"), "sécret")),
        *(("\u00a0s\u3000".encode(), "s"), ("e\u0301".encode(), "e\u0301")),
    ],
)
def test_whitespace_goes_and_byte_order_marks_are_honoured(raw: bytes, password: str) -> None:
    assert decode_password(raw) == password


@pytest.mark.parametrize("raw", [b"\xff", b"p\xe4ss", b"\xff\xfex"])
def test_what_is_no_text_is_refused_without_being_shown(raw: bytes) -> None:
    with pytest.raises(SecretMissing) as caught:
        decode_password(raw)
    assert caught.value.exit_code == 62


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640])
def test_a_file_for_the_owner_or_its_group_is_read(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "password"
    path.write_text("secret\n")
    path.chmod(mode)
    assert read_password_file(path) == "secret"


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o666])
def test_a_file_for_everyone_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "password"
    path.write_text("secret\n")
    path.chmod(mode)
    with pytest.raises(SecretMissing, match="everyone") as caught:
        read_password_file(path)
    assert f"chmod 600 {path}" in (caught.value.hint or "")
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\t"])
def test_an_empty_file_is_no_password(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SecretMissing, match="empty"):
        read_password_file(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(SecretMissing, match=str(path)) as caught:
            read_password_file(path)
        assert caught.value.hint


def test_a_pipe_may_hold_a_password() -> None:
    """As in --password-file <(command), which the shell opens for everyone it may concern."""
    reader, writer = os.pipe()
    os.write(writer, b"secret\n")
    os.close(writer)
    assert read_password_file(Path(f"/dev/fd/{reader}")) == "secret"
    os.close(reader)


@pytest.mark.parametrize("around", ["{}", " {}\t\n", "\u00a0{}\u2028", "\ufeff{}"])
def test_restic_reads_the_same_password_from_the_same_file(tmp_path: Path, around: str) -> None:
    fresh_folder(tmp_path / "repository")
    path = tmp_path / "password"
    path.write_text(around.format(PASSWORD))
    path.chmod(0o600)
    assert read_password_file(path) == PASSWORD
    restic(Restic.DEBIAN, tmp_path / "repository", "--password-file", path, "cat", "config", password="")
