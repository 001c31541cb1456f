"""Every command has help that ends with its exit codes, and is documented with all its options."""

import re
from collections.abc import Callable
from functools import cache

import click
import pytest

from drorch.cli import exit_codes, reference
from drorch.cli.global_options import VerbCommand, global_options
from drorch.cli.root import HIDDEN, VERBS, root
from tests.house.project import PRODUCT, ROOT, files

EXIT_CODES = "Exit codes:"


@cache
def command(verb: str) -> click.Command:
    """The command of a verb."""
    found = root.get_command(click.Context(root, info_name="drorch"), verb)
    assert found is not None
    return found


def help_of(verb: str) -> str:
    context = click.Context(command(verb), info_name=verb, parent=click.Context(root, info_name="drorch"))
    return command(verb).get_help(context)


@cache
def documented() -> dict[str, str]:
    """The sections of docs/CLI.md by the verb their heading names."""
    text = (ROOT / "docs" / "CLI.md").read_text("utf-8")
    sections = re.split(r"^#{2,3} (?:`?drorch )?`?([a-z]+)`?.*$", text, flags=re.MULTILINE)
    return dict(zip(sections[1::2], sections[2::2], strict=True))


def parameters_of(verb: str) -> list[click.Parameter]:
    """The parameters of a verb and of the verbs below it."""
    found = command(verb)
    below = found.commands.values() if isinstance(found, click.Group) else ()
    return [one for part in (found, *below) for one in part.params]


def long_names(parameters: list[click.Parameter]) -> set[str]:
    return {name for parameter in parameters for name in parameter.opts if name.startswith("--")}


@pytest.mark.parametrize("verb", VERBS)
def test_help_says_what_the_command_does_and_ends_with_its_exit_codes(verb: str) -> None:
    assert (command(verb).help or "").strip().split("\n")[0] == VERBS[verb].summary
    _, _, last = help_of(verb).rpartition("\n\n")
    assert last.startswith(EXIT_CODES)
    shown = [int(code) for code in re.findall(r"^  (\d+) ", last, re.MULTILINE)]
    declared = command(verb)
    assert isinstance(declared, VerbCommand)
    assert shown == sorted(set(declared.exit_with))
    assert {0, 1, 64, 130} <= set(shown) <= set(exit_codes.MEANINGS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_has_help(verb: str) -> None:
    options = [one for one in parameters_of(verb) if isinstance(one, click.Option) and not one.hidden]
    assert [option.name for option in options if not (option.help or "").strip()] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_is_documented_with_its_options(verb: str) -> None:
    own = [one for one in parameters_of(verb) if not getattr(one, "hidden", False)]
    names = long_names(own) - long_names(global_options())
    assert [name for name in sorted(names) if name not in documented()[verb]] == []


def test_the_options_of_every_command_are_documented() -> None:
    text = (ROOT / "docs" / "CLI.md").read_text("utf-8")
    assert [name for name in sorted(long_names(global_options())) if name not in text] == []


def test_nothing_is_documented_that_does_not_exist() -> None:
    known = set().union(*(long_names(parameters_of(verb)) for verb in VERBS), long_names(root.params))
    known |= {"--help", "--version"}
    text = (ROOT / "docs" / "CLI.md").read_text("utf-8")
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+[a-z]", text)) - known == set()


@pytest.mark.parametrize(
    ("name", "generated"), [("CLI.md", reference.cli_page), ("EXIT-CODES.md", reference.exit_codes_page)]
)
def test_the_generated_pages_are_up_to_date(name: str, generated: Callable[[], str]) -> None:
    assert (ROOT / "docs" / name).read_text("utf-8") == generated(), "type: make docs"


def test_there_is_one_file_for_each_command() -> None:
    names = {path.stem for path in files("drorch/cli/commands") if path.parent == PRODUCT / "cli" / "commands"}
    assert names - {"__init__"} == {verb.module for verb in (*VERBS.values(), *HIDDEN.values())}


def test_what_is_hidden_is_not_told_of() -> None:
    assert HIDDEN.keys() & VERBS.keys() == set()
    shown = root.get_help(click.Context(root, info_name="drorch"))
    assert [verb for verb in HIDDEN if re.search(rf"^  {verb}\b", shown, re.MULTILINE)] == []
