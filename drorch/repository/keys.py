"""Key files: the master key of a repository, wrapped by a password. docs/FORMAT.md, "Key files".

A key file is plain JSON. Several may exist, each with its own password around the same master key.
"""

import base64
import hashlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from drorch.errors import IntegrityError, ObjectMissing, WrongPassword
from drorch.process.identity import user_name
from drorch.repository import timestamps
from drorch.repository.crypto import Box, BoxKey
from drorch.repository.gojson import encode
from drorch.repository.layout import FileKind, damaged, key_of, stored_ids
from drorch.storage.target import Target

MAX_KEYS_TRIED = 20
SALT_BYTES = 64
_MEMORY_LIMIT = 1 << 30
_COST_LIMIT = 1 << 26
_FILE_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class ScryptCost:
    """Parameters of scrypt; memory is 128 * n * r bytes."""

    n: int = 1 << 15
    r: int = 8
    p: int = 3


@dataclass(frozen=True, slots=True)
class OpenedKey:
    """The master key, and which key file the password opened."""

    key_id: bytes
    master: BoxKey


def derive(password: str, salt: bytes, cost: ScryptCost) -> BoxKey:
    """The user key that scrypt makes of a password. The password's bytes are UTF-8 as given.

    Raises `ValueError` for parameters scrypt does not take, or that would need more than 1 GiB of memory.
    """
    if 128 * cost.n * cost.r > _MEMORY_LIMIT or cost.n * cost.r * cost.p > _COST_LIMIT:
        raise ValueError("its scrypt parameters ask for too much memory or time")
    raw = hashlib.scrypt(
        password.encode("utf-8", "surrogateescape"),
        salt=salt, n=cost.n, r=cost.r, p=cost.p, dklen=64, maxmem=2 * _MEMORY_LIMIT - 1,
    )  # fmt: skip
    return BoxKey.from_bytes(raw)


def wrap(master: BoxKey, password: str, created: str, cost: ScryptCost) -> bytes:
    """The content of a key file for a master key and a password; `created` is an RFC 3339 time."""
    salt = os.urandom(SALT_BYTES)
    inner = {
        "mac": {"k": _base64(master.mac_k), "r": _base64(master.mac_r)},
        "encrypt": _base64(master.encrypt),
    }
    data = Box(derive(password, salt, cost)).seal(encode(inner).encode())
    fields = {
        "created": created,
        "username": user_name(),
        "hostname": socket.gethostname(),
        "kdf": "scrypt",
        "N": cost.n,
        "r": cost.r,
        "p": cost.p,
        "salt": _base64(salt),
        "data": _base64(data),
    }
    return encode(fields).encode()


def save_key(target: Target, master: BoxKey, password: str, now: int, cost: ScryptCost) -> bytes:
    """Store a new key file and return its id; `now` in nanoseconds since 1970."""
    content = wrap(master, password, timestamps.format_local(now), cost)
    key_id = hashlib.sha256(content).digest()
    target.save(key_of(FileKind.KEY, key_id), content)
    return key_id


def open_key(target: Target, password: str) -> OpenedKey:
    """The master key, by the first key file that the password opens.

    A damaged or foreign key file does not hide the good ones. Raises `WrongPassword` where none opens,
    and `IntegrityError` where none opens and some could not be read, or where there is none.
    """
    faults: list[str] = []
    found = [key_id for key_id, item in stored_ids(target, FileKind.KEY) if item.size]
    for key_id in found[:MAX_KEYS_TRIED]:
        try:
            master = unwrap(load_key_file(target, key_id), password)
        except ObjectMissing:
            continue
        except IntegrityError as fault:
            faults.append(fault.message)
            continue
        if master is not None:
            return OpenedKey(key_id, master)
    if not found:
        raise IntegrityError(
            f"{target.properties.description} has no key file", hint="Restore its keys folder from a copy."
        )
    if faults:
        raise IntegrityError(
            f"no key opens with this password, and {faults[0]}",
            hint="Restore the damaged file in the keys folder from a copy of the repository, or delete it.",
        )
    if len(found) > MAX_KEYS_TRIED:
        raise WrongPassword(
            f"wrong password, or too many keys: {MAX_KEYS_TRIED} of the {len(found)} keys of the repository were tried",
            hint="Give the right one with --password-file, or remove keys no longer needed: restic key remove",
        )
    raise WrongPassword(
        "wrong password: no key of the repository opens with it",
        hint="Give the right one with --password-file, or $RESTIC_PASSWORD.",
    )


def load_key_file(target: Target, key_id: bytes) -> Mapping[str, Any]:
    """The fields of a key file. Raises `IntegrityError` where it is damaged."""
    key = key_of(FileKind.KEY, key_id)
    if target.stat(key).size > _FILE_LIMIT:
        raise damaged(FileKind.KEY, key_id, "it is too large to be a key file")
    content = target.load(key)
    if hashlib.sha256(content).digest() != key_id:
        raise damaged(FileKind.KEY, key_id, "its content does not match its name")
    try:
        fields = orjson.loads(content)
        if fields["kdf"] != "scrypt":
            raise ValueError("its key derivation is not scrypt")
        fields = {
            **fields,
            "cost": ScryptCost(int(fields["N"]), int(fields["r"]), int(fields["p"])),
            "salt": base64.b64decode(fields["salt"], validate=True),
            "data": base64.b64decode(fields["data"], validate=True),
        }
        if len(fields["salt"]) != SALT_BYTES:
            raise ValueError(f"its salt is not {SALT_BYTES} bytes long")
    except (ValueError, KeyError, TypeError) as fault:
        raise damaged(FileKind.KEY, key_id, f"it is not a key file ({fault})") from fault
    return {**fields, "id": key_id}


def unwrap(fields: Mapping[str, Any], password: str) -> BoxKey | None:
    """The master key, or None where the password is not this key's.

    Raises `IntegrityError` where the key file is damaged or its parameters are illegal.
    """
    try:
        user_key = derive(password, fields["salt"], fields["cost"])
    except (ValueError, TypeError, MemoryError, OverflowError) as fault:
        raise damaged(FileKind.KEY, fields["id"], f"illegal parameters ({fault})") from fault
    try:
        plaintext = Box(user_key).open(fields["data"])
    except IntegrityError:
        return None
    try:
        inner = orjson.loads(plaintext)
        mac = inner["mac"]
        return BoxKey(*(base64.b64decode(value) for value in (inner["encrypt"], mac["k"], mac["r"])))
    except (ValueError, KeyError, TypeError) as fault:
        raise damaged(FileKind.KEY, fields["id"], f"its master key is malformed ({fault})") from fault


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
