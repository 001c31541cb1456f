"""The files by which systemd runs drorch: as they are shipped, and beside them what depends on the configuration.

What is shipped is never changed by what a configuration says but for the path of the program: all else is in drop-ins,
which are written whole and anew each time.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drorch.config.configuration import Configuration
from drorch.config.places import LocalTargetSpec
from drorch.model.job import FilesSpec, SqliteSpec
from drorch.secrets import CredentialSecret, EnvSecret, SecretRef

_IN_THE_WHEEL = Path(__file__).with_name("systemd")
_IN_THE_SOURCE = Path(__file__).parents[2] / "systemd"

SHIPPED_PROGRAM = "/usr/local/bin/drorch"
SYSTEM_CONFIG = Path("/etc/drorch/jobs.toml")
SYSTEM_STATE = Path("/var/lib/drorch")
SYSTEM_SOCKETS = Path("/run/drorch")
CREDENTIALS = Path("/etc/drorch/credentials")
ENCRYPTED_CREDENTIALS = Path("/etc/credstore.encrypted")

UNITS = Path("/etc/systemd/system")
SYSUSERS = Path("/etc/sysusers.d/drorch.conf")
TMPFILES = Path("/etc/tmpfiles.d/drorch.conf")

DAEMON, RESTORE, DRILL = "drorch.service", "drorch-restore@.service", "drorch-drill@.service"
WATCH, WATCH_TIMER = "drorch-watch.service", "drorch-watch.timer"
DROP_IN = "50-configuration.conf"
_VERB_OF = {DAEMON: "daemon", RESTORE: "restore", DRILL: "drill", WATCH: "watch", WATCH_TIMER: "watch"}
"""What a unit is good for: it is left out where drorch has no such verb."""


def shipped_folder() -> Path:
    """Where the units lie: beside this file when installed, at the top of the source otherwise."""
    return _IN_THE_WHEEL if _IN_THE_WHEEL.is_dir() else _IN_THE_SOURCE


@dataclass(frozen=True, slots=True)
class Command:
    """How the service starts drorch: the program, and the configuration where it is not that of the system."""

    program: Path
    config: Path | None

    def line(self) -> str:
        """As it begins in a unit file."""
        return " ".join([quoted(self.program), *(["--config", quoted(self.config)] if self.config else [])])


def quoted(path: Path) -> str:
    r"""A path as one word of a unit file: `%`, quotes, blanks and backslashes mean themselves. systemd.syntax(7)."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{text}"' if any(one in text for one in " \t'\"\\;") else text


def unit_names(verbs: Collection[str]) -> list[str]:
    """The units that are of use while drorch has these verbs."""
    return [name for name, verb in _VERB_OF.items() if verb in verbs]


def all_files() -> Iterator[Path]:
    """Every file that an installation may have written."""
    for name in _VERB_OF:
        yield UNITS / name
        yield drop_in(name)
    yield SYSUSERS
    yield TMPFILES


def drop_in(unit: str) -> Path:
    """Where what depends on the configuration is written for a unit."""
    return UNITS / f"{unit}.d" / DROP_IN


def files(configuration: Configuration, command: Command, verbs: Collection[str], root: Path) -> dict[Path, str]:
    """All files of the service by where they belong; `root` is looked into for credentials."""
    names, folder = unit_names(verbs), shipped_folder()
    made = {UNITS / name: _with(command, (folder / name).read_text("utf-8")) for name in names}
    for name in names:
        said = list(_drop_in(name, configuration, root))
        if said:
            made[drop_in(name)] = "\n".join([*_heading(command, name), "", "[Service]", *said]) + "\n"
    made[SYSUSERS] = (folder / "sysusers.d" / SYSUSERS.name).read_text("utf-8")
    made[TMPFILES] = (folder / "tmpfiles.d" / TMPFILES.name).read_text("utf-8")
    return made


def _with(command: Command, unit: str) -> str:
    # In ExecStart a dollar sign is doubled, too; elsewhere it means itself.
    line = command.line().replace("$", "$$")
    return unit.replace(f"ExecStart={SHIPPED_PROGRAM} ", f"ExecStart={line} ")


def _heading(command: Command, unit: str) -> list[str]:
    return [
        f"# Written by `drorch service install` from {command.config or SYSTEM_CONFIG}, and by the next one anew.",
        f"# What you want otherwise belongs into a file of its own: systemctl edit {unit}",
    ]


def _drop_in(unit: str, configuration: Configuration, root: Path) -> Iterator[str]:
    """What a unit needs because of what the configuration says."""
    if unit == WATCH_TIMER:
        return
    yield from _writable(unit, configuration)
    if unit == DAEMON:
        yield from _snapshots(configuration)
        yield from _sqlite(configuration)
    references = watch_secrets(configuration) if unit == WATCH else secrets(configuration)
    yield from _credentials(references, root)


