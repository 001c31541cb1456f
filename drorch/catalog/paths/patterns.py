"""What a pattern means: whether a path, given as folder and name, is one that is looked for."""

import re
from collections.abc import Callable

from drorch.catalog.paths.values import Match, PathQuery

Fits = Callable[[bytes, bytes], bool]


def fits(query: PathQuery) -> Fits:
    """A test of folder and name for a query."""
    pattern = _text(query.pattern)
    fold = _folded if query.ignore_case else _unchanged
    match query.match:
        case Match.NAME:
            name_sought = fold(pattern)
            return lambda _, name: fold(_text(name)) == name_sought
        case Match.SUBSTRING:
            part = fold(pattern)
            return lambda folder, name: part in fold(_text(folder + b"/" + name))
        case Match.GLOB:
            expression = re.compile(_expression(pattern), re.DOTALL | (re.IGNORECASE if query.ignore_case else 0))
            if "/" in pattern:
                return lambda folder, name: expression.fullmatch(_text(folder + b"/" + name)) is not None
            return lambda _, name: expression.fullmatch(_text(name)) is not None


def _expression(pattern: str) -> str:
    start = r"(?:.*/)?" if "/" in pattern and not pattern.startswith("/") else ""
    pieces = re.findall(r"\*\*/|\*+|\?|\[[!^]?\]?[^\]]*\]|.", pattern, re.DOTALL)
    return start + "".join(map(_piece, pieces))


def _piece(piece: str) -> str:
    match piece:
        case "**/":
            return r"(?:.*/)?"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
        case _ if set(piece) == {"*"}:
            return ".*"
        case _ if piece.startswith("[") and len(piece) > 2:
            return _one_of(piece[1:-1])
        case _:
            return re.escape(piece)


def _one_of(inside: str) -> str:
    negated = inside[0] in "!^"
    escaped = re.sub(r"([\[\]\\&~|])", r"\\\1", inside[1:] if negated else inside)
    expression = f"[{'^/' if negated else ''}{escaped}]"
    try:
        re.compile(expression)
    except re.error:  # a range from a later to an earlier character holds none
        return "[^/]" if negated else "(?!)"
    return expression


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _folded(text: str) -> str:
    return text.casefold()


def _unchanged(text: str) -> str:
    return text
