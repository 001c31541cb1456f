"""The config file of a repository: its version, its identity and its chunker polynomial. docs/FORMAT.md, "Config"."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from drorch.errors import FormatUnsupported, IntegrityError, ObjectMissing, RepositoryMissing
from drorch.ids import ID_BYTES
from drorch.repository import polynomial
from drorch.repository.crypto import Box
from drorch.repository.gojson import encode
from drorch.repository.layout import CONFIG_KEY
from drorch.storage.target import Target

VERSIONS = (1, 2)
_SIZE_LIMIT = 1 << 20
_POLYNOMIAL = re.compile(r"[0-9a-fA-F]{1,16}")


@dataclass(frozen=True, slots=True)
class RepositoryConfig:
    """The decoded config. `id` is random text that names the repository; `chunker_polynomial` is a secret."""

    version: int
    id: str
    chunker_polynomial: int
    extra: Mapping[str, Any] = field(default_factory=dict)


def fresh_config(version: int, chunker_polynomial: int | None = None) -> RepositoryConfig:
    """The config of a new repository, with a polynomial of its own unless one is given to share."""
    return RepositoryConfig(version, os.urandom(ID_BYTES).hex(), chunker_polynomial or polynomial.generate())


def exists(target: Target) -> bool:
    """Whether the target holds a repository's config."""
    try:
        target.stat(CONFIG_KEY)
    except ObjectMissing:
        return False
    return True


def save(target: Target, box: Box, config: RepositoryConfig) -> None:
    """Store the config: sealed, never compressed. This is what makes a place a repository."""
    fields = {
        "version": config.version,
        "id": config.id,
        "chunker_polynomial": f"{config.chunker_polynomial:x}",
        **config.extra,
    }
    target.save(CONFIG_KEY, box.seal(encode(fields).encode()))


def load_sealed(target: Target) -> bytes:
    """The config file as it is stored. Raises `RepositoryMissing`."""
    try:
        if target.stat(CONFIG_KEY).size > _SIZE_LIMIT:
            raise IntegrityError("the config file of the repository is far too large")
        return target.load(CONFIG_KEY)
    except ObjectMissing as fault:
        raise RepositoryMissing(
            f"{target.properties.description} holds no repository",
            hint="Check the path; to make a new repository there, type: drorch init",
        ) from fault


def decode(sealed: bytes, box: Box) -> RepositoryConfig:
    """The config in a stored file. Raises `IntegrityError`, and `FormatUnsupported` for another version."""
    try:
        fields = orjson.loads(box.open(sealed))
        version = int(fields["version"])
        if version not in VERSIONS:
            raise FormatUnsupported(
                f"the repository has version {version}; drorch knows 1 and 2", hint="Install a newer drorch."
            )
        if not _POLYNOMIAL.fullmatch(fields["chunker_polynomial"]):
            raise ValueError("its polynomial is not a number of 64 bits in hex")
        modulus = int(fields["chunker_polynomial"], 16)
        if not polynomial.is_irreducible(modulus):
            raise ValueError("its polynomial is reducible")
        known = ("version", "id", "chunker_polynomial")
        return RepositoryConfig(
            version, str(fields["id"]), modulus, {k: v for k, v in fields.items() if k not in known}
        )
    except (IntegrityError, ValueError, KeyError, TypeError) as fault:
        raise IntegrityError(
            f"the config file of the repository is damaged ({fault})",
            hint="Restore the file named config from a copy of the repository.",
        ) from fault
