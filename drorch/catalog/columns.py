"""Column types that are the same in SQLite and PostgreSQL: instants, text of any bytes, small maps.

A value that drorch cannot have written raises `Unreadable`, whatever stands in the database.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Dialect, Integer, LargeBinary, Text
from sqlalchemy.types import TypeDecorator

from drorch.errors import CatalogError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

BigKey = BigInteger().with_variant(Integer, "sqlite")
"""A whole number that may be a SQLite row id."""


class Unreadable(CatalogError):
    """A row of the catalog that drorch did not write as it is now."""


@contextlib.contextmanager
def written_by_drorch(what: str) -> Iterator[None]:
    """Raises `Unreadable` where a value read in the block turns out not to be one of its kind."""
    try:
        yield
    except (ValueError, TypeError, AttributeError, OverflowError) as fault:
        raise Unreadable(
            f"{what} in the catalog cannot be read: others changed it, or the disk did",
            hint="Type: drorch audit verify, and drorch doctor.",
        ) from fault


class Instant(TypeDecorator[datetime]):
    """A point in time, stored as whole microseconds since 1970 UTC: it sorts, and no time zone is lost or guessed."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Microseconds of an instant."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """The instant in UTC."""
        with written_by_drorch("a time"):
            return None if value is None else _EPOCH + value * _MICROSECOND


class AnyText(TypeDecorator[str]):
    """Text that may hold surrogates (names decoded with surrogateescape) or NUL, stored as the bytes it stands for."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002
        """The bytes a text stands for."""
        return None if value is None else _encoded(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """The text again."""
        with written_by_drorch("a text"):
            return None if value is None else bytes(value).decode("utf-8", "surrogateescape")


class TextMap(TypeDecorator[Mapping[str, str]]):
    """A small map of texts, stored as JSON in ASCII."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, str] | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """The map as JSON."""
        return None if value is None else json.dumps(dict(value), sort_keys=True)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, str] | None:  # noqa: ARG002
        """The map again."""
        with written_by_drorch("a map of texts"):
            return None if value is None else {str(key): str(text) for key, text in json.loads(value).items()}


class CountMap(TypeDecorator[Mapping[str, int]]):
    """A small map of counts, stored as JSON in ASCII."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, int] | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """The map as JSON."""
        return None if value is None else json.dumps(dict(value), sort_keys=True)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, int] | None:  # noqa: ARG002
        """The map again."""
        with written_by_drorch("a map of counts"):
            return None if value is None else {str(key): int(count) for key, count in json.loads(value).items()}


class TextList(TypeDecorator[Sequence[str]]):
    """A short list of texts in their order, stored as JSON in ASCII."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """The list as JSON."""
        return None if value is None else json.dumps(list(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Sequence[str] | None:  # noqa: ARG002
        """The list again."""
        with written_by_drorch("a list of texts"):
            return None if value is None else _texts(json.loads(value))


def _texts(found: object) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError("no list of texts")
    return tuple(found)


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that no byte was decoded to
        return text.encode("utf-8", "replace")
