"""OpenSSH's client as carrier: a child that speaks to the server, with the user's ssh_config, agent and known hosts.

Promise: it never asks anybody anything, trusts no host key that is not known, and ends with drorch.
"""

import contextlib
import select
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from drorch.errors import ConfigError, DrorchError, TargetUnavailable
from drorch.process.commands import ChildFailed, PipedChild, start_piped
from drorch.storage.sftp.explain import Server, explained
from drorch.storage.sftp.packets import SessionLost
from drorch.storage.sftp.settings import SftpSettings
from drorch.storage.sftp.streams import Stream

_VARIABLES = ("USER", "LOGNAME", "SHELL", "SSH_AUTH_SOCK", "KRB5CCNAME", "XDG_RUNTIME_DIR")
_RESOLVE_SECONDS = 10.0
_ALIVE_QUESTIONS = 3


def is_installed() -> bool:
    """Whether there is an ssh to start."""
    return shutil.which("ssh") is not None


class OpensshCarrier:
    """Starts one ssh for each connection."""

    def __init__(self, settings: SftpSettings) -> None:
        """Raises `ConfigError` for a passphrase: an ssh that asks nobody cannot be told it."""
        if settings.passphrase is not None:
            raise ConfigError(
                f"target {settings.host}: ssh cannot be given the passphrase of {settings.identity_file}",
                hint='set carrier = "paramiko" or "auto", or add the key to an ssh-agent: ssh-add KEY',
            )
        self._settings = settings
        self._resolved: Mapping[str, str] | None = None

    def connect(self) -> Stream:
        """See `Carrier`. Raises `TargetUnavailable` where ssh cannot be started."""
        if self._resolved is None:
            self._resolved = resolve(self._settings)
        argv = command(self._settings, _ciphers(self._resolved.get("ciphers", "")))
        try:
            child = start_piped(argv, variables=_VARIABLES)
        except ChildFailed as fault:
            raise TargetUnavailable(
                f"target {self._settings.host}: {fault.message}", hint="install OpenSSH's client: apt install ssh"
            ) from fault
        child.stream.settimeout(self._settings.timeout_seconds)
        return OpensshStream(child, self._settings.timeout_seconds)

    def explain(self, stream: Stream, fault: SessionLost) -> DrorchError:
        """See `Carrier`: what ssh complained of decides."""
        complaints = stream.complaints() if isinstance(stream, OpensshStream) else ""
        return explained(self._server(), complaints or str(fault))

    def _server(self) -> Server:
        resolved = self._resolved or {}
        known_hosts = self._settings.known_hosts or resolved.get("userknownhostsfile", "").split(" ")[0]
        return Server(
            host=resolved.get("hostname", self._settings.host),
            port=int(resolved.get("port", self._settings.port or 22)),
            user=resolved.get("user", self._settings.user or ""),
            known_hosts=str(known_hosts or "~/.ssh/known_hosts"),
            identity=str(self._settings.identity_file or ""),
        )


class OpensshStream:
    """Bytes to and from the server, through one ssh."""

    def __init__(self, child: PipedChild, timeout: float) -> None:
        self._child = child
        self._timeout = timeout

    def send(self, parts: Sequence[bytes | memoryview]) -> None:
        """See `Stream`."""
        stream = self._child.stream
        try:
            sent = stream.sendmsg(parts)
            for part in parts:
                if sent < len(part):
                    stream.sendall(memoryview(part)[sent:])
                sent = max(0, sent - len(part))
        except OSError as fault:
            raise self._lost(fault) from fault

    def receive_into(self, view: memoryview) -> int:
        """See `Stream`."""
        try:
            received = self._child.stream.recv_into(view)
        except OSError as fault:
            raise self._lost(fault) from fault
        if received == 0:
            raise self._lost(None)
        return received

    def is_alive(self) -> bool:
        """See `Stream`: what comes unasked is its end."""
        self._child.complaints()
        poll = select.poll()
        with contextlib.suppress(ValueError):
            poll.register(self._child.stream, select.POLLIN)
            return not poll.poll(0)
        return False

    def complaints(self) -> str:
        """What ssh wrote to standard error."""
        return self._child.complaints()

    def close(self) -> None:
        """See `Stream`."""
        self._child.close()

    def _lost(self, fault: OSError | None) -> SessionLost:
        if isinstance(fault, TimeoutError):
            return SessionLost(f"no answer within {self._timeout:g} s")
        said = [line.strip() for line in self.complaints().splitlines() if line.strip()]
        return SessionLost(said[-1] if said else "the connection was closed")


