"""How secrets are read: by reference, and only from places that others cannot read.

Promise: a reference holds no secret, so it may be shown; what `read` gives is in no error, whatever fails. Whatever is
read is remembered, so that `redacted` can take it out of what this process tells others.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from drorch.errors import SecretMissing
from drorch.process.commands import output_of

COMMAND_SECONDS = 60.0
"""How long a command may take to print a secret."""

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


SHORTEST_REDACTED = 4
"""Characters of the shortest secret that is taken out of texts: what is shorter stands in any text by chance."""

_known: set[str] = set()


def remember(secret: str) -> str:
    """Take a secret out of what `redacted` gives from now on; the secret itself."""
    if len(secret) >= SHORTEST_REDACTED:
        _known.update((secret, quote(secret, safe="")))
    return secret


def known() -> tuple[str, ...]:
    """Every secret that this process has read, and as URLs have it; the longest first."""
    return tuple(sorted(_known.copy(), key=len, reverse=True))


def redacted(text: str) -> str:
    """A text with *** in place of every secret that this process has read."""
    for secret in known():
        text = text.replace(secret, "***")
    return text


def decode_password(raw: bytes) -> str:
    """The password in the content of a file or a command's output.

    Whitespace around it is trimmed and a byte order mark is honoured, as restic does.
    Raises `SecretMissing` where the bytes are not text.
    """
    encoding = next((name for bom, name in _BOMS if raw.startswith(bom)), "utf-8")
    try:
        return remember(raw.decode(encoding).strip())
    except UnicodeDecodeError as fault:
        raise SecretMissing("the password is not UTF-8 text") from fault


def read_password_file(path: Path) -> str:
    """The password kept in a file.

    Raises `SecretMissing` where the file cannot be read, is empty, or can be read by others than its owner
    and its group.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & stat.S_IROTH:
                raise SecretMissing(f"password file {path} can be read by everyone", hint=f"Type: chmod 600 {path}")
            password = decode_password(file.read())
    except OSError as fault:
        raise SecretMissing(
            f"password file {path}: {fault.strerror}", hint="Name a file that exists and that you can read."
        ) from fault
    if not password:
        raise SecretMissing(f"password file {path} is empty", hint=f"Write the password into {path}.")
    return password


@dataclass(frozen=True, slots=True)
class FileSecret:
    """A secret kept in a file that only its owner and its group can read."""

    path: Path

    def read(self) -> str:
        """The secret. Raises `SecretMissing`."""
        return read_password_file(self.path)


@dataclass(frozen=True, slots=True)
class EnvSecret:
    """A secret kept in a variable of the environment."""

    name: str

    def read(self) -> str:
        """The secret. Raises `SecretMissing`."""
        secret = os.environ.get(self.name, "")
        if not secret:
            raise SecretMissing(f"environment variable {self.name} is not set", hint=f"Set {self.name}.")
        return remember(secret)


@dataclass(frozen=True, slots=True)
class CommandSecret:
    """A secret that a command prints; it is started as it is written, never through a shell."""

    argv: tuple[str, ...]

    def read(self) -> str:
        """The secret. Raises `SecretMissing` where the command prints none, `ChildFailed` where it fails."""
        secret = decode_password(output_of(self.argv, timeout=COMMAND_SECONDS))
        if not secret:
            raise SecretMissing(f"command {self.argv[0]} printed no secret", hint="Run it by hand and see.")
        return secret


@dataclass(frozen=True, slots=True)
class CredentialSecret:
    """A secret that systemd hands to the service: a file in $CREDENTIALS_DIRECTORY, systemd.exec(5)."""

    name: str

    def read(self) -> str:
        """The secret. Raises `SecretMissing`."""
        folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
        if not folder:
            raise SecretMissing(
                f"credential {self.name} is known to the service only",
                hint=f"Type: systemd-run -P -p LoadCredential={self.name}:FILE drorch ...",
            )
        try:
            secret = decode_password((Path(folder) / self.name).read_bytes())
        except OSError as fault:
            raise SecretMissing(
                f"credential {self.name}: {fault.strerror}", hint=f"Add LoadCredential={self.name}:FILE to the unit."
            ) from fault
        if not secret:
            raise SecretMissing(f"credential {self.name} is empty", hint="Write the secret into its file.")
        return secret


SecretRef = FileSecret | EnvSecret | CommandSecret | CredentialSecret
"""Where a secret is; the secret itself is read when it is used and kept nowhere."""


def described(reference: SecretRef) -> dict[str, str | list[str]]:
    """A reference as it is written in a configuration, for instance {"env": "REPO_PASSWORD"}."""
    match reference:
        case FileSecret(path):
            return {"file": str(path)}
        case EnvSecret(name):
            return {"env": name}
        case CommandSecret(argv):
            return {"command": list(argv)}
        case CredentialSecret(name):
            return {"credential": name}


def is_exposed(path: Path) -> bool:
    """Whether everyone can read this file; False where there is none, or where that cannot be told."""
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and bool(status.st_mode & stat.S_IROTH)
