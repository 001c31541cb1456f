"""The files of a whole server, copied by its own tool while it runs, streamed; on the way back, made ready to start.

Promise: a copy is one only where the tool ended well and said so in its last line, and so is what was made ready of it.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from drorch.clock import Clock
from drorch.errors import DumpFailed, RestoreError
from drorch.process.commands import ChildFailed, describe_status, run_whole
from drorch.process.streams import ReadChild, StreamCommand, start_feeding, start_reading
from drorch.sources.databases.contract import Loaded, Part, RestoreWish, StoredParts
from drorch.sources.databases.facts import DatabaseFacts, Facts
from drorch.sources.databases.said import last_words
from drorch.sources.mariadb.copied import require_harmless
from drorch.sources.mariadb.definitions import described
from drorch.sources.mariadb.logical import APART, chosen
from drorch.sources.mariadb.server import connected
from drorch.sources.mariadb.settings import PHYSICAL_NAME, MariadbSettings
from drorch.sources.mariadb.tools import COPY, UNPACK, Tool, find, harmless, option_file
from drorch.sources.mariadb.xbstream import PathGuard

_COMPLETED = "completed OK!"
_PREPARE_SECONDS = 86400.0
_NOTE = "rows are the server's estimates: a copy of files counts none"


class PhysicalSession:
    """A copy of a server under way."""

    def __init__(self, settings: MariadbSettings, clock: Clock, options: Path, tool: Tool) -> None:
        self._settings = settings
        self._options = options
        self._tool = tool
        self._taken = clock.now().isoformat(timespec="seconds")
        with connected(settings) as session:
            self._server = session.version()
            self._data = session.text("SELECT @@datadir")

    def parts(self) -> Sequence[Part]:
        """The one stream."""
        return [Part(PHYSICAL_NAME, self._open)]

    def facts(self) -> Facts:
        """What the server says of its databases, beside the copy."""
        found: dict[str, DatabaseFacts] = {}
        with connected(self._settings) as session:
            names = chosen(session, ())
        for name in names:
            with connected(self._settings, name) as session:
                found[name] = described(session, name, {}, {})
        return Facts(
            kind="mariadb",
            server=self._server,
            tool=self._tool.said,
            taken=self._taken,
            databases=found,
            consistent=True,
            notes=(_NOTE, *((APART,) if self._settings.facts else ())),
        )

    def _open(self) -> "CopyStream":
        # The tool keeps small files of its own while it works: in the private folder.
        work = self._options.parent / "work"
        work.mkdir(mode=0o700, exist_ok=True)
        argv = [self._tool.path, f"--defaults-file={self._options}", "--backup", "--stream=xbstream"]
        argv += [f"--target-dir={work}", f"--tmpdir={work}", f"--datadir={self._data}"]
        try:
            return CopyStream(start_reading(StreamCommand(argv, quiet_seconds=self._settings.quiet_seconds)))
        except ChildFailed as fault:
            raise DumpFailed(fault.message) from fault


class CopyStream:
    """The copy being read."""

    def __init__(self, child: ReadChild) -> None:
        self._child = child

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; 0 at the end. Raises `DumpFailed`."""
        try:
            count = self._child.readinto(buffer)
            if count == 0 and len(buffer):
                ended = self._child.finish()
                _require_completed("the copy of the server", ended.status, ended.said)
        except ChildFailed as fault:
            said = last_words(str(fault.context.get("said", "")))
            raise DumpFailed(f"the copy of the server: {fault.message}{said}") from fault
        return count

    def close(self) -> None:
        """Let go of it."""
        self._child.close()


@contextlib.contextmanager
def copying(settings: MariadbSettings, clock: Clock) -> Iterator[PhysicalSession]:
    """Begin a copy. Raises `SourceUnavailable` and `DumpFailed`."""
    tool = find(COPY, settings.bin_dir)
    with option_file(settings) as options:
        yield PhysicalSession(settings, clock, options, tool)


