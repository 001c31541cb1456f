"""What is told of a run survives the way from one process to another, whatever it holds."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from drorch.app.told import Told, ToldFault
from drorch.errors import Problem
from drorch.ids import SnapshotId
from drorch.model.run import Run, RunKind, RunOutcome, Trigger

STARTED = datetime(2026, 5, 4, 3, 2, 1, 987654, tzinfo=UTC)
RUN = Run(
    id="ab" * 16,
    job="homes",
    kind=RunKind.COPY,
    host="web1",
    started=STARTED,
    target="two",
    ended=STARTED + timedelta(seconds=77),
    outcome=RunOutcome.INCOMPLETE,
    snapshot=SnapshotId(bytes(range(32))),
    counters={"data_added": 2**53},
    problems=(Problem("/a\udcff\x1b[2J", "it vanished"),),
    config_hash="cd",
    versions={"drorch": "1"},
    trigger=Trigger.SCHEDULE,
    user="root",
)
FAULT = ToldFault("target two does not answer", "See to it.", (Problem("jobs.toml:3:1", "no"),), retryable=True)


@pytest.mark.parametrize(
    "told",
    [
        Told(RUN, 0),
        Told(RUN, 24, (Problem("two", "snapshot 0123 has vanished"),), FAULT),
        Told(replace(RUN, ended=None, snapshot=None, problems=()), 1, (), ToldFault("x")),
    ],
)
def test_it_is_the_same_afterwards(told: Told) -> None:
    text = told.to_json()
    assert text.isascii()
    assert "\n" not in text
    assert Told.from_json(text) == told
    assert Told.of(told.document()) == told


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", '{"run": {}}', '{"run": 3, "exit_code": 1}'])
def test_what_tells_of_no_run_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Told.from_json(text)


@pytest.mark.parametrize("change", [{"exit_code": "x"}, {"alarms": [["only one"]]}, {"fault": {}}, {"run": None}])
def test_a_document_with_a_fault_in_it_is_refused(change: dict[str, object]) -> None:
    document = {**json.loads(Told(RUN, 0).to_json()), **change}
    with pytest.raises(ValueError, match=r".*"):
        Told.of(document)


def test_it_is_cut_to_a_size_and_says_so() -> None:
    many = tuple(Problem(f"/{'x' * 200}/{number}", "it cannot be read") for number in range(1000))
    told = Told(replace(RUN, problems=many), 3)
    cut = told.within(65536)
    assert len(cut.to_json()) <= 65536
    assert len(cut.run.problems) > 50
    assert cut.run.problems[-1] == Problem("", f"and {1000 - len(cut.run.problems) + 1} more problems")
    assert replace(cut.run, problems=()) == replace(told.run, problems=())
    assert told.within(10**6) == told
