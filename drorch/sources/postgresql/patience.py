"""Connections that do not wait for ever.

Promise: a server that falls silent in the middle of an answer - stopped, or behind a line that drops everything - is
given up. Its own time limits do not help then: it is the one who would have to keep them.
"""

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

from drorch.clock import SystemClock

_RV = TypeVar("_RV")


class PatientConnection(psycopg.Connection):
    """A connection whose server may be silent for `quiet_seconds`, where that is set; then `OperationalError`."""

    quiet_seconds: float | None = None

    def wait(self, gen: PQGen[_RV], *arguments: Any, **options: Any) -> _RV:
        """As psycopg's, which everything that waits for the server goes through."""
        limited = gen if self.quiet_seconds is None else _limited(gen, self.quiet_seconds)
        return super().wait(limited, *arguments, **options)


def _limited(gen: PQGen[_RV], seconds: float) -> PQGen[_RV]:
    """The same exchange, given up when nothing moves for so long: psycopg tells of every moment without."""
    clock = SystemClock()
    end = clock.monotonic() + seconds
    try:
        state = next(gen)
        while True:
            ready = yield state
            if ready:
                end = clock.monotonic() + seconds
            elif clock.monotonic() > end:
                raise psycopg.OperationalError(f"the server was silent for {seconds:.0f} s")
            state = gen.send(ready)
    except StopIteration as ended:
        answer: _RV = ended.value
        return answer
