"""Hooks around a run of a job: when each is run, what it is told, and what its failure does."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from drorch.catalog.open import CatalogPlace
from drorch.catalog.queries import RunQuery
from drorch.errors import HookFailed
from drorch.model.hook import Hook, HookFailure, HookTime
from drorch.model.names import TargetName
from drorch.model.run import Run, RunOutcome
from drorch.orchestrator.books import Books
from drorch.orchestrator.doer import Doer
from drorch.orchestrator.hooks import HookPlan, with_hooks
from drorch.orchestrator.runner import Assignment, Runner, RunReport
from drorch.secrets import FileSecret
from tests.orchestrator.test_runner import JOB, Stage, stage

__all__ = ["stage"]

TARGETS = (TargetName("onsite"), TargetName("offsite"))


@dataclass
class Scene:
    """A job on a stage, and a folder in which its hooks leave what they were told, in order."""

    stage: Stage
    folder: Path
    hooks: list[Hook] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.books = Books(self.stage.catalog, CatalogPlace(self.stage.state).spool, self.stage.clock)

    def hook(
        self, when: HookTime, *, fails: bool = False, on_failure: HookFailure = HookFailure.ERROR, then: str = ""
    ) -> None:
        """A hook that notes its environment in the folder, and fails if it should."""
        end = "echo because; exit 5" if fails else "exit 0"
        script = f'env > "{self.folder}/$(ls {self.folder} | wc -l)-{when}"; {then}{end}'
        self.hooks.append(Hook(when, ("/bin/sh", "-c", script), timedelta(seconds=60), on_failure))

    def assignment(self) -> Assignment:
        return Assignment(JOB, "onsite", "here", Doer("me", 1, ""), "abc", {"drorch": "0"})

    def saves(self) -> Iterator[RunReport]:
        runner = Runner(self.books, self.stage.state, self.stage.clock)
        yield runner.attempt(self.assignment(), self.stage.door, self.stage.work)

    def run(self, work: Callable[[], Iterator[RunReport]] | None = None) -> list[RunReport]:
        runner = Runner(self.books, self.stage.state, self.stage.clock)
        plan = HookPlan(tuple(self.hooks), TARGETS, "f00d")
        return list(with_hooks(plan, runner, self.assignment(), work or self.saves))

    @property
    def called(self) -> list[str]:
        """The times of the hooks that were run, in order."""
        names = sorted((path.name for path in self.folder.iterdir()), key=lambda name: int(name.partition("-")[0]))
        return [name.partition("-")[2] for name in names]

    def told(self, when: str) -> dict[str, str]:
        """The environment that the hook of a time had."""
        [path] = self.folder.glob(f"*-{when}")
        return dict(line.split("=", 1) for line in path.read_text().splitlines())

    @property
    def runs(self) -> list[Run]:
        return self.stage.catalog.queries.runs(RunQuery())


@pytest.fixture
def scene(stage: Stage, tmp_path: Path) -> Scene:
    (tmp_path / "called").mkdir()
    return Scene(stage, tmp_path / "called")


def all_times(scene: Scene) -> None:
    for when in HookTime:
        scene.hook(when)


def test_each_is_run_once_when_its_time_has_come(scene: Scene) -> None:
    all_times(scene)
    [report] = scene.run()
    assert report.run.outcome is RunOutcome.OK
    assert scene.called == ["before", "after", "always"]
    assert scene.books.complaints == []


def test_they_are_told_what_happened_and_no_secret(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTIC_PASSWORD", "geheim")
    monkeypatch.setenv("S3_SECRET", "geheim")
    all_times(scene)
    [report] = scene.run()
    assert report.run.snapshot is not None
    before, after, always = map(scene.told, ("before", "after", "always"))
    known = {"DRORCH_JOB": "homes", "DRORCH_TARGETS": "onsite offsite", "DRORCH_RUN_ID": "f00d"}
    assert {name: value for name, value in before.items() if name.startswith("DRORCH_")} == {
        **known,
        "DRORCH_HOOK": "before",
    }
    for told in (after, always):
        assert {name: told[name] for name in known} == known
        assert told["DRORCH_OUTCOME"] == "ok"
        assert told["DRORCH_SNAPSHOT"] == report.run.snapshot.hex()
        assert told["DRORCH_EXIT_CODE"] == "0"
        assert told["DRORCH_ERROR"] == ""
    assert all("geheim" not in path.read_text() for path in scene.folder.iterdir())


def test_after_a_failure_the_hooks_for_that_are_run_and_told_why(scene: Scene) -> None:
    (scene.stage.source / "file").unlink()
    all_times(scene)
    [report] = scene.run()
    assert report.fault is not None
    assert scene.called == ["before", "failure", "always"]
    told = scene.told("failure")
    assert (told["DRORCH_OUTCOME"], told["DRORCH_EXIT_CODE"]) == ("failed", "32")
    assert "has nothing in it" in told["DRORCH_ERROR"]


def test_where_one_fails_before_the_source_is_not_touched_and_the_run_has_failed(scene: Scene) -> None:
    scene.hook(HookTime.BEFORE, fails=True)
    all_times(scene)
    touched = []

    def work() -> Iterator[RunReport]:
        touched.append(1)
        yield from scene.saves()

    reports = scene.run(work)
    assert touched == []
    assert scene.called == ["before", "failure", "always"]
    assert [report.run.target for report in reports] == ["onsite", "offsite"]
    assert {report.exit_code for report in reports} == {63}
    assert [(run.outcome, run.problems[0].message) for run in scene.runs] == [
        (RunOutcome.FAILED, "the hook /bin/sh (before) exited with status 5")
    ] * 2
    assert {finding.subject for finding in scene.stage.catalog.queries.findings()} == {"homes@onsite", "homes@offsite"}
    assert scene.told("failure")["DRORCH_EXIT_CODE"] == "63"
    assert scene.books.complaints == ["homes: the hook /bin/sh (before) exited with status 5; it said: because"]


@pytest.mark.parametrize(("on_failure", "told"), [(HookFailure.WARN, 1), (HookFailure.IGNORE, 0)])
def test_a_failure_may_be_told_only_or_be_nothing(scene: Scene, on_failure: HookFailure, told: int) -> None:
    for when in (HookTime.BEFORE, HookTime.AFTER, HookTime.ALWAYS):
        scene.hook(when, fails=True, on_failure=on_failure)
    [report] = scene.run()
    assert (report.exit_code, scene.called) == (0, ["before", "after", "always"])
    assert [run.outcome for run in scene.runs] == [RunOutcome.OK]
    assert len(scene.books.complaints) == 3 * told


@pytest.mark.parametrize("when", [HookTime.AFTER, HookTime.ALWAYS])
def test_where_one_fails_afterwards_the_snapshot_stays_and_the_run_is_incomplete(scene: Scene, when: HookTime) -> None:
    scene.hook(when, fails=True)
    scene.hook(HookTime.FAILURE)
    first, last = scene.run()
    assert (first.exit_code, first.run.outcome) == (0, RunOutcome.OK)
    assert (last.exit_code, last.run.outcome, last.run.id) == (63, RunOutcome.INCOMPLETE, first.run.id)
    assert isinstance(last.fault, HookFailed)
    [run] = scene.runs
    assert (run.outcome, run.snapshot) == (RunOutcome.INCOMPLETE, first.run.snapshot)
    assert [problem.message for problem in run.problems] == [f"the hook /bin/sh ({when}) exited with status 5"]
    assert scene.called == (["after", "failure"] if when is HookTime.AFTER else ["always"])


def test_what_fails_after_a_failure_is_told_and_the_failure_itself_counts(scene: Scene) -> None:
    (scene.stage.source / "file").unlink()
    scene.hook(HookTime.FAILURE, fails=True)
    scene.hook(HookTime.ALWAYS, fails=True)
    [report] = scene.run()
    assert report.exit_code == 32
    assert [run.outcome for run in scene.runs] == [RunOutcome.FAILED]
    assert len(scene.books.complaints) == 2


@pytest.mark.parametrize("when", ["before", "saving", "after"])
def test_an_interruption_leaves_time_for_those_that_must_be_run(scene: Scene, when: str) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    def work() -> Iterator[RunReport]:
        if when == "saving":
            signal.raise_signal(signal.SIGTERM)
        yield from scene.saves()

    stop = "kill -TERM $PPID; exec sleep 600; " if when in ("before", "after") else ""
    scene.hook(HookTime(when) if stop else HookTime.BEFORE, then=stop)
    scene.hook(HookTime.FAILURE)
    scene.hook(HookTime.ALWAYS)
    usual = signal.signal(signal.SIGTERM, interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            scene.run(work)
    finally:
        signal.signal(signal.SIGTERM, usual)
    assert scene.called == ["before" if when == "saving" else when, "failure", "always"]
    told = scene.told("always")
    assert (told["DRORCH_OUTCOME"], told["DRORCH_EXIT_CODE"]) == ("failed", "130")
    assert told["DRORCH_ERROR"] == "it was interrupted (KeyboardInterrupt)"
    assert [run.outcome for run in scene.runs] == {
        "before": [RunOutcome.FAILED],
        "saving": [],
        "after": [RunOutcome.OK],
    }[when]


def test_whoever_stops_listening_interrupts_too(scene: Scene) -> None:
    all_times(scene)
    runner = Runner(scene.books, scene.stage.state, scene.stage.clock)
    reports = with_hooks(HookPlan(tuple(scene.hooks), TARGETS, "f00d"), runner, scene.assignment(), scene.saves)
    next(reports)
    del reports
    assert scene.called == ["before", "failure", "always"]


def test_a_secret_that_a_hook_says_is_not_told_on(scene: Scene, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("very-secret-indeed")
    secret.chmod(0o600)
    FileSecret(secret).read()
    scene.hook(HookTime.BEFORE, then=f"cat {secret}; exit 1; ")
    scene.run()
    [complaint] = scene.books.complaints
    assert "it said: " in complaint
    assert "very-secret-indeed" not in complaint


def test_one_that_takes_too_long_is_ended_and_has_failed(scene: Scene) -> None:
    scene.hooks.append(Hook(HookTime.BEFORE, ("/bin/sleep", "600"), timedelta(seconds=1)))
    reports = scene.run()
    assert [report.exit_code for report in reports] == [63, 63]
    assert reports[0].fault is not None
    assert reports[0].fault.message == "the hook /bin/sleep (before) did not end within 1 s"


def test_one_that_is_not_there_has_failed(scene: Scene) -> None:
    scene.hooks.append(Hook(HookTime.ALWAYS, ("/nowhere/hook",)))
    _, last = scene.run()
    assert last.fault is not None
    assert last.fault.message == "the hook /nowhere/hook (always) No such file or directory"
