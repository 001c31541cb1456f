"""OpenSSH's server for tests: SFTP and nothing else for one user with one key, alone on the loopback.

    with Sshd(place) as server:
        target = SftpTarget(server.settings("repository"))       # a folder of server.data

It runs as the user of the tests, or as another one where root starts it.
"""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from drorch.storage.sftp.settings import SftpSettings
from tests.servers.children import ServerNotReady, descendants, running, wait_until
from tests.servers.ports import free_ports
from tests.storage.privileges import need

_ATTEMPTS = 3
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class SshdOptions:
    """What is special about a server. `user` may differ from the present one for root only.

    `extra` are lines of sshd_config that win over the others; `sftp` are the arguments of internal-sftp.
    """

    user: str | None = None
    extra: tuple[str, ...] = ()
    sftp: str = ""


class Sshd:
    """A server that serves the folder `data` below `place`, which survives it; it keeps its keys and its port."""

    def __init__(self, place: Path, options: SshdOptions | None = None) -> None:
        self._place = place
        self._options = options or SshdOptions()
        self.user = self._options.user or getpass.getuser()
        self.data = place / "data"
        self.identity = place / "identity"
        self.known_hosts = place / "known_hosts"
        self.host_key = place / "host_key"
        self.port = 0
        self._pid = 0
        self._stack = contextlib.ExitStack()

    def settings(self, path: str | Path = "repository", **changes: object) -> SftpSettings:
        """How to reach a folder of this server; relative paths are below `data`."""
        settings = SftpSettings(
            host="127.0.0.1",
            path=str(path),
            user=self.user,
            port=self.port,
            identity_file=self.identity,
            known_hosts=self.known_hosts,
            timeout_seconds=30.0,
        )
        return replace(settings, **changes)  # type: ignore[arg-type]

    def start(self) -> None:
        """Start it, on the port it had before."""
        for attempt in range(_ATTEMPTS):
            if not self.port or attempt:
                (self.port,) = free_ports(1)
            self._write_config()
            try:
                self._run()
                return
            except ServerNotReady:
                self.stop()
                if attempt == _ATTEMPTS - 1:
                    raise

    def stop(self) -> None:
        """End it with all connections that it has: each is served by a process in a session of its own."""
        served = descendants(self._pid) if self._pid else []
        self._stack.close()
        for pid in served:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._pid = 0

    def change_host_key(self) -> None:
        """Give it another key, as a server set up anew has; the known one stays as it was."""
        self.host_key.unlink()
        self.host_key.with_suffix(".pub").unlink()
        make_key(self.host_key)
        if self._options.user is not None:
            shutil.chown(self.host_key, self.user)

    def admit(self, key: Path) -> None:
        """Let in who has this private key, as well."""
        with (self._place / "authorized_keys").open("a") as file:
            file.write(key.with_name(key.name + ".pub").read_text())

    def __enter__(self) -> Self:
        need("OpenSSH's server and client", present=_program("sshd") is not None and _program("ssh-keygen") is not None)
        self.data.mkdir()
        for key in (self.host_key, self.identity):
            make_key(key)
        shutil.copy(self._place / "identity.pub", self._place / "authorized_keys")
        if self._options.user is not None:
            self._place.chmod(0o755)
            for path in (self.data, self.host_key):
                shutil.chown(path, self.user)
        self.start()
        public = self.host_key.with_suffix(".pub").read_text()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        command = [_program("sshd") or "sshd", "-D", "-e", "-f", str(self._place / "sshd_config")]
        if os.geteuid() == 0 and self._options.user is None:
            # Where root starts it, it wants a folder to lock children in that nobody can write.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        elif os.geteuid() == 0:
            command = ["setpriv", f"--reuid={self.user}", "--regid=nogroup", "--clear-groups", *command]
        log = self._place / "sshd.log"
        child = self._stack.enter_context(running(command, log))
        self._pid = child.pid
        wait_until(self._answers, child, log)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as probe:
                probe.settimeout(5)
                return probe.recv(4) == b"SSH-"
        except OSError:
            return False

    def _write_config(self) -> None:
        sftp = f"internal-sftp -d {self.data} {self._options.sftp}"
        lines = [
            *self._options.extra,
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.host_key}",
            f"PidFile {self._place / 'sshd.pid'}",
            f"AuthorizedKeysFile {self._place / 'authorized_keys'}",
            "StrictModes no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "UsePAM no",
            "UseDNS no",
            f"Subsystem sftp {sftp}",
            f"ForceCommand {sftp}",
            "AllowTcpForwarding no",
            "X11Forwarding no",
            "MaxStartups 100",
            "MaxSessions 50",
            "LogLevel ERROR",
        ]
        (self._place / "sshd_config").write_text("\n".join(lines) + "\n")


def make_key(file: Path, passphrase: str = "", kind: str = "ed25519") -> None:
    """A new pair of keys in a file and one beside it with ".pub"."""
    command = ["ssh-keygen", "-q", "-t", kind, "-C", "test", "-N", passphrase, "-f", str(file)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def _program(name: str) -> str | None:
    return shutil.which(name, path=_PATH)
