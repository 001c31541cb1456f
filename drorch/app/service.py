"""drorch as a service of systemd: which files that takes, planned first, then put into place and made known.

Promise: doing it again changes nothing; what an administrator wrote in files of their own stays; and what is planned
is what is done, so that --dry-run shows all of it.
"""

import contextlib
import os
import shlex
import shutil
import stat
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from drorch.app import unit_files
from drorch.app.unit_files import Command
from drorch.config.configuration import Configuration
from drorch.errors import DrorchError, UsageError
from drorch.process.commands import output_of

_BOOTED = Path("run/systemd/system")
"""Is there where systemd is the init of the running system: sd_booted(3)."""
_COMMAND_SECONDS = 60.0


class ServiceRefused(DrorchError):
    """The service cannot be installed or removed here."""


class Step(StrEnum):
    """What becomes of a file."""

    WRITE = "write"
    KEEP = "keep"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class FileStep:
    """One file, where it belongs on the running system, and what becomes of it. `text` is None where it goes."""

    step: Step
    path: Path
    text: str | None


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What is to be done below `root`: files, then commands. `notes` are for whoever does it, `next` what they type."""

    root: Path
    files: tuple[FileStep, ...]
    commands: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    next: tuple[str, ...]

    def place(self, file: FileStep) -> Path:
        """Where a file is on the system that does this."""
        return _below(self.root, file.path)

    @property
    def changes(self) -> bool:
        """Whether any file is not as it is to be."""
        return any(one.step is not Step.KEEP for one in self.files)


def plan_install(configuration: Configuration, root: Path, verbs: Collection[str]) -> ServicePlan:
    """What it takes to run as a service; `verbs` are those drorch has. Raises `ServiceRefused`.

    Other than below a `root` of its own, only root may do it.
    """
    _require_right(root)
    command = Command(program(), _named_config(configuration, root))
    wanted = unit_files.files(configuration, command, verbs, root)
    steps = [_step(root, path, text) for path, text in wanted.items()]
    steps += [FileStep(Step.REMOVE, one, None) for one in _present(root) if one not in wanted]
    booted = _booted(root)
    commands: list[tuple[str, ...]] = []
    if root == Path("/"):
        commands = [
            ("systemd-sysusers", str(unit_files.SYSUSERS)),
            ("systemd-tmpfiles", "--create", str(unit_files.TMPFILES)),
        ]
        commands += [("systemctl", "daemon-reload")] if booted else []
    return ServicePlan(
        root, tuple(steps), tuple(commands), tuple(_notes(configuration, root, booted)), _next(root, steps)
    )


def _next(root: Path, steps: Sequence[FileStep]) -> tuple[str, ...]:
    """What makes the service run as it is installed now; of a system that does not run, as soon as it does."""
    if root != Path("/"):
        return (f"systemctl --root={shlex.quote(str(root))} enable {unit_files.DAEMON} {unit_files.WATCH_TIMER}",)
    start = f"systemctl enable --now {unit_files.DAEMON} {unit_files.WATCH_TIMER}"
    again = f"systemctl restart {unit_files.DAEMON}"
    was_there = _below(root, unit_files.UNITS / unit_files.DAEMON).exists()
    return (start, again) if was_there and any(one.step is not Step.KEEP for one in steps) else (start,)


def plan_uninstall(root: Path) -> ServicePlan:
    """What it takes to be no service any more. State, configuration and group stay. Raises `ServiceRefused`."""
    _require_right(root)
    booted = _booted(root)
    steps = tuple(FileStep(Step.REMOVE, one, None) for one in _present(root))
    commands: tuple[tuple[str, ...], ...] = ()
    if booted and steps:
        present = {one.path.name for one in steps}
        running = [name for name in (unit_files.DAEMON, unit_files.WATCH_TIMER) if name in present]
        stop = ("systemctl", "disable", "--now", *running)
        commands = (stop, ("systemctl", "daemon-reload"))
    notes = ("the configuration, the state and the group drorch are left as they are",) if steps else ()
    return ServicePlan(root, steps, commands, notes, ())


def carry_out_install(plan: ServicePlan) -> None:
    """Write what is planned, then let systemd know. Raises `ServiceRefused` and `ChildFailed`."""
    _change_files(plan)
    for argv in plan.commands:
        _run(argv)


def carry_out_uninstall(plan: ServicePlan) -> None:
    """Stop what runs, then remove what is planned. Raises `ServiceRefused` and `ChildFailed`."""
    before, after = plan.commands[:1], plan.commands[1:]
    for argv in before:
        _run(argv)
    _change_files(plan)
    for argv in after:
        _run(argv)


def program() -> Path:
    """The drorch that is to be started: the one that was typed, or the one beside this Python.

    Raises `ServiceRefused` where there is none, and where everyone could put another in its place.
    """
    typed = Path(sys.argv[0])
    found = typed if typed.name == "drorch" and typed.is_file() else Path(sys.executable).with_name("drorch")
    if not found.is_file():
        raise ServiceRefused(f"there is no program {found}", hint="Install drorch: pip install drorch")
    found = found.absolute()
    for path in (found, *found.parents):
        mode = path.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise ServiceRefused(
                f"everyone may write {path}, and the service would run it", hint=f"Type: chmod o-w {path}"
            )
    return found


def _named_config(configuration: Configuration, root: Path) -> Path | None:
    """The configuration as the service is to name it; None where it finds it by itself."""
    file = configuration.file.absolute()
    if root != Path("/") and file.is_relative_to(root):
        file = Path("/") / file.relative_to(root)
    return None if file == unit_files.SYSTEM_CONFIG else file


def _require_right(root: Path) -> None:
    if root == Path("/") and os.geteuid() != 0:
        raise ServiceRefused("only root may change the services of this system", hint="Type: sudo drorch service ...")
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder", hint="Name the folder that is to be the root.")


def _booted(root: Path) -> bool:
    return root == Path("/") and (root / _BOOTED).is_dir()


def _step(root: Path, path: Path, text: str) -> FileStep:
    try:
        same = _below(root, path).read_text("utf-8") == text
    except (OSError, UnicodeDecodeError):
        same = False
    return FileStep(Step.KEEP if same else Step.WRITE, path, text)


def _present(root: Path) -> list[Path]:
    return [path for path in unit_files.all_files() if os.path.lexists(_below(root, path))]


def _notes(configuration: Configuration, root: Path, booted: bool) -> list[str]:
    said = []
    for name in unit_files.missing_credentials(configuration, root):
        place = unit_files.CREDENTIALS / name
        said.append(f"credential {name} has no file: write it to {place} (chmod 600), then install again")
    for name in unit_files.variables(configuration):
        said.append(f"a secret is read from ${name}, which the service does not have: write {{ credential = }} instead")
    if root == Path("/") and not booted:
        said.append("systemd does not run here: the files are in place for when it does")
    return said


def _change_files(plan: ServicePlan) -> None:
    for one in plan.files:
        place = _below(plan.root, one.path)
        try:
            if one.text is None:
                _remove(place)
            elif one.step is Step.WRITE:
                _write(place, one.text)
        except OSError as fault:
            raise ServiceRefused(f"{place}: {(fault.strerror or str(fault)).lower()}") from fault


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = place.with_name(f".{place.name}.new")
    new.write_text(text, encoding="utf-8")
    new.chmod(0o644)
    new.rename(place)


def _remove(place: Path) -> None:
    place.unlink(missing_ok=True)
    if place.parent.name.endswith(".d") and place.name == unit_files.DROP_IN:
        # It stays where an administrator put files of their own beside it.
        with contextlib.suppress(OSError):
            place.parent.rmdir()


def _run(argv: Sequence[str]) -> None:
    found = shutil.which(argv[0], path=os.environ.get("PATH", "") + ":/usr/bin:/bin:/usr/sbin:/sbin")
    if found is None:
        raise ServiceRefused(f"{argv[0]} is not installed", hint="Install systemd, or name another root with --root.")
    output_of([found, *argv[1:]], timeout=_COMMAND_SECONDS)


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")
