"""What an SFTP server's few words mean: its refusals as drorch's errors, each naming the target and the way out."""

import shlex

from drorch.errors import ObjectMissing, TargetDenied, TargetError, TargetFull, TargetUnavailable
from drorch.storage.sftp.packets import Code, Refused, Room, SessionLost

_SMALL_BYTES = 64 * 1024


class SftpFaults:
    """Makes the errors of one target. `shell` is what to type to get to its server, `path` where it is there."""

    def __init__(self, description: str, shell: str, path: str) -> None:
        self._description = description
        self._shell = shell
        self._path = shlex.quote(path)

    def missing(self, key: str) -> ObjectMissing:
        """There is no such object."""
        hint = f"check that the path is right and its disk is mounted: {self._there('ls -la')}"
        return ObjectMissing(f"target {self._description}: there is no {key}", hint=hint)

    def no_repository(self, consequence: str) -> TargetUnavailable:
        """The place is empty or gone, where a repository is expected."""
        return TargetUnavailable(
            f"target {self._description}: {consequence}: there is no repository here (any more)",
            hint=f"check that its disk is mounted: {self._there('findmnt -T')}",
        )

    def no_folder(self, consequence: str) -> TargetUnavailable:
        """Something else is where a folder belongs."""
        return TargetUnavailable(
            f"target {self._description}: {consequence}: not a directory",
            hint=f"check that the path is right: {self._there('ls -la')}",
        )

    def too_short(self, key: str, wanted: int, size: int) -> TargetUnavailable:
        """The object has fewer bytes than were asked for."""
        return TargetUnavailable(
            f"target {self._description}: {key} has {size} bytes, wanted those up to {wanted}",
            hint="another program may be writing it: try again, and if it stays so, run drorch check",
        )

    def lost(self, consequence: str, fault: SessionLost) -> TargetUnavailable:
        """The connection broke."""
        return TargetUnavailable(
            f"target {self._description}: {consequence}: {fault}",
            hint=f"try again; whether the server is up: {self._shell}",
        )

    def refused(self, consequence: str, refusal: Refused, room: Room | None, wanted: int) -> TargetError:
        """The server said no: what for, as far as can be told from the room its disk has for `wanted` bytes."""
        start = f"target {self._description}: {consequence}"
        if refusal.code == Code.PERMISSION_DENIED:
            hint = f"log in as the user who owns the repository; who that is: {self._there('ls -ld')}"
            return TargetDenied(f"{start}: permission denied", hint=hint)
        if refusal.code == Code.FAILURE and room is not None:
            if room.is_read_only:
                hint = f"mount it writable; how it is mounted: {self._there('findmnt -T')}"
                return TargetDenied(f"{start}: read-only file system", hint=hint)
            if room.free_bytes < max(wanted, _SMALL_BYTES) or room.free_files == 0:
                return TargetFull(f"{start}: no space left on the server", hint=f"free space: {self._there('df -h')}")
        said = "".join(letter if letter.isprintable() else "?" for letter in refusal.text)[:200].lower()
        hint = f"check its disk, its quota and the server's log: {self._there('df -h')}"
        return TargetUnavailable(f"{start}: the server says {said or 'no'}", hint=hint)

    def _there(self, command: str) -> str:
        return f"{self._shell} {command} {self._path}"
