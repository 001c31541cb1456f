"""The time zone of the system, by name where it has one."""

from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from drorch.config.fields import zone_named

_LOCALTIME, _TIMEZONE = Path("/etc/localtime"), Path("/etc/timezone")


def system_zone(environment: Mapping[str, str]) -> ZoneInfo:
    """The zone that $TZ, /etc/localtime or /etc/timezone names; UTC where none does. localtime(5), tzset(3)."""
    for name in (environment.get("TZ", "").lstrip(":"), _linked(), _written()):
        if name:
            try:
                return zone_named(name)
            except ValueError:
                continue
    return ZoneInfo("UTC")


def _linked() -> str:
    try:
        return str(_LOCALTIME.readlink()).rpartition("zoneinfo/")[2]
    except OSError:
        return ""


def _written() -> str:
    try:
        return _TIMEZONE.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
