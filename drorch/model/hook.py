"""Hooks: commands that are run around a job."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class HookTime(StrEnum):
    """When a hook is run: before the source is touched; after all went well; after a failure; whatever happened."""

    BEFORE = "before"
    AFTER = "after"
    FAILURE = "failure"
    ALWAYS = "always"


class HookFailure(StrEnum):
    """What a hook's failure does to its run: it fails; it is told; nothing."""

    ERROR = "error"
    WARN = "warn"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Hook:
    """A command, as words and started without a shell, and when it is run."""

    when: HookTime
    command: tuple[str, ...]
    timeout: timedelta = timedelta(minutes=5)
    on_failure: HookFailure = HookFailure.ERROR
