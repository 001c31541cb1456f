"""The tools that are compared: one small class each, which says what to run in which phase.

All of them encrypt, all read the password from a file or their environment, and all keep their caches inside
the folder of the run, so that none profits from an earlier one.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from benchmarks.measure import Command
from benchmarks.sites import PASSWORD_FILE, Lodging
from drorch.errors import UsageError

_PROBE_SECONDS = 30


class Phase(Enum):
    """The steps of a pass, in their order."""

    INIT = "init"
    FIRST = "first backup"
    SECOND = "unchanged second backup"
    CHANGE = "small change backup"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tool finds and puts things during one pass; everything but `source` is removed after it."""

    source: Path
    folder: Path
    lodging: Lodging

    @property
    def destination(self) -> Path:
        """An empty directory to restore into."""
        return self.folder / "restored"

    @property
    def home(self) -> Path:
        """Home directory with the caches of the tool."""
        return self.folder / "home"

    @property
    def password_file(self) -> Path:
        """A file with the password of the repository."""
        return self.folder / PASSWORD_FILE


class Tool(Protocol):
    """A backup program at a path of its own."""

    @property
    def name(self) -> str:
        """The name of its column."""
        ...

    @property
    def program(self) -> Path:
        """The program."""
        ...

    @property
    def version_argv(self) -> Sequence[str]:
        """The command that tells its version."""
        ...

    def argv(self, phase: Phase, place: Place) -> Sequence[str]:
        """The command of a phase."""
        ...

    def variables(self, place: Place) -> Mapping[str, str]:
        """Environment variables of its own."""
        ...


@dataclass(frozen=True, slots=True)
class Restic:
    """restic, at its defaults."""

    name: str
    program: Path

    @property
    def version_argv(self) -> Sequence[str]:
        """The command that tells its version."""
        return [str(self.program), "version"]

    def argv(self, phase: Phase, place: Place) -> Sequence[str]:
        """The command of a phase."""
        begin = [str(self.program), *place.lodging.restic]
        match phase:
            case Phase.INIT:
                return [*begin, "init", "--repository-version", "2"]
            case Phase.RESTORE:
                return [*begin, "restore", "latest", "--target", str(place.destination)]
            case _:
                return [*begin, "backup", str(place.source)]

    def variables(self, place: Place) -> Mapping[str, str]:
        """Environment variables of its own."""
        return {"RESTIC_CACHE_DIR": str(place.home / "restic-cache"), **place.lodging.variables}


@dataclass(frozen=True, slots=True)
class Borg:
    """borg, with the compression that is restic's default and its fastest encryption with a passphrase."""

    name: str
    program: Path

    @property
    def version_argv(self) -> Sequence[str]:
        """The command that tells its version."""
        return [str(self.program), "--version"]

    def argv(self, phase: Phase, place: Place) -> Sequence[str]:
        """The command of a phase."""
        program, repository = str(self.program), str(place.lodging.files)
        match phase:
            case Phase.INIT:
                return [program, "init", "--encryption", "repokey-blake2", repository]
            case Phase.RESTORE:
                return [program, "extract", f"{repository}::{Phase.CHANGE.name}"]
            case _:
                return [program, "create", "--compression", "zstd,3", f"{repository}::{phase.name}", str(place.source)]

    def variables(self, place: Place) -> Mapping[str, str]:
        """Environment variables of its own."""
        return {"BORG_BASE_DIR": str(place.home), "BORG_PASSPHRASE": place.password_file.read_text().strip()}


@dataclass(frozen=True, slots=True)
class Drorch:
    """drorch, at its defaults."""

    name: str
    program: Path

    @property
    def version_argv(self) -> Sequence[str]:
        """The command that tells its version."""
        return [str(self.program), "--version"]

    def argv(self, phase: Phase, place: Place) -> Sequence[str]:
        """The command of a phase."""
        where = place.lodging.drorch
        match phase:
            case Phase.INIT:
                return [str(self.program), "init", *where]
            case Phase.RESTORE:
                return [str(self.program), "restore", "latest", "--to", str(place.destination), *where]
            case _:
                return [str(self.program), "backup", str(place.source), *where]

    def variables(self, place: Place) -> Mapping[str, str]:
        """Environment variables of its own."""
        return place.lodging.variables


TOOL_NAMES = ("drorch", "restic", "restic-current", "borg")
REFERENCES = ("restic", "restic-current")
LOCAL_ONLY = ("borg",)
"""Tools that need themselves on the other side, too, and so are measured in folders alone."""


@dataclass(frozen=True, slots=True)
class FoundTool:
    """A tool that is there and answers."""

    tool: Tool
    version: str


def find(name: str) -> FoundTool | str:
    """The tool of this name, or a sentence that says why it cannot be measured. Raises `UsageError`."""
    if name not in TOOL_NAMES:
        raise UsageError(f'unknown tool "{name}"', hint=f"Choose from {', '.join(TOOL_NAMES)}.")
    program = _program(name)
    if program is None:
        variable = " (set $DRORCH_RESTIC_CURRENT to its path)" if name == "restic-current" else ""
        return f"{name} was not found{variable}"
    tool: Tool
    match name:
        case "drorch":
            tool = Drorch(name, program)
        case "borg":
            tool = Borg(name, program)
        case _:
            tool = Restic(name, program)
    done = subprocess.run(
        tool.version_argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_SECONDS, check=False
    )
    if done.returncode != 0:
        return f"{name} does not answer: {' '.join(tool.version_argv)} failed"
    return FoundTool(tool, _bare_version(done.stdout.decode(errors="replace")))


def _program(name: str) -> Path | None:
    match name:
        case "drorch":
            beside = Path(sys.executable).with_name("drorch")
            found = str(beside) if beside.exists() else shutil.which("drorch")
        case "restic-current":
            found = shutil.which(os.environ.get("DRORCH_RESTIC_CURRENT", ""))
        case _:
            found = shutil.which(name)
    return Path(found) if found else None


def _bare_version(line: str) -> str:
    """ "restic 0.14.0 compiled with ..." is 0.14.0."""
    return next((word.strip(",") for word in line.split() if word[0].isdigit()), line.strip())


def command(tool: Tool, phase: Phase, place: Place) -> Command:
    """The command of a phase, in an environment that knows nothing of other repositories."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RESTIC_", "BORG_", "DRORCH_"))}
    here = {"HOME": str(place.home), "XDG_CACHE_HOME": str(place.home / ".cache")}
    return Command(tool.argv(phase, place), {**kept, **here, **tool.variables(place)}, place.destination)
