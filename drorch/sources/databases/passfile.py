"""Files that hold a password for a foreign program, for as long as it needs them.

Promise: nobody but the user drorch runs as can read one, and it is gone when the block is left. What a process that
was killed left behind is removed when the next one makes such a file.
"""

import contextlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from drorch.errors import SourceUnavailable
from drorch.process.identity import ProcessIdentity, is_gone, own_identity

_PREFIX = "drorch-secret-"
_BOOT_DIGITS = 12
# Whose it is stands in the name: the temporary folder may be seen from several containers, and outlive a boot.
_OURS = re.compile(rf"{_PREFIX}(?P<pid>\d+)-(?P<started>\d+)-(?P<boot>[0-9a-f]*)-(?P<namespace>\d+)-[^-]+", re.ASCII)


@contextlib.contextmanager
def passfile(content: str, name: str = "secret") -> Iterator[Path]:
    """A file of this name with this content, readable and writable by its owner alone, in a folder of its own.

    Raises `SourceUnavailable` where there can be no such file.
    """
    remove_leftovers()
    with contextlib.ExitStack() as undo:
        try:
            folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{_owner(own_identity())}-"))
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
            _require_private(folder)
            file = folder / name
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as opened:
                _require_private(file)
                opened.write(content.encode("utf-8", "surrogateescape"))
        except OSError as fault:
            raise SourceUnavailable(
                f"a file for a password cannot be written to {tempfile.gettempdir()}: {fault.strerror}",
                hint="make room there, or set TMPDIR to another folder",
            ) from fault
        yield file


def remove_leftovers() -> None:
    """Remove the files of processes that have certainly ended. What cannot be removed stays."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(tempfile.gettempdir()):
            whose = _OURS.fullmatch(entry.name)
            if whose is not None and _is_own_folder(entry) and is_gone(_identity(whose)):
                shutil.rmtree(entry.path, ignore_errors=True)


def _require_private(path: Path) -> None:
    status = path.lstat()
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise SourceUnavailable(
            f"the file system of {path.parent} keeps no file private, so no password is written there",
            hint="set TMPDIR to a folder on another file system",
        )


def _is_own_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.geteuid()


def _owner(identity: ProcessIdentity) -> str:
    return f"{identity.pid}-{identity.started}-{_boot(identity)}-{_namespace(identity)}"


def _boot(identity: ProcessIdentity) -> str:
    return identity.boot.replace("-", "")[:_BOOT_DIGITS]


def _namespace(identity: ProcessIdentity) -> str:
    return "".join(filter(str.isdigit, identity.namespace))


def _identity(whose: re.Match[str]) -> ProcessIdentity:
    """The identity that a name tells, in full where it is one of this boot and of this namespace."""
    ours = own_identity()
    boot = ours.boot if whose["boot"] == _boot(ours) else whose["boot"]
    namespace = ours.namespace if whose["namespace"] == _namespace(ours) else whose["namespace"]
    return ProcessIdentity(ours.machine, boot, namespace, int(whose["pid"]), int(whose["started"]))
