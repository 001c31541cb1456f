"""Walks a source the way the engine does, for tests that look at what comes out."""

from drorch.repository.pipeline.entries import Entry, Source
from drorch.sources.files.scan import FilesSource
from drorch.sources.files.selection import Selection


def walked(source: Source) -> dict[bytes, Entry]:
    """Every entry by its path in the snapshot; order and names are checked on the way."""
    found: dict[bytes, Entry] = {}
    waiting: list[Entry] = []
    level = list(source.roots())
    while True:
        names = [entry.name for entry in level]
        assert names == sorted(set(names)), "names must ascend strictly by bytes"
        for entry in level:
            assert entry.path.endswith(b"/" + entry.name)
            found[entry.path] = entry
        waiting.extend(entry for entry in level if entry.stat.st_mode & 0o170000 == 0o040000)
        if not waiting:
            return found
        level = list(waiting.pop().children())


def below(folder: bytes, source: Source) -> set[bytes]:
    """Paths in the snapshot relative to a folder that is in it."""
    return {path[len(folder) + 1 :] for path in walked(source) if path.startswith(folder + b"/")}


def read_all(source: Source, entry: Entry, size: int = 1000) -> bytes:
    """The whole content of an entry, in small pieces."""
    opened = source.reader.open(entry.locator)
    buffer, pieces = memoryview(bytearray(size)), []
    try:
        while count := opened.readinto(buffer):
            pieces.append(bytes(buffer[:count]))
    finally:
        opened.close()
    return b"".join(pieces)


def kept(folder: bytes, selection: Selection) -> set[bytes]:
    """What a selection keeps below a folder given as an absolute target."""
    return below(folder, FilesSource(selection))
