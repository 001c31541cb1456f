"""What an operator asks to be read: targets, and what is to be left out of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Selection:
    """A request to read files.

    `targets` are paths, absolute or relative to the working folder. `excludes` are gitignore patterns, except that
    one without a leading slash matches at any depth and one with it is anchored at the root of the file system;
    the last that matches decides, "!" takes back. `iexcludes` are a second list that ignores case.
    `exclude_if_present` are "NAME" or "NAME:HEADER": a folder that holds such a file keeps only that file.
    `exclude_caches` is the same for CACHEDIR.TAG (https://bford.info/cachedir/). `exclude_larger_than` is in bytes.
    `one_file_system` stays on the file system of each target; a mount point is kept, empty.
    """

    targets: tuple[bytes, ...]
    excludes: tuple[str, ...] = ()
    iexcludes: tuple[str, ...] = ()
    exclude_if_present: tuple[str, ...] = ()
    exclude_caches: bool = False
    exclude_larger_than: int | None = None
    one_file_system: bool = False
