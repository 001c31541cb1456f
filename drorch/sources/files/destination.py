"""The folder a restore writes into: everything that touches its file system goes through here.

It keeps the promise that nothing is written outside it, whatever a hostile tree or a concurrent user does: every
path is walked by handles without following symlinks, names are single parts, and what replaces something is made
under a temporary name in the same folder and renamed. (Whoever may rename folders of the destination while it is
being filled moves what is in them; that takes a folder that was theirs before the restore.)
"""

import os
import stat
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from drorch.errors import RestoreError
from drorch.sources.files.destination_faults import Faults
from drorch.sources.files.destination_files import (
    InPlaceFile,
    OpenFiles,
    PartialFile,
    Site,
    is_own_partial,
    is_updatable,
)
from drorch.sources.files.destination_handles import Folders, Handle, open_node
from drorch.sources.files.destination_making import (
    FORMATS,
    Placer,
    create,
    link,
    make_special,
    remove_temporary,
    write_parts,
)
from drorch.sources.files.destination_metadata import MetadataSetter
from drorch.sources.files.destination_reading import ReadBack, describe, open_content, open_regular
from drorch.sources.files.destination_regions import Buffer
from drorch.sources.files.destination_removal import Meant, Removal, every
from drorch.sources.files.placement import (
    NODE_FAULTS,
    DestinationPolicy,
    Extra,
    Identity,
    Kind,
    Metadata,
    Refused,
    RelativePath,
    Report,
    partial_name,
)