def _writable(unit: str, configuration: Configuration) -> Iterator[str]:
    if unit == RESTORE:
        return
    state_dir, socket = _state_dir(configuration), configuration.daemon.socket.parent
    if state_dir != SYSTEM_STATE:
        yield "# state_dir is not the usual one."
        yield f"ReadWritePaths=-{quoted(state_dir)}"
    if unit == WATCH:
        return
    if unit == DAEMON and socket not in (SYSTEM_SOCKETS, configuration.state_dir):
        yield "# The place of the socket is not the usual one."
        yield f"ReadWritePaths=-{quoted(socket)}"
    targets = {name: spec.path for name, spec in configuration.targets.items() if isinstance(spec, LocalTargetSpec)}
    if targets:
        yield f"# Local targets: {', '.join(targets)}."
        yield from (f"ReadWritePaths=-{quoted(path)}" for path in dict.fromkeys(targets.values()))
    owners = strangers(configuration)
    if owners:
        yield f"# Folders of {', '.join(owners)} belong to others than root: it may write what is theirs."
        yield "CapabilityBoundingSet=CAP_DAC_OVERRIDE"


def _state_dir(configuration: Configuration) -> Path:
    """Where the service has its state: root's default, whoever writes the files."""
    said = configuration.settled.get("drorch", {}).get("state_dir")
    return Path(said) if said else SYSTEM_STATE


def strangers(configuration: Configuration) -> list[str]:
    """Local targets whose folder is not root's: root without its privileges could not write there."""
    return [
        str(name)
        for name, spec in configuration.targets.items()
        if isinstance(spec, LocalTargetSpec) and _is_a_strangers(spec.path)
    ]


def _snapshots(configuration: Configuration) -> Iterator[str]:
    jobs = [job for job in configuration.jobs.values() if isinstance(job.source, FilesSpec) and job.source.snapshot]
    if not jobs:
        return
    yield f"# Snapshots of file systems are taken for: {', '.join(job.name for job in jobs)}. That takes the right to"
    yield "# mount, the devices, and writing to where the files lie, also in homes; a subvolume may be somebody else's."
    yield "CapabilityBoundingSet=CAP_SYS_ADMIN CAP_DAC_OVERRIDE CAP_FOWNER CAP_MKNOD"
    # To protect the clock takes away every device that is not listed.
    yield from ("PrivateDevices=no", "ProtectClock=no")
    yield "SystemCallFilter=@mount"
    yield from ("ReadWritePaths=/", "ProtectHome=no")


def _sqlite(configuration: Configuration) -> Iterator[str]:
    """SQLite makes files beside a database, also to read it, and gives them to the database's owner."""
    files = {
        str(job.name): Path(os.path.realpath(job.source.path))
        for job in configuration.jobs.values()
        if isinstance(job.source, SqliteSpec)
    }
    if not files:
        return
    yield f"# Files that SQLite makes beside the databases of: {', '.join(files)}."
    yield from (f"ReadWritePaths=-{quoted(folder)}" for folder in dict.fromkeys(one.parent for one in files.values()))
    theirs = [job for job, file in files.items() if _is_a_strangers(file) or _is_a_strangers(file.parent)]
    if theirs:
        yield f"# Those of {', '.join(theirs)} belong to others than root."
        yield "CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_CHOWN"


def _is_a_strangers(path: Path) -> bool:
    """Whether it is there, and not root's."""
    try:
        return path.stat().st_uid != 0
    except OSError:
        return False


def secrets(configuration: Configuration) -> dict[str, SecretRef]:
    """Every secret that the configuration refers to, by what it is for."""
    found = {
        f"{key} of target {name}": ref
        for name, spec in configuration.targets.items()
        for key, ref in spec.secrets.items()
    }
    found |= {
        f"{key} of job {job.name}": ref for job in configuration.jobs.values() for key, ref in job.secrets.items()
    }
    found |= watch_secrets(configuration)
    pings: Mapping[str, object] = {f"ping of job {job.name}": job.ping for job in configuration.jobs.values()}
    return found | {what: ref for what, ref in pings.items() if isinstance(ref, SecretRef)}


def watch_secrets(configuration: Configuration) -> dict[str, SecretRef]:
    """Those that are needed to look whether the daemon lives: no repository's."""
    found: dict[str, SecretRef] = {}
    if configuration.catalog is not None and configuration.catalog.password is not None:
        found["password of the catalog"] = configuration.catalog.password
    ping = configuration.daemon.ping
    return found | ({} if ping is None or isinstance(ping, str) else {"ping of the daemon": ping})


def _credentials(references: Mapping[str, SecretRef], root: Path) -> Iterator[str]:
    names = dict.fromkeys(ref.name for ref in references.values() if isinstance(ref, CredentialSecret))
    if names:
        yield "# Secrets by { credential = }, each from its file."
    for name in names:
        plain, encrypted = CREDENTIALS / name, ENCRYPTED_CREDENTIALS / name
        if _below(root, encrypted).is_file():
            yield f"LoadCredentialEncrypted={name}:{quoted(encrypted)}"
        else:
            there = "" if _below(root, plain).is_file() else "# "
            yield f"{there}LoadCredential={name}:{quoted(plain)}"


def missing_credentials(configuration: Configuration, root: Path) -> list[str]:
    """Names of credentials that are referred to and have no file."""
    names = dict.fromkeys(ref.name for ref in secrets(configuration).values() if isinstance(ref, CredentialSecret))
    places = (CREDENTIALS, ENCRYPTED_CREDENTIALS)
    return [name for name in names if not any(_below(root, place / name).is_file() for place in places)]


def variables(configuration: Configuration) -> Sequence[str]:
    """Variables of the environment that secrets are read from: the service has none of them by itself."""
    return list(dict.fromkeys(ref.name for ref in secrets(configuration).values() if isinstance(ref, EnvSecret)))


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")
