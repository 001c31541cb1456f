"""What a check finds: frozen values for those who read them, and the list in which they are gathered.

Every list is bounded, so that a repository that is damaged all over is told about in a few pages: what is left out
is counted. docs/FORMAT.md, "Check behaviour", has the verdicts of restic that these follow.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from drorch.ids import SnapshotId

MOST_ALIKE = 100
"""Findings of one kind that are told one by one; the others are summed up in one more."""

MOST_SNAPSHOTS = 20
MOST_PATHS = 10
MOST_NAMED = 10


class Severity(StrEnum):
    """An error is damage, or will break a restore or another client; a hint may be left as it is."""

    ERROR = "error"
    HINT = "hint"


class FindingKind(StrEnum):
    """What can be found. The names are stable: they stand in --json."""

    KEY_DAMAGED = "key-damaged"
    INDEX_UNREADABLE = "index-unreadable"
    SNAPSHOT_UNREADABLE = "snapshot-unreadable"
    PACK_MISSING = "pack-missing"
    PACK_SIZE = "pack-size"
    PACK_DESCRIBED_DIFFERENTLY = "pack-described-differently"
    PACK_OVERLAP = "pack-overlap"
    PACK_GAP = "pack-gap"
    PACK_UNREADABLE = "pack-unreadable"
    PACK_DAMAGED = "pack-damaged"
    PACKS_FROZEN = "packs-frozen"
    BLOB_NOT_INDEXED = "blob-not-indexed"
    BLOB_WRONG_TYPE = "blob-wrong-type"
    TREE_UNREADABLE = "tree-unreadable"
    TREE_UNSORTED = "tree-unsorted"
    TREE_DUPLICATE_NAME = "tree-duplicate-name"
    TREE_TOO_DEEP = "tree-too-deep"
    NODE_UNSAFE_NAME = "node-unsafe-name"
    NODE_UNKNOWN_TYPE = "node-unknown-type"
    DIR_WITHOUT_SUBTREE = "dir-without-subtree"
    FILE_WITHOUT_CONTENT = "file-without-content"
    FILE_SIZE = "file-size"
    PACK_IN_SEVERAL_INDEXES = "pack-in-several-indexes"
    PACK_MIXED = "pack-mixed"
    PACK_ORPHANED = "pack-orphaned"
    BLOB_DUPLICATE = "blob-duplicate"
    LOCK_STALE = "lock-stale"
    LOCK_UNREADABLE = "lock-unreadable"

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return Severity.HINT if self in _HINTS else Severity.ERROR


_HINTS = frozenset(
    {
        FindingKind.PACKS_FROZEN,
        FindingKind.PACK_IN_SEVERAL_INDEXES,
        FindingKind.PACK_MIXED,
        FindingKind.PACK_ORPHANED,
        FindingKind.BLOB_DUPLICATE,
        FindingKind.LOCK_STALE,
        FindingKind.LOCK_UNREADABLE,
    }
)


@dataclass(frozen=True, slots=True)
class Need:
    """A snapshot that needs what is damaged, and the paths in it that do: `more` of them are not named.

    Paths start with "/" and are decoded with surrogateescape; they may hold any character.
    """

    snapshot: SnapshotId
    paths: tuple[str, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. `subject` is the id it is about, in hex, or "" where it is about many.

    `needed_by` names the snapshots that suffer, oldest first; `more_snapshots` suffer too and are not named.
    """

    kind: FindingKind
    subject: str
    message: str
    needed_by: tuple[Need, ...] = ()
    more_snapshots: int = 0

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return self.kind.severity


class FindingList:
    """Findings as they come up. Each has a number by which its needs are found out later.

    Beyond `MOST_ALIKE` of a kind, all others share the number of one finding that counts them.
    """

    def __init__(self) -> None:
        self._findings: list[Finding] = []
        self._numbers: dict[tuple[FindingKind, str, bytes], int] = {}
        self._alike: dict[FindingKind, int] = {}
        self._rest: dict[FindingKind, int] = {}
        self._summed_up: set[int] = set()

    def __len__(self) -> int:
        return len(self._findings)

    def add(self, kind: FindingKind, subject: str, message: str, part: bytes = b"") -> int:
        """Take in a finding; its number. The same kind, subject and part again is the same finding.

        `part` tells findings about one subject apart: the name of a node in a tree, for instance.
        """
        identity = (kind, subject, part)
        known = self._numbers.get(identity)
        if known is None and hash(identity) in self._summed_up:
            known = self._rest[kind]
        if known is not None:
            return known
        count = self._alike[kind] = self._alike.get(kind, 0) + 1
        if count > MOST_ALIKE:
            self._summed_up.add(hash(identity))
            return self._add_to_rest(kind, count - MOST_ALIKE)
        number = self._numbers[identity] = self._append(Finding(kind, subject, message))
        return number

    def _append(self, finding: Finding) -> int:
        self._findings.append(finding)
        return len(self._findings) - 1

    def _add_to_rest(self, kind: FindingKind, count: int) -> int:
        rest = Finding(kind, "", f"{count} more of this kind ({kind})")
        number = self._rest.get(kind)
        if number is None:
            number = self._rest[kind] = self._append(rest)
        self._findings[number] = rest
        return number

    def finished(self, needs: Mapping[int, tuple[Sequence[Need], int]]) -> tuple[Finding, ...]:
        """All findings with who needs them, by number: needs, and how many more snapshots. Errors come first."""
        complete = []
        for number, finding in enumerate(self._findings):
            named, more = needs.get(number, ((), 0))
            complete.append(replace(finding, needed_by=tuple(named), more_snapshots=more))
        return tuple(sorted(complete, key=lambda finding: finding.severity is not Severity.ERROR))


def named(ids: Iterable[bytes]) -> str:
    """Ids in hex, the first few of them: "12ab..., 34cd... and 5 more"."""
    known = sorted(ids)
    shown = ", ".join(one.hex()[:16] for one in known[:MOST_NAMED])
    return f"{shown} and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else shown
