"""What a target is worth in the rule 3-2-1-1-0: only what was seen counts, and where it stands nobody can probe."""

import pytest

from drorch.actions.probe.facts import Answer, Fact, Finding, Probed
from drorch.actions.probe.position import JobPlaces, LockWish, Place, Whereabouts, position

HERE, SAME = Whereabouts.THIS_MACHINE, Whereabouts.SAME_DISK
THERE, CLOUD = Whereabouts.ANOTHER_MACHINE, Whereabouts.CLOUD
YES, NO, UNKNOWN, NOT_RUN = Answer.YES, Answer.NO, Answer.UNKNOWN, Answer.NOT_RUN


def with_facts(**answers: Answer) -> Probed:
    facts = [
        Fact(name, name, "done", Finding(answer, "meaning"), needed=False, broken=False)
        for name, answer in answers.items()
    ]
    return Probed("place", tuple(facts), ())


def job(where: Whereabouts, *others: Place, proven: int | None = None, findings: int = 0) -> JobPlaces:
    return JobPlaces("homes", Place("onsite", where), others, proven, findings)


def told(index: int, jobs: list[JobPlaces], where: Whereabouts) -> tuple[Answer, str]:
    finding = position(with_facts(), jobs, where, None)[index].finding
    return finding.answer, finding.meaning


def immutable(wish: LockWish | None, jobs: list[JobPlaces] | None = None, /, **answers: Answer) -> tuple[Answer, str]:
    finding = position(with_facts(**answers), jobs or [], THERE, wish)[3].finding
    return finding.answer, finding.meaning


def test_the_rule_is_told_in_its_order() -> None:
    stands = position(with_facts(), [], HERE, None)
    assert "-".join(stand.digit for stand in stands) == "3-2-1-1-0"


@pytest.mark.parametrize(
    ("jobs", "answer"),
    [
        ([], UNKNOWN),
        ([job(HERE)], NO),
        ([job(HERE, Place("b", HERE))], YES),
        ([job(HERE, Place("b", HERE)), job(HERE)], NO),
    ],
)
def test_copies_are_counted_with_the_original(jobs: list[JobPlaces], answer: Answer) -> None:
    assert told(0, jobs, HERE)[0] is answer


@pytest.mark.parametrize(("where", "answer"), [(SAME, NO), (HERE, UNKNOWN), (THERE, YES), (CLOUD, YES)])
def test_another_medium(where: Whereabouts, answer: Answer) -> None:
    assert told(1, [job(where)], where)[0] is answer


@pytest.mark.parametrize(("where", "answer"), [(SAME, NO), (HERE, NO), (THERE, UNKNOWN), (CLOUD, YES)])
def test_where_another_machine_stands_is_not_known(where: Whereabouts, answer: Answer) -> None:
    assert told(2, [job(where)], where)[0] is answer


def test_other_targets_of_the_jobs_may_stand_elsewhere() -> None:
    assert "Elsewhere may be: vault" in told(2, [job(HERE, Place("vault", THERE))], HERE)[1]
    assert "Add a target elsewhere to homes" in told(2, [job(HERE, Place("b", HERE))], HERE)[1]


def test_a_lock_counts_when_it_is_asked_for_and_these_credentials_cannot_lift_it() -> None:
    seen = {"lock": YES, "holds": YES, "versions": YES, "erase": YES}
    assert immutable("governance", lift=NO, **seen)[0] is YES
    assert immutable("governance", lift=YES, **seen)[0] is NO
    assert immutable("governance", lift=NOT_RUN, **seen)[0] is NO
    assert immutable("compliance", lift=YES, **seen)[0] is YES
    assert "object_lock is not set" in immutable(None, lift=NO, **seen)[1]
    assert immutable(None, lift=NO, **seen)[0] is NO


def test_what_could_not_be_tried_is_never_told_as_immutable() -> None:
    assert immutable("governance", lock=YES, holds=UNKNOWN, lift=NO)[0] is UNKNOWN
    assert immutable("governance", lock=YES, holds=NO)[0] is NO
    assert immutable("governance", lock=NOT_RUN)[0] is UNKNOWN
    assert immutable(None, versions=NOT_RUN, lock=NO)[0] is UNKNOWN
    assert immutable(None)[0] is NO


def test_versions_that_these_credentials_cannot_erase_count() -> None:
    assert immutable(None, versions=YES, erase=NO, lock=NO)[0] is YES
    assert immutable(None, versions=YES, erase=YES, lock=NO)[0] is NO
    assert immutable(None, delete=NO, versions=NO, lock=NO)[0] is NO


def test_another_target_that_is_locked_is_named() -> None:
    assert "set for vault" in immutable(None, [job(HERE, Place("vault", THERE, locked=True))], lock=NO)[1]


@pytest.mark.parametrize(
    ("proven", "findings", "answer"), [(None, 0, UNKNOWN), (1, 0, UNKNOWN), (2, 0, YES), (5, 0, YES), (5, 1, NO)]
)
def test_errors_are_none_only_where_everything_was_read(proven: int | None, findings: int, answer: Answer) -> None:
    assert told(4, [job(HERE, proven=proven, findings=findings)], HERE)[0] is answer
