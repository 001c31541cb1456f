"""Backup: read a source into a repository and commit it as a snapshot.

The snapshot is saved last, and only when the guard is content: a source that is suspiciously empty leaves nothing.
What of the source could not be read is a problem in the result; what goes wrong in the repository is raised.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from drorch.actions.progress import Progress
from drorch.errors import Problem
from drorch.ids import SnapshotId, TreeId
from drorch.model.facts import DumpFacts
from drorch.process.identity import user_name
from drorch.repository.pipeline.entries import Source
from drorch.repository.pipeline.walk import StoredTree, WalkOptions, store_tree
from drorch.repository.repository import NamedSnapshot, Repository
from drorch.repository.snapshot import Snapshot
from drorch.repository.writer import DEFAULT_POLICY, Stored, WritePolicy, Writer


@dataclass(frozen=True, slots=True)
class Label:
    """What the snapshot will say of itself. `time` is in nanoseconds since 1970."""

    time: int
    paths: tuple[str, ...]
    hostname: str
    uid: int
    gid: int
    program_version: str
    tags: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BackupRequest:
    """How to back up. `parent` is the snapshot to compare with, None to read everything anew.

    `accept` is asked, with the files and bytes read, whether this is worth a snapshot; it raises where it is not.
    `problems` gives the faults the source itself met, once it has been walked.
    """

    label: Label
    parent: NamedSnapshot | None
    accept: Callable[[int, int], None]
    problems: Callable[[], Sequence[Problem]]
    walk: WalkOptions = field(default_factory=WalkOptions)
    policy: WritePolicy = DEFAULT_POLICY


@dataclass(frozen=True, slots=True)
class BackupResult:
    """A saved snapshot. `summary` has restic's field names and is stored in the snapshot, too.

    `facts` are those of the database that it holds, where it holds one.
    """

    id: SnapshotId
    snapshot: Snapshot
    summary: Mapping[str, int | str]
    problems: tuple[Problem, ...]
    facts: DumpFacts | None = None


def choose_parent(snapshots: Sequence[NamedSnapshot], label: Label) -> NamedSnapshot | None:
    """The newest snapshot of the same host and the same set of paths, not later than the new one."""
    candidates = [
        named
        for named in snapshots
        if named.snapshot.hostname == label.hostname
        and set(named.snapshot.paths) == set(label.paths)
        and named.snapshot.time <= label.time
    ]
    return max(candidates, key=lambda named: named.snapshot.time, default=None)


def backup(repository: Repository, source: Source, request: BackupRequest, progress: Progress) -> BackupResult:
    """Back up a source.

    Raises `SourceError` where the source is refused, and `RepositoryError` or `TargetError` where storing fails;
    no snapshot is saved then, and what was uploaded is found again by the next run.
    """
    label, parent = request.label, request.parent
    tree = TreeId(parent.snapshot.tree) if parent is not None else None
    with Writer(repository, request.policy) as writer:
        stored = store_tree(source, writer, tree, request.walk, progress)
        request.accept(stored.counts.files, stored.counts.bytes)
        writer.flush()
        snapshot = Snapshot(
            time=label.time,
            tree=stored.root,
            paths=label.paths,
            hostname=label.hostname,
            username=user_name(),
            uid=label.uid,
            gid=label.gid,
            excludes=label.excludes,
            tags=label.tags,
            parent=parent.id if parent is not None else None,
            program_version=label.program_version,
            summary=_summary(stored, writer.stored),
        )
        snapshot_id = writer.save_snapshot(snapshot)
    return BackupResult(snapshot_id, snapshot, snapshot.summary, (*request.problems(), *stored.problems))


def _summary(tree: StoredTree, stored: Stored) -> dict[str, int]:
    counts = tree.counts
    return {
        "files_new": counts.files_new,
        "files_changed": counts.files_changed,
        "files_unmodified": counts.files_unmodified,
        "dirs_new": counts.dirs_new,
        "dirs_changed": counts.dirs_changed,
        "dirs_unmodified": counts.dirs_unmodified,
        "data_blobs": stored.data_blobs,
        "tree_blobs": stored.tree_blobs,
        "data_added": stored.data_added,
        "data_added_packed": stored.data_added_packed,
        "total_files_processed": counts.files,
        "total_bytes_processed": counts.bytes,
    }
