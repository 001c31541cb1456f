"""The built-in job @state: what only drorch knows goes to the targets, and is found there again.

Its snapshot holds one folder: `/drorch/catalog.sqlite` (a copy of one moment, wherever the catalog is),
`/drorch/audit-head.json` (the end of the audit log that is in it, so that cutting it off later is seen),
`/drorch/jobs.toml`, `/drorch/spool/`. No secret is among them: a configuration holds references. What can be derived
(paths.sqlite) is left out.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from drorch.actions.backup import BackupRequest, BackupResult, Label, backup
from drorch.actions.listing import find_place
from drorch.actions.progress import NoProgress
from drorch.catalog.copying import copy_catalog
from drorch.catalog.open import CatalogPlace
from drorch.catalog.schema import Upgrade
from drorch.errors import CatalogError, DrorchError, Problem, UsageError
from drorch.ids import TreeId
from drorch.model.audit import AuditHead
from drorch.model.names import JOB_TAG, STATE_JOB
from drorch.orchestrator.seen import job_of
from drorch.repository.node import Node, NodeType, is_safe_name
from drorch.repository.pack import BlobType
from drorch.repository.pipeline.walk import WalkOptions
from drorch.repository.repository import NamedSnapshot, Repository, SnapshotListing
from drorch.repository.timestamps import from_datetime
from drorch.repository.writer import WritePolicy
from drorch.sources.files.scan import FilesSource
from drorch.sources.files.selection import Selection

FOLDER = "drorch"
CATALOG, CONFIGURATION, HEAD, SPOOL = "catalog.sqlite", "jobs.toml", "audit-head.json", "spool"
STATE_TAG = f"{JOB_TAG}{STATE_JOB}"
_STAGE = "state-"
_LARGEST_SMALL = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class State:
    """What there is to save: the catalog's place, the configuration's file, the host, who saves it with what."""

    place: CatalogPlace
    upgrade: Upgrade
    configuration: Path
    host: str
    program_version: str


def save_state(repository: Repository, state: State, retry_lock: timedelta) -> BackupResult:
    """Save a snapshot of the state. What of it could not be had (a damaged catalog) is a problem of the result.

    To be called by one process at a time for a state_dir. Raises what a backup raises, and `CatalogError` where there
    is no room to gather it.
    """
    with _stage(state.place.state_dir) as stage:
        problems = _gather(state, stage / FOLDER)
        source = FilesSource(Selection((FOLDER.encode(),)), here=bytes(stage))
        label = Label(
            time=from_datetime(repository.clock.now()),
            paths=(f"/{FOLDER}",),
            hostname=state.host,
            uid=os.getuid(),
            gid=os.getgid(),
            program_version=state.program_version,
            tags=(STATE_TAG,),
        )
        request = BackupRequest(
            label=label,
            parent=None,
            accept=lambda _files, _size: None,
            problems=lambda: (*problems, *source.problems),
            walk=WalkOptions(workers=0),
            policy=WritePolicy(retry_lock=retry_lock),
        )
        return backup(repository, source, request, NoProgress())


@contextmanager
def _stage(state_dir: Path) -> Iterator[Path]:
    """A private folder, on the state's own disk unless that takes none; what killed processes left there goes."""
    with suppress(OSError):
        for left in state_dir.glob(f"{_STAGE}*"):
            shutil.rmtree(left, ignore_errors=True)
    try:
        stage = tempfile.TemporaryDirectory(prefix=_STAGE, dir=_roomy(state_dir))
    except OSError as fault:
        raise CatalogError(f"there is no room to gather the state: {fault.strerror}") from fault
    with stage as name:
        yield Path(name)


def _roomy(state_dir: Path) -> Path | None:
    """The state's folder where it takes a copy of the catalog, None for the system's temporary folder."""
    try:
        size = (state_dir / CATALOG).stat().st_size
        free = shutil.disk_usage(state_dir).free
    except OSError:
        return None
    return state_dir if os.access(state_dir, os.W_OK) and free > 2 * size else None


