"""What the tests of restore share: snapshots put back as the product does it, and a destination looked at whole."""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from drorch.actions.progress import NoProgress, Progress
from drorch.actions.restore.execution import Executor, RestoreResult
from drorch.actions.restore.plan import RestorePlan, plan_restore
from drorch.actions.restore.request import RestoreRequest
from drorch.errors import Problem
from drorch.ids import TreeId
from drorch.repository.repository import Repository
from drorch.sources.files.destination import Destination
from drorch.sources.files.placement import PARTIAL_PREFIX, DestinationPolicy
from drorch.units import MIB
from tests.actions.trees import Tree, new_repository, writing

EVERYTHING = RestoreRequest()
NODE_TIME = 1_000_000_000
"""Nanoseconds: the time of every node that tests make without saying more."""


@dataclass(frozen=True, slots=True)
class Case:
    """A snapshot to restore, and where to."""

    repository: Repository
    root: TreeId
    to: Path

    def plan(self, request: RestoreRequest = EVERYTHING) -> RestorePlan:
        """What a dry run does; nothing may be reported meanwhile."""
        problems: list[Problem] = []
        plan = self._plan(request, problems)
        assert problems == []
        return plan

    def _plan(self, request: RestoreRequest, problems: list[Problem]) -> RestorePlan:
        if not self.to.exists():
            return plan_restore(self.repository, self.root, request, None)
        with Destination(self.to, DestinationPolicy(delete=request.delete), problems.append) as destination:
            return plan_restore(self.repository, self.root, request, destination)

    def execute(
        self,
        plan: RestorePlan,
        policy: DestinationPolicy | None = None,
        progress: Progress | None = None,
        *,
        problems: Sequence[Problem] = (),
        verify: bool = False,
    ) -> RestoreResult:
        """Carry a plan out. `problems` were met while it was made."""
        told = list(problems)
        with Destination(self.to, policy or DestinationPolicy(), told.append) as destination:
            executor = Executor(self.repository, destination, told, progress or NoProgress())
            return executor.execute(plan, verify=verify)

    def restore(self, request: RestoreRequest = EVERYTHING, *, verify: bool = False) -> RestoreResult:
        """Plan and execute; whatever happens, no partial file may stay behind."""
        problems: list[Problem] = []
        plan = self._plan(request, problems)
        result = self.execute(plan, DestinationPolicy(delete=request.delete), problems=problems, verify=verify)
        assert not partials(self.to)
        return result

    def put_back(self, request: RestoreRequest = EVERYTHING) -> RestoreResult:
        """Restore without a single problem, verified."""
        result = self.restore(request, verify=True)
        assert result.problems == ()
        return result


def case_of(tree: Tree, to: Path) -> Case:
    """A repository in memory that holds one snapshot of a tree."""
    repository = new_repository()
    with writing(repository) as writer:
        root = writer.tree(tree)
        writer.snapshot(root)
    return Case(repository, root, to)


def make_files(folder: Path, files: Mapping[str, bytes | None]) -> None:
    """Files with contents, and folders for None, their own folders included."""
    for name, content in files.items():
        path = folder / name
        (path if content is None else path.parent).mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content)


def contents(folder: Path) -> dict[str, bytes | None]:
    """All below a folder: contents of files, targets of links as `b"-> ..."`, None for folders."""
    found: dict[str, bytes | None] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = b"-> " + os.fsencode(path.readlink())
        else:
            found[name] = None if path.is_dir() else path.read_bytes()
    return found


def untouched(folder: Path) -> dict[str, tuple[int, ...]]:
    """What any write, rename or change of metadata below a folder would alter, the folder included."""
    every = [folder, *folder.rglob("*")]
    statuses = [(path, path.lstat()) for path in every]
    return {
        str(path): (one.st_ino, one.st_ctime_ns, one.st_mtime_ns, one.st_size, one.st_mode, one.st_nlink, one.st_blocks)
        for path, one in statuses
    }


def partials(folder: Path) -> list[Path]:
    """Unfinished files below a folder."""
    return [path for path in folder.rglob(f"{PARTIAL_PREFIX.decode()}*") if stat.S_ISREG(path.lstat().st_mode)]


def told(problems: Sequence[Problem]) -> dict[str, str]:
    """Problems by subject; a subject must have no second one."""
    assert len({problem.subject for problem in problems}) == len(problems), problems
    return {problem.subject: problem.message for problem in problems}


def pieces_of(seed: int, count: int, size: int = MIB) -> list[bytes]:
    """Random pieces, the same for the same seed, that neither compress nor repeat."""
    random = Random(seed)  # noqa: S311
    return [random.randbytes(size) for _ in range(count)]
