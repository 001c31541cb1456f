"""The data sets: planned from a seed, written once, changed and changed back.

A plan is a value: which files there are, how large and of what kind, and which of them the small change
touches. A data set on disk is always either the plan's base, or marked as changed until it is put back; one
that was left changed by a killed run is put back before it is used again.
"""

import contextlib
import hashlib
import os
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmarks.contents import BLOCK_BYTES, Contents, Kind

SEED = 20240301
_RECIPE = 1
_READ_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file to be: two of the same `content` are duplicates of each other."""

    path: PurePosixPath
    size: int
    kind: Kind
    content: str


@dataclass(frozen=True, slots=True)
class Change:
    """What the third backup finds: whole files new or rewritten, or single blocks overwritten in place."""

    rewritten: tuple[PlannedFile, ...] = ()
    added: tuple[PlannedFile, ...] = ()
    patched: tuple[tuple[PlannedFile, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole data set before it is written."""

    name: str
    scale: float
    description: str
    files: tuple[PlannedFile, ...]
    change: Change

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)

    @property
    def fingerprint(self) -> str:
        """Names the plan: another seed, scale or recipe has another one."""
        return hashlib.sha256(f"{_RECIPE}/{SEED}/{self.name}/{self.scale}".encode()).hexdigest()[:12]


