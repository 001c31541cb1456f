"""The kinds of databases that a job may save: which keys each has, and which of them do not go together."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field

from drorch.config.fields import AbsolutePath, Duration, Name, Size, Unique, reading, schema_of, wrong
from drorch.config.network import Port, SocketPath
from drorch.config.table import Clash, Rule, SecretTable, Table
from drorch.model.job import QUIET

LONGEST_DATABASE = 64
"""As many characters as the name of a database may have: MariaDB's bound, and PostgreSQL's is one less, in bytes."""

_HOST = r"[^\s@/,=-][^\s@/,=]*"
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\$\$.*?\$\$", re.DOTALL)
_ASKS = ("select", "with", "show", "values", "table", "pragma")


def _database(text: str) -> str:
    if not text or "\0" in text or len(text) > LONGEST_DATABASE:
        raise wrong(
            f'"{text}" is not the name of a database: it has 1 to {LONGEST_DATABASE} characters, none of them NUL'
        )
    return text


def _host(text: str) -> str:
    if not re.fullmatch(_HOST, text):
        # What stands before an @ may be a password.
        raise wrong("this is not a host name; write one server, and its port and the user as keys of their own")
    return text


def _host_or_folder(text: str) -> str:
    if text.startswith("/") and "\0" not in text:
        return text
    return _host(text)


def _user(text: str) -> str:
    if not text or not text.isprintable():
        raise wrong("this is not a user: it has one printable character or more")
    return text


def _query(text: str) -> str:
    """One statement that asks something, without the semicolon at its end."""
    query = text.strip().removesuffix(";").rstrip()
    if "\0" in query or ";" in _QUOTED.sub("", query):
        raise ValueError("a fact is one statement; leave out what stands from the semicolon on")
    if not re.match(rf"\(*\s*({'|'.join(_ASKS)})\b", query, re.IGNORECASE):
        raise ValueError("this asks nothing; write a query, for instance select count(*) from orders")
    return query


DatabaseName = Annotated[str, AfterValidator(_database), schema_of("database", minLength=1, maxLength=LONGEST_DATABASE)]
DatabaseHost = Annotated[str, AfterValidator(_host), schema_of("host name", pattern=f"^{_HOST}$")]
HostOrFolder = Annotated[str, AfterValidator(_host_or_folder), schema_of("host name", pattern=f"^(/.*|{_HOST})$")]
DatabaseUser = Annotated[str, AfterValidator(_user), schema_of("user", minLength=1)]
Query = Annotated[str, reading(_query, '"select count(*) from orders"'), schema_of("query", minLength=1)]
Facts = dict[Name, Query]

_DATABASE: Any = Field(default=None, description="The database that is saved.", examples=["orders"])
_DATABASES: Any = Field(
    default=None,
    description="The databases that are saved, where there are several. Each is consistent in itself, not all of them "
    "together.",
)
_ALL: Any = Field(default=False, description="Save all databases, also those that are made later.")
_PORT: Any = Field(default=None, description="Its port. Default: as its own tools take it.")
_USER: Any = Field(default=None, description="Who logs in. Default: as its own tools take it.")
_PASSWORD: Any = Field(default=None, description="The user's password. Default: none is given.")
_BIN_DIR: Any = Field(
    default=None,
    description="Folder of the server's tools, where there are several versions. Default: where they are found.",
)
_QUIET: Any = Field(default=QUIET, description="A tool that is silent for longer hangs: it is killed, and has failed.")
_MIN_BYTES: Any = Field(default=0, description="Fewer bytes than this are no snapshot.")


def _saves_something(whole: str, holds: str) -> Rule:
    """One of `database`, `databases`, `all`, or the key that has the whole server saved, which `holds` more."""

    def check(said: Mapping[str, Any]) -> Iterator[Clash]:
        ways = [key for key in ("database", "databases", "all", whole) if key in said and said[key] is not False]
        for key in ways[1:]:
            yield key, f"{key} does not go together with {ways[0]}; leave one of the two out"
        if not ways:
            words = 'this does not say what is saved; write database = "orders", databases = ["orders", "shop"]'
            yield "", f"{words} or all = true"
        if said.get(whole) is True and holds in said:
            yield holds, f"{holds} is nothing beside {whole}, which saves the whole server; leave it out"

    return check


def _one_of_these(whole: str) -> dict[str, Any]:
    """The same choice for other validators."""
    ways = [{"required": [key]} for key in ("database", "databases")]
    return {"oneOf": [*ways, *({"required": [key], "properties": {key: {"const": True}}} for key in ("all", whole))]}


def _reached_once(said: Mapping[str, Any]) -> Iterator[Clash]:
    for key in ("host", "port"):
        if key in said and "socket" in said:
            yield key, f"{key} is nothing beside socket; leave one of the two out"


_REACHED_ONCE: dict[str, Any] = {
    "dependentSchemas": {"socket": {"not": {"anyOf": [{"required": ["host"]}, {"required": ["port"]}]}}}
}


class PostgresqlTable(Table):
    """Databases of a PostgreSQL server, as pg_dump sees them, with what a restore is compared with."""

    rules: ClassVar[tuple[Rule, ...]] = (_saves_something("base", "globals"),)
    model_config = ConfigDict(json_schema_extra=_one_of_these("base"))

    type: Literal["postgresql"] = Field(description="What kind of source it is.")
    database: DatabaseName | None = _DATABASE
    databases: Annotated[list[DatabaseName], Field(min_length=1), Unique] | None = _DATABASES
    all: bool = _ALL
    host: HostOrFolder | None = Field(
        default=None, description="The server, or the folder of its socket. Default: as its own tools find it."
    )
    port: Port | None = _PORT
    user: DatabaseUser | None = _USER
    password: SecretTable | None = _PASSWORD
    globals: bool = Field(default=True, description="Save roles and tablespaces too.")
    base: bool = Field(
        default=False,
        description="Save the files of the whole server, as pg_basebackup gives them, in place of what databases hold.",
    )
    bin_dir: AbsolutePath | None = _BIN_DIR
    quiet: Duration = _QUIET
    min_bytes: Size = _MIN_BYTES


class MariadbTable(Table):
    """Databases of a MariaDB or MySQL server. Tested on MariaDB."""

    rules: ClassVar[tuple[Rule, ...]] = (_saves_something("physical", "users"), _reached_once)
    model_config = ConfigDict(json_schema_extra={**_one_of_these("physical"), **_REACHED_ONCE})

    type: Literal["mariadb", "mysql"] = Field(description="What kind of source it is; both mean the same.")
    database: DatabaseName | None = _DATABASE
    databases: Annotated[list[DatabaseName], Field(min_length=1), Unique] | None = _DATABASES
    all: bool = _ALL
    host: DatabaseHost | None = Field(default=None, description="The server. Default: as its own tools find it.")
    port: Port | None = _PORT
    socket: SocketPath | None = Field(default=None, description="Its socket, in place of host and port.")
    user: DatabaseUser | None = _USER
    password: SecretTable | None = _PASSWORD
    users: bool = Field(default=True, description="Save accounts and what they may do too.")
    physical: bool = Field(
        default=False,
        description="Save the files of the whole server, as mariabackup gives them, in place of what databases hold; "
        "on the server's own machine only.",
    )
    bin_dir: AbsolutePath | None = _BIN_DIR
    quiet: Duration = _QUIET
    min_bytes: Size = _MIN_BYTES


class SqliteTable(Table):
    """A SQLite database, saved while others use it."""

    type: Literal["sqlite"] = Field(description="What kind of source it is.")
    path: AbsolutePath = Field(description="The database's file.", examples=["/var/lib/app/app.db"])
    min_bytes: Size = _MIN_BYTES


class RedisTable(Table):
    """All that a Redis or Valkey server holds, as RDB."""

    rules: ClassVar[tuple[Rule, ...]] = (_reached_once,)
    model_config = ConfigDict(json_schema_extra=_REACHED_ONCE)

    type: Literal["redis", "valkey"] = Field(description="What kind of source it is; both mean the same.")
    host: DatabaseHost | None = Field(default=None, description="The server. Default: this machine.")
    port: Port | None = Field(default=None, description="Its port. Default: 6379.")
    socket: SocketPath | None = Field(default=None, description="Its socket, in place of host and port.")
    user: DatabaseUser | None = Field(default=None, description="Who logs in. Default: the server's default user.")
    password: SecretTable | None = _PASSWORD
    bin_dir: AbsolutePath | None = _BIN_DIR
    quiet: Duration = _QUIET
    min_bytes: Size = _MIN_BYTES


DatabaseTable = PostgresqlTable | MariadbTable | SqliteTable | RedisTable

DATABASE_KINDS: Mapping[str, type[Table]] = {
    "postgresql": PostgresqlTable,
    "mariadb": MariadbTable,
    "mysql": MariadbTable,
    "sqlite": SqliteTable,
    "redis": RedisTable,
    "valkey": RedisTable,
}

ASKED = ("postgresql", "mariadb", "mysql", "sqlite")
"""Kinds of sources that can be asked for facts."""
