"""The sealed box: AES-256-CTR with Poly1305-AES, as every file and blob of a repository is stored.

docs/FORMAT.md, "Sealed box": `IV(16) || ciphertext || MAC(16)`; the MAC covers the ciphertext only and is verified
before anything is decrypted.
"""

import os
import threading
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, ECB
from cryptography.hazmat.primitives.poly1305 import Poly1305

from drorch.errors import IntegrityError

IV_BYTES = 16
MAC_BYTES = 16
OVERHEAD = IV_BYTES + MAC_BYTES

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True, repr=False)
class BoxKey:
    """The 64 bytes that seal: AES-256 key, AES-128 key of the MAC, and r of the MAC, unmasked as stored.

    Raises `ValueError` for wrong lengths and for all-zero parts, which restic refuses too.
    """

    encrypt: bytes
    mac_k: bytes
    mac_r: bytes

    def __post_init__(self) -> None:
        if (len(self.encrypt), len(self.mac_k), len(self.mac_r)) != (32, 16, 16):
            raise ValueError("a key has the wrong length")
        if not (any(self.encrypt) and any(self.mac_k) and any(self.mac_r)):
            raise ValueError("a key is all zero")

    @staticmethod
    def generate() -> "BoxKey":
        """A fresh random key."""
        return BoxKey.from_bytes(os.urandom(64))

    @staticmethod
    def from_bytes(raw: bytes) -> "BoxKey":
        """The key in 64 bytes, in the order encrypt, k, r."""
        return BoxKey(raw[:32], raw[32:48], raw[48:])


class _Ciphers(threading.local):
    """The ciphers of one key in one thread. Making them anew would cost more than sealing a small blob."""

    def __init__(self, key: BoxKey) -> None:
        # One block at a time through ECB is the bare AES permutation that Poly1305-AES is defined with.
        self.nonce = Cipher(AES(key.mac_k), ECB()).encryptor()  # noqa: S305
        self.stream = Cipher(AES(key.encrypt), CTR(bytes(IV_BYTES))).encryptor()


class Box:
    """Seals and opens with one key. Safe to use from several threads."""

    def __init__(self, key: BoxKey) -> None:
        self._mac_r = key.mac_r
        self._ciphers = _Ciphers(key)

    def seal(self, plaintext: Buffer) -> bytes:
        """The plaintext under a fresh random IV, 32 bytes longer than it was."""
        iv = os.urandom(IV_BYTES)
        ciphertext = self._crypt(iv, plaintext)
        return b"".join((iv, ciphertext, Poly1305.generate_tag(self._one_time_key(iv), ciphertext)))

    def open(self, sealed: Buffer) -> bytes:
        """The plaintext of a sealed box. Raises `IntegrityError` where it is too short or was changed."""
        view = memoryview(sealed)
        if len(view) < OVERHEAD:
            raise IntegrityError(f"{len(view)} bytes are too few for a sealed box")
        iv, ciphertext, tag = bytes(view[:IV_BYTES]), view[IV_BYTES:-MAC_BYTES], view[-MAC_BYTES:]
        try:
            Poly1305.verify_tag(self._one_time_key(iv), ciphertext, bytes(tag))
        except InvalidSignature:
            raise IntegrityError("the authentication code does not match") from None
        return self._crypt(iv, ciphertext)

    def _crypt(self, iv: bytes, data: Buffer) -> bytes:
        """Encrypt or decrypt: in counter mode it is the same."""
        stream = self._ciphers.stream
        stream.reset_nonce(iv)
        return stream.update(data)

    def _one_time_key(self, iv: bytes) -> bytes:
        return self._mac_r + self._ciphers.nonce.update(iv)
