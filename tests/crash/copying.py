"""A copy in a process of its own, to be killed at a chosen write: `python -m tests.crash.copying ...`.

Arguments: source, destination, number of the write, moment within it ("NONE": do not kill). Partial indexes are saved
after every few blobs, so that a small copy has every kind of write.
"""

import sys
from pathlib import Path

from drorch.actions.copy import CopyResult, copies_among, execute_copy, plan_copy
from drorch.actions.progress import NoProgress
from drorch.repository.repository import Repository
from drorch.repository.writer import WritePolicy, Writer
from drorch.storage.local import LocalTarget
from drorch.storage.target import Target
from tests.crash.backing_up import PASSWORD
from tests.doubles import KillingTarget, KillPoint, Moment


def copy(place: Path, destination: Target) -> CopyResult:
    """Copy whatever is not there yet, with partial indexes."""
    source = Repository.open(LocalTarget(place), PASSWORD)
    wanted = source.list_snapshots().snapshots
    with Writer(Repository.open(destination, PASSWORD), WritePolicy(index_blobs=12)) as writer:
        there = writer.repository.list_snapshots().snapshots
        present = copies_among(wanted, there)
        missing = [named for named in wanted if named.id not in present]
        plan = plan_copy(source, writer.repository, missing, there)
        return execute_copy(source, writer, plan, NoProgress())


def main() -> None:
    """Copy, and be killed on the way."""
    source, destination, number, moment = sys.argv[1:]
    point = None if moment == "NONE" else KillPoint(int(number), Moment[moment])
    copy(Path(source), KillingTarget(LocalTarget(Path(destination)), point))


if __name__ == "__main__":
    main()
