"""Which daemon a command means: the one that works with the same configuration and state_dir, if one listens.

A member of the group that may ask the system's daemon needs no configuration; and where the file has faults, the
daemon that still works with what it said before can be asked all the same.
"""

import contextlib
import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from drorch.app import configuration as app_configuration
from drorch.app.control.connection import Connection, connected
from drorch.config.configuration import Configuration
from drorch.config.location import Search, User, find_config_file
from drorch.config.reading import Reader, default_socket, default_state_dir
from drorch.errors import ConfigError, DaemonUnavailable

_ROOT = Reader(user=User(0, 0))


def system_socket() -> Path:
    """Where the system's daemon listens, unless its configuration says otherwise."""
    return default_socket(default_state_dir(_ROOT), _ROOT)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where configurations are looked for, and where the system's daemon listens."""

    search: Search = field(default_factory=Search)
    system: Path = field(default_factory=system_socket)


@dataclass(frozen=True, slots=True)
class Reached:
    """What a command has to do with: a configuration, a daemon, or both; never neither.

    `fault` is what is wrong with the configuration, or what keeps the daemon from being asked.
    """

    configuration: Configuration | None
    daemon: Connection | None
    fault: ConfigError | DaemonUnavailable | None = None

    @property
    def is_outdated(self) -> bool:
        """Whether the daemon works with something else than what the file says now."""
        if self.daemon is None or isinstance(self.fault, DaemonUnavailable):
            return False
        return self.configuration is None or self.daemon.identity.digest != self.configuration.digest

    def require_asked(self) -> None:
        """Raises `DaemonUnavailable` where a daemon listens and cannot be asked."""
        if isinstance(self.fault, DaemonUnavailable):
            raise self.fault


@contextmanager
def reached(named: str | None, around: Surroundings | None = None) -> Iterator[Reached]:
    """The configuration named on the command line, or the one that is found, and the daemon that works with it.

    Raises `ConfigError` where there is neither.
    """
    found = _reached(named, around or Surroundings())
    try:
        yield found
    finally:
        if found.daemon is not None:
            found.daemon.close()


def _reached(named: str | None, around: Surroundings) -> Reached:
    file = find_config_file(Path(named) if named else None, around.search)
    try:
        configuration = app_configuration.load(str(file) if file else None)
    except ConfigError as fault:
        daemon = _without_configuration(file, around)
        if daemon is None:
            raise
        return Reached(None, daemon, fault)
    try:
        return Reached(configuration, listening(configuration))
    except DaemonUnavailable as fault:
        return Reached(configuration, None, fault)


def listening(configuration: Configuration) -> Connection | None:
    """The daemon that works with a configuration; None where none listens, or another one does.

    Raises `DaemonUnavailable` where it gives no answer, or where this user may not ask.
    """
    daemon = connected(configuration.daemon.socket)
    if daemon is None or (
        _same(daemon.identity.config, configuration.file) and _same(daemon.identity.state_dir, configuration.state_dir)
    ):
        return daemon
    daemon.close()
    return None


def _without_configuration(file: Path | None, around: Surroundings) -> Connection | None:
    for socket in (*_sockets_said(file), around.system):
        with contextlib.suppress(DaemonUnavailable):
            daemon = connected(socket)
            if daemon is None or file is None or _same(daemon.identity.config, file):
                if daemon is not None:
                    return daemon
                continue
            daemon.close()
    return None


def _sockets_said(file: Path | None) -> Iterator[Path]:
    """Where a configuration that has faults says that its daemon listens, as far as that can be read."""
    if file is None:
        return
    try:
        said = tomllib.loads(file.read_text("utf-8"))
        socket, state_dir = (
            said.get(table, {}).get(key) for table, key in (("daemon", "socket"), ("drorch", "state_dir"))
        )
    except (OSError, ValueError, AttributeError):
        return
    if isinstance(socket, str):
        yield Path(socket)
    reader = Reader()
    yield default_socket(Path(state_dir) if isinstance(state_dir, str) else default_state_dir(reader), reader)


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
