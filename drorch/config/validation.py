"""Values -> tables, or every fault of a file at once, in words, each at its place.

Promise: no fault quotes the value of a secret, and no foreign exception that could is chained to ours.
"""

import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from drorch.config import syntax
from drorch.config.faults import Fault, meant
from drorch.config.fields import OWN, Surroundings, kind_of
from drorch.config.schema import File
from drorch.config.syntax import Document
from drorch.config.table import SecretTable, Table
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
        faults.extend(_dangling(document))
        faults.extend(_alone(document))
    faults.extend(_exposed(document.data, (), document))
    return (None if faults else file), sorted(set(faults))


def _translated(error: ErrorDetails, document: Document) -> Fault:
    path = _without_kinds(tuple(part for part in error["loc"] if part != _KEY))
    kind, context = error["type"], error.get("ctx", {})
    if kind == OWN:
        path = (*path, context["at"]) if context.get("at") else path
        place = document.key_place(path) if _KEY in error["loc"] else document.value_place(path)
        return Fault(place, context["message"])
    if kind == "extra_forbidden":
        table = _table_at(path[:-1], document.data)
        known = list(table.model_fields) if table is not None else []
        return Fault(
            document.key_place(path), f'unknown key "{path[-1]}"{meant(str(path[-1]), known, kind="known keys")}'
        )
    if kind == "missing":
        owner = ".".join(map(str, path[:-1]))
        return Fault(document.key_place(path[:-1]), f'"{path[-1]}" is missing{f" in {owner}" if owner else ""}')
    return Fault(document.value_place(path), _wording(kind, context, _at(document.data, path)))


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


def _at(data: Any, path: syntax.Path) -> object:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _without_kinds(path: syntax.Path) -> syntax.Path:
    """A place as pydantic tells it, without the kind that it names after each table that may be of several."""
    annotation: Any = File
    kept: list[str | int] = []
    for part in path:
        if _is_choice(annotation):
            annotation = next((one for one in get_args(_bare(annotation)) if _type_of(one) == part), None)
        else:
            kept.append(part)
            annotation = _below(annotation, part, None)
    return tuple(kept)


def _table_at(path: syntax.Path, data: Any) -> type[Table] | None:
    """What kind of table stands at this path."""
    annotation: Any = File
    for part in path:
        annotation = _below(annotation, part, data)
        data = _at(data, (part,))
    return _table_in(annotation, data)


def _below(annotation: Any, part: str | int, data: Any) -> Any:
    table = _table_in(annotation, data)
    if table is not None:
        field = table.model_fields.get(str(part))
        return field.annotation if field is not None else None
    # A table by name, or an item of a list.
    arguments = get_args(_bare(annotation))
    return arguments[-1] if arguments else None


def _bare(annotation: Any) -> Any:
    """An annotation without what is said about it, and without the None that may stand in its place."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType) and not _is_choice(annotation):
            annotation = next(one for one in get_args(annotation) if one is not type(None))
        else:
            return annotation


def _is_choice(annotation: Any) -> bool:
    """Whether a table may be of several kinds here."""
    if get_origin(annotation) is Annotated:
        return _is_choice(get_args(annotation)[0])
    return get_origin(annotation) in (Union, types.UnionType) and type(None) not in get_args(annotation)


def _type_of(table: type[Table]) -> object:
    return get_args(table.model_fields["type"].annotation)[0]


def _table_in(annotation: Any, data: Any) -> type[Table] | None:
    bare = _bare(annotation)
    if _is_choice(annotation):
        bare = next((one for one in get_args(bare) if _type_of(one) == _table(data).get("type")), None)
    return bare if isinstance(bare, type) and issubclass(bare, Table) else None


def _dangling(document: Document) -> Iterator[Fault]:
    """Names of targets that no target has, wherever a job uses them."""
    targets = _table(document.data.get("targets"))
    for name, job in _table(document.data.get("jobs")).items():
        used = _table(job).get("targets")
        listed = [one for one in used if isinstance(one, str)] if isinstance(used, list) else []
        for number, one in enumerate(used if isinstance(used, list) else ()):
            if isinstance(one, str) and one not in targets:
                words = f'there is no target "{one}"{meant(one, targets, kind="targets")}'
                yield Fault(document.value_place(("jobs", name, "targets", number)), words)
        sound = [one for one in listed if one in targets]
        for one in _table(_table(job).get("on")):
            if one not in listed:
                words = f'"{one}" is not among the targets of job {name}{meant(one, sound, kind="its targets")}'
                yield Fault(document.key_place(("jobs", name, "on", one)), words)


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _alone(document: Document) -> Iterator[Fault]:
    """Keys that are nothing without another one, which is not there."""
    for name, target in _table(document.data.get("targets")).items():
        path = ("targets", name)
        kind = _table_at(path, document.data)
        for key, other in kind.companions if kind is not None else ():
            if key in target and other not in target:
                words = f"{key} is nothing without {other}; say that too, or leave both out"
                yield Fault(document.key_place((*path, key)), words)


def _exposed(data: object, path: syntax.Path, document: Document) -> Iterator[Fault]:
    """Files of secrets, and private keys, that everyone can read."""
    for key, value in _table(data).items():
        below = (*path, key)
        if key in _PRIVATE:
            yield from _exposed_file("key", value, below, document)
        elif _table_at(below, document.data) is SecretTable:
            yield from _exposed_file("secret", _table(value).get("file"), (*below, "file"), document)
        else:
            yield from _exposed(value, below, document)


def _exposed_file(what: str, file: object, path: syntax.Path, document: Document) -> Iterator[Fault]:
    if isinstance(file, str) and file.startswith("/") and "\0" not in file and is_exposed(Path(file)):
        words = f"the {what} in {file} can be read by everyone; type: chmod 600 {file}"
        yield Fault(document.value_place(path), words)
