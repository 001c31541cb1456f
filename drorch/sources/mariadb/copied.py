"""The files of a server that were unpacked, looked at before any program reads them: a copy is a stranger's.

Promise: what would have mariabackup load a library, or read and write files outside the folder, is refused. It reads
settings out of the copy (`backup-my.cnf`), among them plugins to load; files ending in .isl say where tables lie.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from drorch.errors import RestoreError

_SETTINGS = "backup-my.cnf"
_MOST_BYTES = 64 << 10
_POINTING = (".isl", ".rsl")
# What mariabackup itself writes for a server whose files all lie in one folder.
_HARMLESS = re.compile(
    r"\s*|#.*|\[(?:mysqld|mariadbd|server)\]|innodb_[a-z0-9_]+(?:\s*=\s*(?P<value>\S*))?\s*", re.ASCII
)
_HINT = "If you trust whoever wrote the snapshot, type --as-superuser."


def require_harmless(folder: Path) -> None:
    """Raises `RestoreError` where files of a copy say more than what a copy needs to say, and `OSError`."""
    for settings in folder.glob(f"**/{_SETTINGS}"):
        for line in _lines(settings):
            harmless = _HARMLESS.fullmatch(line)
            if harmless is None or _points_out(harmless["value"] or ""):
                raise RestoreError(
                    f"the copy of the server has a setting of its own, which is not followed: {line[:100]!r}",
                    hint=_HINT,
                )
    for above, _, files in os.walk(folder):
        for name in files:
            if name.lower().endswith(_POINTING):
                place = os.fsencode(Path(above, name).relative_to(folder)).decode("utf-8", errors="backslashreplace")
                raise RestoreError(f"the copy of the server has tables that lie elsewhere: {place}", hint=_HINT)


def _lines(settings: Path) -> Iterator[str]:
    with settings.open("rb") as opened:
        text = opened.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise RestoreError(f"{_SETTINGS} of the copy is none that mariabackup writes", hint="Choose another snapshot.")
    # As its reader does, which knows of no other ends of lines.
    yield from text.decode("utf-8", errors="backslashreplace").split("\n")


def _points_out(value: str) -> bool:
    return value != "./" and ("/" in value or ".." in value)
