"""Sealed boxes: what goes in comes out, and no flipped bit goes unnoticed."""

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.poly1305 import Poly1305
from hypothesis import given
from hypothesis import strategies as st

from drorch.errors import IntegrityError
from drorch.repository.crypto import OVERHEAD, Box, BoxKey

KEY = BoxKey.from_bytes(bytes(range(64)))
BOX = Box(KEY)


@given(st.binary(max_size=5000))
def test_what_is_sealed_opens(plaintext: bytes) -> None:
    sealed = BOX.seal(plaintext)
    assert len(sealed) == len(plaintext) + OVERHEAD
    assert Box(KEY).open(sealed) == plaintext
    assert Box(KEY).open(memoryview(bytearray(sealed))) == plaintext


@given(st.binary(max_size=200), st.data())
def test_any_flipped_bit_is_refused(plaintext: bytes, data: st.DataObject) -> None:
    sealed = bytearray(BOX.seal(plaintext))
    position = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[position // 8] ^= 1 << position % 8
    with pytest.raises(IntegrityError):
        BOX.open(sealed)


@given(st.binary(max_size=200), st.data())
def test_a_truncated_or_extended_box_is_refused(plaintext: bytes, data: st.DataObject) -> None:
    sealed = BOX.seal(plaintext)
    with pytest.raises(IntegrityError):
        BOX.open(sealed[: data.draw(st.integers(0, len(sealed) - 1))])
    with pytest.raises(IntegrityError):
        BOX.open(sealed + data.draw(st.binary(min_size=1, max_size=40)))


def test_the_code_is_poly1305_aes() -> None:
    """The first test vector of Bernstein's paper: message, r, k, nonce and code."""
    key = BoxKey(
        encrypt=bytes(range(32)),
        mac_k=bytes.fromhex("ec074c835580741701425b623235add6"),
        mac_r=bytes.fromhex("851fc40c3467ac0be05cc20404f3f700"),
    )
    iv, message, tag = "fb447350c4e868c52ac3275cf9d4327e", "f3f6", "f4c633c3044fc145f84f335cb81953de"
    opened = Box(key).open(bytes.fromhex(iv + message + tag))
    assert len(opened) == 2
    with pytest.raises(IntegrityError):
        Box(key).open(bytes.fromhex(iv + "f3f7" + tag))


def boxed(key: BoxKey, iv: bytes, ciphertext: bytes) -> bytes:
    """A box around a given ciphertext, with its code worked out here."""
    nonce = Cipher(AES(key.mac_k), ECB()).encryptor().update(iv)  # noqa: S305
    return iv + ciphertext + Poly1305.generate_tag(key.mac_r + nonce, ciphertext)


def test_content_is_aes_256_in_counter_mode() -> None:
    """SP 800-38A, F.5.5, two blocks."""
    key = BoxKey(
        encrypt=bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"),
        mac_k=b"k" * 16,
        mac_r=b"r" * 16,
    )
    iv = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
    ciphertext = bytes.fromhex("601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5")
    plaintext = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    assert Box(key).open(boxed(key, iv, ciphertext)).hex() == plaintext


def test_the_counter_is_the_whole_iv_and_carries_through_all_its_bytes() -> None:
    iv = b"\xff" * 16
    blocks = Cipher(AES(KEY.encrypt), ECB()).encryptor().update(iv + bytes(16))  # noqa: S305
    assert BOX.open(boxed(KEY, iv, bytes(32))) == blocks


def test_every_box_has_an_iv_of_its_own() -> None:
    assert len({BOX.seal(b"same")[:16] for _ in range(200)}) == 200


def test_another_key_opens_nothing() -> None:
    with pytest.raises(IntegrityError):
        Box(BoxKey.generate()).open(BOX.seal(b"secret"))


@pytest.mark.parametrize("part", range(3))
def test_an_all_zero_part_is_no_key(part: int) -> None:
    parts = [b"e" * 32, b"k" * 16, b"r" * 16]
    parts[part] = bytes(len(parts[part]))
    with pytest.raises(ValueError, match="zero"):
        BoxKey(*parts)


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_key_of_another_length_is_none(length: int) -> None:
    with pytest.raises(ValueError, match="length"):
        BoxKey.from_bytes(b"x" * length)


def test_a_key_does_not_show_itself() -> None:
    assert "encrypt" not in repr(KEY)
    assert KEY.encrypt.hex() not in repr(KEY)
