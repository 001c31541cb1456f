"""Walks files: a selection becomes a tree of entries, each listed and looked at through an open folder.

Promises: names keep their bytes and come in byte order; folders of any depth and size can be walked with a few
descriptors and without holding a huge folder's metadata at once; a folder is read only if it is the one that was
seen in its parent, so a link slipped in during the walk leads nowhere; what is skipped is counted or told.
"""

import errno
import itertools
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from drorch.errors import Problem
from drorch.sources.files.excludes import Rules, text_of
from drorch.sources.files.layout import Branch, absolute, lay_out
from drorch.sources.files.metadata import FileDetails, details_of_path
from drorch.sources.files.paths import join, open_unnoticed, reachable
from drorch.sources.files.reader import FilesReader
from drorch.sources.files.selection import Selection
from drorch.sources.files.vantage import LIVE, OWN_PREFIX, Vantage, is_own_snapshot

ExclusionObserver = Callable[[bytes, str], None]

_BATCH = 2048
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ENCODING, _ENCODING_ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()


class Walk:
    """What one pass over a source knows everywhere: the rules, where to read, and what it has skipped so far."""

    def __init__(self, selection: Selection, on_excluded: ExclusionObserver | None, vantage: Vantage = LIVE) -> None:
        self.rules = Rules(selection)
        self.vantage = vantage
        self.one_file_system = selection.one_file_system
        self.skipped_sockets = 0
        self.problems: list[Problem] = []
        self._on_excluded = on_excluded

    def exclude(self, path: bytes, reason: str) -> None:
        """Tell whoever observes that a path is left out."""
        if self._on_excluded is not None:
            self._on_excluded(path, reason)

    def report(self, path: bytes, fault: OSError) -> None:
        """Note that a path cannot be looked at."""
        self.problems.append(Problem(text_of(path), f"cannot be read: {fault.strerror}"))

    def enter(self, path: bytes, place: bytes) -> None:
        """Note what must be told of a folder that is about to be listed."""
        reservation = self.vantage.reservation(place)
        if reservation is not None:
            self.problems.append(Problem(text_of(path), reservation))

    def unwanted(self, status: os.stat_result, device: int | None) -> str | None:
        """Why something is left out for what its stat says; None where it is not. Sockets are counted."""
        mode = status.st_mode
        if stat.S_ISSOCK(mode):
            self.skipped_sockets += 1
            return "a socket"
        largest = self.rules.largest
        if largest is not None and status.st_size > largest and stat.S_ISREG(mode):
            return f"larger than {largest} bytes"
        if device is not None and status.st_dev != device and not stat.S_ISDIR(mode):
            return "on another file system"
        return None


class FileEntry:
    """Something in a folder. Its metadata is of the moment the folder was listed."""

    __slots__ = ("_folder", "name", "stat")

    streamed: ClassVar[bool] = False
    rank: ClassVar[None] = None

    def __init__(self, name: bytes, status: os.stat_result, folder: "Folder") -> None:
        self.name = name
        self.stat = status
        self._folder = folder

    @property
    def path(self) -> bytes:
        """Where it is in the snapshot, absolute."""
        return self._folder.shown + b"/" + self.name

    @property
    def known_as(self) -> bytes:
        """Its absolute path in the file system."""
        return join(self._folder.real, self.name)

    @property
    def locator(self) -> bytes:
        """The absolute path that it is read from."""
        return self._folder.place_of(self.name)

    def details(self) -> FileDetails:
        """Owner, group, link target and extended attributes. Raises `OSError`."""
        return details_of_path(self.locator, self.stat)

    def children(self) -> Iterable["FileEntry"]:
        """Its entries in byte order where it is a folder. Raises `OSError` where it cannot be listed."""
        return self._folder.below(self).entries()


@dataclass(frozen=True, slots=True)
class Spot:
    """A folder's paths: its own in the file system, that which it is read from, that in the snapshot."""

    real: bytes
    place: bytes
    shown: bytes


