"""Where targets go in a snapshot, as restic lays them out. docs/FORMAT.md, "Snapshots".

`/a/b` becomes a folder `a` that holds `b`; a relative `a/b` the same; `.` becomes its entries, `../x` becomes `x`.
Several targets merge into one tree.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from drorch.errors import UsageError
from drorch.sources.files.paths import join


@dataclass(slots=True)
class Branch:
    """A place on the way to targets. `wanted` where it is one itself: all that is in it belongs to the snapshot."""

    real: bytes
    wanted: bool = False
    nested: dict[bytes, "Branch"] = field(default_factory=dict)

    def targets_below(self) -> Iterator[bytes]:
        """Real paths of the targets this leads to, without itself."""
        waiting = list(self.nested.values())
        while waiting:
            branch = waiting.pop()
            if branch.wanted:
                yield branch.real
            waiting.extend(branch.nested.values())


def absolute(target: bytes, working_folder: bytes) -> bytes:
    """The absolute path of a target, `..` and doubled slashes resolved as written, symlinks not followed.

    Raises `UsageError` for a path no file can have.
    """
    if not target or b"\0" in target:
        raise UsageError("a path to back up is empty or holds a NUL byte", hint="name a file or a folder")
    return b"/" + os.path.normpath(os.path.join(working_folder, target)).lstrip(b"/")


def lay_out(targets: Iterable[bytes], working_folder: bytes) -> list[Branch]:
    """The trees to walk, one for each folder that first parts of targets are found in, in order of the targets.

    Raises `UsageError`.
    """
    grown: dict[bytes, Branch] = {}
    for target in targets:
        base, parts = _base_and_parts(target, working_folder)
        branch = grown.setdefault(base, Branch(base))
        for part in parts:
            branch = branch.nested.setdefault(part, Branch(join(branch.real, part)))
        branch.wanted = True
    return list(grown.values())


def _base_and_parts(target: bytes, working_folder: bytes) -> tuple[bytes, list[bytes]]:
    whole = absolute(target, working_folder)
    if target.startswith(b"/"):
        base = b"/"
    else:
        climbs = [part for part in os.path.normpath(target).split(b"/") if part == b".."]
        base = absolute(b"/".join([b".", *climbs]), working_folder)
    return base, [part for part in whole[len(base) :].split(b"/") if part]