class Destination:
    """Puts nodes back below a root, each by its path in parts. Threads may share it, each working on nodes of its own.

    A fault of one node goes to `report` as a `Problem`, and the operation returns None or False. A destination that
    is full or read-only raises `RestoreError`, whatever the operation. Leaving the block without finishing a file
    abandons it: `PartialFile.abandon` says what stays.
    """

    def __init__(self, root: Path, policy: DestinationPolicy, report: Report) -> None:
        """Open the root, made with mode 0700 where it is missing. Raises `RestoreError` where it cannot be used."""
        self._faults = Faults(str(root), policy.expected_bytes, report)
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folders = Folders(root)
        except OSError as fault:
            self._faults.end_if_fatal(fault)
            hint = "choose a folder you may write to with --to."
            raise RestoreError(f"cannot restore to {root}: {fault.strerror}", hint=hint) from fault
        self._policy = policy
        self._privileged = os.geteuid() == 0
        self._setter = MetadataSetter(policy.owners, self._faults)
        self._removal = Removal(self._folders, self._faults)
        self._placer = Placer(self._folders, self._removal, delete=policy.delete)
        self._files = OpenFiles()
        self._site = Site(self._placer, self._setter, self._faults, policy, self._files)
        self._unfinished_dirs: list[tuple[RelativePath, Metadata]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.unfinished():
            file.abandon()
        self._folders.close()

    def existing(self, path: RelativePath) -> os.stat_result | None:
        """What has this name now, symlinks not followed; None where nothing has, or a folder on the way is none."""
        try:
            if not path:
                return os.fstat(self._folders.open(()))
            return os.stat(path[-1], dir_fd=self._placer.folder(path), follow_symlinks=False)
        except (FileNotFoundError, Refused):
            return None
        except NODE_FAULTS as fault:
            self._faults.node(path, "not examined", fault)
            return None

    def describe(self, path: RelativePath) -> Metadata | None:
        """All metadata of what has this name now, owners by number only; None as in `existing`."""
        try:
            return describe(open_node(self._placer.folder(path), path[-1]) if path else self._folders.open(()))
        except (FileNotFoundError, Refused):
            return None
        except NODE_FAULTS as fault:
            self._faults.node(path, "not examined", fault)
            return None

    def read_back(self, path: RelativePath) -> ReadBack | None:
        """A regular file to be read for verification; None, and a problem, where there is none."""
        try:
            return open_content(self._placer.folder(path), path[-1])
        except NODE_FAULTS as fault:
            self._faults.node(path, "not read back", fault)
            return None

    def peek(self, path: RelativePath, *, partial: bool = False) -> ReadBack | None:
        """A regular file to compare with what is to come, or with `partial` what an interrupted restore left of it.

        None where there is none that can be read: what is to come will tell, so nothing is reported or changed.
        """
        try:
            folder = self._placer.folder(path)
            content = open_content(folder, partial_name(path[-1]) if partial else path[-1])
            return content if not partial or is_own_partial(content.status) else None
        except NODE_FAULTS as fault:
            self._faults.end_if_fatal(fault)
            return None

    def make_dir(self, path: RelativePath, metadata: Metadata | None) -> bool:
        """Make a folder, or take the one that is there; anything else by its name is removed.

        A new folder has mode 0700 until `finish_dirs` gives it the metadata; None leaves a folder as it is.
        A parent comes before what is in it.
        """
        try:
            if path:
                self._placer.make_folder(path)
            if metadata is not None and not self._privileged:
                self._placer.unlock_folder(path)
        except NODE_FAULTS as fault:
            self._faults.node(path, "folder not made", fault)
            return False
        if metadata is not None:
            self._unfinished_dirs.append((path, metadata))
        return True

    def finish_dirs(self) -> None:
        """Give all folders made so far their metadata, the last made first, hence children before their parents."""
        while self._unfinished_dirs:
            path, metadata = self._unfinished_dirs.pop()
            try:
                handle = self._folders.open(path)
                self._setter.apply(handle.path, os.fstat(handle), metadata, path)
            except NODE_FAULTS as fault:
                self._faults.node(path, "folder not finished", fault)

    def write_file(self, path: RelativePath, parts: Sequence[Buffer], metadata: Metadata) -> Identity | None:
        """Put back a regular file whose whole content is at hand. The cheap way for small files."""
        try:
            folder = self._placer.folder(path)
            temporary = partial_name(path[-1])
            handle = create(folder, temporary)
            try:
                write_parts(handle, parts, sparse=self._policy.sparse)
                status = os.fstat(handle)
                self._setter.apply(handle, status, metadata, path)
                self._placer.move(folder, path, temporary)
            except BaseException:
                remove_temporary(folder, temporary)
                raise
            return Identity(status.st_dev, status.st_ino)
        except NODE_FAULTS as fault:
            self._faults.node(path, "not restored", fault)
            return None

    def open_file(self, path: RelativePath, size: int) -> PartialFile | None:
        """Begin a regular file of `size` bytes under its partial name; what an earlier run left there is removed."""
        try:
            handle = create(self._placer.folder(path), partial_name(path[-1]))
            return PartialFile(self._site, path, size, handle, fresh=True)
        except NODE_FAULTS as fault:
            self._faults.node(path, "not restored", fault)
            return None

    def open_partial(self, path: RelativePath, size: int) -> PartialFile | None:
        """What an interrupted restore left of this file, to be verified region by region; None where there is none.

        Only a private file of one name that belongs to the restoring user is trusted to be that.
        """
        handle = self._open_existing(path, partial_name(path[-1])) if path else None
        if handle is None or not is_own_partial(os.fstat(handle)):
            return None
        try:
            return PartialFile(self._site, path, size, handle, fresh=False)
        except NODE_FAULTS as fault:
            self._faults.node(path, "not resumed", fault)
            return None

    def open_in_place(self, path: RelativePath, metadata: Metadata) -> InPlaceFile | None:
        """The existing file, of which only what differs is to be written; None where that is not safe.

        Unsafe are: several names (one may be outside the destination), programs, files of another owner than root
        or the one it will have, and what cannot be opened. `open_file` is the way then.
        """
        handle = self._open_existing(path, path[-1]) if path else None
        if handle is None or not is_updatable(os.fstat(handle), self._setter.owner_of(metadata).uid):
            return None
        return InPlaceFile(self._site, path, path[-1], metadata.size, handle)

    def adopt(self, path: RelativePath, metadata: Metadata) -> Identity | None:
        """Give what is there already, its content being right, the metadata; None where it must be placed anew.

        That is so where it is of another kind or has several names, which may be outside the destination.
        """
        try:
            handle = open_node(self._placer.folder(path), path[-1])
            status = os.fstat(handle)
            if stat.S_IFMT(status.st_mode) != FORMATS.get(Kind(metadata.kind)) or status.st_nlink != 1:
                return None
            self._setter.apply(handle.path, status, metadata, path)
        except NODE_FAULTS as fault:
            self._faults.end_if_fatal(fault)
            return None
        return Identity(status.st_dev, status.st_ino)

    def place(self, path: RelativePath, metadata: Metadata) -> Identity | None:
        """Put back a symlink, fifo or device node. A device takes privileges: without them it is a problem."""
        try:
            folder = self._placer.folder(path)
            temporary = partial_name(path[-1])
            make_special(folder, temporary, metadata)
            try:
                handle = open_node(folder, temporary)
                status = os.fstat(handle)
                if stat.S_IFMT(status.st_mode) != FORMATS[Kind(metadata.kind)] or status.st_uid != os.geteuid():
                    raise Refused("something else was put in its place while it was being made")
                self._setter.apply(handle.path, status, metadata, path)
                self._placer.move(folder, path, temporary)
            except BaseException:
                remove_temporary(folder, temporary)
                raise
            return Identity(status.st_dev, status.st_ino)
        except NODE_FAULTS as fault:
            self._faults.node(path, "not restored", fault)
            return None

    def hardlink(self, path: RelativePath, original: RelativePath, identity: Identity) -> bool:
        """Make `path` another name of `original`, which must still be the file this restore put there."""
        try:
            present = self.existing(path)
            if present is not None and (present.st_dev, present.st_ino) == identity:
                return True
            source, folder = self._placer.folder(original), self._placer.folder(path)
            temporary = partial_name(path[-1])
            link(source, original[-1], folder, temporary)
            try:
                linked = os.stat(temporary, dir_fd=folder, follow_symlinks=False)
                if (linked.st_dev, linked.st_ino) != identity:
                    raise Refused("the file it is a hard link to was replaced meanwhile")
                self._placer.move(folder, path, temporary)
            except BaseException:
                remove_temporary(folder, temporary)
                raise
        except NODE_FAULTS as fault:
            self._faults.node(path, "hard link not restored", fault)
            return False
        return True

    def extras(self, path: RelativePath, keep: Collection[bytes], meant: Meant = every) -> list[Extra]:
        """What the folder holds beside `keep`; see `Removal.extras`."""
        return self._removal.extras(path, keep, meant)

    def remove(self, path: RelativePath) -> list[RelativePath]:
        """Remove a name with all below it; see `Removal.remove`."""
        return self._removal.remove(path)

    def _open_existing(self, path: RelativePath, name: bytes) -> Handle | None:
        try:
            return open_regular(self._placer.folder(path), name, os.O_RDWR)
        except NODE_FAULTS as fault:
            self._faults.end_if_fatal(fault)
            return None
