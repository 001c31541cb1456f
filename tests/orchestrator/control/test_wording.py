"""What one end of the socket says is what the other one hears."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from drorch.model.launch import LaunchState, Pause
from drorch.orchestrator.control.contract import Coming, DaemonStanding, Going, Identity
from drorch.orchestrator.control.wording import (
    NotUnderstood,
    heard_launch,
    heard_standing,
    said_launch,
    said_standing,
)
from tests.orchestrator.control.desk import NOON, launch_of

LAUNCH = launch_of(
    "homes",
    due=NOON,
    attempt=2,
    user="anna",
    state=LaunchState.FAILED,
    started=NOON,
    ended=NOON + timedelta(hours=1),
    exit_code=20,
    reason="target onsite does not answer",
)
STANDING = DaemonStanding(
    Identity("1.0", Path("/etc/drorch/jobs.toml"), Path("/var/lib/drorch"), "d" * 64),
    4711,
    NOON,
    NOON + timedelta(days=1),
    "jobs.toml has a fault",
    draining=True,
    going=(Going(LAUNCH, {"kind": "backup", "files_done": 3}), Going(launch_of("orders"))),
    coming=(Coming(LAUNCH.work, NOON, NOON + timedelta(minutes=3)),),
    pauses=(Pause("", NOON, "anna"), Pause("homes", NOON, "anna", NOON + timedelta(hours=2), "moving")),
)


def test_what_is_said_is_heard() -> None:
    assert heard_standing(json.loads(json.dumps(said_standing(STANDING)))) == STANDING
    assert heard_launch(json.loads(json.dumps(said_launch(LAUNCH)))) == LAUNCH


@pytest.mark.parametrize(
    "bent", [{}, {"state": "bored"}, {"asked": "noon"}, {"targets": 3}, {"exit_code": "x"}, {"attempt": None}]
)
def test_what_is_not_understood_is_said(bent: dict[str, object]) -> None:
    said = {**said_launch(LAUNCH), **bent} if bent else {}
    with pytest.raises(NotUnderstood, match="of a launch in words"):
        heard_launch(said)
    with pytest.raises(NotUnderstood):
        heard_standing({**said_standing(STANDING), "launches": [said]})


def test_a_standing_with_more_than_is_known_is_understood() -> None:
    assert heard_standing({**said_standing(STANDING), "mood": "good"}) == STANDING
