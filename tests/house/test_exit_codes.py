"""Exit codes: each error has its own, they never change, and the documentation says the same."""

import importlib
import pkgutil
import re
from collections import Counter

import drorch
from drorch.cli import exit_codes
from drorch.errors import DrorchError, Outcome
from tests.house.project import ROOT

PROMISED = {
    "DrorchError": 1,
    "ConfigError": 4,
    "RepositoryMissing": 10,
    "RepositoryLocked": 11,
    "WrongPassword": 12,
    "IntegrityError": 13,
    "FormatUnsupported": 14,
    "TargetUnavailable": 20,
    "TargetDenied": 21,
    "ObjectMissing": 22,
    "TargetFull": 23,
    "ObjectFrozen": 25,
    "TargetMissing": 26,
    "SourceUnavailable": 30,
    "DumpFailed": 31,
    "SourceSuspicious": 32,
    "RestoreError": 40,
    "CatalogError": 60,
    "JobBusy": 61,
    "SecretMissing": 62,
    "HookFailed": 63,
    "UsageError": 64,
    "DaemonUnavailable": 65,
}
OUTCOMES = {
    "OK": 0,
    "SOURCE_INCOMPLETE": 3,
    "COPY_MISSING": 24,
    "PROMISE_BROKEN": 27,
    "FACTS_DIFFER": 41,
    "DRILL_FAILED": 51,
    "OBJECTIVE_MISSED": 52,
    "USAGE": 64,
    "OVERDUE": 70,
    "CHAIN_BROKEN": 71,
    "INTERRUPTED": 130,
}


def errors() -> list[type[DrorchError]]:
    """All error classes of the product, after every one of its modules has been imported."""
    for module in pkgutil.walk_packages(drorch.__path__, "drorch."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
    found: list[type[DrorchError]] = [DrorchError]
    for one in found:
        found.extend(one.__subclasses__())
    return [one for one in found if one.__module__.startswith("drorch.")]


def documented() -> dict[int, str]:
    """The rows of the table in docs/EXIT-CODES.md: code and meaning."""
    text = (ROOT / "docs" / "EXIT-CODES.md").read_text("utf-8")
    return {int(code): meaning for code, meaning in re.findall(r"^\| *`?(\d+)`? *\| *(.*?) *\|", text, re.MULTILINE)}


def test_codes_are_what_they_were_promised_to_be() -> None:
    own = {one.__name__: int(one.exit_code) for one in errors() if "exit_code" in vars(one)}
    assert own == PROMISED
    assert {outcome.name: int(outcome) for outcome in Outcome} == OUTCOMES


def test_no_two_errors_share_a_code_unless_one_is_a_kind_of_the_other() -> None:
    own = Counter(int(one.exit_code) for one in errors() if "exit_code" in vars(one))
    assert [code for code, count in own.items() if count > 1] == []


def test_an_error_without_a_code_of_its_own_has_that_of_its_kind() -> None:
    kinds = {one: one.__mro__[1] for one in errors() if one is not DrorchError and "exit_code" not in vars(one)}
    assert [one.__name__ for one, kind in kinds.items() if one.exit_code != getattr(kind, "exit_code", None)] == []


def test_every_code_is_documented_and_no_other() -> None:
    codes = {int(one.exit_code) for one in errors()} | {int(outcome) for outcome in Outcome}
    assert set(documented()) == codes
    assert set(exit_codes.MEANINGS) == codes


def test_the_documentation_says_what_the_commands_say() -> None:
    assert {code: meaning for code, meaning in exit_codes.MEANINGS.items() if meaning not in documented()[code]} == {}
