"""A place becomes a target that is tried again and kept within its limits; nobody pays for a kind that is not used."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drorch.app.locations import located
from drorch.app.opening import Patience, bare_target, metadata_view, open_target, wrapped
from drorch.clock import SystemClock
from drorch.errors import TargetUnavailable
from drorch.storage.cache import CachedTarget
from drorch.storage.limits import Limit, Limits
from drorch.storage.local import LocalTarget
from drorch.storage.memory import MemoryTarget
from drorch.storage.retry import RetryingTarget
from drorch.storage.s3.target import S3Target
from drorch.storage.throttle import ThrottledTarget
from drorch.units import KIB
from tests.doubles import FakeClock, Fault, FaultyTarget

AWAY = located("s3:https://s3.example.org/backups/web1", {})
KEYS = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK"}


def test_a_folder_of_this_machine_is_opened_as_it_is(tmp_path: Path) -> None:
    target = open_target(located(str(tmp_path)))
    assert isinstance(target, LocalTarget)
    assert target.root == tmp_path
    assert metadata_view(target, located(str(tmp_path)), "00", SystemClock(), saves=True) is None


def test_a_bucket_is_tried_again_unless_one_only_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    for patience, kind in (
        (Patience.LONG, RetryingTarget),
        (Patience.BRIEF, RetryingTarget),
        (Patience.NONE, S3Target),
    ):
        target = open_target(AWAY, patience)
        assert isinstance(target, kind)
        assert target.properties.description == "s3:s3.example.org/backups/web1"
        target.close()
    bare = bare_target(AWAY, SystemClock())
    assert isinstance(bare, S3Target)
    bare.close()


def test_what_is_tried_again_is_told_and_given_up_after_the_patience_there_is() -> None:
    inner, told = MemoryTarget(), list[str]()
    inner.save("config", b"x")
    clock = FakeClock()
    once = FaultyTarget(inner, [Fault("load")])
    assert wrapped(once, AWAY, Patience.BRIEF, clock, told.append).load("config") == b"x"
    assert len(told) == 1
    assert "trying again" in told[0]
    for patience in (Patience.BRIEF, Patience.LONG):
        began = clock.monotonic()
        always = FaultyTarget(inner, [Fault("load", times=1000)])
        with pytest.raises(TargetUnavailable):
            wrapped(always, AWAY, patience, clock).load("config")
        # The waits are drawn: the next one would have been too long.
        assert patience.value / 10 < clock.monotonic() - began <= patience.value


def test_limits_hold_for_any_kind(tmp_path: Path) -> None:
    limits = Limits((Limit(upload=KIB),), ZoneInfo("UTC"))
    location = replace(located(str(tmp_path / "repository")), limits=limits, budget=tmp_path / "budget")
    clock = FakeClock()
    target = wrapped(LocalTarget(tmp_path / "repository"), location, Patience.LONG, clock)
    assert isinstance(target, ThrottledTarget)
    target.create()
    began = clock.monotonic()
    for name in "abc":
        target.save(f"index/{name}", bytes(10 * KIB))
    assert clock.monotonic() - began >= 19
    assert sorted(path.name for path in (tmp_path / "budget").iterdir()) == ["upload"]
    assert isinstance(open_target(location, Patience.NONE), LocalTarget)


def test_what_is_elsewhere_is_remembered_below_its_folder(tmp_path: Path) -> None:
    view = metadata_view(MemoryTarget(), replace(AWAY, cache=tmp_path), "ab" * 32, SystemClock(), saves=True)
    assert isinstance(view, CachedTarget)
    assert metadata_view(MemoryTarget(), AWAY.uncached(), "ab" * 32, SystemClock(), saves=True) is None


def test_nobody_pays_for_kinds_that_are_not_used(tmp_path: Path) -> None:
    code = """
import sys
from drorch.app.access import Access, PasswordOrigin
from drorch.app.door import opened
from drorch.app.locations import located
from drorch.app.upkeep import initialize
access = Access(located(sys.argv[1]), PasswordOrigin(text="x"))
located("s3:s3.example.org/backups")
initialize(access)
with opened(access):
    pass
heavy = {"boto3", "botocore", "paramiko", "tenacity", "urllib3"}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "repository"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