class Folder:
    """A folder to be listed: where it is, where the snapshot shows it, and which inode it must be."""

    __slots__ = ("_device", "_parent", "_place", "_status", "_walk", "real", "shown")

    def __init__(self, walk: Walk, spot: Spot, status: os.stat_result, device: int | None) -> None:
        self._walk = walk
        self._place = spot.place
        self.real = spot.real
        self.shown = spot.shown
        self._status = status
        self._device = device
        self._parent: os.stat_result | None = None

    def below(self, entry: FileEntry) -> "Folder":
        """The folder that is an entry of this one."""
        folder = Folder(self._walk, Spot(entry.known_as, entry.locator, entry.path), entry.stat, self._device)
        folder._parent = self._status
        return folder

    def place_of(self, name: bytes) -> bytes:
        """Where something that it holds is read from."""
        return self._walk.vantage.place_of(self._place, name)

    def entries(self) -> Iterable[FileEntry]:
        """What it holds, by name bytes, without what is excluded. Raises `OSError` where it cannot be listed."""
        if self._device is not None and self._status.st_dev != self._device:
            self._walk.exclude(join(self.real, b"*"), "on another file system")
            return ()
        self._walk.enter(self.real, self._place)
        handle = self._open()
        try:
            names = self._names(handle)
            first = self._look(handle, names[:_BATCH])
        finally:
            os.close(handle)
        return first if len(names) <= _BATCH else itertools.chain(first, self._later(names))

    def _later(self, names: list[bytes]) -> Iterator[FileEntry]:
        for start in range(_BATCH, len(names), _BATCH):
            handle = self._open()
            try:
                batch = self._look(handle, names[start : start + _BATCH])
            finally:
                os.close(handle)
            yield from batch

    def _open(self) -> int:
        handle = open_unnoticed(self._place, _FOLDER_FLAGS)
        try:
            self._require_same(handle)
        except BaseException:
            os.close(handle)
            raise
        return handle

    def _require_same(self, handle: int) -> None:
        """A folder may be replaced or mounted over where it is; it must not be one from elsewhere."""
        seen = self._walk.vantage.seen
        if self._parent is None or os.path.samestat(seen(os.fstat(handle)), self._status):
            return
        if not os.path.samestat(seen(os.stat("..", dir_fd=handle)), self._parent):
            raise OSError(errno.ESTALE, "was replaced while it was read", self.real)

    def _names(self, handle: int) -> list[bytes]:
        rules = self._walk.rules
        if rules.tags:
            for tag in rules.tags:
                if tag.marks(handle):
                    self._walk.exclude(join(self.real, b"*"), f"marked by {text_of(tag.name)}")
                    return [tag.name]
        if rules.has_patterns:
            names = self._unmatched(handle)
        else:
            names = [name.encode(_ENCODING, _ENCODING_ERRORS) for name in os.listdir(handle)]
        names.sort()
        return names

    def _unmatched(self, handle: int) -> list[bytes]:
        """Names no pattern excludes; no stat is asked of the others, they may not even answer one."""
        excluding = self._walk.rules.excluding
        prefix = text_of(join(self.real, b"")[1:])
        names = []
        with os.scandir(handle) as listing:
            for item in listing:
                name = item.name.encode(_ENCODING, _ENCODING_ERRORS)
                reason = excluding(prefix, text_of(name), is_folder=item.is_dir(follow_symlinks=False))
                if reason is None:
                    names.append(name)
                else:
                    self._walk.exclude(join(self.real, name), reason)
        return names

    def _look(self, handle: int, names: list[bytes]) -> list[FileEntry]:
        look, unwanted, device = self._walk.vantage.look_in(self._place), self._walk.unwanted, self._device
        found = []
        for name in names:
            try:
                status = look(name, dir_fd=handle, follow_symlinks=False)
            except FileNotFoundError:
                # Gone before it was looked at: the same as if the folder had been listed a moment later.
                continue
            except OSError as fault:
                self._walk.report(join(self.real, name), fault)
                continue
            reason = unwanted(status, device)
            if name.startswith(OWN_PREFIX) and is_own_snapshot(name, status):
                reason = "a snapshot that drorch reads from"
            if reason is None:
                found.append(FileEntry(name, status, self))
            else:
                self._walk.exclude(join(self.real, name), reason)
        return found


class BranchEntry:
    """A target, or a folder on the way to one. `covered` where what is above it is wanted as a whole."""

    __slots__ = ("_branch", "_covered", "_walk", "name", "path", "stat")

    streamed: ClassVar[bool] = False
    rank: ClassVar[None] = None

    def __init__(self, walk: Walk, branch: Branch, path: bytes, status: os.stat_result, *, covered: bool) -> None:
        self._walk = walk
        self._branch = branch
        self._covered = covered
        self.name = path.rpartition(b"/")[2]
        self.path = path
        self.stat = status

    @property
    def locator(self) -> bytes:
        """The absolute path that it is read from."""
        return self._walk.vantage.where(self._branch.real)

    def details(self) -> FileDetails:
        """Owner, group, link target and extended attributes. Raises `OSError`."""
        return details_of_path(self.locator, self.stat)

    def children(self) -> Iterable["FileEntry | BranchEntry"]:
        """Its entries in byte order where it is a folder. Raises `OSError` where it cannot be listed."""
        return branch_children(self._walk, self._branch, self.path, self.stat, covered=self._covered)


