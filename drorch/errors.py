"""Everything that can go wrong, each kind with the exit code it ends in.

An error's message is lower case and names the thing; its hint is a sentence that says what to type.
Foreign exceptions are translated into these once, at the edge of the room that knows the library.
Exit codes 0, 1, 3, 10, 11, 12 and 130 mean what they mean in restic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class Outcome(IntEnum):
    """Exit codes of runs that ended without an exception but need saying."""

    OK = 0
    SOURCE_INCOMPLETE = 3
    COPY_MISSING = 24
    PROMISE_BROKEN = 27
    FACTS_DIFFER = 41
    DRILL_FAILED = 51
    OBJECTIVE_MISSED = 52
    USAGE = 64
    OVERDUE = 70
    CHAIN_BROKEN = 71
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault that did not stop the work: a file that vanished, a node that was refused.

    `subject` is the thing as the operator knows it (a path, decoded with surrogateescape); it may hold any
    character and must be escaped before it reaches a terminal. `message` is what was wrong with it.
    """

    subject: str
    message: str


class DrorchError(Exception):
    """The root of all errors drorch raises on purpose."""

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None, context: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.context = dict(context or {})


class ConfigError(DrorchError):
    """The configuration cannot be used: all its faults at once, each with the file, line and column it is at."""

    exit_code = 4

    def __init__(self, message: str, *, hint: str | None = None, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class RepositoryError(DrorchError):
    """The repository cannot be used as it is."""


class RepositoryMissing(RepositoryError):
    """There is no repository at the target."""

    exit_code = 10


class RepositoryLocked(RepositoryError):
    """Another client holds a conflicting lock, or ours has been taken away."""

    exit_code = 11
    retryable = True


class WrongPassword(RepositoryError):
    """No key of the repository opens with the password given."""

    exit_code = 12


class IntegrityError(RepositoryError):
    """Stored bytes are not what they were when they were written."""

    exit_code = 13


class FormatUnsupported(RepositoryError):
    """The repository is of a version, or uses a feature, that drorch does not know."""

    exit_code = 14


class TargetError(DrorchError):
    """The place that holds the repository failed."""


class TargetUnavailable(TargetError):
    """The target does not answer, or answers with a passing error."""

    exit_code = 20
    retryable = True


class TargetDenied(TargetError):
    """The target answers, and refuses."""

    exit_code = 21


class ObjectMissing(TargetError):
    """There is no object under this key."""

    exit_code = 22


class TargetFull(TargetError):
    """The target has no room left."""

    exit_code = 23


class ObjectFrozen(TargetError):
    """The object is in a storage class from which it must be thawed before it can be read."""

    exit_code = 25


class TargetMissing(TargetError):
    """The place itself does not exist: no such bucket."""

    exit_code = 26


class SourceError(DrorchError):
    """What is to be backed up cannot be read at all."""


class SourceUnavailable(SourceError):
    """The source does not answer."""

    exit_code = 30
    retryable = True


class DumpFailed(SourceError):
    """The command that produces the data failed."""

    exit_code = 31


class SourceSuspicious(SourceError):
    """The source is empty, missing, unmounted or smaller than it should be."""

    exit_code = 32


class RestoreError(DrorchError):
    """Something could not be put back."""

    exit_code = 40


class CatalogError(DrorchError):
    """The catalog cannot be opened, read or written."""

    exit_code = 60


class JobBusy(DrorchError):
    """The job is being run already."""

    exit_code = 61
    retryable = True


class UsageError(DrorchError):
    """The command line does not make sense."""

    exit_code = Outcome.USAGE


class SecretMissing(DrorchError):
    """A secret that is referred to cannot be read, or must not be trusted."""

    exit_code = 62


class HookFailed(DrorchError):
    """A hook of a job failed, and the job's configuration says that its run fails with it."""

    exit_code = 63


class DaemonUnavailable(DrorchError):
    """No daemon listens, or the one that does gives no answer."""

    exit_code = 65
