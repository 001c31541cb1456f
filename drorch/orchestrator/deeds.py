"""What is done by hand goes into the audit log, and so does a configuration that was not in force before.

A deed is written down before it is done, so that nothing that was done is missing in the log.
"""

import contextlib

from drorch.catalog.audit import AuditLog
from drorch.catalog.columns import Unreadable
from drorch.model.audit import AuditEntry, Deed

CONFIGURATION = "configuration"
"""The key under which a deed names the digest of the configuration that was in force."""

CONFIGURATION_CHANGED = "configuration changed"
_WINDOW = 100


def write_down(audit: AuditLog, deed: Deed) -> AuditEntry:
    """Append a deed; where it names another configuration than the last one named, that change before it.

    The change is entered under the name of who was first to use it: who made it is not known. An entry that was
    tampered with keeps none from being written. Raises `CatalogError`.
    """
    digest = deed.detail.get(CONFIGURATION)
    before = None
    if digest is not None:
        with contextlib.suppress(Unreadable):
            before = last_configuration(audit)
    if digest is not None and before not in (None, digest):
        detail = {CONFIGURATION: digest, "before": before or ""}
        audit.append(Deed(deed.at, deed.user, deed.uid, deed.tty, CONFIGURATION_CHANGED, detail))
    return audit.append(deed)


def last_configuration(audit: AuditLog) -> str | None:
    """The digest of the configuration that the log named last; None where it never named one.

    Raises `Unreadable` where what was tampered with might name it, and `CatalogError`.
    """
    end = audit.head().seq
    while end > 0:
        start = max(0, end - _WINDOW)
        named = None
        for entry in audit.entries(after=start):
            if entry.seq > end:
                break
            named = entry.deed.detail.get(CONFIGURATION, named)
        if named is not None:
            return named
        end = start
    return None
