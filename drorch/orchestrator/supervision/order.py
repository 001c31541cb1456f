"""What a worker is told to do: one value, said over its line before anything else."""

import json
from dataclasses import dataclass
from typing import Any

from drorch.model.launch import StopCause, WorkKind
from drorch.model.run import Trigger

_MOST_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class Order:
    """A launch as its worker has to know it.

    `name` is the job's or, for a check, the target's. `targets` are those to run the job on, in the job's order.
    `user`, `uid` and `tty` say who asked. `config` is the file of the configuration, `copy` one
    of what it says that is in force, empty where there is none. `part` is which part of the data a
    check reads: the first number, from 1, of so many; None: none. `memory` is the most bytes of data that each of its
    processes may have, None for any.
    """

    launch: str
    kind: WorkKind
    name: str
    targets: tuple[str, ...]
    trigger: Trigger
    user: str
    uid: int
    config: str
    copy: str = ""
    tty: str = ""
    part: tuple[int, int] | None = None
    memory: int | None = None

    def to_json(self) -> str:
        """The order as one line of JSON in ASCII."""
        said = {
            "launch": self.launch,
            "kind": self.kind,
            "name": self.name,
            "targets": self.targets,
            "trigger": self.trigger,
            "user": self.user,
            "uid": self.uid,
            "tty": self.tty,
            "config": self.config,
            "copy": self.copy,
            "part": self.part,
            "memory": self.memory,
        }
        return json.dumps({"order": said}, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> "Order":
        """The order again. Raises `ValueError` where the text is none."""
        try:
            said: dict[str, Any] = json.loads(text)["order"]
            part, memory = said["part"], said["memory"]
            return Order(
                launch=str(said["launch"]),
                kind=WorkKind(said["kind"]),
                name=str(said["name"]),
                targets=tuple(map(str, said["targets"])),
                trigger=Trigger(said["trigger"]),
                user=str(said["user"]),
                uid=int(said["uid"]),
                config=str(said["config"]),
                copy=str(said["copy"]),
                tty=str(said["tty"]),
                part=None if part is None else (int(part[0]), int(part[1])),
                memory=None if memory is None else int(memory),
            )
        except (KeyError, TypeError, IndexError) as fault:
            raise ValueError("this is no order") from fault


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a worker is to end: in words, and as one of the causes that there are."""

    reason: str
    cause: StopCause

    def to_json(self) -> str:
        """What asks a worker to end, as one line of JSON."""
        said = {"stop": self.reason[:_MOST_CHARACTERS], "cause": self.cause.value}
        return json.dumps(said, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> "Stop | None":
        """The same again; None where the line asks for something else, or nothing that is known."""
        try:
            said = json.loads(text)
            reason, cause = said["stop"], StopCause(said["cause"])
        except (ValueError, KeyError, TypeError):
            return None
        return Stop(reason, cause) if isinstance(reason, str) else None
