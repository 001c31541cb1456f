"""Records that the catalog could not take: one JSON file each, until it can. A saved snapshot is never failed by it.

The spool is `spool/` in state_dir, or a second folder where that cannot be written. A folder that others may write
is neither used nor read.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from drorch.catalog.ledger import Ledger
from drorch.catalog.record import Record, from_json, to_json
from drorch.errors import CatalogError, Problem

_SUFFIX = ".json"
_REFUSED = ".refused"


@dataclass(frozen=True, slots=True)
class Replay:
    """What became of the spooled records: how many are in the catalog now, and those that are no records.

    `fault` says why the catalog took no more; the rest still waits.
    """

    recorded: int = 0
    refused: tuple[Problem, ...] = ()
    fault: CatalogError | None = None


class Spool:
    """Where records wait, in order of preference."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)

    def save(self, record: Record) -> Path:
        """Keep a record; it is on disk when this returns. Raises `CatalogError` where no folder takes it."""
        reasons = []
        for folder in self._folders:
            try:
                return _save(folder, record)
            except OSError as fault:
                reasons.append(f"{folder}: {fault.strerror}")
        raise CatalogError(f"the record of run {record.run.id[:8]} cannot be kept: {'; '.join(reasons)}")

    def waiting(self) -> list[Path]:
        """The files of records that wait, the oldest run's first."""
        found = [path for folder in self._folders if _is_ours(folder) for path in folder.glob(f"*{_SUFFIX}")]
        return sorted(found, key=lambda path: path.name)

    def replay(self, ledger: Ledger) -> Replay:
        """Put what waits into the catalog, oldest first. A file that holds no record is set aside and told."""
        recorded, refused = 0, []
        for path in self.waiting():
            try:
                record = from_json(path.read_text("ascii"))
            except FileNotFoundError:  # another process was faster
                continue
            except (CatalogError, UnicodeDecodeError, OSError) as fault:
                refused.append(Problem(str(path), str(fault)))
                with contextlib.suppress(OSError):
                    path.replace(path.with_suffix(_REFUSED))
                continue
            try:
                ledger.record(record)
            except CatalogError as fault:
                return Replay(recorded, tuple(refused), fault)
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            recorded += 1
        return Replay(recorded, tuple(refused))


def record_or_spool(record: Record, ledger: Ledger | None, spool: Spool) -> CatalogError | None:
    """Write a record to the catalog, or to the spool where that fails or there is none.

    Answers the fault that made it wait, None where it is in the catalog. Raises `CatalogError` where neither takes it.
    """
    reason = CatalogError("the catalog is not open")
    if ledger is not None:
        try:
            ledger.record(record)
        except CatalogError as fault:
            reason = fault
        else:
            return None
    spool.save(record)
    return reason


def _save(folder: Path, record: Record) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_ours(folder):
        raise PermissionError(0, "it belongs to others, or others may write it")
    name = f"{record.run.started:%Y%m%dT%H%M%S}-{record.run.id}"
    unfinished = folder / f"{name}.new"
    try:
        with _private(unfinished) as descriptor:
            content = to_json(record).encode("ascii")
            while content:
                content = content[os.write(descriptor, content) :]
            os.fsync(descriptor)
        unfinished.replace(folder / f"{name}{_SUFFIX}")
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    _sync(folder)
    return folder / f"{name}{_SUFFIX}"


@contextlib.contextmanager
def _private(path: Path) -> Iterator[int]:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_ours(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    shared = stat.S_IWGRP | stat.S_IWOTH
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & shared
