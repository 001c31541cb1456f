"""Run as a program: restores and is killed, with SIGKILL, in the middle of the file that is being written.

It dies instead of loading the last pack that it wants, once enough of the file is on disk to be worth keeping.
"""

import os
import signal
import sys
from pathlib import Path

from drorch.actions.restore.request import RestoreRequest
from drorch.clock import SystemClock
from drorch.repository.repository import Repository
from drorch.sources.files.placement import KEPT_PARTIAL_BYTES
from drorch.storage.local import LocalTarget
from tests.actions.restore_cases import Case, partials
from tests.doubles import CountingTarget

WAIT_SECONDS = 60.0


class KillingLoads(CountingTarget):
    """Kills its own process at the `number`th load of a pack that fetches at least 1 MiB."""

    def __init__(self, inner: LocalTarget, number: int, to: Path) -> None:
        super().__init__(inner)
        self._left = number
        self._to = to

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        if key.startswith("data/") and (length or 0) > 1 << 20:
            with self._lock:
                self._left -= 1
                last = self._left == 0
            if last:
                self._wait_for_content()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().load(key, offset, length)

    def _wait_for_content(self) -> None:
        clock = SystemClock()
        started = clock.monotonic()
        while clock.monotonic() - started < WAIT_SECONDS:
            if any(path.stat().st_blocks * 512 >= KEPT_PARTIAL_BYTES for path in partials(self._to)):
                return
            clock.sleep(0.02)


def main(repository: Path, to: Path, number: int) -> None:
    """Restore the one snapshot of a repository until death."""
    target = KillingLoads(LocalTarget(repository), number, to)
    opened = Repository.open(target, "x")
    snapshot = opened.list_snapshots().snapshots[0].snapshot
    case = Case(opened, snapshot.tree, to)
    case.execute(case.plan(RestoreRequest()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