def branch_children(
    walk: Walk, branch: Branch, shown: bytes, status: os.stat_result, *, covered: bool
) -> Iterable[FileEntry | BranchEntry]:
    """What a branch holds: all that is really there if it is wanted, and the ways to the targets below it."""
    plain: Iterable[FileEntry] = ()
    if branch.wanted or covered:
        spot = Spot(branch.real, walk.vantage.where(branch.real), shown)
        plain = Folder(walk, spot, status, status.st_dev if walk.one_file_system else None).entries()
    if not branch.nested:
        return plain
    entries: dict[bytes, FileEntry | BranchEntry] = {entry.name: entry for entry in plain}
    for name, nested in branch.nested.items():
        known = entries.get(name)
        covered = known is not None and not (walk.one_file_system and known.stat.st_dev != status.st_dev)
        way = _enter(walk, nested, shown + b"/" + name, covered=covered)
        if way is not None:
            entries[name] = way
    return [entries[name] for name in sorted(entries)]


def _enter(walk: Walk, branch: Branch, shown: bytes, *, covered: bool) -> BranchEntry | None:
    try:
        with reachable(walk.vantage.where(branch.real)) as near:
            itself = walk.vantage.seen(os.lstat(near))
            # A link on the way to a target is shown as the folder it leads to; a target is shown as it is.
            status = walk.vantage.seen(os.stat(near)) if branch.nested else itself
    except OSError as fault:
        walk.report(branch.real, fault)
        return None
    if branch.nested and not stat.S_ISDIR(status.st_mode):
        for lost in branch.targets_below():
            walk.report(lost, NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
        if not (branch.wanted or covered):
            return None
        branch, status = Branch(branch.real, wanted=branch.wanted), itself
    if branch.wanted:
        reason = walk.rules.excluding_path(branch.real, is_folder=stat.S_ISDIR(status.st_mode))
        reason = reason or walk.unwanted(status, None)
        if reason is not None:
            walk.exclude(branch.real, reason)
            return None
    if branch.nested and stat.S_ISLNK(itself.st_mode):
        branch, covered = Branch(branch.real, wanted=False, nested=branch.nested), False
    return BranchEntry(walk, branch, shown, status, covered=covered)


class FilesSource:
    """Files and folders as a source. One object is one pass: make a new one for the next.

    `on_excluded(path, reason)` is told of everything left out on purpose; `here` is the folder that relative targets
    begin at, None for the process's own; `vantage` is from where the files are seen. Raises `UsageError` for a
    selection that makes no sense.
    """

    def __init__(
        self,
        selection: Selection,
        *,
        on_excluded: ExclusionObserver | None = None,
        here: bytes | None = None,
        vantage: Vantage = LIVE,
    ) -> None:
        here = os.getcwdb() if here is None else here
        self._walk = Walk(selection, on_excluded, vantage)
        self._bases = lay_out(selection.targets, here)
        self.paths = tuple(dict.fromkeys(absolute(target, here) for target in selection.targets))

    @property
    def reader(self) -> FilesReader:
        """Opens entries by their locators."""
        return FilesReader(self._walk.vantage.devices)

    @property
    def skipped_sockets(self) -> int:
        """Sockets met so far; no snapshot can hold one."""
        return self._walk.skipped_sockets

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Targets that are missing and entries that could not be looked at, so far; complete after the last entry."""
        return tuple(self._walk.problems)

    def roots(self) -> Iterable[FileEntry | BranchEntry]:
        """The entries at the root of the snapshot, by name bytes. Raises `OSError` where a root cannot be listed."""
        entries: dict[bytes, FileEntry | BranchEntry] = {}
        for base in self._bases:
            vantage = self._walk.vantage
            status = vantage.seen(os.stat(vantage.where(base.real)))
            for entry in branch_children(self._walk, base, b"", status, covered=False):
                name = entry.name
                for number in itertools.count(1):
                    if name not in entries:
                        break
                    name = b"%s-%d" % (entry.name, number)
                entries[name] = entry if name == entry.name else self._renamed(entry, name, base)
        return [entries[name] for name in sorted(entries)]

    def _renamed(self, entry: FileEntry | BranchEntry, name: bytes, base: Branch) -> BranchEntry:
        branch = base.nested.get(entry.name) or Branch(join(base.real, entry.name), wanted=True)
        return BranchEntry(self._walk, branch, b"/" + name, entry.stat, covered=False)
