"""The project's text: finished, of one form, and about the project alone."""

import re
from pathlib import Path

from tests.house.project import ROOT, files, shown

PROMISES = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b")
TEXT = [*files(suffixes=(".py", ".md", ".toml", ".sh", ".yaml", ".yml")), ROOT / "Makefile", ROOT / ".ci" / "run"]


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    """All lines of the project's text that hold the pattern, with file and number."""
    return [
        f"{shown(path)}:{number}: {line}"
        for path in TEXT
        for number, line in enumerate(path.read_text("utf-8").split("\n"), 1)
        if pattern.search(line)
    ]


def test_nothing_is_left_for_later() -> None:
    assert lines_with(PROMISES) == []


def test_no_file_knows_the_machine_it_is_on() -> None:
    places = [re.escape(str(place)) for place in (ROOT, Path.home() / ".cache") if len(place.parts) > 2]
    assert lines_with(re.compile(rf"({'|'.join(places)})(?![\w-])")) == []


def test_lines_end_where_their_text_ends() -> None:
    assert lines_with(re.compile(r"[ \t\r]$")) == []
    assert [shown(path) for path in TEXT if not path.read_text("utf-8").endswith("\n") and path.stat().st_size] == []


def test_the_rule_bites() -> None:
    assert PROMISES.findall("# TO" + "DO: later") == ["TO" + "DO"]
