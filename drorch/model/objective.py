"""What the operator promised: how much data may be lost, and how long recovery may take."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Objective:
    """`rpo` is the greatest age the newest snapshot may have, `rto` the longest a recovery may take; None: unsaid."""

    rpo: timedelta | None = None
    rto: timedelta | None = None
