"""Who takes a database on its way back: a job of the configuration, by the server or the command of its source."""

from drorch.app.databases.restoring import Receiver, Receivers
from drorch.app.databases.sources import kind_of
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import UsageError
from drorch.model.job import (
    CommandSpec,
    DatabaseSpec,
    FilesSpec,
    Job,
    MariadbSpec,
    PostgresqlSpec,
    RedisSpec,
    SqliteSpec,
)
from drorch.sources.databases.feeding import FedCommand

PATIENCE_SECONDS = 6 * 3600.0
"""How long a command that loads may take nothing, and as long it may go on when it has everything."""


def receivers_of(configuration: Configuration, clock: Clock) -> Receivers:
    """The receivers of a configuration's jobs."""
    return lambda name: _receiver(configuration.job(name), clock)


def _receiver(job: Job, clock: Clock) -> Receiver:
    source = job.source
    match source:
        case FilesSpec():
            raise UsageError(
                f"job {job.name} saves files, no database",
                hint="To put files back, type: drorch restore SNAPSHOT --to DIR; else name a job: --using JOB.",
            )
        case CommandSpec():
            return _command(job, source)
        case _:
            return Receiver(job.name, kind_of(source, clock), place_of(source))


def _command(job: Job, source: CommandSpec) -> Receiver:
    if not source.restore:
        raise UsageError(
            f"job {job.name} has no command that restores",
            hint="Add restore = [...] to its source, or take the file: drorch restore SNAPSHOT --to DIR",
        )
    loader = FedCommand(source.restore, PATIENCE_SECONDS)
    return Receiver(job.name, loader, f"command {source.restore[0]}", f"/{source.filename}".encode())


def place_of(source: DatabaseSpec) -> str:
    """The server of a source as people name it; what the configuration leaves out, the server's tools decide."""
    match source:
        case SqliteSpec():
            return "this host"
        case PostgresqlSpec(host=str(host)) if host.startswith("/"):
            return f"PostgreSQL at socket {host}"
        case MariadbSpec(socket=str(socket)) | RedisSpec(socket=str(socket)):
            return f"{_TITLES[source.kind]} at socket {socket}"
        case _:
            port = "" if source.port is None else f":{source.port}"
            return f"{_TITLES[source.kind]} at {source.host or 'this host'}{port}"


_TITLES = {"postgresql": "PostgreSQL", "mariadb": "MariaDB", "redis": "Redis"}
