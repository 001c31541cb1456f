"""Who is doing something, as the audit log names them. Knows nothing of the engine, so that a daemon can say it."""

import os
import pwd
import sys
from dataclasses import dataclass

from drorch.model.run import Trigger
from drorch.process.identity import user_name


@dataclass(frozen=True, slots=True)
class Doer:
    """Who is doing something here: name, number, terminal (empty where there is none)."""

    user: str
    uid: int
    tty: str

    @staticmethod
    def here() -> "Doer":
        """The user of this process."""
        try:
            tty = os.ttyname(sys.stdin.fileno())
        except (OSError, ValueError, AttributeError):
            tty = ""
        return Doer(user_name(), os.getuid(), tty)

    @staticmethod
    def of(uid: int) -> "Doer":
        """The user of this number, who asks from elsewhere; without a name, the number stands for it."""
        try:
            return Doer(pwd.getpwuid(uid).pw_name, uid, "")
        except KeyError:
            return Doer(str(uid), uid, "")


@dataclass(frozen=True, slots=True)
class Occasion:
    """What made runs begin: who, by hand or by a schedule, and the launch that they belong to (empty: none)."""

    doer: Doer
    trigger: Trigger = Trigger.HAND
    launch: str = ""
