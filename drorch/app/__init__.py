"""The composition root: what an operator names becomes live objects, which are handed to actions.

The only place that knows everything. Each function opens the repository, holds a shared lock while the action works
(unless the operator forbids it), and closes the target again, whatever happens.
"""

from drorch.app.access import Access, PasswordOrigin, open_target, opened
from drorch.app.backup import BackupOutcome, BackupSpec, Excluded, StreamSpec, back_up, preview_backup
from drorch.app.reading import Differences, Files, differences, dump, files, snapshots, statistics
from drorch.app.restore import PlannedRestore, RestoreSpec, planned_restore
from drorch.app.upkeep import Initialized, check, initialize, unlock

__all__ = [
    "Access",
    "BackupOutcome",
    "BackupSpec",
    "Differences",
    "Excluded",
    "Files",
    "Initialized",
    "PasswordOrigin",
    "PlannedRestore",
    "RestoreSpec",
    "StreamSpec",
    "back_up",
    "check",
    "differences",
    "dump",
    "files",
    "initialize",
    "open_target",
    "opened",
    "planned_restore",
    "preview_backup",
    "snapshots",
    "statistics",
    "unlock",
]
