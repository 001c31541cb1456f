"""Redis and Valkey as a kind of database: a server's whole content, both directions."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from drorch.clock import Clock
from drorch.errors import DumpFailed, SourceUnavailable
from drorch.process.commands import ChildFailed
from drorch.process.streams import StreamCommand, start_reading
from drorch.sources.databases.contract import DumpSession, Loaded, Objection, Part, RestoreWish, StoredParts
from drorch.sources.databases.facts import DatabaseFacts, Facts, RowCount
from drorch.sources.redis.checking import Checker, Counted
from drorch.sources.redis.client import INSTALL_HINT, RIGHTS_HINT, Client, Refused
from drorch.sources.redis.rdb import RdbStream
from drorch.sources.redis.restoring import EXPIRING, KEYS, Restoring
from drorch.sources.redis.settings import KIND, PART, RedisSettings

DATABASE = "dump"
"""What all that a server holds is called in the facts."""

_DATABASE = re.compile(r"db(\d+)")
_HELD = re.compile(r"keys=(\d+),expires=(\d+)")
_VERSION_SECONDS = 10.0
_DENIED = "has no permissions"


class Redis:
    """A server's whole content, streamed as a replica gets it, and put back as a file."""

    kind = KIND

    def __init__(self, settings: RedisSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._client = Client(settings)

    def preflight(self) -> Sequence[Objection]:
        """Whether the tool is there, the server answers, and its user may do what is needed."""
        if self._settings.client is None:
            return [Objection("redis-cli is not installed", INSTALL_HINT, fatal=True)]
        try:
            self._client.ask("replconf", "capa", "eof")
        except Refused as fault:
            return [Objection(fault.message, fault.hint or RIGHTS_HINT, fatal=True)]
        return [*self._role(), *self._rights()]

    def dump(self) -> AbstractContextManager[DumpSession]:
        """Begin a dump. Raises `SourceUnavailable` and `DumpFailed`."""
        return self._dump()

    def restore_preflight(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Sequence[Objection]:
        """What a restore would meet."""
        return Restoring(self._settings, wish, parts, facts).objections()

    def restore(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Loaded:
        """Put the file back for a server to start with. Raises `RestoreError`."""
        return Restoring(self._settings, wish, parts, facts).restore()

    def _role(self) -> Iterator[Objection]:
        try:
            information = self._client.information()
        except Refused as fault:
            yield Objection(
                f"{fault.message}; the facts will not say what the server is", "Allow the user +info.", fatal=False
            )
            return
        if information.get("role") == "slave" and information.get("master_link_status") != "up":
            yield Objection(
                f"server {self._settings.place} is a replica that is cut off from its primary",
                "Back up the primary, or wait until the replica has caught up.",
                fatal=True,
            )
        if information.get("cluster_enabled") == "1":
            yield Objection(
                f"server {self._settings.place} is one node of a cluster: only its own keys are saved",
                "Write a job for each primary of the cluster.",
                fatal=False,
            )

    def _rights(self) -> Iterator[Objection]:
        """Whether the user may ask for the stream, as far as it may ask that."""
        with contextlib.suppress(Refused):
            user = self._client.ask("acl", "whoami").strip()
            answer = self._client.ask("acl", "dryrun", user, "sync")
            if _DENIED in answer:
                yield Objection(
                    f"user {user} of {self._settings.place} may not ask for a dump", RIGHTS_HINT, fatal=True
                )

    @contextlib.contextmanager
    def _dump(self) -> Iterator["_Session"]:
        information: Mapping[str, str] = {}
        notes: tuple[str, ...] = ()
        taken = self._clock.now().isoformat()
        try:
            information = self._client.information()
        except Refused as fault:
            notes = (f"the server was not asked what it is: {fault.message}",)
        session = _Session(self._settings, self._client, Facts(KIND, _server(information), "", taken, notes=notes))
        session.asked_beside(information)
        try:
            yield session
        finally:
            session.close()


class _Session:
    """A dump under way: one part."""

    def __init__(self, settings: RedisSettings, client: Client, begun: Facts) -> None:
        self._settings = settings
        self._client = client
        self._begun = begun
        self._beside: tuple[str, ...] = ()
        self._estimate: dict[str, RowCount] = {}
        self._exits = contextlib.ExitStack()
        self._counted: Counted | None = None
        self._size = 0

    def parts(self) -> Sequence[Part]:
        """The stream, the only part."""
        return (Part(PART, self._open),)

    def facts(self) -> Facts:
        """What was counted as it passed; where nobody could count, what the server said beside it."""
        tables = self._estimate
        unchecked: tuple[str, ...] = ("redis-check-rdb was not there: its checksum is not known to be right",)
        if self._counted is not None:
            tables = {KEYS: RowCount(self._counted.keys), EXPIRING: RowCount(self._counted.expiring)}
            unchecked = ()
        elif self._settings.checker is not None:
            unchecked = ("redis-check-rdb is older than the server: its checksum is not known to be right",)
        return Facts(
            kind=KIND,
            server=self._begun.server,
            tool=_version_of(self._settings.client),
            taken=self._begun.taken,
            databases={DATABASE: DatabaseFacts(tables=tables, size=self._size, notes=(*self._beside, *unchecked))},
            notes=self._begun.notes,
        )

    def asked_beside(self, information: Mapping[str, str]) -> None:
        """What INFO said just before: of another moment than the dump's."""
        held = {name: _HELD.match(value) for name, value in information.items() if _DATABASE.fullmatch(name)}
        counts = {name: (int(found[1]), int(found[2])) for name, found in held.items() if found is not None}
        if information:
            self._estimate = {
                KEYS: RowCount(sum(keys for keys, _ in counts.values()), exact=False),
                EXPIRING: RowCount(sum(expiring for _, expiring in counts.values()), exact=False),
            }
        said = [
            f"{name} about {keys} keys, {expiring} that expire" for name, (keys, expiring) in sorted(counts.items())
        ]
        for name in ("role", "master_repl_offset", "used_memory", "cluster_enabled"):
            said += [f"{name} {information[name]}"] if name in information else []
        self._beside = tuple(f"just before: {line}" for line in said)

    def close(self) -> None:
        """End the stream, where it was left in the middle."""
        self._exits.close()

    def _open(self) -> RdbStream:
        program = self._settings.checker
        try:
            checker = None if program is None else Checker(program, self._settings.quiet_seconds)
        except ChildFailed as fault:
            raise DumpFailed(fault.message, hint=INSTALL_HINT) from fault
        stream = RdbStream(self._client, checker, self._came_whole)
        self._exits.callback(stream.close)
        return stream

    def _came_whole(self, counted: Counted | None, size: int) -> None:
        self._counted = counted
        self._size = size


def _server(information: Mapping[str, str]) -> str:
    if "valkey_version" in information:
        return f"Valkey {information['valkey_version']}"
    return f"Redis {information['redis_version']}" if "redis_version" in information else ""


def _version_of(program: str | None) -> str:
    """What a tool says of itself; empty where it says nothing."""
    if program is None:
        return ""
    answer = bytearray(200)
    try:
        with start_reading(StreamCommand([program, "--version"], quiet_seconds=_VERSION_SECONDS)) as child:
            count = child.readinto(memoryview(answer))
            child.finish()
    except (ChildFailed, SourceUnavailable):
        return ""
    return answer[:count].decode("utf-8", errors="replace").strip()
