"""What was true of a database when it was dumped, as it is kept with its snapshot."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DumpFacts:
    """Facts of a dump: the kind of its database, and the `document` that the snapshot holds, JSON in ASCII."""

    kind: str
    document: str
