"""An installation whose jobs are run by real workers, as the daemon starts them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drorch.app.told import Told
from drorch.model.launch import WorkKind
from drorch.orchestrator.supervision.heard import Complained, Ended, Heard, Reported
from drorch.orchestrator.supervision.order import Order
from drorch.orchestrator.supervision.ward import Ward
from tests.cli.homes import install
from tests.orchestrator.supervision.watching import all_heard, an_order, turn, ward_over


@dataclass(frozen=True)
class Worked:
    """What was heard of a worker until its end."""

    heard: list[Heard]

    @property
    def ended(self) -> Ended:
        last = self.heard[-1]
        assert isinstance(last, Ended)
        return last

    @property
    def told(self) -> list[Told]:
        return [Told.of(one.document) for one in self.heard if isinstance(one, Reported)]

    @property
    def complaints(self) -> list[str]:
        return [one.text for one in self.heard if isinstance(one, Complained)]


@dataclass(frozen=True)
class Yard:
    """A folder with jobs.toml, and what its workers leave in the catalog."""

    folder: Path
    config: Path

    @staticmethod
    def make(folder: Path, *, extra: str = "") -> "Yard":
        return Yard(folder, install(folder, extra=extra))

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def order(self, **changes: Any) -> Order:
        return an_order(**{"config": str(self.config), **changes})

    @contextmanager
    def ward(self, order: Order, **terms: Any) -> Iterator[Ward]:
        with ward_over(self.state, (), order, **terms) as ward:
            yield ward

    def work(self, order: Order, **terms: Any) -> Worked:
        """Carry an order out by a worker, to its end."""
        with self.ward(order, **terms) as ward:
            return Worked(all_heard(ward))

    def check(self, target: str, **changes: Any) -> Worked:
        return self.work(self.order(kind=WorkKind.CHECK, name=target, targets=(target,), **changes))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the catalog answers in plain SQL."""
        with closing(sqlite3.connect(self.state / "catalog.sqlite")) as opened:
            found = opened.execute(query).fetchall()
        return [tuple(one.decode() if isinstance(one, bytes) else one for one in row) for row in found]

    def log(self, launch: str) -> str:
        return (self.state / "logs" / f"{launch}.log").read_text("utf-8", "replace")


def until_there(ward: Ward, file: Path) -> str:
    """Turn the loop until a file is there with a line in it; its content."""
    for _ in range(10_000):
        turn(ward, 0.05)
        if file.exists() and file.read_text().endswith("\n"):
            return file.read_text()
    raise AssertionError(f"{file} never came")
