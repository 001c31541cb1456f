"""A connection to the daemon: questions and answers as values, none of which is waited for without end."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from drorch.actions.progress import Step
from drorch.app.told import Told
from drorch.clock import Clock
from drorch.errors import (
    CatalogError,
    ConfigError,
    DaemonUnavailable,
    DrorchError,
    JobBusy,
    Outcome,
    Problem,
    UsageError,
)
from drorch.model.launch import Launch, LaunchState, Pause
from drorch.orchestrator.control.contract import DaemonStanding, Identity
from drorch.orchestrator.control.listener import connect
from drorch.orchestrator.control.wording import (
    heard_identity,
    heard_launch,
    heard_pause,
    heard_standing,
    not_understood,
)

_HELLO_SECONDS = 10.0
_ANSWER_SECONDS = 60.0
_SILENCE_SECONDS = 120.0
"""Who follows a launch hears every 30 s at the latest that the daemon lives."""
_LONGEST_ANSWER = 4 * 1024 * 1024
_STOP_SECONDS = 40.0
"""A launch that is cancelled has 30 s to end by itself."""
_GLANCE_SECONDS = 0.2
_REFUSALS: Mapping[int, type[DrorchError]] = {
    one.exit_code: one for one in (CatalogError, JobBusy, UsageError, DaemonUnavailable)
}


@dataclass(frozen=True, slots=True)
class Advanced:
    """How far a run of a launch is: what it does on which target."""

    launch: str
    kind: str
    target: str
    step: Step


@dataclass(frozen=True, slots=True)
class Noted:
    """Something worth knowing that happened meanwhile."""

    message: str


@dataclass(frozen=True, slots=True)
class Complained:
    """Something that no run is to be blamed for."""

    message: str


@dataclass(frozen=True, slots=True)
class RunTold:
    """A run of a launch has ended."""

    launch: str
    told: Told


@dataclass(frozen=True, slots=True)
class LaunchEnded:
    """A launch has ended. `exit_code` is its worker's; where it had none, what stands for that is chosen here."""

    launch: Launch
    exit_code: int
    reason: str


Happening = Advanced | Noted | Complained | RunTold | LaunchEnded


class Connection:
    """A connection to a daemon that has said who it is.

    Every method raises `DaemonUnavailable` where no answer comes, and what the daemon refuses as the error that it is.
    """

    def __init__(self, path: Path) -> None:
        """Connect and ask who is there. Raises `DaemonUnavailable`, and `OSError` where nobody listens."""
        self.path = path
        self._line = connect(path, _HELLO_SECONDS)
        self._heard = bytearray()
        try:
            self.identity: Identity = heard_identity(self._ask("hello"))
        except BaseException:
            self._line.close()
            raise
        self._line.settimeout(_ANSWER_SECONDS)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def standing(self) -> DaemonStanding:
        """How things stand."""
        return heard_standing(self._ask("status"))

    def pause(self, jobs: Sequence[str], span: timedelta | None, reason: str) -> list[Pause]:
        """Let jobs rest, or (none) all of them, for a span or until they are resumed."""
        seconds = None if span is None else span.total_seconds()
        return [heard_pause(one) for one in self._ask("pause", jobs=list(jobs), reason=reason, **{"for": seconds})]

    def resume(self, jobs: Sequence[str]) -> list[Pause]:
        """End pauses of jobs, or (none) all; those that were ended."""
        return [heard_pause(one) for one in self._ask("resume", jobs=list(jobs))]

    def cancel(self, what: str) -> list[Launch]:
        """Stop the launches of a job, or the one whose id begins so; those that were meant."""
        return [heard_launch(one) for one in self._ask("cancel", what=what)]

    def reload(self) -> Identity:
        """Have the configuration read anew."""
        return heard_identity(self._ask("reload"))

    def run(self, jobs: Sequence[str], target: str | None) -> "Followed":
        """Have jobs run now; what is returned tells of it until they have ended."""
        launches = [heard_launch(one) for one in self._ask("run", jobs=list(jobs), target=target, follow=True)]
        self._line.settimeout(_SILENCE_SECONDS)
        return Followed(self, launches)

    def hear(self) -> Mapping[str, Any]:
        """The next thing that is said."""
        while b"\n" not in self._heard:
            try:
                piece = self._line.recv(64 * 1024)
            except TimeoutError as fault:
                raise self._unavailable("gives no answer") from fault
            except OSError as fault:
                raise self._unavailable("hung up") from fault
            if not piece or len(self._heard) > _LONGEST_ANSWER:
                raise self._unavailable("hung up" if not piece else "does not come to an end")
            self._heard += piece
        line, _, rest = bytes(self._heard).partition(b"\n")
        self._heard = bytearray(rest)
        try:
            said = json.loads(line)
        except (ValueError, RecursionError) as fault:
            raise not_understood("something", fault) from fault
        if not isinstance(said, dict):
            raise not_understood("something", TypeError("no object"))
        if "error" in said:
            raise _refusal(said["error"])
        return said

    def _ask(self, verb: str, **arguments: object) -> Any:
        request = json.dumps({"verb": verb, **arguments}).encode() + b"\n"
        # A daemon that turns a caller away says why and hangs up: what it said is heard all the same.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            try:
                self._line.sendall(request)
            except TimeoutError as fault:
                raise self._unavailable("gives no answer") from fault
        said = self.hear()
        if verb not in said:
            raise not_understood("something else than was asked", KeyError(verb))
        return said[verb]

    def _unavailable(self, what: str) -> DaemonUnavailable:
        return DaemonUnavailable(f"the daemon at {self.path} {what}", hint="Look at it: systemctl status drorch")


