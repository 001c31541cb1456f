"""Key files: restic's open, damaged ones hide no good ones, hostile ones cost neither memory nor time."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drorch.errors import IntegrityError, WrongPassword
from drorch.repository import keys
from drorch.repository.crypto import Box, BoxKey
from drorch.repository.keys import ScryptCost, open_key, save_key
from drorch.repository.layout import FileKind, key_of, stored_ids
from drorch.repository.repository import Repository
from drorch.storage.local import LocalTarget
from drorch.storage.memory import MemoryTarget
from drorch.storage.target import Target
from tests.repository.children import python_child
from tests.repository.fresh import CHEAP, fresh, fresh_folder
from tests.restic import PASSWORD, Restic, each_restic, restic, restic_json

MASTER = BoxKey.from_bytes(bytes(range(1, 65)))


def with_key(password: str = "right") -> MemoryTarget:  # noqa: S107
    target = MemoryTarget()
    save_key(target, MASTER, password, 0, CHEAP)
    return target


def add_file(target: Target, content: bytes) -> bytes:
    """Store something under the name its hash gives it in the folder of keys."""
    key_id = hashlib.sha256(content).digest()
    target.save(key_of(FileKind.KEY, key_id), content)
    return key_id


def fields(password: str = "right", **changed: Any) -> dict[str, Any]:  # noqa: S107
    whole = json.loads(keys.wrap(MASTER, password, "2024-01-01T00:00:00Z", CHEAP))
    return {name: value for name, value in {**whole, **changed}.items() if value is not None}


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=20), st.text(max_size=20))
def test_a_key_opens_with_its_password_only(password: str, other: str) -> None:
    target = with_key(password)
    assert open_key(target, password).master == MASTER
    if other != password:
        with pytest.raises(WrongPassword):
            open_key(target, other)


@each_restic
def test_keys_that_restic_makes_open(which: Restic, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    restic(which, repository, "init")
    new = tmp_path / "new"
    new.write_bytes("zweites Passwort €\n".encode())
    restic(which, repository, "key", "add", "--new-password-file", new)
    target = LocalTarget(repository)
    first, second = open_key(target, PASSWORD), open_key(target, "zweites Passwort €")
    assert first.master == second.master
    assert first.key_id != second.key_id
    with pytest.raises(WrongPassword):
        open_key(target, "zweites Passwort")
    assert Repository.open(target, PASSWORD).config.version == 2


@each_restic
def test_restic_opens_with_keys_that_drorch_adds(which: Restic, tmp_path: Path) -> None:
    repository = fresh_folder(tmp_path)
    added = save_key(repository.target, repository.master, "added ü", 1_700_000_000 * 10**9, CHEAP)
    listed = restic_json(which, tmp_path, "key", "list")
    assert added.hex()[:8] in {key["id"][:8] for key in listed}
    restic(which, tmp_path, "cat", "config", password="added ü")  # noqa: S106
    refused = restic(which, tmp_path, "cat", "config", password="added u", status=None)  # noqa: S106
    assert refused.returncode != 0


def test_a_password_that_is_not_utf8_is_taken_byte_by_byte_as_restic_takes_it(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    (tmp_path / "password").write_bytes(b"pass\xff\xe4word\n")
    restic(Restic.DEBIAN, repository, "--password-file", tmp_path / "password", "init")
    password = b"pass\xff\xe4word".decode("utf-8", "surrogateescape")
    assert Repository.open(LocalTarget(repository), password).config.version == 2


HOSTILE_FIELDS: list[dict[str, Any]] = [
    {"kdf": "argon2"},
    {"kdf": None},
    {"N": 0},
    {"N": 1},
    {"N": 3},
    {"N": -2},
    {"N": 1 << 40},
    {"N": 1 << 62},
    {"N": 1e300},
    {"N": "x"},
    {"N": None},
    {"N": [2]},
    {"r": 0},
    {"r": -1},
    {"r": 1 << 40},
    {"p": 0},
    {"p": -1},
    {"p": 1 << 40},
    {"salt": None},
    {"salt": ""},
    {"salt": base64.b64encode(bytes(63)).decode()},
    {"salt": base64.b64encode(bytes(65)).decode()},
    {"salt": "*" * 88},
    {"salt": 7},
    {"salt": "ä"},
    {"data": None},
    {"data": "="},
    {"data": ["x"]},
]


@pytest.mark.parametrize("hostile", HOSTILE_FIELDS, ids=repr)
def test_a_damaged_key_file_neither_hides_a_good_one_nor_passes_for_a_wrong_password(hostile: dict[str, Any]) -> None:
    target = MemoryTarget()
    add_file(target, json.dumps(fields(**hostile)).encode())
    with pytest.raises(IntegrityError):
        open_key(target, "right")
    save_key(target, MASTER, "right", 0, CHEAP)
    assert open_key(target, "right").master == MASTER


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b"7", b"null", b'"key"', b"\xff\xfe", b"{}", b"x" * 100_000], ids=lambda c: repr(c[:9])
)
def test_what_is_no_key_file_hides_no_good_one(content: bytes) -> None:
    target = MemoryTarget()
    add_file(target, content)
    with pytest.raises(IntegrityError):
        open_key(target, "right")
    save_key(target, MASTER, "right", 0, CHEAP)
    assert open_key(target, "right").master == MASTER


ALL_ZERO = json.dumps({"mac": {"k": "A" * 22 + "==", "r": "A" * 22 + "=="}, "encrypt": "A" * 43 + "="}).encode()


def sealed_inner(inner: bytes) -> dict[str, Any]:
    """A key file whose box opens with the password, and holds this."""
    salt = bytes(64)
    data = Box(keys.derive("right", salt, CHEAP)).seal(inner)
    return fields(salt=base64.b64encode(salt).decode(), data=base64.b64encode(data).decode())


@pytest.mark.parametrize(
    "inner",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"mac":null,"encrypt":""}',
        b'{"mac":{"k":"","r":""},"encrypt":""}',
        b"7",
        json.dumps({"mac": {"k": "A" * 22 + "==", "r": "A" * 22 + "=="}, "encrypt": "A" * 43 + "="}).encode(),
        json.dumps({"mac": {"k": 7, "r": 7}, "encrypt": 7}).encode(),
    ],
)
def test_a_master_key_that_is_none_is_damage(inner: bytes) -> None:
    target = MemoryTarget()
    add_file(target, json.dumps(sealed_inner(inner)).encode())
    with pytest.raises(IntegrityError):
        open_key(target, "right")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_flipped_bit_in_a_key_file_is_damage(data: st.DataObject) -> None:
    content = bytearray(keys.wrap(MASTER, "right", "2024-01-01T00:00:00Z", CHEAP))
    name = hashlib.sha256(content).digest()
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    target = MemoryTarget()
    target.save(key_of(FileKind.KEY, name), bytes(content))
    with pytest.raises(IntegrityError):
        open_key(target, "right")
    target.save(key_of(FileKind.KEY, name), bytes(content[: data.draw(st.integers(1, len(content) - 1))]))
    with pytest.raises(IntegrityError):
        open_key(target, "right")


def test_no_key_at_all_and_only_an_empty_one_say_so() -> None:
    target = MemoryTarget()
    with pytest.raises(IntegrityError, match="no key file"):
        open_key(target, "right")
    target.save(key_of(FileKind.KEY, bytes(32)), b"")
    with pytest.raises(IntegrityError, match="no key file"):
        open_key(target, "right")


def test_an_empty_key_file_and_a_foreign_one_hide_no_good_one() -> None:
    target = with_key()
    target.save(key_of(FileKind.KEY, bytes(32)), b"")
    target.save("keys/README.txt", b"keep out")
    target.save("keys/" + "AB" * 32, b"upper case")
    assert open_key(target, "right").master == MASTER


class VanishingKeys(MemoryTarget):
    """Every key but the last goes between being listed and being read, as when passwords are changed meanwhile."""

    def stat(self, key: str) -> Any:
        if key.startswith("keys/") and len(list(self.list("keys"))) > 1:
            self.remove(key)
        return super().stat(key)


def test_a_key_that_vanishes_meanwhile_hides_no_other() -> None:
    target = VanishingKeys()
    for number in range(3):
        save_key(target, MASTER, "right", number, CHEAP)
    assert open_key(target, "right").master == MASTER


def test_with_more_keys_than_are_tried_the_message_says_so() -> None:
    target = MemoryTarget()
    for number in range(keys.MAX_KEYS_TRIED):
        save_key(target, MASTER, f"other {number}", number, CHEAP)
    assert open_key(target, f"other {keys.MAX_KEYS_TRIED - 1}").master == MASTER
    save_key(target, MASTER, "one more", 0, CHEAP)
    with pytest.raises(WrongPassword, match="20 of the 21 keys") as caught:
        open_key(target, "wrong")
    assert caught.value.hint


def test_a_huge_cost_is_refused_at_once_and_without_memory() -> None:
    report = python_child(
        """
        import resource, sys, time
        from drorch.repository.keys import ScryptCost, derive
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for cost in (ScryptCost(1 << 24, 8, 1), ScryptCost(1 << 20, 1 << 10, 1), ScryptCost(2, 1, 1 << 29),
                     ScryptCost(1 << 14, 8, 1 << 20), ScryptCost(1 << 63, 1, 1)):
            try:
                derive("password", bytes(64), cost)
                print("accepted", cost)
            except ValueError:
                pass
        print(round(time.perf_counter() - began), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
        """
    )
    seconds, mebibytes = map(int, report.split())
    assert seconds < 5
    assert mebibytes < 64


def test_a_key_file_is_plain_json_in_restics_order_named_by_its_hash() -> None:
    repository = fresh()
    ((key_id, item),) = stored_ids(repository.target, FileKind.KEY)
    content = repository.target.load(item.key)
    assert hashlib.sha256(content).digest() == key_id
    assert list(json.loads(content)) == ["created", "username", "hostname", "kdf", "N", "r", "p", "salt", "data"]
    assert not content.endswith(b"\n")
    assert PASSWORD.encode() not in content


def test_the_default_cost_is_not_the_cheap_one() -> None:
    assert 128 * ScryptCost().n * ScryptCost().r >= 16 << 20
