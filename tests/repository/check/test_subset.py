import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.errors import UsageError
from drorch.ids import PackId
from drorch.repository.check.subset import (
    ReadAll,
    ReadBucket,
    ReadBytes,
    ReadData,
    ReadNothing,
    ReadShare,
    choose,
    parse_subset,
)
from drorch.units import GIB, MIB
from tests.repository.blobs import pack_id

SIZES = {pack_id(number): 1000 + number for number in range(500)}


def total(packs: frozenset[PackId]) -> int:
    return sum(SIZES[pack] for pack in packs)


def test_what_people_type() -> None:
    assert parse_subset("2/7") == ReadBucket(2, 7)
    assert parse_subset("256/256") == ReadBucket(256, 256)
    share, size, small = parse_subset("2.5%"), parse_subset("10 GiB"), parse_subset("50M")
    assert isinstance(share, ReadShare)
    assert share.percent == 2.5
    assert isinstance(size, ReadBytes)
    assert size.size == 10 * GIB
    assert isinstance(small, ReadBytes)
    assert small.size == 50 * MIB


def test_each_time_another_part_is_chosen() -> None:
    seeds = {share.seed for share in (parse_subset("5%") for _ in range(20)) if isinstance(share, ReadShare)}
    assert len(seeds) == 20


@pytest.mark.parametrize(
    "text", ["", "0/7", "8/7", "1/257", "1/0", "0%", "101%", "-5%", "nan%", "%", "0", "many", "1/2/3", "1/2%"]
)
def test_what_makes_no_sense(text: str) -> None:
    with pytest.raises(UsageError):
        parse_subset(text)


@pytest.mark.parametrize("of", [1, 2, 7, 256])
def test_all_buckets_together_are_all_packs(of: int) -> None:
    buckets = [choose(ReadBucket(number, of), SIZES) for number in range(1, of + 1)]
    assert sum(map(len, buckets)) == len(SIZES)
    assert frozenset().union(*buckets) == SIZES.keys()


def test_buckets_are_those_of_restic() -> None:
    assert choose(ReadBucket(3, 5), SIZES) == {pack for pack in SIZES if pack[0] % 5 == 2}


def test_all_and_nothing() -> None:
    assert choose(ReadAll(), SIZES) == SIZES.keys()
    assert choose(ReadNothing(), SIZES) == frozenset()


@given(st.floats(0.01, 100), st.text(max_size=8))
def test_a_share_is_the_packs_it_says(percent: float, seed: str) -> None:
    chosen = choose(ReadShare(percent, seed), SIZES)
    assert chosen <= SIZES.keys()
    assert 0 <= len(chosen) - len(SIZES) * percent / 100 <= 1


@given(st.integers(1, 2 * sum(SIZES.values())), st.text(max_size=8))
def test_a_size_is_reached_and_not_exceeded_by_more_than_a_pack(size: int, seed: str) -> None:
    chosen = choose(ReadBytes(size, seed), SIZES)
    assert min(size, total(frozenset(SIZES))) <= total(chosen) < size + max(SIZES.values())


@pytest.mark.parametrize("what", [ReadShare(10, "a"), ReadBytes(90_000, "a")])
def test_the_seed_decides(what: ReadShare | ReadBytes) -> None:
    backwards = dict(reversed(SIZES.items()))
    assert choose(what, SIZES) == choose(what, backwards)
    other: ReadData = ReadShare(10, "b") if isinstance(what, ReadShare) else ReadBytes(90_000, "b")
    assert choose(what, SIZES) != choose(other, SIZES)


@pytest.mark.parametrize("what", [ReadShare(0.001), ReadBytes(1)])
def test_at_least_one_pack_is_read_where_there_is_one(what: ReadData) -> None:
    assert len(choose(what, SIZES)) == 1
    assert choose(what, {}) == frozenset()
