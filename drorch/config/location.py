"""Which configuration is read, and whether it may be trusted: it can run commands.

Promise: as root nothing is read but what lies in /etc/drorch or was named on the command line; and no one reads a
configuration that others may write, nor one in a folder in which others could put another in its place.
"""

import grp
import os
import pwd
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from drorch.errors import ConfigError

VARIABLE = "DRORCH_CONFIG"
SYSTEM_FOLDER = Path("/etc/drorch")
FILE_NAME = "jobs.toml"


@dataclass(frozen=True, slots=True)
class User:
    """Who runs drorch."""

    uid: int
    gid: int

    @classmethod
    def current(cls) -> "User":
        """The user and the group this process acts as."""
        return cls(os.geteuid(), os.getegid())

    @property
    def is_root(self) -> bool:
        """Whether this is the superuser."""
        return self.uid == 0


@dataclass(frozen=True, slots=True)
class Search:
    """Where a configuration is looked for."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    user: User = field(default_factory=User.current)
    here: Path = field(default_factory=Path.cwd)
    system: Path = SYSTEM_FOLDER


def find_config_file(named: Path | None = None, search: Search | None = None) -> Path | None:
    """The configuration to read: `named` on the command line, $DRORCH_CONFIG, ./jobs.toml, /etc/drorch/jobs.toml.

    None where there is none. As root only `named` and what lies in /etc/drorch count; a variable that points elsewhere
    raises `ConfigError`, since what it meant is not done. What is named need not exist.
    """
    if named is not None:
        return named
    search = search or Search()
    said = search.environment.get(VARIABLE, "")
    if said:
        file = search.here / said
        if search.user.is_root and not _lies_in(file, search.system):
            raise ConfigError(
                f"as root, {VARIABLE} may only name a file in {search.system}, not {said}",
                hint=f"Type: drorch -c {said} ...",
            )
        return file
    places = [search.system / FILE_NAME]
    if not search.user.is_root:
        places.insert(0, search.here / FILE_NAME)
    return next((place for place in places if _is_there(place)), None)


def _is_there(place: Path) -> bool:
    """Also where only root may look: that it cannot be read is said when it is read."""
    try:
        return place.exists()
    except PermissionError:
        return True


def _lies_in(file: Path, folder: Path) -> bool:
    return Path(os.path.normpath(file)).is_relative_to(folder)


def read_trusted(file: Path, user: User) -> str:
    """The text of a configuration that only `user` and root may write, nor may others its folder.

    Raises `ConfigError`.
    """
    try:
        with file.open("rb") as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{file} is not a file", hint="Name a file.")
            _require_own(file, status, user)
            raw = opened.read()
        for name in dict.fromkeys((file.absolute(), file.resolve())):
            _require_own_folders(name, user)
    except OSError as fault:
        hint = "Type: drorch config example > jobs.toml" if isinstance(fault, FileNotFoundError) else None
        raise ConfigError(f"{file} cannot be read: {(fault.strerror or '').lower()}", hint=hint) from fault
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = raw.count(b"\n", 0, fault.start) + 1
        raise ConfigError(f"{file} is not UTF-8 text in line {line}", hint="Save it as UTF-8.") from fault


def _require_own_folders(file: Path, user: User) -> None:
    folder = file.parent
    _require_own(folder, folder.stat(), user)
    for above in folder.parents:
        mode = above.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise _untrusted(above, "can be written by everyone", f"chmod o-w {above}")


def _require_own(path: Path, status: os.stat_result, user: User) -> None:
    if status.st_uid not in (0, user.uid):
        raise _untrusted(path, f"belongs to {_user_name(status.st_uid)}", f"chown {_user_name(user.uid)} {path}")
    if status.st_mode & stat.S_IWOTH:
        raise _untrusted(path, "can be written by everyone", f"chmod o-w {path}")
    if status.st_mode & stat.S_IWGRP and status.st_gid not in (0, user.gid):
        raise _untrusted(path, f"can be written by group {_group_name(status.st_gid)}", f"chmod g-w {path}")


def _untrusted(path: Path, why: str, mend: str) -> ConfigError:
    return ConfigError(f"{path} {why}, and a configuration can run commands", hint=f"Type: {mend}")


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
