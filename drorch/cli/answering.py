"""Findings and holds as JSON objects and as rows."""

from datetime import datetime

from drorch.ids import SHORT_HEX
from drorch.model.finding import Finding
from drorch.model.hold import Hold, Lineage

FINDING_COLUMNS = ("ID", "Opened", "State", "Assignee", "Kind", "Message")
HOLD_COLUMNS = ("ID", "Since", "By", "On", "Released", "Reason")


def finding_row(finding: Finding) -> tuple[str, ...]:
    """A finding as a row under `FINDING_COLUMNS`."""
    words = (finding.state.value, finding.assignee, finding.kind.value, finding.message)
    return (finding.id[:SHORT_HEX], local(finding.opened), *words)


def finding_record(finding: Finding) -> dict[str, object]:
    """A finding as written with --json."""
    said = [{"at": one.at.isoformat(), "user": one.user, "text": one.text} for one in finding.comments]
    return {
        "message_type": "finding",
        "id": finding.id,
        "kind": finding.kind.value,
        "subject": finding.subject,
        "message": finding.message,
        "opened": finding.opened.isoformat(),
        "state": finding.state.value,
        "assignee": finding.assignee or None,
        "run": finding.run,
        "closed": finding.closed.isoformat() if finding.closed else None,
        "comments": said,
    }


def hold_row(hold: Hold) -> tuple[str, ...]:
    """A hold as a row under `HOLD_COLUMNS`."""
    released = f"{local(hold.released)} by {hold.released_by}" if hold.released else ""
    return (hold.id[:SHORT_HEX], local(hold.since), hold.by, _subject(hold), released, hold.reason)


def _subject(hold: Hold) -> str:
    if isinstance(hold.subject, Lineage):
        return f"{hold.subject.job or 'no job'} of {hold.subject.host}"
    return f"snapshot {hold.subject.hex()[:SHORT_HEX]}"


def hold_record(hold: Hold) -> dict[str, object]:
    """A hold as written with --json."""
    lineage = hold.subject if isinstance(hold.subject, Lineage) else None
    return {
        "message_type": "hold",
        "id": hold.id,
        "job": lineage.job if lineage else None,
        "host": lineage.host if lineage else None,
        "snapshot": None if isinstance(hold.subject, Lineage) else hold.subject.hex(),
        "reason": hold.reason,
        "since": hold.since.isoformat(),
        "by": hold.by,
        "released": hold.released.isoformat() if hold.released else None,
        "released_by": hold.released_by or None,
    }


def local(moment: datetime) -> str:
    """An instant as people read it, in the machine's zone."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
