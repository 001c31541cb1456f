"""Chunker polynomials: irreducible ones are told from products. That restic takes ours: test_repository.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.repository import polynomial

IRREDUCIBLE = (0b10, 0b11, 0b111, 0b1011, 0b1101, 0b10011, 0b100101, 0x11B, 0x11D, 0x3DA3358B4DC173)


def product(a: int, b: int) -> int:
    """Over GF(2): shifted sums without carry."""
    result = 0
    while b:
        result ^= a * (b & 1)
        a, b = a << 1, b >> 1
    return result


def has_a_divisor(value: int) -> bool:
    """By trying all, for small degrees."""
    return any(
        product(a, b) == value
        for a in range(2, value)
        for b in range(2, value)
        if a.bit_length() + b.bit_length() - 1 == value.bit_length()
    )


@pytest.mark.parametrize("value", IRREDUCIBLE, ids=hex)
def test_known_irreducible_ones_are_told(value: int) -> None:
    """Among them AES's own, and the one in the documentation of restic's chunker."""
    assert polynomial.is_irreducible(value)


@pytest.mark.parametrize(
    "value", [0, 1, 0b100, 0b101, 0b110, 0b1001, 0b1111, 1 << 53, 1 << 53 | 1, (1 << 54) - 1], ids=hex
)
def test_known_reducible_ones_are_told(value: int) -> None:
    assert not polynomial.is_irreducible(value)


def test_every_small_one_is_told_as_trial_division_tells() -> None:
    for value in range(2, 1 << 7):
        assert polynomial.is_irreducible(value) is not has_a_divisor(value), hex(value)


@given(st.integers(2, 1 << 27), st.integers(2, 1 << 27))
def test_a_product_is_reducible(a: int, b: int) -> None:
    assert not polynomial.is_irreducible(product(a, b))


def test_a_generated_one_is_irreducible_of_degree_53_and_new() -> None:
    made = {polynomial.generate() for _ in range(5)}
    assert len(made) == 5
    assert all(value.bit_length() == 54 and polynomial.is_irreducible(value) for value in made)