class DataSet:
    """A plan on disk, in a folder of its own below `parent`."""

    def __init__(self, plan: Plan, parent: Path) -> None:
        self.plan = plan
        self.folder = parent / f"{plan.name}-{plan.fingerprint}"
        self._mark = parent / f"{self.folder.name}.changed"
        self._contents = Contents(SEED)

    @property
    def exists(self) -> bool:
        """Whether an earlier run has written it."""
        return self.folder.is_dir()

    def prepare(self) -> None:
        """Write it, or put it back to its base where a killed run left it changed."""
        if self.exists:
            if self._mark.exists():
                self._revert()
            return
        unfinished = self.folder.with_name(f"{self.folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        for folder in sorted({file.path.parent for file in self.plan.files}):
            (unfinished / folder).mkdir(parents=True, exist_ok=True)
        for file in self.plan.files:
            self._write(unfinished, file, version=0)
        os.sync()
        unfinished.rename(self.folder)

    @contextlib.contextmanager
    def changed(self) -> Iterator[None]:
        """The small change, for as long as the block lasts."""
        change = self.plan.change
        self._mark.touch()
        try:
            for file in change.rewritten:
                self._write(self.folder, file, version=1)
            for file in change.added:
                self._write(self.folder, file, version=0)
            for file, number in change.patched:
                self._patch(file, number, version=1)
            yield
        finally:
            self._revert()

    def changed_sizes(self) -> dict[str, int]:
        """Relative path and size of every file while the change lasts."""
        return {str(file.path): file.size for file in (*self.plan.files, *self.plan.change.added)}

    def _revert(self) -> None:
        change = self.plan.change
        for file in change.rewritten:
            self._write(self.folder, file, version=0)
        for file in change.added:
            (self.folder / file.path).unlink(missing_ok=True)
        for file, number in change.patched:
            self._patch(file, number, version=0)
        self._mark.unlink(missing_ok=True)

    def _write(self, folder: Path, file: PlannedFile, version: int) -> None:
        with (folder / file.path).open("wb") as output:
            for block in self._contents.blocks(file.content, file.kind, file.size, version):
                output.write(block)

    def _patch(self, file: PlannedFile, number: int, version: int) -> None:
        start = number * BLOCK_BYTES
        size = min(BLOCK_BYTES, file.size - start)
        with (self.folder / file.path).open("r+b") as output:
            output.seek(start)
            output.write(self._contents.block(file.content, file.kind, size, number, version))


def plan_named(name: str, scale: float) -> Plan:
    """The plan of "tree", "large" or "noise"; `scale` 1 is the real size. Raises `KeyError` for another name."""
    return {"tree": tree_plan, "large": large_plan, "noise": noise_plan}[name](scale)


SET_NAMES = ("tree", "large", "noise")


def tree_plan(scale: float) -> Plan:
    """A home or a server: 54,000 files, 3.1 GB, 3,000 directories to depth 8, half text, 3 % duplicates."""
    generator = random.Random(f"{SEED}/tree")
    folders = _folders(generator, max(3, round(3000 * scale)))
    shares = [generator.expovariate(1) for _ in folders]
    sizes = _sizes(generator, max(50, round(54_000 * scale)), round(3_100_000_000 * scale))
    files: list[PlannedFile] = []
    for number, (folder, size) in enumerate(zip(generator.choices(folders, shares, k=len(sizes)), sizes, strict=True)):
        if files and generator.random() < 0.03:
            origin = generator.choice(files)
            path = folder / f"copy-{number}{origin.path.suffix}"
            files.append(PlannedFile(path, origin.size, origin.kind, origin.content))
        else:
            files.append(_tree_file(generator, folder, size, number))
    change = _tree_change(generator, files)
    holding = {file.path.parent for file in files}
    used = len({above for folder in holding for above in (folder, *folder.parents)}) - 1
    text = "log-normal sizes, half compressible, 3 % duplicates, depth up to 8"
    return Plan("tree", scale, f"{used:,} directories, {text}", tuple(files), change)


def large_plan(scale: float) -> Plan:
    """Disk images and dumps: 8 files of 128 MB, every other one compressible."""
    return _images("large", scale, (Kind.TEXT, Kind.NOISE) * 4, "every other file compressible")


def noise_plan(scale: float) -> Plan:
    """Photographs and films: 8 files of 128 MB that cannot be compressed, so that all of it goes over the wire."""
    return _images("noise", scale, (Kind.NOISE,) * 8, "none of them compressible")


def _images(name: str, scale: float, kinds: Sequence[Kind], description: str) -> Plan:
    size = max(BLOCK_BYTES, round(128_000_000 * scale))
    files = tuple(
        PlannedFile(PurePosixPath(f"image-{number}.bin"), size, kind, f"image-{number}")
        for number, kind in enumerate(kinds)
    )
    generator = random.Random(f"{SEED}/{name}")
    blocks = -(-size // BLOCK_BYTES)
    patched = tuple((file, generator.randrange(blocks)) for file in files for _ in range(max(1, blocks // 100)))
    return Plan(name, scale, description, files, Change(patched=patched))


def _folders(generator: random.Random, count: int) -> list[PurePosixPath]:
    folders = [PurePosixPath(f"area-{number}") for number in range(min(5, count))]
    while len(folders) < count:
        parent = generator.choice(folders)
        if len(parent.parts) < 8:
            folders.append(parent / f"folder-{len(folders)}")
    return folders


def _sizes(generator: random.Random, count: int, total: int) -> list[int]:
    drawn = [generator.lognormvariate(0, 2) for _ in range(count)]
    smallest, largest = 100, 8 * BLOCK_BYTES
    factor = total / sum(drawn)
    for _ in range(8):
        factor *= total / sum(min(largest, max(smallest, size * factor)) for size in drawn)
    return [int(min(largest, max(smallest, size * factor))) for size in drawn]


def _tree_file(generator: random.Random, folder: PurePosixPath, size: int, number: int) -> PlannedFile:
    kind = generator.choice((Kind.TEXT, Kind.NOISE))
    suffix = generator.choice((".log", ".json", ".txt") if kind is Kind.TEXT else (".jpg", ".gz", ".bin"))
    return PlannedFile(folder / f"file-{number}{suffix}", size, kind, f"file-{number}")


def _tree_change(generator: random.Random, files: Sequence[PlannedFile]) -> Change:
    touched = max(4, len(files) // 100)
    rewritten = generator.sample(files, touched * 3 // 4)
    added = [
        _tree_file(generator, generator.choice(files).path.parent, generator.choice(files).size, len(files) + number)
        for number in range(touched - len(rewritten))
    ]
    return Change(rewritten=tuple(rewritten), added=tuple(added))


def read_all(folder: Path) -> None:
    """Read every file below a folder once, so that the page cache holds what fits."""
    buffer = bytearray(_READ_BYTES)
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            if not path.is_file():
                continue
            with path.open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass


def stored_bytes(folder: Path) -> int:
    """The sizes of all files below a folder, in bytes."""
    return sum(Path(parent, name).lstat().st_size for parent, _, names in os.walk(folder) for name in names)
