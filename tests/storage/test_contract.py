"""The contract suite over every target, every wrapper, and the doubles while they do nothing."""

from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path

import pytest

from drorch.errors import TargetDenied
from drorch.storage.budget import budget_in
from drorch.storage.cache import cached
from drorch.storage.limits import Limit, Limits
from drorch.storage.local import LocalTarget
from drorch.storage.memory import MemoryTarget
from drorch.storage.readonly import ReadOnlyTarget
from drorch.storage.retry import RetryingTarget
from drorch.storage.target import Target
from drorch.storage.throttle import ThrottledTarget
from drorch.units import MIB
from tests.doubles import CountingTarget, FakeClock, FaultyTarget, KillingTarget
from tests.storage.contract import ID, NO_KEYS, PACK, STOCK, ReadingContract, TargetContract

READ_ONLY: dict[str, Callable[[Path], Target]] = {"memory": lambda _: MemoryTarget(), "local": LocalTarget}


class TestMemoryTarget(TargetContract):
    @pytest.fixture
    def target(self) -> Iterator[Target]:
        target = MemoryTarget()
        target.create()
        yield target
        target.close()


class TestLocalTarget(TargetContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> Iterator[Target]:
        target = LocalTarget(tmp_path / "repository")
        target.create()
        yield target
        target.close()


class TestWrappedLocalTarget(TargetContract):
    """All wrappers at once, in the order in which commands put them around a target."""

    @pytest.fixture
    def target(self, tmp_path: Path) -> Iterator[Target]:
        clock, limits = FakeClock(), Limits((Limit(upload=64 * MIB, download=64 * MIB),), UTC)
        retried = RetryingTarget(LocalTarget(tmp_path / "repository"), clock)
        throttled = ThrottledTarget(retried, limits, budget_in(tmp_path / "throttle"), clock)
        target = cached(throttled, tmp_path / "cache", ID, clock)
        target.create()
        yield target
        target.close()


class TestReadOnlyTarget(ReadingContract):
    @pytest.fixture(params=READ_ONLY)
    def stocked(self, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Target]:
        inner = READ_ONLY[request.param](tmp_path / "repository")
        inner.create()
        for key, data in STOCK.items():
            inner.save(key, data)
        target = ReadOnlyTarget(inner)
        yield target
        target.close()

    def test_it_refuses_to_write(self, stocked: Target) -> None:
        with pytest.raises(TargetDenied, match=PACK) as saving:
            stocked.save(PACK, b"x")
        with pytest.raises(TargetDenied, match=PACK):
            stocked.remove(PACK)
        with pytest.raises(TargetDenied, match="keys/missing"):
            stocked.remove("keys/missing")
        with pytest.raises(TargetDenied, match="folders"):
            stocked.create()
        assert "--no-lock" in (saving.value.hint or "")
        assert {key: stocked.load(key) for key in STOCK} == STOCK

    def test_writing_what_is_no_key_is_a_mistake(self, stocked: Target) -> None:
        for key in NO_KEYS:
            with pytest.raises(ValueError, match="not a key"):
                stocked.save(key, b"x")
            with pytest.raises(ValueError, match="not a key"):
                stocked.remove(key)


class TestCountingTarget(TargetContract):
    @pytest.fixture
    def target(self) -> Iterator[Target]:
        target = CountingTarget(MemoryTarget())
        target.create()
        yield target
        target.close()


class TestFaultyTarget(TargetContract):
    @pytest.fixture
    def target(self) -> Iterator[Target]:
        target = FaultyTarget(MemoryTarget())
        target.create()
        yield target
        target.close()


class TestKillingTarget(TargetContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> Iterator[Target]:
        target = KillingTarget(LocalTarget(tmp_path / "repository"))
        target.create()
        yield target
        target.close()