def _require_completed(what: str, status: int, said: str) -> None:
    if status == 0 and said.rstrip().endswith(_COMPLETED):
        return
    how = "did not say that it completed" if status == 0 else describe_status(status)
    raise DumpFailed(f"{what}: the tool {how}{last_words(said)}", hint=_hint(said))


def _hint(said: str) -> str | None:
    if "Permission denied" in said or "Can't change dir" in said:
        return "Run as root, or as the server's own user, on the server's own machine."
    if "denied" in said.lower() or "privilege" in said.lower():
        return "Grant the job's user RELOAD, PROCESS, LOCK TABLES and BINLOG MONITOR on *.*."
    return None


def unpack(settings: MariadbSettings, wish: RestoreWish, parts: StoredParts) -> Loaded:
    """Put the files into a new folder and make them ready for a server to start on. Raises `RestoreError`."""
    folder = destination(wish)
    try:
        unpacker, tool = find(UNPACK, settings.bin_dir), find(COPY, settings.bin_dir)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _unpack(unpacker, folder, settings.quiet_seconds, parts)
        if not wish.as_superuser:
            require_harmless(folder)
        argv = [tool.path, "--no-defaults", "--prepare", f"--target-dir={folder}"]
        ended = run_whole(argv, timeout=_PREPARE_SECONDS, environment=harmless())
        _require_completed(f"making {folder} ready", ended.status, ended.said)
    except (ChildFailed, DumpFailed, RestoreError) as fault:
        raise RestoreError(
            f"{fault.message}; {folder} holds a part of it", hint=fault.hint or "Remove the folder and try again."
        ) from fault
    except OSError as fault:
        raise RestoreError(f"{folder}: {fault.strerror}", hint="Choose another folder.") from fault
    notes = (
        f"type: chown -R mysql: {folder}; then start the server on it: mariadbd --datadir={folder}",
        "files were put back; what is in them was not compared, since no server has read them",
    )
    return Loaded((str(folder),), (), notes, compared=False)


def destination(wish: RestoreWish) -> Path:
    """The folder that is wished for: absolute, and there is nothing in it. Raises `RestoreError`."""
    if wish.only or wish.tables or wish.schemas or wish.globals_too:
        raise RestoreError(
            "a copy of a whole server is put back whole", hint="Put it into a folder and start a server on it."
        )
    if wish.into is None or not os.path.isabs(wish.into):  # noqa: PTH117 - it is text so far
        raise RestoreError("a copy of a server is put back into a folder", hint="Type --into /a/new/folder.")
    folder = Path(wish.into)
    try:
        if folder.is_symlink() or (folder.exists() and any(folder.iterdir())):
            raise RestoreError(f"{folder} is not empty", hint="Name a folder that does not exist.")
    except OSError as fault:
        raise RestoreError(f"{folder}: {fault.strerror}", hint="Name a folder that does not exist.") from fault
    return folder


def room_for(folder: Path, parts: StoredParts) -> tuple[int, int]:
    """Bytes that a copy needs, and that are free where the folder is to be."""
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return parts.size(PHYSICAL_NAME), shutil.disk_usage(place).free


def _unpack(tool: Tool, folder: Path, quiet_seconds: float, parts: StoredParts) -> None:
    guard = PathGuard()
    command = StreamCommand([tool.path, "-x", "-C", str(folder)], quiet_seconds=quiet_seconds)
    with start_feeding(command) as child, parts.open(PHYSICAL_NAME) as pieces:
        for piece in pieces:
            guard.feed(piece)
            child.feed(piece)
        guard.finish()
        ended = child.finish()
    # It leaves out a file whose name it does not like, complains, and ends well.
    if ended.status != 0 or "mbstream:" in ended.said:
        raise DumpFailed(f"unpacking: the tool {describe_status(ended.status)}{last_words(ended.said)}")
