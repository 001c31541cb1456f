"""A target that can only be read: what a command that promised not to write (--no-lock) is given."""

from collections.abc import Iterator

from drorch.errors import TargetDenied
from drorch.storage.keys import check_key
from drorch.storage.target import Buffer, StoredObject, Target, TargetProperties


class ReadOnlyTarget:
    """Reads pass through to another target; `create`, `save` and `remove` raise `TargetDenied`."""

    def __init__(self, target: Target) -> None:
        self._target = target

    @property
    def properties(self) -> TargetProperties:
        """See `Target`."""
        return self._target.properties

    def create(self) -> None:
        """Raises `TargetDenied`."""
        raise self._refusal("its folders are not created")

    def save(self, key: str, data: Buffer) -> None:  # noqa: ARG002
        """Raises `TargetDenied`."""
        raise self._refusal(f"{check_key(key)} is not saved")

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `Target`."""
        return self._target.load(key, offset, length)

    def stat(self, key: str) -> StoredObject:
        """See `Target`."""
        return self._target.stat(key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `Target`."""
        return self._target.list(prefix)

    def remove(self, key: str) -> None:
        """Raises `TargetDenied`, also where there is no such object."""
        raise self._refusal(f"{check_key(key)} is not removed")

    def close(self) -> None:
        """See `Target`."""
        self._target.close()

    def _refusal(self, consequence: str) -> TargetDenied:
        return TargetDenied(
            f"target {self.properties.description} was opened for reading only: {consequence}",
            hint="run the command without --no-lock",
        )
