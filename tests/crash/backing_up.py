"""A backup in a process of its own, to be killed at a chosen write: `python -m tests.crash.backing_up ...`.

Arguments: repository, source, number of the write, moment within it ("NONE": do not kill). Partial indexes are saved
after every few blobs, so that a small backup has every kind of write.
"""

import socket
import sys
from pathlib import Path

from drorch.actions.backup import BackupRequest, BackupResult, Label, backup, choose_parent
from drorch.actions.progress import NoProgress
from drorch.clock import SystemClock
from drorch.repository.pipeline.walk import WalkOptions
from drorch.repository.repository import Repository
from drorch.repository.timestamps import from_datetime
from drorch.repository.writer import WritePolicy
from drorch.sources.files.scan import FilesSource
from drorch.sources.files.selection import Selection
from drorch.storage.local import LocalTarget
from drorch.storage.target import Target
from tests.doubles import KillingTarget, KillPoint, Moment

PASSWORD = "kill me"  # noqa: S105
WORKERS = 2


def back_up(target: Target, source: Path, workers: int = WORKERS) -> BackupResult:
    """Back up a folder with worker processes and partial indexes."""
    repository = Repository.open(target, PASSWORD)
    files = FilesSource(Selection((bytes(source),)))
    label = Label(
        time=from_datetime(SystemClock().now()),
        paths=(str(source),),
        hostname=socket.gethostname(),
        uid=0,
        gid=0,
        program_version="drorch test",
    )
    request = BackupRequest(
        label=label,
        parent=choose_parent(repository.list_snapshots().snapshots, label),
        accept=lambda *_: None,
        problems=lambda: files.problems,
        walk=WalkOptions(workers=workers),
        policy=WritePolicy(index_blobs=12),
    )
    return backup(repository, files, request, NoProgress())


def main() -> None:
    """Back up, and be killed on the way."""
    place, source, number, moment = sys.argv[1:]
    point = None if moment == "NONE" else KillPoint(int(number), Moment[moment])
    back_up(KillingTarget(LocalTarget(Path(place)), point), Path(source))


if __name__ == "__main__":
    main()
