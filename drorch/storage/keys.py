"""Which keys and prefixes exist: one grammar for every target, so that what one accepts all accept.

The shapes are those of restic's layout, the same on disks, SFTP servers and object stores (docs/FORMAT.md,
"Names"): `name`, `folder/name`, and below `data` always `data/xx/name` with two hex digits. A part is
[A-Za-z0-9._-]+, at most 200 long, starts with no dot, and is no name that writers give to unfinished files;
a `name` alone is none of a repository's folders.
"""

import re

FOLDERS = ("data", "index", "keys", "locks", "snapshots")
"""What every repository has."""

_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}", re.ASCII)
_FAN_OUT = re.compile(r"[0-9a-f]{2}")
_UNFINISHED = re.compile(r".*-(?:tmp-[0-9]+|restic-temp-[0-9a-f]+)", re.ASCII)


def is_unfinished(name: str) -> bool:
    """True for names of temporary files: those of drorch and restic on disks, and of restic on SFTP servers."""
    return _UNFINISHED.fullmatch(name) is not None


def is_part(name: str) -> bool:
    """True where a name may be part of a key."""
    return _PART.fullmatch(name) is not None and not is_unfinished(name)


def is_fan_out(name: str) -> bool:
    """True for the 256 folders below `data`: "00" to "ff"."""
    return _FAN_OUT.fullmatch(name) is not None


def check_key(key: str) -> str:
    """The key itself. Raises `ValueError` where it is none."""
    match key.split("/"):
        case [name] if name not in FOLDERS and is_part(name):
            return key
        case [folder, name] if folder != "data" and is_part(folder) and is_part(name):
            return key
        case ["data", fan_out, name] if is_fan_out(fan_out) and is_part(name):
            return key
    raise ValueError(f"{key!r} is not a key of a target")


def check_prefix(prefix: str) -> str:
    """The prefix itself: a folder, or one of those below `data`. Raises `ValueError` where it is neither."""
    match prefix.split("/"):
        case [folder] if is_part(folder):
            return prefix
        case ["data", fan_out] if is_fan_out(fan_out):
            return prefix
    raise ValueError(f"{prefix!r} is not a prefix of a target's keys")


def check_range(offset: int, length: int | None) -> None:
    """Raises `ValueError` for a range that no object can have."""
    if offset < 0 or (length is not None and length < 0):
        raise ValueError(f"a range of an object cannot be negative: offset {offset}, length {length}")
