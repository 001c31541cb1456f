"""redis-cli: how it is started, what it is asked, and what its complaints mean.

Promise: the password goes to it by its standard input and is nowhere else.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from drorch.errors import DrorchError, DumpFailed, SourceUnavailable
from drorch.process.commands import ChildFailed, Ended, describe_status
from drorch.process.streams import ReadChild, StreamCommand, start_reading
from drorch.secrets import redacted
from drorch.sources.redis.settings import RedisSettings

_ANSWER_BYTES = 1 << 20
_ANSWER_SECONDS = 30.0
_LONGEST_SAID = 400
# What redis-cli says while all is well: https://github.com/redis/redis, src/redis-cli.c, getRDB.
_CHATTER = ("sending REPLCONF", "SYNC sent to", "SYNC with master, discarding")
_UNREACHABLE = re.compile(
    r"Could not connect|Connection reset|Server closed the connection|LOADING|MASTERDOWN|max number of clients"
)
_WRONG_PASSWORD = re.compile(r"WRONGPASS|invalid password|NOAUTH|called without any password configured", re.IGNORECASE)
_DENIED = re.compile(r"NOPERM")


class Refused(DrorchError):
    """The server answers, and refuses what it was asked."""


@dataclass(frozen=True, slots=True)
class Client:
    """Starts redis-cli for one server."""

    settings: RedisSettings

    def start(self, *words: str, quiet_seconds: float | None = None) -> ReadChild:
        """Start it with these words behind the address. Raises `SourceUnavailable` and `DumpFailed`."""
        settings = self.settings
        program = settings.client
        if program is None:
            raise DumpFailed("redis-cli is not installed", hint=INSTALL_HINT)
        argv = [program]
        argv += ["-s", settings.socket] if settings.socket else []
        argv += ["-h", settings.host] if settings.host and not settings.socket else []
        argv += ["-p", str(settings.port)] if settings.port and not settings.socket else []
        argv += ["--user", settings.user] if settings.user else []
        given = b""
        if settings.password is not None:
            argv.append("--askpass")
            given = _line(settings.password())
        quiet = settings.quiet_seconds if quiet_seconds is None else quiet_seconds
        try:
            return start_reading(StreamCommand([*argv, *words], quiet_seconds=quiet, stop_seconds=quiet), given)
        except ChildFailed as fault:
            raise DumpFailed(fault.message, hint=INSTALL_HINT) from fault

    def ask(self, *words: str) -> str:
        """What the server answers to a command. Raises `Refused` and `SourceUnavailable`."""
        try:
            with self.start("-e", *words, quiet_seconds=min(_ANSWER_SECONDS, self.settings.quiet_seconds)) as child:
                answer = bytearray(_ANSWER_BYTES)
                count = child.readinto(memoryview(answer))
                ended = child.finish()
        except ChildFailed as fault:
            raise SourceUnavailable(f"server {self.settings.place}: {fault.message}", hint=_REACH_HINT) from fault
        text = answer[:count].decode("utf-8", errors="replace")
        if ended.status != 0 or "AUTH failed" in ended.said:
            raise self.fault(ended, text)
        return text

    def information(self) -> Mapping[str, str]:
        """What INFO says. Raises as `ask` does."""
        lines = (line.strip().partition(":") for line in self.ask("info").splitlines())
        return {name: value for name, colon, value in lines if colon and not name.startswith("#")}

    def fault(self, ended: Ended, answer: str = "") -> DrorchError:
        """What it means that it ended so: `SourceUnavailable` or `Refused`."""
        said = last_words(f"{ended.said}\n{answer}")
        where = f"server {self.settings.place}"
        if _UNREACHABLE.search(said):
            return SourceUnavailable(f"{where}: {said}", hint=_REACH_HINT)
        if _WRONG_PASSWORD.search(said):
            return Refused(f"{where} refuses the password: {said}", hint="correct the job's user and password")
        if _DENIED.search(said):
            return Refused(f"{where}: {said}", hint=RIGHTS_HINT)
        return Refused(f"{where}: redis-cli {describe_status(ended.status)}; it said: {said or 'nothing'}")


INSTALL_HINT = "install it (Debian: redis-tools or valkey-tools), or name its folder with bin_dir"
RIGHTS_HINT = "allow it: ACL SETUSER NAME on >PASSWORD +ping +sync +psync +replconf +info"
_REACH_HINT = "look whether the server runs, and correct the job's host, port or socket"


def last_words(said: str) -> str:
    """What was complained of, on one line and without secrets."""
    lines = [line.strip() for line in redacted(said).splitlines()]
    words = "; ".join(dict.fromkeys(line for line in lines if line and not line.startswith(_CHATTER)))
    return words if len(words) <= _LONGEST_SAID else f"...{words[-_LONGEST_SAID:]}"


def _line(password: str) -> bytes:
    if "\n" in password or "\0" in password:
        raise DumpFailed("redis-cli takes no password with a line break", hint="choose another for the job's user")
    return password.encode("utf-8", "surrogateescape") + b"\n"
