"""The chunker polynomial: irreducible, of degree 53 over GF(2), one bit per coefficient.

drorch cuts with FastCDC, yet every repository gets a polynomial restic can chunk with, and derives the seed of
FastCDC from it, so that repositories that share it deduplicate against each other. It is a secret.
docs/FORMAT.md, "Chunking".
"""

import secrets

DEGREE = 53


def generate() -> int:
    """A random irreducible polynomial of degree 53."""
    while True:
        candidate = secrets.randbits(DEGREE + 1) | 1 << DEGREE | 1
        if is_irreducible(candidate):
            return candidate


def is_irreducible(polynomial: int) -> bool:
    """Ben-Or's test: no factor of degree up to half that of the polynomial."""
    degree = polynomial.bit_length() - 1
    if degree < 1:
        return False
    power = 2
    for _ in range(degree // 2):
        power = _square_modulo(power, polynomial)
        if _gcd(polynomial, power ^ 2) != 1:
            return False
    return True


def _square_modulo(value: int, modulus: int) -> int:
    # Squaring over GF(2) spreads the bits: a zero goes between each two.
    return _modulo(int("0".join(f"{value:b}"), 2), modulus)


def _modulo(value: int, modulus: int) -> int:
    length = modulus.bit_length()
    while value.bit_length() >= length:
        value ^= modulus << value.bit_length() - length
    return value


def _gcd(a: int, b: int) -> int:
    while b:
        a, b = b, _modulo(a, b)
    return a
