"""paramiko as carrier: drorch's own connection, for machines without ssh and for keys with a passphrase.

Promise: no host key is trusted that is not known, and no secret leaves it.
"""

import contextlib
import getpass
import logging
import shlex
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import paramiko
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey
from paramiko.pkey import UnknownKeyType

from drorch.errors import DrorchError, TargetDenied, TargetError
from drorch.storage.sftp.explain import (
    Server,
    changed_key,
    explained,
    no_sftp,
    refused_login,
    unknown_host,
    unknown_key,
    unreachable,
)
from drorch.storage.sftp.openssh import destination, resolve
from drorch.storage.sftp.packets import SessionLost
from drorch.storage.sftp.settings import SftpSettings
from drorch.storage.sftp.streams import Stream

_WINDOW_BYTES = 32 * 1024 * 1024
_PACKET_BYTES = 128 * 1024
_NO_ANSWER = "No existing session"
"""What paramiko says once it has waited for a server to begin as long as it was told to."""
_KNOWN_HOSTS = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")

# What it would complain of on standard error is told by the errors here.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class ParamikoCarrier:
    """Makes a connection of its own for each stream.

    Of the user's ssh_config it follows HostName, Port, User, IdentityFile, ProxyJump and the known hosts' files, where
    there is an ssh to read it; of known_hosts files all but patterns and certificates.
    """

    def __init__(self, settings: SftpSettings) -> None:
        self._settings = settings
        self._hops: Sequence[_Hop] | None = None

    def connect(self) -> Stream:
        """See `Carrier`. Raises `TargetDenied`, `TargetUnavailable`, and what the passphrase's reference raises."""
        if self._hops is None:
            self._hops = _hops(self._settings)
        passphrase = None if self._settings.passphrase is None else self._settings.passphrase.read()
        with contextlib.ExitStack() as opened:
            way: paramiko.Channel | None = None
            for hop, following in zip(self._hops, [*self._hops[1:], None], strict=True):
                with _faults_of(hop.server, hop.timeout):
                    client = opened.enter_context(contextlib.closing(paramiko.SSHClient()))
                    transport = hop.log_in(client, way, passphrase)
                    if following is not None:
                        place = (following.server.host, following.server.port)
                        way = transport.open_channel("direct-tcpip", place, ("127.0.0.1", 0), timeout=hop.timeout)
            with _faults_of(hop.server, hop.timeout):
                channel = transport.open_session(_WINDOW_BYTES, _PACKET_BYTES, timeout=hop.timeout)
            channel.settimeout(hop.timeout)
            try:
                channel.invoke_subsystem("sftp")
            except (paramiko.SSHException, EOFError) as fault:
                raise no_sftp(hop.server) from fault
            return ParamikoStream(channel, opened.pop_all(), hop.timeout)

    def explain(self, _stream: Stream, fault: SessionLost) -> DrorchError:
        """See `Carrier`: the server has let drorch in, and then fell silent."""
        assert self._hops is not None
        return explained(self._hops[-1].server, str(fault))


class ParamikoStream:
    """Bytes to and from the server, through one channel."""

    def __init__(self, channel: paramiko.Channel, opened: contextlib.ExitStack, timeout: float) -> None:
        self._channel = channel
        self._opened = opened
        self._timeout = timeout

    def send(self, parts: Sequence[bytes | memoryview]) -> None:
        """See `Stream`."""
        try:
            self._channel.sendall(b"".join(parts))
        except (OSError, EOFError, paramiko.SSHException) as fault:
            raise self._lost(fault) from fault

    def receive_into(self, view: memoryview) -> int:
        """See `Stream`."""
        try:
            received = self._channel.recv(len(view))
        except (OSError, EOFError, paramiko.SSHException) as fault:
            raise self._lost(fault) from fault
        if not received:
            raise SessionLost("the connection was closed")
        view[: len(received)] = received
        return len(received)

    def is_alive(self) -> bool:
        """See `Stream`: what comes unasked is its end."""
        transport = self._channel.get_transport()
        is_silent = not (self._channel.closed or self._channel.eof_received or self._channel.recv_ready())
        return is_silent and transport.is_active()

    def close(self) -> None:
        """See `Stream`."""
        self._opened.close()

    def _lost(self, fault: Exception) -> SessionLost:
        if isinstance(fault, TimeoutError):
            return SessionLost(f"no answer within {self._timeout:g} s")
        return SessionLost(str(fault).lower() or "the connection was closed")


