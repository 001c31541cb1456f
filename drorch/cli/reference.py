"""docs/CLI.md and docs/EXIT-CODES.md, written from the commands themselves, so that they cannot say anything else.

`python -m drorch.cli.reference FOLDER` writes both into a folder.
"""

import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from drorch.cli import exit_codes
from drorch.cli.global_options import GLOBAL_TITLE, VerbCommand
from drorch.cli.groups import VerbGroup
from drorch.cli.root import SECTIONS, VERBS, root

_NOTE = "Written by `make docs` from the commands themselves; do not edit by hand."

_CLI_TOP = f"""# Command line

{_NOTE}

`drorch [OPTIONS] VERB [OPTIONS] [ARGUMENTS]`. Options of every command may stand before or after the verb. Results go
to stdout; progress and faults go to stderr, a fault on one line with a hint. With `--json` a result is one object,
or one object a line with a `message_type`, and a fault is an object too.

SNAPSHOT is an id, its beginning, or `latest`; `SNAPSHOT:/PATH` names a path in it. Exit codes are explained in
[EXIT-CODES.md](EXIT-CODES.md).
"""

_CODES_TOP = f"""# Exit codes

{_NOTE}

A code means one thing, whichever command ends with it. 0, 1, 3, 10, 11, 12 and 130 mean what they mean in restic.

| Code | Meaning | Commands |
|---|---|---|
"""


def cli_page() -> str:
    """The text of docs/CLI.md."""
    with click.Context(root, info_name="drorch") as context:
        shared = _options(context, root.params)
        parts = [_CLI_TOP, f"## {GLOBAL_TITLE}", shared]
        for section in SECTIONS:
            parts.append(f"## {section}")
            parts.extend(_verb(context, verb) for verb in VERBS if VERBS[verb].section == section)
    return "\n\n".join(part.strip() for part in parts) + "\n"


def exit_codes_page() -> str:
    """The text of docs/EXIT-CODES.md."""
    with click.Context(root, info_name="drorch") as context:
        used = {verb: set(_command(context, verb).exit_with) for verb in VERBS}
    rows = []
    for code, meaning in exit_codes.MEANINGS.items():
        verbs = [verb for verb, codes in used.items() if code in codes]
        where = "all" if len(verbs) == len(used) else ", ".join(f"`{verb}`" for verb in verbs) or "none yet"
        rows.append(f"| {code} | {meaning} | {where} |\n")
    return _CODES_TOP + "".join(rows)


def _command(context: click.Context, verb: str) -> VerbCommand:
    command = root.get_command(context, verb)
    assert isinstance(command, VerbCommand)
    return command


def _verb(parent: click.Context, verb: str) -> str:
    command = _command(parent, verb)
    with click.Context(command, info_name=verb, parent=parent) as context:
        usage = " ".join(command.collect_usage_pieces(context))
        parts = [
            f"### `drorch {verb}`",
            inspect.cleandoc(command.help or ""),
            f"```\ndrorch {verb} {usage}\n```",
            _options(context, command.own_params),
            f"Exit codes: {exit_codes.describe(command.exit_with)}.",
            *_sub_verbs(context, command, verb),
        ]
    return "\n\n".join(filter(None, parts))


def _sub_verbs(context: click.Context, command: VerbCommand, verb: str) -> Iterator[str]:
    if not isinstance(command, VerbGroup):
        return
    for name, inner in command.commands.items():
        assert isinstance(inner, VerbCommand)
        with click.Context(inner, info_name=name, parent=context) as below:
            usage = " ".join(inner.collect_usage_pieces(below)).replace("[OPTIONS]", "").strip()
            yield f"#### `drorch {verb} {name}{' ' if usage else ''}{usage}`"
            yield inspect.cleandoc(inner.help or "")
            yield _options(below, inner.own_params)
            yield f"Exit codes: {exit_codes.describe(inner.exit_with)}."


def _options(context: click.Context, parameters: Sequence[click.Parameter]) -> str:
    records = [record for parameter in parameters if (record := parameter.get_help_record(context))]
    if not records:
        return ""
    rows = [f"| `{_cell(names)}` | {_cell(text)} |" for names, text in records]
    return "\n".join(["| Option | Meaning |", "|---|---|", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def write(folder: Path) -> None:
    """Write both pages into a folder."""
    for name, text in (("CLI.md", cli_page()), ("EXIT-CODES.md", exit_codes_page())):
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(*sys.argv[1:2] or ("docs",)))
