"""What a configuration says, in one form: as JSON-ready values, and as TOML that reads back the same.

Secrets are shown as what they are here: references.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from drorch.config.configuration import Configuration
from drorch.config.network import shortened
from drorch.config.schema import File
from drorch.config.table import Table
from drorch.units import duration_text, rate_text, size_text

_UNITS: Mapping[str, Callable[[int], str]] = {
    "exclude_larger_than": size_text,
    "min_bytes": size_text,
    "memory_limit": size_text,
    "upload": rate_text,
    "download": rate_text,
}
"""Keys whose numbers are written with a unit."""
_NAMED = ("targets", "jobs", "maintenance")
_WIDTH = 100


def of(tables: File) -> dict[str, Any]:
    """What is said, without what is left to its default, in canonical units."""
    return _plain(tables)


def shown(configuration: Configuration) -> dict[str, Any]:
    """What is said, and what follows for `[drorch]` and the daemon's socket where nothing is said.

    URLs of monitors are shortened: who knows one whole can speak for the job.
    """
    general = {
        "state_dir": str(configuration.state_dir),
        "timezone": configuration.zone.key,
        "host": configuration.host,
        "max_parallel_runs": configuration.daemon.max_parallel_runs,
    }
    said = {key: _shown(value) for key, value in configuration.settled.items()}
    daemon = {"socket": str(configuration.daemon.socket), **said.pop("daemon", {})}
    return {**said, "drorch": general, "daemon": daemon}


def as_toml(configuration: Configuration) -> str:
    """The configuration as TOML; reading it gives the same targets, jobs and settings."""
    said = shown(configuration)
    ordered = {key: said[key] for key in File.model_fields if key in said}
    return "\n".join("\n".join(block) + "\n" for block in _blocks(ordered))


def _shown(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {
        key: shortened(one) if key == "ping" and isinstance(one, str) else _shown(one) for key, one in value.items()
    }


def _plain(table: Table) -> dict[str, Any]:
    plain = {}
    for key, field in type(table).model_fields.items():
        value = getattr(table, key)
        if field.is_required() or value != field.get_default(call_default_factory=True):
            plain[key] = _UNITS[key](value) if key in _UNITS else _value(value)
    return plain


def _value(value: Any) -> Any:
    if isinstance(value, Table):
        return _plain(value)
    if isinstance(value, dict):
        return {key: _value(one) for key, one in sorted(value.items())}
    if isinstance(value, list):
        return [_value(one) for one in value]
    return duration_text(value) if isinstance(value, timedelta) else value


def _blocks(said: Mapping[str, Any]) -> Iterator[list[str]]:
    for key, value in said.items():
        if key not in _NAMED:
            yield [f"[{key}]", *_pairs(value)]
        else:
            for name, table in value.items():
                yield [f"[{key}.{name}]", *_pairs({one: table[one] for one in table if one != "on"})]
                for target, there in table.get("on", {}).items():
                    yield [f"[{key}.{name}.on.{target}]", *_pairs(there)]


def _pairs(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        line = f"{key} = {_inline(value)}"
        if len(line) > _WIDTH and isinstance(value, dict):
            # TOML 1.0 has no line breaks in inline tables: dotted keys say the same.
            yield from (f"{key}.{inner} = {_inline(one)}" for inner, one in value.items())
        elif len(line) > _WIDTH and isinstance(value, list):
            yield from (f"{key} = [", *(f"    {_inline(one)}," for one in value), "]")
        else:
            yield line


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_inline(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    # A string of JSON is a string of TOML, but for DEL and for escaped pairs of surrogates.
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")
