"""Errors: what each exits with, which are worth another try, and that none loses its hint."""

import pickle

import pytest

from drorch import errors
from drorch.errors import DrorchError, IntegrityError, Outcome, Problem

CODES = {
    "DrorchError": 1,
    "RepositoryError": 1,
    "RepositoryMissing": 10,
    "RepositoryLocked": 11,
    "WrongPassword": 12,
    "IntegrityError": 13,
    "FormatUnsupported": 14,
    "TargetError": 1,
    "TargetUnavailable": 20,
    "TargetDenied": 21,
    "ObjectMissing": 22,
    "TargetFull": 23,
    "ObjectFrozen": 25,
    "TargetMissing": 26,
    "SourceError": 1,
    "SourceUnavailable": 30,
    "DumpFailed": 31,
    "SourceSuspicious": 32,
    "RestoreError": 40,
    "SecretMissing": 62,
    "UsageError": 64,
}


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_exit_codes_do_not_change(name: str, code: int) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, DrorchError)
    assert kind("message").exit_code == code


def test_only_what_may_pass_is_worth_another_try() -> None:
    retryable = {name for name in CODES if getattr(errors, name).retryable}
    assert retryable == {"RepositoryLocked", "TargetUnavailable", "SourceUnavailable"}


def test_outcomes_are_those_of_restic_where_restic_has_them() -> None:
    assert (Outcome.OK, Outcome.SOURCE_INCOMPLETE, Outcome.INTERRUPTED) == (0, 3, 130)


def test_an_error_carries_its_hint_and_a_context_of_its_own() -> None:
    context = {"path": "/x"}
    error = IntegrityError("what is wrong", hint="Type: this", context=context)
    context["path"] = "/y"
    assert (str(error), error.message, error.hint, error.context) == (
        "what is wrong",
        "what is wrong",
        "Type: this",
        {"path": "/x"},
    )


def test_an_error_that_comes_from_a_worker_keeps_its_kind_and_hint() -> None:
    error = pickle.loads(pickle.dumps(IntegrityError("what is wrong", hint="Type: this")))  # noqa: S301
    assert type(error) is IntegrityError
    assert (error.message, error.hint) == ("what is wrong", "Type: this")


def test_problems_are_values() -> None:
    assert Problem("/x", "vanished") == Problem("/x", "vanished")
    assert len({Problem("/x", "vanished"), Problem("/x", "vanished")}) == 1