class _OnlyKnown(paramiko.MissingHostKeyPolicy):
    """Refuses a server whose key is in no file."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def missing_host_key(self, _client: paramiko.SSHClient, _hostname: str, _key: paramiko.PKey) -> None:
        """Raises `TargetDenied`."""
        raise unknown_key(self._server, self._server.known_as)


class _Hop:
    """One server on the way: the last one is the target's."""

    def __init__(self, settings: SftpSettings, resolved: Mapping[str, str]) -> None:
        self.timeout = settings.timeout_seconds
        self._identity = settings.identity_file
        self._usual_identity = Path(resolved.get("identityfile", "")).expanduser()
        files = [str(settings.known_hosts)] if settings.known_hosts is not None else _files(resolved)
        self._known_hosts = [Path(file).expanduser() for file in files]
        self.server = Server(
            host=resolved.get("hostname", settings.host),
            port=int(resolved.get("port", settings.port or 22)),
            user=resolved.get("user", settings.user or getpass.getuser()),
            known_hosts=files[0],
            identity=str(settings.identity_file or ""),
        )

    def log_in(
        self, client: paramiko.SSHClient, way: paramiko.Channel | None, passphrase: str | None
    ) -> paramiko.Transport:
        """Connect, through `way` unless it is None, check who answers, and log in."""
        _learn(client.get_host_keys(), self._known_hosts)
        client.set_missing_host_key_policy(_OnlyKnown(self.server))
        key = None if self._identity is None else _private_key(self._identity, passphrase)
        usual = self._usual_identity
        client.connect(
            self.server.host,
            self.server.port,
            self.server.user,
            sock=way or self._dial(),
            pkey=key,
            key_filename=str(usual) if key is None and usual.is_file() else None,
            passphrase=passphrase,
            allow_agent=key is None,
            look_for_keys=key is None,
            timeout=self.timeout,
            # What bounds the whole beginning comes first.
            banner_timeout=2 * self.timeout,
            auth_timeout=self.timeout,
            channel_timeout=self.timeout,
        )
        transport = client.get_transport()
        assert transport is not None
        transport.set_keepalive(max(1, round(self.timeout / 4)))
        return transport

    def _dial(self) -> socket.socket:
        made = socket.create_connection((self.server.host, self.server.port), timeout=self.timeout)
        # Without it each request waits for the answer to the one before.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made


@contextlib.contextmanager
def _faults_of(server: Server, timeout: float) -> Iterator[None]:
    """What fails on the way to a server, as drorch's errors."""
    try:
        yield
    except TargetError:
        raise
    except paramiko.BadHostKeyException as fault:
        raise changed_key(server) from fault
    except paramiko.AuthenticationException as fault:
        raise refused_login(server, str(fault).lower().rstrip(".")) from fault
    except socket.gaierror as fault:
        raise unknown_host(server, str(fault.strerror).lower()) from fault
    except (OSError, EOFError, paramiko.SSHException) as fault:
        if isinstance(fault, TimeoutError) or str(fault) == _NO_ANSWER:
            raise unreachable(server, f"no answer within {timeout:g} s") from fault
        said = str((fault.strerror if isinstance(fault, OSError) else None) or fault)
        raise unreachable(server, said.lower() or "the connection was closed") from fault


def _hops(settings: SftpSettings) -> Sequence[_Hop]:
    """The servers on the way, jump hosts first."""
    resolved = resolve(settings)
    configured = resolved.get("proxyjump", "none")
    named = settings.jump or ("" if configured == "none" else configured)
    hops = []
    for jump in filter(None, named.split(",")):
        user, host, port = destination(jump)
        through = replace(settings, host=host, user=user or None, port=int(port) if port else None, jump=None)
        hops.append(_Hop(through, resolve(through)))
    return [*hops, _Hop(settings, resolved)]


def _files(resolved: Mapping[str, str]) -> list[str]:
    named = f"{resolved.get('userknownhostsfile', '')} {resolved.get('globalknownhostsfile', '')}".split()
    return named or list(_KNOWN_HOSTS)


def _private_key(file: Path, passphrase: str | None) -> paramiko.PKey:
    try:
        try:
            # It says that it wants text, and takes bytes alone.
            return paramiko.PKey.from_path(file, passphrase and passphrase.encode())  # type: ignore[arg-type]
        except TypeError:
            # There is a passphrase where none is wanted, or none where one is.
            return paramiko.PKey.from_path(file)
    except OSError as fault:
        raise TargetDenied(
            f"identity_file {file} cannot be read: {str(fault.strerror).lower()}", hint="name a private key that exists"
        ) from fault
    except TypeError as fault:
        raise TargetDenied(
            f"identity_file {file} has a passphrase", hint='add passphrase = { env = "..." } or { file = "..." }'
        ) from fault
    except (ValueError, paramiko.SSHException, UnknownKeyType) as fault:
        raise TargetDenied(
            f"identity_file {file} is no private key, or not one with this passphrase",
            hint=f"try the passphrase: ssh-keygen -yf {shlex.quote(str(file))}",
        ) from fault


def _learn(known: paramiko.HostKeys, files: Sequence[Path]) -> None:
    """Take over the keys in known_hosts files; the first of a host's keys of one kind counts, none that is revoked."""
    lines = [line.strip() for file in files for line in _lines(file)]
    revoked = {words[3] for words in map(str.split, lines) if words[:1] == ["@revoked"] and len(words) > 3}
    seen: set[tuple[str, str]] = set()
    for line in lines:
        entry = None
        if line and not line.startswith(("#", "@")):
            with contextlib.suppress(paramiko.SSHException, InvalidHostKey):
                entry = HostKeyEntry.from_line(line)
        if entry is None or entry.key is None or entry.hostnames is None or entry.key.get_base64() in revoked:
            continue
        for name in entry.hostnames:
            if (name, entry.key.get_name()) not in seen:
                seen.add((name, entry.key.get_name()))
                known.add(name, entry.key.get_name(), entry.key)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:
        return []
