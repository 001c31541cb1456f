"""What an operator asks of a restore."""

from dataclasses import dataclass
from enum import StrEnum


class Overwrite(StrEnum):
    """What becomes of a file that is there already.

    `always`: its content is compared, and what differs is replaced. `if-changed`: its content is trusted where size
    and modification time agree. `if-newer`: it is replaced where the snapshot's is newer. `never`: it is left alone.
    """

    ALWAYS = "always"
    IF_CHANGED = "if-changed"
    IF_NEWER = "if-newer"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """Which part of a snapshot is put back, and how.

    `path` is absolute in the snapshot: what a folder holds goes into the destination, a file goes there by its name.
    With `include`, only what matches (or lies below what matches) is restored; `exclude` leaves out. The patterns are
    gitignore's, a leading slash meaning the folder at `path`, as in restic. `delete` removes what the destination has
    and the snapshot has not, as far as the patterns mean it: what is excluded or not included stays.
    """

    path: bytes = b"/"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    overwrite: Overwrite = Overwrite.ALWAYS
    delete: bool = False
