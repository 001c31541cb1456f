"""No more passes than was agreed: over time, over directions, over processes; and it is given back when windows end."""

import threading
import time as real_time
from collections.abc import Iterator
from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.errors import ObjectMissing, TargetUnavailable
from drorch.storage.budget import Bucket, budget_in
from drorch.storage.limits import Limit, Limits
from drorch.storage.memory import MemoryTarget
from drorch.storage.target import Target
from drorch.storage.throttle import ThrottledTarget
from drorch.units import KIB, MIB
from tests.doubles import FakeClock, Fault, FaultyTarget
from tests.repository.children import start_python
from tests.storage.contract import ID, OTHER_PACK, PACK, TargetContract

RATE = 100 * KIB


def limits(*windows: Limit) -> Limits:
    return Limits(windows, UTC)


def throttled(clock: FakeClock, folder: Path, *windows: Limit, inner: Target | None = None) -> ThrottledTarget:
    return ThrottledTarget(inner or MemoryTarget(), limits(*windows), budget_in(folder / "budget"), clock)


class TestThrottledTarget(TargetContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> Iterator[Target]:
        target = throttled(FakeClock(), tmp_path, Limit(upload=64 * MIB, download=64 * MIB))
        target.create()
        yield target
        target.close()


def test_the_average_of_uploads_is_the_limit(tmp_path: Path) -> None:
    clock = FakeClock()
    target = throttled(clock, tmp_path, Limit(upload=RATE))
    for number in range(40):
        target.save(f"data/00/{number:064x}", bytes(25 * KIB))
    assert clock.monotonic() == pytest.approx(39 * 25 * KIB / RATE, rel=0.001)


def test_the_average_of_downloads_is_the_limit(tmp_path: Path) -> None:
    clock = FakeClock()
    target = throttled(clock, tmp_path, Limit(download=RATE))
    target.save(PACK, bytes(50 * KIB))
    assert clock.slept == []
    for _ in range(10):
        target.load(PACK)
        target.load(PACK, 10, 50 * KIB - 10)
    assert clock.monotonic() == pytest.approx(19 * 50 * KIB / RATE, rel=0.001)


def test_a_large_object_goes_whole_and_the_next_waits_for_it(tmp_path: Path) -> None:
    clock = FakeClock()
    target = throttled(clock, tmp_path, Limit(upload=RATE))
    target.save(PACK, bytes(16 * MIB))
    assert clock.slept == []
    target.save(OTHER_PACK, b"x")
    assert clock.monotonic() == pytest.approx(16 * MIB / RATE, rel=0.001)
    assert max(clock.slept) <= 15, "it looks up now and then, for windows end"


def test_what_was_not_used_is_saved_for_a_second_only(tmp_path: Path) -> None:
    clock = FakeClock()
    target = throttled(clock, tmp_path, Limit(upload=RATE))
    target.save(PACK, b"x")
    clock.advance(3600)
    began = clock.monotonic()
    for number in range(30):
        target.save(f"data/00/{number:064x}", bytes(RATE // 10))
    assert clock.monotonic() - began == pytest.approx(1.9, rel=0.01), "3 s for all, but for the saved one and the last"


def test_directions_do_not_wait_for_each_other(tmp_path: Path) -> None:
    clock = FakeClock()
    target = throttled(clock, tmp_path, Limit(upload=RATE, download=RATE))
    target.save(PACK, bytes(16 * MIB))
    target.load(PACK, 0, 100)
    assert clock.slept == []


def test_a_limit_ends_with_its_window(tmp_path: Path) -> None:
    clock = FakeClock(datetime(2026, 1, 2, 17, 59, 0, tzinfo=UTC))
    target = throttled(clock, tmp_path, Limit(time(8), time(18), upload=KIB))
    target.save(PACK, bytes(16 * MIB))
    target.save(OTHER_PACK, bytes(16 * MIB))
    assert 60 <= clock.monotonic() <= 75, "hours by the limit, but from six o'clock on there is none"
    target.save(PACK, bytes(16 * MIB))
    assert clock.monotonic() <= 75


def test_locks_do_not_wait_but_count(tmp_path: Path) -> None:
    clock = FakeClock()
    target = throttled(clock, tmp_path, Limit(upload=RATE, download=RATE))
    target.save(PACK, bytes(10 * RATE))
    target.save(f"locks/{ID}", bytes(5 * RATE))
    target.load(f"locks/{ID}")
    assert clock.slept == []
    target.save(OTHER_PACK, b"x")
    assert clock.monotonic() == pytest.approx(15, rel=0.001)
    target.load(OTHER_PACK)
    assert clock.monotonic() == pytest.approx(15, rel=0.001), "the lock was fetched long ago"


def test_the_debt_of_one_run_is_paid_by_the_next(tmp_path: Path) -> None:
    clock = FakeClock()
    throttled(clock, tmp_path, Limit(upload=RATE)).save(PACK, bytes(10 * RATE))
    throttled(clock, tmp_path, Limit(upload=RATE)).save(OTHER_PACK, b"x")
    assert clock.monotonic() == pytest.approx(10, rel=0.001)


def test_errors_pass_and_the_rest_goes_on(tmp_path: Path) -> None:
    target = throttled(FakeClock(), tmp_path, Limit(upload=1), inner=FaultyTarget(MemoryTarget(), [Fault("save")]))
    with pytest.raises(TargetUnavailable, match="planned"):
        target.save(PACK, b"x")
    with pytest.raises(ObjectMissing):
        target.load(PACK)


def test_closing_ends_the_waits(tmp_path: Path) -> None:
    target = ThrottledTarget(MemoryTarget(), limits(Limit(upload=1)), budget_in(tmp_path / "budget"), SystemClock())
    target.save(PACK, bytes(MIB))
    faults: list[TargetUnavailable] = []

    def save() -> None:
        try:
            target.save(OTHER_PACK, b"x")
        except TargetUnavailable as fault:
            faults.append(fault)

    thread = threading.Thread(target=save)
    thread.start()
    real_time.sleep(0.1)
    target.close()
    thread.join(60)
    assert len(faults) == 1
    assert OTHER_PACK in faults[0].message


_SENDER = """
    import sys
    from datetime import UTC
    from pathlib import Path
    from drorch.clock import SystemClock
    from drorch.storage.budget import budget_in
    from drorch.storage.limits import Limit, Limits
    from drorch.storage.memory import MemoryTarget
    from drorch.storage.throttle import ThrottledTarget

    limits = Limits((Limit(upload=1 << 20),), UTC)
    target = ThrottledTarget(MemoryTarget(), limits, budget_in(Path(sys.argv[1])), SystemClock())
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(24):
        target.save(f"data/00/{number:064x}", bytes(1 << 16))
    print("done", flush=True)
"""


def test_processes_share_one_limit(tmp_path: Path) -> None:
    with start_python(_SENDER, tmp_path / "b") as one, start_python(_SENDER, tmp_path / "b") as other:
        for child in (one, other):
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        began = real_time.monotonic()
        outputs = []
        for child in (one, other):
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        for child in (one, other):
            outputs.append(child.communicate(timeout=60))
        elapsed = real_time.monotonic() - began
    assert outputs == [("done\n", "")] * 2
    assert elapsed >= 2.9, "3 MiB at 1 MiB a second, but for the last object; each for itself needs half of that"


@pytest.mark.parametrize("text", ["", "x", "1 2 3", "nan nan", "inf 5", "0", "\0" * 500])
def test_a_damaged_file_is_an_empty_bucket(tmp_path: Path, text: str) -> None:
    (tmp_path / "upload").write_text(text)
    bucket = budget_in(tmp_path).upload
    assert bucket.take(10 * RATE, RATE, 1000.0) == 0
    assert bucket.take(1, RATE, 1001.0) == pytest.approx(9)


def test_a_clock_that_is_set_back_costs_nothing_and_forgives_nothing(tmp_path: Path) -> None:
    bucket = Bucket(tmp_path / "upload")
    assert bucket.take(10 * RATE, RATE, 1_000_000.0) == 0
    assert bucket.take(1, RATE, 5.0) == pytest.approx(10)
    assert bucket.take(1, RATE, 9.0) == pytest.approx(6)
    assert bucket.take(1, RATE, 15.0) == 0


@pytest.mark.parametrize("obstacle", ["file", "link", "folder"])
def test_where_the_file_cannot_be_kept_the_process_keeps_to_the_limit_alone(tmp_path: Path, obstacle: str) -> None:
    place = tmp_path / "budget"
    if obstacle == "file":
        place.write_bytes(b"")
    else:
        place.mkdir()
        if obstacle == "link":
            (place / "upload").symlink_to(tmp_path / "victim")
        else:
            (place / "upload").mkdir()
    clock = FakeClock()
    target = ThrottledTarget(MemoryTarget(), limits(Limit(upload=RATE)), budget_in(place), clock)
    for number in range(5):
        target.save(f"data/00/{number:064x}", bytes(RATE))
    assert clock.monotonic() == pytest.approx(4, rel=0.001)
    assert not (tmp_path / "victim").exists()


def test_only_the_owner_can_read_the_budget(tmp_path: Path) -> None:
    throttled(FakeClock(), tmp_path, Limit(upload=RATE)).save(PACK, b"x")
    place = tmp_path / "budget"
    assert (place.stat().st_mode & 0o777, (place / "upload").stat().st_mode & 0o777) == (0o700, 0o600)
