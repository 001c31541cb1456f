"""docs/CONFIGURATION.md and jobs.example.toml, written from the schema and the packaged example.

`python -m drorch.config.reference FOLDER` writes both into a project's folder.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from drorch.config.schema import json_schema

_TOP = """# Configuration

Written by `make docs` from the schema; do not edit by hand.

drorch reads one TOML file: the one named with `-c`, or by `$DRORCH_CONFIG`, or `./jobs.toml`, or
`/etc/drorch/jobs.toml`. As root it reads what `-c` names and what lies in `/etc/drorch`, nothing else. A file is
refused where others than you and root may write it or its folder, since a configuration can run commands.

`drorch config check` reports every fault at once, each with its line, shows when each job begins next, and warns of an
RPO that its schedule cannot keep; `config show` says what drorch makes of the file (all but the URLs of monitors, which
it shortens), `config schema` writes a JSON Schema for editors, `config example` a commented example. Unknown keys are
errors, and nothing is coerced: a string is not a number. Lists replace, they never merge.

| Kind | How it is written |
|---|---|
| name | small letters, digits, `_` and `-`, at most 64, the first a letter or a digit |
| path | absolute |
| duration | `"90s"`, `"30m"`, `"4h"`, `"1h30m"`, `"14d"`, `"2w"`, `"10y"` (a year is 365 days) |
| size | `"500 KiB"`, `"10 MiB"`, `"2 GiB"`, or a number of bytes |
| rate | a size each second: `"2 MiB/s"` |
| hours | from when to when of each day: `"08:00-18:00"`, `"22:00-06:00"` |
| window | `"22:00-06:00"`, `"sat,sun"`, `"mon-fri 08:00-18:00"`, `"2026-12-24/2026-12-27"`, or all three in one |
| schedule | cron with five fields, `"@daily"` and its like, or `"every 4h"` |
| secret | a reference: `{ file = "..." }`, `{ env = "..." }`, `{ command = ["..."] }` or `{ credential = "..." }` |

A job that names its hours runs exactly once for each, on the days when clocks change too: what falls into the hour that
is skipped runs when the clocks have been put forward, and of the hour that comes twice the first counts. A schedule
whose field of hours begins with `*` runs whenever clocks show a time that it names. `"every 4h"` counts hours as they
pass, from the last time it was due, or else from a midnight. What was missed is made up for once.

What is due begins after its jitter, in the first moment that its windows permit. A window is days, times or both
(`"fri-mon 20:00-08:00"` begins on each of the four days, and ends on the next), and may be bound to dates, both of
which it includes.

The targets of a job that follow its own schedule are served by one run each time: the source is read once, and copies
are made. A target with a schedule of its own is served by runs of its own. Both are conducted as the job says.
"""
_TABLES = (
    ("[drorch]", "GeneralTable"),
    ("[daemon]", "DaemonTable"),
    ("[catalog]", "CatalogTable"),
    ("[targets.NAME] of type local", "LocalTargetTable"),
    ("[targets.NAME] of type s3", "S3TargetTable"),
    ("[targets.NAME] of type sftp", "SftpTargetTable"),
    ("limits", "LimitTable"),
    ("price", "PriceTable"),
    ("object_lock", "ObjectLockTable"),
    ("encryption", "EncryptionTable"),
    ("[jobs.NAME]", "JobTable"),
    ("source of type files", "FilesTable"),
    ("source of type postgresql", "PostgresqlTable"),
    ("source of type mariadb or mysql", "MariadbTable"),
    ("source of type sqlite", "SqliteTable"),
    ("source of type redis or valkey", "RedisTable"),
    ("source of type command", "CommandTable"),
    ("[jobs.NAME.on.TARGET]", "OnTable"),
    ("retention", "RetentionTable"),
    ("objectives", "ObjectivesTable"),
    ("[[jobs.NAME.hooks]], or each of hooks", "HookTable"),
    ("[maintenance.TARGET]", "MaintenanceTable"),
    ("check, in [maintenance.TARGET]", "CheckTable"),
    ("password, and every other secret", "SecretTable"),
)
_WORDS = {
    "SecretTable": "secret",
    "RetentionTable": "retention",
    "ObjectivesTable": "objectives",
    "FilesTable": "source",
    "PostgresqlTable": "source",
    "MariadbTable": "source",
    "SqliteTable": "source",
    "RedisTable": "source",
    "CommandTable": "source",
    "HookTable": "hook",
    "CheckTable": "check",
    "OnTable": "by target",
    "LimitTable": "limit",
    "PriceTable": "price",
    "ObjectLockTable": "object lock",
    "EncryptionTable": "encryption",
}
_NAMED = frozenset(
    {
        "name",
        "path",
        "duration",
        "size",
        "schedule",
        "time zone",
        "tag",
        "pattern",
        "file name",
        "host name",
        "URL",
        "text",
        "bucket",
        "prefix",
        "region",
        "storage class",
        "currency",
        "user",
        "[user@]host[:port]",
        "path there",
        "hours",
        "window",
        "rate",
        "number",
        "database",
        "query",
    }
)
_PLAIN = {"string": "text", "integer": "integer", "boolean": "true or false"}


def example() -> str:
    """The commented example, all keys in use."""
    return files("drorch.config").joinpath("example.toml").read_text(encoding="utf-8")


def page() -> str:
    """The text of docs/CONFIGURATION.md."""
    tables: Mapping[str, Any] = json_schema()["$defs"]
    parts = [_TOP.strip()]
    for title, name in _TABLES:
        parts.append(f"## {title}")
        parts.append(tables[name]["description"])
        parts.append("\n".join(["| Key | Kind | Default | Meaning |", "|---|---|---|---|", *_rows(tables[name])]))
    return "\n\n".join(parts) + "\n"


def _rows(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table["properties"].items():
        default = "required" if key in table.get("required", ()) else _default(value.get("default"))
        yield f"| `{key}` | {_kind(value)} | {default} | {value['description'].replace('|', chr(92) + '|')} |"


def _default(value: object) -> str:
    return "" if value in (None, [], {}) else f"`{json.dumps(value)}`"


def _kind(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        return _WORDS[value["$ref"].rpartition("/")[2]]
    if "oneOf" in value:
        return " or ".join(dict.fromkeys(map(_kind, value["oneOf"])))
    if "enum" in value:
        return ", ".join(f'`"{one}"`' for one in value["enum"])
    if "const" in value:
        return f'`"{value["const"]}"`'
    if value.get("type") == "array":
        return f"list of {_kind(value['items'])}"
    if "patternProperties" in value:
        return f"{_kind(*value['patternProperties'].values())} by name"
    if value.get("type") == "object":
        return _kind(value["additionalProperties"])
    if value.get("title") in _NAMED:
        return str(value["title"])
    return _PLAIN[value["type"]]


def write(folder: Path) -> None:
    """Write both files into a project's folder."""
    (folder / "docs" / "CONFIGURATION.md").write_text(page(), encoding="utf-8")
    (folder / "jobs.example.toml").write_text(example(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(*sys.argv[1:2] or (".",)))
