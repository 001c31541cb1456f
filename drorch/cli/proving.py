"""What commands do where a target of the configuration is named: what they see of it is written down.

The catalog and the configuration are loaded only then: found by name, so that other uses do not pay for them.
"""

import importlib
from collections.abc import Iterable
from typing import Any

from drorch.app.access import Access
from drorch.cli.output.writer import Output
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import IntegrityError, Problem


def proving() -> Any:
    """The module `drorch.app.proving`."""
    return importlib.import_module("drorch.app.proving")


def place_of(session: Session, access: Access | None = None) -> Any:
    """The target that is named, as a `drorch.app.proving.Place`, opened with `access`; None where none is.

    None with --at, too: what was does not tell what is.
    """
    target = None if session.values.get("at") else session.values.get("target")
    return proving().Place(session.values.get("config"), target, access or session.access()) if target else None


def tell(output: Output, alarms: Iterable[Problem], complaints: Iterable[str]) -> int:
    """Tell of alarms and of what could not be written down. The exit code: that of damage where there are alarms."""
    code = 0
    for alarm in alarms:
        output.problem(alarm, during="alarm")
        code = IntegrityError.exit_code
    for complaint in complaints:
        output.problem(Problem("catalog", complaint), during="warning")
    return code


def leave_a_deed(session: Session, action: str, **detail: str) -> None:
    """Enter in the audit log what is done by hand to a target of the configuration; nothing where none is named."""
    target = session.values.get("target")
    if target:
        audit = importlib.import_module("drorch.app.audit")
        tell(
            session.output, (), audit.note(session.values.get("config"), SystemClock(), action, target=target, **detail)
        )
