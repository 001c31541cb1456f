"""What must be known to reach a folder behind an SSH server: values only, secrets as references."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from drorch.secrets import SecretRef

Carrier = Literal["auto", "ssh", "paramiko"]
"""What carries the SFTP protocol: OpenSSH's client as a child, or drorch's own connection."""


@dataclass(frozen=True, slots=True)
class SftpSettings:
    """One repository in the folder `path` of `host`: absolute, or relative to where the user logs in.

    `user` and `port` None leave it to the user's ssh_config. `jump` is "[user@]host[:port]", as in ProxyJump.
    `known_hosts` None means the user's and the system's files. `timeout_seconds` bounds every wait for the server.
    """

    host: str
    path: str
    user: str | None = None
    port: int | None = None
    identity_file: Path | None = None
    passphrase: SecretRef | None = None
    known_hosts: Path | None = None
    jump: str | None = None
    carrier: Carrier = "auto"
    connections: int = 4
    timeout_seconds: float = 60.0

    @property
    def login(self) -> str:
        """The host, and as whom to log in where that is said."""
        return f"{self.user}@{self.host}" if self.user else self.host

    @property
    def shell(self) -> str:
        """How one types to get there by hand."""
        return shlex.join(["ssh", *(["-p", str(self.port)] if self.port is not None else []), self.login])

    @property
    def folder(self) -> str:
        """The path as it is sent: without slashes at its end, "." where the user logs in."""
        return self.path.rstrip("/") or ("/" if self.path else ".")
