"""What the files of a data set hold: bytes that are the same on every machine, quickly made.

Text is cut from a pool of log and JSON lines and then enciphered, letter for letter, with an alphabet of its
own for every block: it compresses like the pool (about 3 to 1 with zstd) and repeats nowhere, so that no tool
finds duplicates that are not meant to be there.
"""

import random
import string
from collections.abc import Iterator
from enum import Enum

BLOCK_BYTES = 1024 * 1024
_POOL_BYTES = 8 * BLOCK_BYTES
_VOCABULARY = 6000
_SYLLABLES = ("ba", "ce", "di", "for", "gu", "ha", "in", "jo", "ka", "len", "mi", "nor", "pe", "qui", "ra", "sto", "tu")
_LEVELS = ("DEBUG", "INFO", "INFO", "INFO", "WARNING", "ERROR")


class Kind(Enum):
    """How the bytes of a file behave."""

    TEXT = "text"
    NOISE = "noise"


class Contents:
    """Makes the bytes of any block of any file from the seed of the data set."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._pool = b""

    def blocks(self, name: str, kind: Kind, size: int, version: int = 0) -> Iterator[bytes]:
        """The `size` bytes that `name` stands for, in blocks of `BLOCK_BYTES`."""
        for number in range(-(-size // BLOCK_BYTES)):
            yield self.block(name, kind, min(BLOCK_BYTES, size - number * BLOCK_BYTES), number, version)

    def block(self, name: str, kind: Kind, size: int, number: int, version: int = 0) -> bytes:
        """One block; another version of it shares nothing with this one."""
        generator = random.Random(f"{self._seed}/{name}/{number}/{version}")
        if kind is Kind.NOISE:
            return generator.randbytes(size)
        if not self._pool:
            self._pool = _text_pool(self._seed)
        start = generator.randrange(len(self._pool) - size)
        letters = string.ascii_lowercase.encode()
        alphabet = bytes(generator.sample(letters, len(letters)))
        return self._pool[start : start + size].translate(bytes.maketrans(letters, alphabet))


def _text_pool(seed: int) -> bytes:
    generator = random.Random(f"{seed}/pool")
    words = ["".join(generator.choices(_SYLLABLES, k=generator.randint(1, 4))) for _ in range(_VOCABULARY)]
    weights = [1 / (rank + 10) for rank in range(_VOCABULARY)]
    lines: list[str] = []
    length = 0
    while length < _POOL_BYTES:
        said = generator.choices(words, weights, k=2000)
        for start in range(0, len(said), 10):
            line = _line(generator, said[start : start + 10])
            lines.append(line)
            length += len(line)
    return "".join(lines).encode("ascii")[:_POOL_BYTES]


def _line(generator: random.Random, words: list[str]) -> str:
    number = generator.getrandbits(32)
    if number % 4 == 0:
        return (
            f'{{"id":{number},"name":"{words[0]}","tags":["{words[1]}","{words[2]}"],"note":"{" ".join(words[3:])}"}}\n'
        )
    level = _LEVELS[number % len(_LEVELS)]
    clock = f"{number % 24:02}:{number % 59:02}:{number % 53:02}"
    return (
        f"2024-03-{number % 28 + 1:02}T{clock}Z {level} {words[0]}.{words[1]}: {' '.join(words[2:])} ({number:08x})\n"
    )
