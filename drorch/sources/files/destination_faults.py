"""What becomes of a fault at the destination: a `Problem` of one node, or the end of the restore.

A full, quota-bound or read-only destination would fail every further node too, so it ends the restore with one
error that says what to do; everything else costs the one node it happened to.
"""

import errno
import os

from drorch.errors import Problem, RestoreError
from drorch.sources.files.placement import RelativePath, Report, shown
from drorch.units import format_size

_FATAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE}


class Faults:
    """Judges the faults of one destination; may be used from several threads at once."""

    def __init__(self, root: str, expected_bytes: int, report: Report) -> None:
        self._root = root
        self._expected_bytes = expected_bytes
        self._report = report

    def node(self, path: RelativePath, doing: str, fault: Exception) -> None:
        """Report what one node failed with. Raises `RestoreError` where all the others would fail as well."""
        self.end_if_fatal(fault)
        why = fault.strerror or str(fault) if isinstance(fault, OSError) else str(fault)
        self._report(Problem(shown(path), f"{doing}: {why}"))

    def problem(self, path: RelativePath, message: str) -> None:
        """Report what is wrong with one node."""
        self._report(Problem(shown(path), message))

    def end_if_fatal(self, fault: Exception) -> None:
        """Raises `RestoreError` for a fault that no other node of the destination would escape."""
        if not isinstance(fault, OSError) or fault.errno not in _FATAL:
            return
        context = {"root": self._root, "errno": fault.errno}
        if fault.errno == errno.EROFS:
            hint = "remount it writable, or restore to another place with --to."
            raise RestoreError(f"{self._root} is on a read-only file system", hint=hint, context=context) from fault
        if fault.errno in (errno.EMFILE, errno.ENFILE):
            hint = "allow more open files (ulimit -n 4096) and run the same command again."
            raise RestoreError(f"too many open files while restoring to {self._root}", hint=hint) from fault
        what = "the disk quota is used up" if fault.errno == errno.EDQUOT else "no space left on the file system"
        message = f"{what} of {self._root}{self._free()}"
        raise RestoreError(message, hint=self._room_hint(), context=context) from fault

    def _free(self) -> str:
        try:
            status = os.statvfs(self._root)
        except OSError:
            return ""
        return f" ({format_size(status.f_bavail * status.f_frsize)} free)"

    def _room_hint(self) -> str:
        need = f" (the restore writes {format_size(self._expected_bytes)} in all)" if self._expected_bytes else ""
        return f"make room{need} or choose another --to, then run the same command again: it goes on where it stopped."
