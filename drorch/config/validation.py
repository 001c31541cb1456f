"""Values -> tables, or every fault of a file at once, in words, each at its place.

Promise: no fault quotes the value of a secret, and no foreign exception that could is chained to ours.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from drorch.config import crossing, syntax
from drorch.config.faults import Fault, meant
from drorch.config.fields import OWN, Surroundings, kind_of
from drorch.config.schema import File
from drorch.config.shape import as_table, table_at, value_at, without_kinds
from drorch.config.syntax import Document
from drorch.config.table import SecretTable
from drorch.secrets import is_exposed

_WANTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_ANSWERS: dict[tuple[str, str], str] = {
    ("int_type", "a string"): "; write it without quotes",
    ("float_type", "a string"): "; write it without quotes",
    ("bool_type", "a string"): "; write it without quotes",
    ("string_type", "an integer"): "; write it in quotes",
    ("list_type", "a string"): '; write ["..."]',
    ("list_type", "a table"): "; write [{ ... }]",
}
_KEY = "[key]"
_PRIVATE = frozenset({"identity_file"})
"""Keys whose values are files that hold a secret themselves."""


def check(document: Document, surroundings: Surroundings) -> tuple[File | None, list[Fault]]:
    """The tables of a document, or None and what is wrong, sorted by place."""
    faults = list(document.faults)
    incomplete = bool(faults)
    file: File | None = None
    try:
        file = File.model_validate(document.data, context=surroundings)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        # Around lines that could not be read, what is missing may well be there.
        faults.extend(_translated(one, document) for one in found if not (incomplete and one["type"] == "missing"))
    if not incomplete:
        faults.extend(crossing.faults(document))
    faults.extend(_exposed(document.data, (), document))
    return (None if faults else file), sorted(set(faults))


def _translated(error: ErrorDetails, document: Document) -> Fault:
    path = without_kinds(tuple(part for part in error["loc"] if part != _KEY))
    kind, context = error["type"], error.get("ctx", {})
    if kind == OWN:
        path = (*path, context["at"]) if context.get("at") else path
        place = document.key_place(path) if _KEY in error["loc"] else document.value_place(path)
        return Fault(place, context["message"])
    if kind == "extra_forbidden":
        table = table_at(path[:-1], document.data)
        known = list(table.model_fields) if table is not None else []
        return Fault(
            document.key_place(path), f'unknown key "{path[-1]}"{meant(str(path[-1]), known, kind="known keys")}'
        )
    if kind == "missing":
        owner = ".".join(map(str, path[:-1]))
        return Fault(document.key_place(path[:-1]), f'"{path[-1]}" is missing{f" in {owner}" if owner else ""}')
    return Fault(document.value_place(path), _wording(kind, context, value_at(document.data, path)))


def _wording(kind: str, context: Mapping[str, Any], value: object) -> str:
    if kind in _WANTED:
        stands = kind_of(value)
        return f"{stands} stands where {_WANTED[kind]} is wanted{_ANSWERS.get((kind, stands), '')}"
    if kind == "literal_error":
        known = [word.strip(" '") for word in context["expected"].replace(" or ", ",").split(",")]
        if not isinstance(value, str):
            return f"{kind_of(value)} stands where one of these is wanted: {', '.join(known)}"
        return f'"{value}" is not known here{meant(value, known, kind="known")}'
    if kind == "greater_than_equal":
        return f"{value} is too small; the least is {context['ge']}"
    if kind == "less_than_equal":
        return f"{value} is too large; the most is {context['le']}"
    if kind == "too_short":
        return "the list is empty; it needs at least one item"
    return f"this is not what is wanted here ({kind.replace('_', ' ')})"


def _exposed(data: object, path: syntax.Path, document: Document) -> Iterator[Fault]:
    """Files of secrets, and private keys, that everyone can read."""
    for key, value in as_table(data).items():
        below = (*path, key)
        if key in _PRIVATE:
            yield from _exposed_file("key", value, below, document)
        elif table_at(below, document.data) is SecretTable:
            yield from _exposed_file("secret", as_table(value).get("file"), (*below, "file"), document)
        else:
            yield from _exposed(value, below, document)


def _exposed_file(what: str, file: object, path: syntax.Path, document: Document) -> Iterator[Fault]:
    if isinstance(file, str) and file.startswith("/") and "\0" not in file and is_exposed(Path(file)):
        words = f"the {what} in {file} can be read by everyone; type: chmod 600 {file}"
        yield Fault(document.value_place(path), words)