class Followed:
    """Launches that were asked for, and all that happens to them until the last one has ended."""

    def __init__(self, connection: Connection, launches: Sequence[Launch]) -> None:
        self.launches = {launch.id: launch for launch in launches}
        self._connection = connection
        self._unfinished = dict.fromkeys(self.launches)

    def __iter__(self) -> Iterator[Happening]:
        """What happens, as it does. Raises `DaemonUnavailable` where no more can be heard."""
        while self._unfinished:
            happening = self._happening(self._connection.hear())
            if isinstance(happening, LaunchEnded):
                self._unfinished.pop(happening.launch.id, None)
            if happening is not None:
                yield happening

    def cancel(self, clock: Clock) -> None:
        """Have those stopped that have not ended, and wait a while until they have."""
        with contextlib.suppress(DrorchError, OSError), Connection(self._connection.path) as other:
            for launch in self._unfinished:
                with contextlib.suppress(UsageError):
                    other.cancel(launch)
            deadline = clock.monotonic() + _STOP_SECONDS
            while clock.monotonic() < deadline:
                if not any(one.launch.id in self._unfinished for one in other.standing().going):
                    return
                clock.sleep(_GLANCE_SECONDS)

    def _happening(self, said: Mapping[str, Any]) -> Happening | None:
        """None for what is not known here: a newer daemon may have more to tell."""
        launch = said.get("launch")
        if launch not in self.launches:
            return None
        try:
            match said:
                case {"progress": {"kind": str(kind), "target": str(target)}}:
                    return Advanced(launch, kind, target, _step(said["progress"]))
                case {"log": {"message": str(message)}}:
                    return Noted(message)
                case {"complaint": str(message)}:
                    return Complained(message)
                case {"told": document}:
                    return RunTold(launch, Told.of(document))
                case {"ended": code, "reason": str(reason), "state": state}:
                    return LaunchEnded(self.launches[launch], _code(code, LaunchState(state)), reason)
        except (TypeError, ValueError) as fault:
            raise not_understood("of a launch", fault) from fault
        return None


def _step(counters: Mapping[str, Any]) -> Step:
    return Step(
        files_done=int(counters.get("files_done", 0)),
        bytes_done=int(counters.get("bytes_done", 0)),
        files_total=int(counters.get("files_total", 0)),
        bytes_total=int(counters.get("bytes_total", 0)),
        current=str(counters.get("current", "")),
    )


def _code(said: object, state: LaunchState) -> int:
    """The exit code of a launch, its own or the one that stands for how it ended."""
    if isinstance(said, int):
        return said
    if state is LaunchState.SKIPPED:
        return JobBusy.exit_code
    if state is LaunchState.CANCELLED:
        return Outcome.INTERRUPTED
    return Outcome.OK if state is LaunchState.OK else DrorchError.exit_code


def _refusal(said: Any) -> DrorchError:
    try:
        message, hint, code = str(said["message"]), said["hint"], int(said["code"])
        problems = tuple(Problem(str(subject), str(text)) for subject, text in said.get("problems", ()))
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        return not_understood("why it refuses", fault)
    hint = None if hint is None else str(hint)
    if code == ConfigError.exit_code:
        return ConfigError(message, hint=hint, problems=problems)
    return _REFUSALS.get(code, DrorchError)(message, hint=hint)


def connected(path: Path) -> Connection | None:
    """A connection to whoever listens at a path; None where nobody does.

    Raises `DaemonUnavailable` where somebody listens and gives no answer, or where this user may not ask.
    """
    try:
        return Connection(path)
    except PermissionError as fault:
        raise DaemonUnavailable(
            f"the daemon's socket {path} is closed to you", hint="Be root, or of its group (drorch)."
        ) from fault
    except (BlockingIOError, TimeoutError) as fault:
        raise DaemonUnavailable(
            f"the daemon at {path} gives no answer", hint="Look at it: systemctl status drorch"
        ) from fault
    except OSError:
        return None
