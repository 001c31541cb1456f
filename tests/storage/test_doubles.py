"""The doubles do what tests of crashes and faults rely on."""

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drorch.clock import Clock
from drorch.errors import ObjectMissing, TargetFull, TargetUnavailable
from drorch.storage.local import LocalTarget
from drorch.storage.memory import MemoryTarget
from tests.doubles import (
    CountingTarget,
    Effect,
    FakeClock,
    Fault,
    FaultyTarget,
    KillingTarget,
    KillPoint,
    Moment,
    Operation,
    kill_points,
)
from tests.storage.contract import ID, OTHER_PACK, PACK

LOCK = f"locks/{ID}"

WORK = """
import sys
from pathlib import Path
from drorch.storage.local import LocalTarget
from tests.doubles import KillingTarget, KillPoint, Moment
target = KillingTarget(LocalTarget(Path(sys.argv[1])), KillPoint(int(sys.argv[2]), Moment[sys.argv[3]]))
target.save(sys.argv[4], b"lock")
target.save(sys.argv[5], b"pack")
target.remove(sys.argv[4])
"""


class TestCounting:
    def test_operations_are_recorded_in_order(self) -> None:
        target = CountingTarget(MemoryTarget())
        target.create()
        target.save(PACK, b"12345")
        target.load(PACK, 1, 3)
        target.stat(PACK)
        list(target.list("data"))
        target.remove(PACK)
        with pytest.raises(ObjectMissing):
            target.load(PACK)
        assert target.operations == [
            Operation("create"),
            Operation("save", PACK, 5),
            Operation("load", PACK, 3),
            Operation("stat", PACK),
            Operation("list", "data"),
            Operation("remove", PACK),
        ]
        assert target.writes == [Operation("save", PACK, 5), Operation("remove", PACK)]
        assert target.keys("load") == [PACK]


class TestFaulty:
    def test_a_fault_before_leaves_nothing(self) -> None:
        target = FaultyTarget(MemoryTarget(), [Fault("save", number=2)])
        target.save(PACK, b"x")
        with pytest.raises(TargetUnavailable, match="before save"):
            target.save(OTHER_PACK, b"x")
        assert [item.key for item in target.list("data")] == [PACK]
        target.save(OTHER_PACK, b"x")
        assert target.load(OTHER_PACK) == b"x"

    def test_a_fault_after_leaves_the_effect(self) -> None:
        target = FaultyTarget(MemoryTarget(), [Fault("save", effect=Effect.FAIL_AFTER, error=TargetFull)])
        with pytest.raises(TargetFull, match="after save"):
            target.save(PACK, b"x")
        assert target.load(PACK) == b"x"

    def test_a_corrupt_load_differs_in_one_bit(self) -> None:
        target = FaultyTarget(MemoryTarget(), [Fault("load", number=2, effect=Effect.CORRUPT, prefix="data/")])
        target.save(PACK, b"abc")
        target.save("config", b"abc")
        loads = [target.load("config"), target.load(PACK), target.load("config"), target.load(PACK), target.load(PACK)]
        assert loads == [b"abc", b"abc", b"abc", b"acc", b"abc"]

    def test_a_dead_target_does_nothing_more(self) -> None:
        target = FaultyTarget(MemoryTarget(), [Fault("save", effect=Effect.DIE, prefix="data/")])
        target.save(LOCK, b"x")
        with pytest.raises(TargetUnavailable, match="died"):
            target.save(PACK, b"x")
        with pytest.raises(TargetUnavailable, match="died"):
            target.remove(LOCK)
        assert target.is_dead
        assert target.inner.load(LOCK) == b"x"
        with pytest.raises(ObjectMissing):
            target.inner.load(PACK)

    def test_a_fault_may_last(self) -> None:
        target = FaultyTarget(MemoryTarget(), [Fault("list", number=2, times=2)])
        assert list(target.list("data")) == []
        for _ in range(2):
            with pytest.raises(TargetUnavailable):
                target.list("data")
        assert list(target.list("data")) == []


class TestKilling:
    def test_kill_points_are_counted(self, tmp_path: Path) -> None:
        target = KillingTarget(LocalTarget(tmp_path))
        target.create()
        target.save(LOCK, b"lock")
        target.save(PACK, b"pack")
        target.remove(LOCK)
        points = kill_points(target.writes)
        assert len(points) == 3 + 3 + 2
        assert KillPoint(3, Moment.HALFWAY) not in points

    @pytest.mark.parametrize(
        ("point", "left"),
        [
            (KillPoint(1, Moment.BEFORE), []),
            (KillPoint(1, Moment.HALFWAY), [f"{LOCK}-tmp-4711"]),
            (KillPoint(1, Moment.AFTER), [LOCK]),
            (KillPoint(2, Moment.HALFWAY), [f"{PACK}-tmp-4711", LOCK]),
            (KillPoint(2, Moment.AFTER), [PACK, LOCK]),
            (KillPoint(3, Moment.BEFORE), [PACK, LOCK]),
            (KillPoint(3, Moment.AFTER), [PACK]),
        ],
    )
    def test_the_process_ends_at_its_point(self, tmp_path: Path, point: KillPoint, left: list[str]) -> None:
        LocalTarget(tmp_path).create()
        command = [sys.executable, "-c", WORK, str(tmp_path), str(point.number), point.moment.name, LOCK, PACK]
        ended = subprocess.run(command, cwd=Path(__file__).parents[2], check=False)
        assert ended.returncode == -signal.SIGKILL
        assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == left


class TestFakeClock:
    def test_it_moves_only_when_wound(self) -> None:
        clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
        told: Clock = clock
        assert told.now() == told.now() == datetime(2026, 3, 1, tzinfo=UTC)
        told.sleep(1.5)
        clock.advance(10)
        clock.set_back(3600)
        assert told.monotonic() == 11.5
        assert told.now() == datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=11.5 - 3600)
        assert clock.slept == [1.5]
