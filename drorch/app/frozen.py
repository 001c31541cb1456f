"""Jobs whose files are read from snapshots of their file systems: one is taken, read, and always removed.

The engine is not loaded for it: a daemon removes here, at its start, what runs that were killed have left.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drorch.model.job import FilesSpec, Job
from drorch.sources.files.excludes import Rules
from drorch.sources.files.selection import Selection
from drorch.sources.files.vantage import LIVE, Vantage
from drorch.sources.frozen import record
from drorch.sources.frozen.freezing import FreezeRequest, frozen

_FOLDER = "frozen"


@contextmanager
def vantage_for(
    job: Job, selection: Selection, run: str, state_dir: Path, tell: Callable[[str], None]
) -> Iterator[Vantage]:
    """From where a run of a job reads what was selected: where it lies or, where the job says so, from a snapshot.

    The snapshot is there as long as the block runs; `run` is 32 hex digits. What could not be removed is told. Raises
    `SourceUnavailable` where no snapshot can be had.
    """
    source = job.source
    if not isinstance(source, FilesSpec) or source.snapshot is None:
        yield LIVE
        return
    rules = Rules(selection)

    def leaves_out(path: bytes) -> bool:
        return selection.one_file_system or rules.excluding_path(path, is_folder=True) is not None

    request = FreezeRequest(
        kind=source.snapshot,
        paths=tuple(map(os.fsencode, source.paths)),
        leaves_out=leaves_out,
        job=job.name,
        run=run,
        folder=state_dir / _FOLDER,
    )
    with frozen(request, tell) as vantage:
        yield vantage


def remove_leftovers(state_dir: Path, job: str | None = None) -> list[str]:
    """Remove snapshots that runs which were killed have left: of a job, by whoever has its turn, or else of all.

    What belongs to a living process stays. What could not be removed is told in words.
    """
    return record.remove_leftovers(state_dir / _FOLDER, job)
