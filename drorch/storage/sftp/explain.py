"""Why a connection failed, in drorch's errors: made of what OpenSSH's client complained of.

Its messages are those of OpenSSH 8 to 10 (sshconnect.c, sshconnect2.c, clientloop.c); it does not translate them.
"""

import re
import shlex
from dataclasses import dataclass

from drorch.errors import TargetDenied, TargetError, TargetUnavailable
from drorch.storage.sftp.packets import NOT_SFTP

_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Server:
    """Whom drorch wanted to reach, how, and where its host key should be known; `identity` may be empty."""

    host: str
    port: int
    user: str
    known_hosts: str
    identity: str = ""

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        return f"{self.host} port {self.port}"

    @property
    def known_as(self) -> str:
        """As known_hosts files name it."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"


def explained(server: Server, complaints: str) -> TargetError:
    """The error that what ssh complained of means."""
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in complaints or "REVOKED HOST KEY" in complaints:
        return changed_key(server)
    unknown = re.search(r"No (\S+) host key is known for (\S+) and you have requested strict", complaints)
    if unknown is not None or "Host key verification failed" in complaints:
        return unknown_key(server, unknown.group(2) if unknown is not None else server.known_as)
    last = _last_line(complaints)
    if "Permission denied" in complaints or "Too many authentication failures" in complaints:
        return refused_login(server, last)
    if "Could not resolve hostname" in complaints:
        return unknown_host(server, last)
    if "subsystem request failed" in complaints or NOT_SFTP in complaints:
        return no_sftp(server)
    if re.search(r"Bad configuration option|bad owner or permissions|keyword \S+ extra arguments", complaints, re.I):
        return TargetDenied(f"ssh refuses its configuration: {last}", hint="mend ~/.ssh/config or /etc/ssh/ssh_config")
    return unreachable(server, last)


def changed_key(server: Server) -> TargetDenied:
    """The server, or whoever answers in its place, has another key than the known one."""
    known_as, file = shlex.quote(server.known_as), shlex.quote(server.known_hosts)
    return TargetDenied(
        f"the host key of {server.address} is not the one in {server.known_hosts}: somebody may be in between",
        hint=f"if it was set up anew, type: ssh-keygen -R {known_as} -f {file}; {_learn(server, server.known_as)}",
    )


def unknown_key(server: Server, known_as: str) -> TargetDenied:
    """The server's key is in no known_hosts file; `known_as` is the server itself, or a jump host."""
    named = server.address if known_as in (server.known_as, server.host) else known_as
    return TargetDenied(
        f"the host key of {named} is not known: there is none in {server.known_hosts}",
        hint=f"type: {_learn(server, known_as)}",
    )


def unknown_host(server: Server, last: str) -> TargetUnavailable:
    """The name means no address."""
    return TargetUnavailable(
        f"host {server.host} is not known: {last}", hint=f"check the name: getent hosts {shlex.quote(server.host)}"
    )


def refused_login(server: Server, last: str) -> TargetDenied:
    """The server lets this user not in."""
    key = server.identity or "~/.ssh/id_ed25519"
    return TargetDenied(
        f"{server.address} does not let {server.user or 'this user'} in: {last}",
        hint=f"add the public key to ~{server.user}/.ssh/authorized_keys there: ssh-keygen -yf {shlex.quote(key)}",
    )


def no_sftp(server: Server) -> TargetDenied:
    """The server knows the user and offers no SFTP."""
    return TargetDenied(
        f"{server.address} offers no SFTP", hint='the server needs "Subsystem sftp internal-sftp" in its sshd_config'
    )


def unreachable(server: Server, last: str) -> TargetUnavailable:
    """Nobody answers, or the line broke."""
    host = shlex.quote(server.host)
    return TargetUnavailable(
        f"{server.address} cannot be reached: {last or 'the connection was closed'}",
        hint=f"check that the server runs and that the port is open: ssh-keyscan -p {server.port} {host}",
    )


def _learn(server: Server, known_as: str) -> str:
    match = re.fullmatch(r"\[(.+)\]:(\d+)", known_as)
    host, port = match.groups() if match else (known_as, "22")
    scan = f"ssh-keyscan -p {port} {shlex.quote(host)}"
    file = shlex.quote(server.known_hosts)
    return f"{scan} >> {file}; ssh-keygen -lf {file}, and compare the fingerprint with the server's own"


def _last_line(complaints: str) -> str:
    """The last thing said that tells something, without what no terminal should see."""
    lines = [line.strip() for line in complaints.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Connection closed by UNKNOWN", "kex_exchange_ident"))]
    line = (telling or lines or [""])[-1]
    return "".join(letter if letter.isprintable() else "?" for letter in line)[:_LONGEST]
