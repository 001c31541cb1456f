"""From a password to the master key and the config: all that opening a repository costs time for.

Apart from repository.py, so that a command can begin it, in a thread, before it has loaded the rest of the engine.
"""

from dataclasses import dataclass, field

from drorch.repository import configfile
from drorch.repository.configfile import RepositoryConfig
from drorch.repository.crypto import Box, BoxKey
from drorch.repository.keys import open_key
from drorch.storage.target import Target


@dataclass(frozen=True, slots=True)
class Unlocked:
    """What a password gave: the repository's config, and its master key, which is shown nowhere."""

    config: RepositoryConfig
    master: BoxKey = field(repr=False)


def unlock(target: Target, password: str) -> Unlocked:
    """Unlock the repository on a target.

    Raises `RepositoryMissing`, `WrongPassword`, `IntegrityError`, `FormatUnsupported`, or a `TargetError`.
    """
    sealed = configfile.load_sealed(target)
    master = open_key(target, password).master
    return Unlocked(configfile.decode(sealed, Box(master)), master)
