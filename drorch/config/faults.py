"""A fault of a configuration: where it is and what to write instead."""

import difflib
from collections.abc import Collection
from dataclasses import dataclass

from drorch.errors import Problem


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in a file: line and column, both from 1; a column counts characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault. `message` is lower case, names the thing, and never quotes what may be a secret."""

    place: Place
    message: str

    def problem(self, file: str) -> Problem:
        """The fault as errors carry it: `FILE:LINE:COLUMN`, and what is wrong there."""
        return Problem(f"{file}:{self.place.line}:{self.place.column}", self.message)


def meant(word: str, known: Collection[str], *, kind: str) -> str:
    """The end of a sentence about an unknown word: what was probably meant, or all there is."""
    near = difflib.get_close_matches(word, known, n=1)
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"; {kind}: {', '.join(known)}" if known else ""