def _gather(state: State, folder: Path) -> list[Problem]:
    problems: list[Problem] = []
    (folder / SPOOL).mkdir(parents=True)
    try:
        head = copy_catalog(state.place, folder / CATALOG, state.upgrade)
        said = {"seq": head.seq, "hash": head.hash.hex()}
        (folder / HEAD).write_text(json.dumps(said) + "\n", "ascii")
    except CatalogError as fault:
        problems.append(Problem("catalog" if state.place.url else str(state.place.catalog_file), fault.message))
    waiting = [(path, folder / SPOOL / path.name) for path in state.place.spool.waiting()]
    for path, copy in [(state.configuration, folder / CONFIGURATION), *waiting]:
        try:
            shutil.copyfile(path, copy)
        except OSError as fault:
            problems.append(Problem(str(path), fault.strerror or "it cannot be read"))
    return problems


def states(listing: SnapshotListing) -> list[NamedSnapshot]:
    """The snapshots of @state in a listing, newest first."""
    return [named for named in reversed(listing.snapshots) if job_of(named.snapshot) == STATE_JOB]


@dataclass(frozen=True, slots=True)
class SavedState:
    """One snapshot of @state, to be read from."""

    repository: Repository
    named: NamedSnapshot

    def has(self, name: str) -> bool:
        """Whether it holds a file of this name. Raises `IntegrityError` and `TargetError`."""
        node = self._node(name)
        return node is not None and node.type == NodeType.FILE

    def write(self, name: str, file: Path) -> None:
        """Write one of its files to a new file that only its owner may read, every blob verified.

        Raises `UsageError` where it is not there, `IntegrityError`, and `CatalogError` where it cannot be written.
        """
        node = self._node(name)
        if node is None or node.type != NodeType.FILE:
            raise UsageError(f"snapshot {self.named.id.hex()[:8]} holds no {name}")
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as opened:  # noqa: PTH123  (a descriptor has no path)
                for blob in node.content or ():
                    opened.write(self.repository.load_blob(blob, BlobType.DATA))
                opened.flush()
                os.fsync(descriptor)
        except OSError as fault:
            raise CatalogError(
                f"{file}: {fault.strerror}", hint="Make room there, or give the right to write."
            ) from fault

    def text(self, name: str) -> str | None:
        """The text of one of its small files; None where it is not there. Raises `IntegrityError`."""
        node = self._node(name)
        if node is None or node.type != NodeType.FILE or node.size > _LARGEST_SMALL:
            return None
        blobs = (self.repository.load_blob(blob, BlobType.DATA) for blob in node.content or ())
        return b"".join(blobs).decode("utf-8", "replace")

    def head(self) -> AuditHead | None:
        """The end of the audit log that travelled with it; None where it cannot be had."""
        try:
            said = json.loads(self.text(HEAD) or "{}")
            return AuditHead(int(said["seq"]), bytes.fromhex(said["hash"]))
        except (DrorchError, ValueError, KeyError, TypeError):
            return None

    def spooled(self) -> Sequence[str]:
        """The names of the records that waited in the spool, each a plain file name."""
        try:
            place = find_place(self.repository, TreeId(self.named.snapshot.tree), f"/{FOLDER}/{SPOOL}".encode())
        except UsageError:
            return []
        nodes = self.repository.load_tree(place.tree) if place.tree is not None else ()
        return [node.name.decode("ascii", "replace") for node in nodes if is_safe_name(node.name)]

    def _node(self, name: str) -> Node | None:
        try:
            return find_place(self.repository, self.named.snapshot.tree, f"/{FOLDER}/{name}".encode()).node
        except UsageError:
            return None


def heads(repository: Repository, host: str) -> list[AuditHead]:
    """Every end of a host's audit log that travelled to a repository: anchors for `AuditLog.verify`."""
    found = (SavedState(repository, named) for named in states(repository.list_snapshots()))
    noted = (saved.head() for saved in found if saved.named.snapshot.hostname == host)
    return [head for head in noted if head is not None]