def command(settings: SftpSettings, ciphers: str = "") -> list[str]:
    """The command that carries SFTP over its standard input and output."""
    options = _options(settings)
    if settings.jump is not None:
        # Not -J: the ssh that it starts would know nothing of these options. "%" has a meaning in the option.
        user, host, port = destination(settings.jump)
        login = [*(["-p", port] if port else []), *(["-l", user] if user else [])]
        proxy, last = (shlex.join(words).replace("%", "%%") for words in (["ssh", *options, *login], ["--", host]))
        options += ["-o", f"ProxyCommand={proxy} -W '[%h]:%p' {last}"]
    if ciphers:
        options += ["-o", f"Ciphers={ciphers}"]
    if settings.port is not None:
        options += ["-p", str(settings.port)]
    if settings.user is not None:
        options += ["-l", settings.user]
    return ["ssh", *options, "-s", "--", settings.host, "sftp"]


def _options(settings: SftpSettings) -> list[str]:
    """What holds for the server and for the jump host."""
    timeout = max(1, round(settings.timeout_seconds))
    values = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": str(timeout),
        "ServerAliveInterval": str(max(1, timeout // (_ALIVE_QUESTIONS + 1))),
        "ServerAliveCountMax": str(_ALIVE_QUESTIONS),
        # Several connections are wanted, not several conversations over one, and none that outlives drorch.
        "ControlMaster": "no",
        "ControlPath": "none",
        "ClearAllForwardings": "yes",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "PermitLocalCommand": "no",
        "RemoteCommand": "none",
        "RequestTTY": "no",
        "Compression": "no",
        "LogLevel": "ERROR",
    }
    if settings.known_hosts is not None:
        values["UserKnownHostsFile"] = _quoted(settings.known_hosts)
        values["GlobalKnownHostsFile"] = "/dev/null"
    if settings.identity_file is not None:
        values["IdentityFile"] = _quoted(settings.identity_file)
        values["IdentitiesOnly"] = "yes"
    return [word for name, value in values.items() for word in ("-o", f"{name}={value}")]


def _quoted(path: Path) -> str:
    """A path as a value of ssh_config(5): one word, without tokens and variables."""
    if '"' in str(path) or "${" in str(path):
        raise ConfigError(f"{path}: ssh cannot be given a path like this", hint="give the file another name")
    return '"' + str(path.absolute()).replace("%", "%%") + '"'


def destination(jump: str) -> tuple[str, str, str]:
    """User, host and port of "[user@]host[:port]", where an IPv6 address with a port stands in brackets."""
    user, _, place = jump.rpartition("@")
    host, colon, port = place.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not host.startswith("[")):
        host, port = place, ""
    return user, host.strip("[]"), port


def resolve(settings: SftpSettings) -> Mapping[str, str]:
    """What ssh makes of the user's ssh_config and our options; nothing where it does not tell."""
    found: dict[str, str] = {}
    argv = [word for word in command(settings) if word != "-s"]
    with contextlib.suppress(ChildFailed, OSError):
        child = start_piped([argv[0], "-G", *argv[1:]], variables=_VARIABLES)
        with contextlib.closing(child):
            child.stream.settimeout(_RESOLVE_SECONDS)
            with child.stream.makefile("r", encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    name, _, value = line.strip().partition(" ")
                    found.setdefault(name, value)
    return found


def _ciphers(allowed: str) -> str:
    """The ciphers that ssh would offer, AES-GCM first where the processor has AES.

    It moves half as much again as ssh's own first choice there, and what the user forbids stays forbidden.
    """
    names = allowed.split(",") if allowed else []
    preferred = [name for name in names if name.endswith("-gcm@openssh.com")]
    if not preferred or not _has_aes(_cpuinfo()):
        return ""
    return ",".join([*preferred, *(name for name in names if name not in preferred)])


def _has_aes(lines: Iterable[str]) -> bool:
    return any("aes" in line.split() for line in lines if line.lower().startswith(("flags", "features")))


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
