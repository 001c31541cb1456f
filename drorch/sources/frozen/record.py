"""What has been made and must be unmade, written down before it is made: whoever is killed leaves no riddle.

Promise: what a record names is unmade, whatever became of the process that made it, or is told and tried again.
"""

import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drorch.errors import SourceUnavailable
from drorch.process.commands import HARMLESS_VARIABLES, ChildFailed, describe_status, run_whole
from drorch.process.identity import ProcessIdentity, is_gone, own_identity
from drorch.sources.files.vantage import SUBVOLUME_INODE
from drorch.sources.frozen.plan import Argv, Step

_SUFFIX = ".json"
_TIMEOUT_SECONDS = 120.0
_OUTPUT_BYTES = 16 << 20
_ADMINISTRATORS_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"


def search_path() -> str:
    """Where programs are looked for: in the administrator's folders, too."""
    return f"{os.environ.get('PATH', '')}:{_ADMINISTRATORS_PATH}".lstrip(":")


def ask(argv: Argv) -> bytes:
    """What a command prints. Raises `SourceUnavailable` where it is missing, fails, or takes too long."""
    inherited = {name: os.environ[name] for name in HARMLESS_VARIABLES if name in os.environ}
    environment = {**inherited, "PATH": search_path(), "LC_ALL": "C"}
    shown = " ".join(argv)
    try:
        ended = run_whole(argv, timeout=_TIMEOUT_SECONDS, environment=environment, output_bytes=_OUTPUT_BYTES)
    except ChildFailed as fault:
        raise SourceUnavailable(fault.message, hint=f"Install {argv[0]}, and try: {shown}") from fault
    if ended.status != 0:
        said = ended.said.strip().splitlines()
        why = f": {said[-1]}" if said else ""
        raise SourceUnavailable(f"{shown} {describe_status(ended.status)}{why}", hint="Run it by hand and see.")
    return ended.output


@dataclass(frozen=True, slots=True)
class Record:
    """What one run of a job makes, and in which process."""

    file: Path
    job: str
    process: ProcessIdentity
    steps: tuple[Step, ...]

    def unmake(self) -> list[str]:
        """Unmake it all, last things first; what could not be, in words, and then the record stays.

        An interruption is put off until it is done.
        """
        complaints: list[str] = []
        interruption: BaseException | None = None
        for step in reversed(self.steps):
            try:
                complaints += _unmade(step)
            except (KeyboardInterrupt, SystemExit) as come:
                interruption = come
                complaints += _unmade(step)
        if not complaints:
            self.file.unlink(missing_ok=True)
        if interruption is not None:
            raise interruption
        return complaints


def write_record(folder: Path, name: str, job: str, steps: Sequence[Step]) -> Record:
    """Write down what is about to be made. Raises `SourceUnavailable` where that cannot be."""
    record = Record(folder / f"{name}{_SUFFIX}", job, own_identity(), tuple(steps))
    text = json.dumps({"job": job, "process": asdict(record.process), "steps": [_as_json(step) for step in steps]})
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with record.file.open("x", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(folder)
    except OSError as fault:
        raise SourceUnavailable(
            f"{record.file}: {fault.strerror}", hint="Without a place to note it, no snapshot is taken; mend that."
        ) from fault
    return record


def records(folder: Path) -> Iterator[Record]:
    """What is written down in a folder. Raises `SourceUnavailable` for a record that cannot be read."""
    for file in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            said = json.loads(file.read_text())
            process = ProcessIdentity(**said["process"])
            yield Record(file, str(said["job"]), process, tuple(map(_from_json, said["steps"])))
        except (OSError, ValueError, KeyError, TypeError) as fault:
            if not file.exists():
                continue
            raise SourceUnavailable(
                f"{file} cannot be read", hint="See what snapshots are left by hand, and remove the file."
            ) from fault


def remove_leftovers(folder: Path, job: str | None = None) -> list[str]:
    """Unmake what runs that were killed have left: those of a job, whose turn the caller has, or else of all.

    What a living process has made stays. What could not be unmade is told in words.
    """
    complaints: list[str] = []
    try:
        for record in records(folder):
            if record.job == job or (job is None and is_gone(record.process)):
                complaints += record.unmake()
    except SourceUnavailable as fault:
        complaints.append(f"{fault.message}. {fault.hint}")
    return complaints


def _unmade(step: Step) -> list[str]:
    """Unmake a step; what is wrong where that failed."""
    if step.subvolume is not None and not _may_be_removed(step.subvolume):
        return [f"{os.fsdecode(step.subvolume)} is not the snapshot that was made there; see what it is, by hand"]
    try:
        ask(step.unmake)
    except SourceUnavailable as fault:
        if _succeeds(step.shows):
            return [f"a snapshot is left: {fault.message}"]
        if step.holder and not _succeeds(step.holder):
            return [f"a snapshot may be left, what holds it cannot be asked: {fault.message}"]
    if step.folder is not None:
        with suppress(OSError):
            Path(os.fsdecode(step.folder)).rmdir()
    return []


def _may_be_removed(subvolume: bytes) -> bool:
    try:
        status = os.lstat(subvolume)
    except OSError:
        return True
    return stat.S_ISDIR(status.st_mode) and status.st_ino == SUBVOLUME_INODE


def _succeeds(argv: Argv) -> bool:
    try:
        ask(argv)
    except SourceUnavailable:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _as_json(step: Step) -> Mapping[str, Any]:
    paths = {"folder": step.folder, "subvolume": step.subvolume}
    return {
        "make": step.make,
        "unmake": step.unmake,
        "shows": step.shows,
        "holder": step.holder,
        **{name: None if path is None else os.fsdecode(path) for name, path in paths.items()},
    }


def _from_json(said: Mapping[str, Any]) -> Step:
    return Step(
        make=tuple(map(str, said["make"])),
        unmake=tuple(map(str, said["unmake"])),
        shows=tuple(map(str, said["shows"])),
        holder=tuple(map(str, said["holder"])),
        folder=None if said["folder"] is None else os.fsencode(said["folder"]),
        subvolume=None if said["subvolume"] is None else os.fsencode(said["subvolume"]),
    )
