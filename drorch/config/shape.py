"""Which kind of table stands where in a configuration: read off the schema, so that faults can name keys and places."""

import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from drorch.config import syntax
from drorch.config.schema import File
from drorch.config.table import Table


def table_at(path: syntax.Path, data: Any) -> type[Table] | None:
    """What kind of table stands at this path of the data."""
    annotation: Any = File
    for part in path:
        annotation = _below(annotation, part, data)
        data = value_at(data, (part,))
    return _table_in(annotation, data)


def value_at(data: Any, path: syntax.Path) -> object:
    """The value at this path; None where there is none."""
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def as_table(value: object) -> Mapping[str, Any]:
    """A value that should be a table; an empty one where it is something else."""
    return value if isinstance(value, dict) else {}


def without_kinds(path: syntax.Path) -> syntax.Path:
    """A place as pydantic tells it, without the kind that it names after each value that may be of several."""
    annotation: Any = File
    kept: list[str | int] = []
    for part in path:
        if _choice(annotation):
            annotation = _member(annotation, part)
        else:
            kept.append(part)
            annotation = _below(annotation, part, None)
    return tuple(kept)


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
        elif origin in (Union, types.UnionType) and type(None) in get_args(annotation):
            annotation = next(one for one in get_args(annotation) if one is not type(None))
        else:
            return annotation


def _choice(annotation: Any) -> tuple[Any, ...]:
    """What a value may be, where it may be of several kinds."""
    bare = _bare(annotation)
    return get_args(bare) if get_origin(bare) in (Union, types.UnionType) else ()


def _member(annotation: Any, kind: object) -> type[Table] | None:
    """The table of this kind; where only one table is to choose, that one."""
    tables = [one for one in map(_bare, _choice(annotation)) if isinstance(one, type) and issubclass(one, Table)]
    if len(tables) == 1:
        return tables[0]
    return next((one for one in tables if kind in get_args(one.model_fields["type"].annotation)), None)


def _table_in(annotation: Any, data: Any) -> type[Table] | None:
    if _choice(annotation):
        return _member(annotation, as_table(data).get("type"))
    bare = _bare(annotation)
    return bare if isinstance(bare, type) and issubclass(bare, Table) else None
