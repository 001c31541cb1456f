"""Which packs a check reads: none, all, or a part that is chosen so that anybody can choose it again."""

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil

from drorch.errors import UsageError
from drorch.ids import PackId
from drorch.units import parse_size

_MOST_BUCKETS = 256


def _fresh_seed() -> str:
    return secrets.token_hex(4)


@dataclass(frozen=True, slots=True)
class ReadNothing:
    """No pack is read but for its trees."""


@dataclass(frozen=True, slots=True)
class ReadAll:
    """Every pack is read."""


@dataclass(frozen=True, slots=True)
class ReadBucket:
    """The packs whose first byte modulo `of` is `number` - 1, as restic divides them: all numbers read all packs."""

    number: int
    of: int


@dataclass(frozen=True, slots=True)
class ReadShare:
    """So many percent of the packs, at least one; which ones follows from the seed."""

    percent: float
    seed: str = field(default_factory=_fresh_seed)


@dataclass(frozen=True, slots=True)
class ReadBytes:
    """Packs of about so many bytes in all, at least one; which ones follows from the seed."""

    size: int
    seed: str = field(default_factory=_fresh_seed)


ReadData = ReadNothing | ReadAll | ReadBucket | ReadShare | ReadBytes


def parse_subset(text: str) -> ReadData:
    """What "2/7", "2.5%" or "10 GiB" asks for. Raises `UsageError`."""
    bucket = re.fullmatch(r"(\d{1,3})/(\d{1,3})", text)
    if bucket is not None:
        number, of = int(bucket[1]), int(bucket[2])
        if 1 <= number <= of <= _MOST_BUCKETS:
            return ReadBucket(number, of)
        raise _unclear(text)
    try:
        if text.endswith("%"):
            percent = float(text[:-1])
            if 0 < percent <= 100:
                return ReadShare(percent)
        elif (size := parse_size(text)) > 0:
            return ReadBytes(size)
    except ValueError as fault:
        raise _unclear(text) from fault
    raise _unclear(text)


def _unclear(text: str) -> UsageError:
    return UsageError(
        f'"{text}" is no part of the data to read',
        hint=f"Type for instance 2/7 (up to {_MOST_BUCKETS} parts), 5% or 10 GiB.",
    )


def choose(what: ReadData, sizes: Mapping[PackId, int]) -> frozenset[PackId]:
    """The packs to read, of these with their sizes in bytes."""
    match what:
        case ReadNothing():
            return frozenset()
        case ReadAll():
            return frozenset(sizes)
        case ReadBucket(number, of):
            return frozenset(pack for pack in sizes if pack[0] % of == number - 1)
        case ReadShare(percent, seed):
            return frozenset(_shuffled(sizes, seed)[: max(1, ceil(len(sizes) * percent / 100))])
        case ReadBytes(size, seed):
            return frozenset(_up_to(size, sizes, _shuffled(sizes, seed)))


def _shuffled(packs: Iterable[PackId], seed: str) -> list[PackId]:
    return sorted(packs, key=lambda pack: hashlib.sha256(seed.encode() + pack).digest())


def _up_to(size: int, sizes: Mapping[PackId, int], packs: list[PackId]) -> Iterable[PackId]:
    left = size
    for pack in packs:
        if left <= 0:
            return
        yield pack
        left -= sizes[pack]
