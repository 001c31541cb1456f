"""The documentation is of this project: every file, link and section it names exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.project import ROOT, files, shown

PAGES = files(suffixes=(".md",))
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(
    r"(?<![\w./-])((?:drorch|docs|tests|scripts|benchmarks|\.ci)/[\w./-]*\w|Makefile|[A-Z]+\.md)(?![\w*{-])"
)
_SECTION = re.compile(r'docs/([A-Z-]+\.md),\s+"([^"]+)"')
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def headings(page: Path) -> list[str]:
    """The titles of a page's sections."""
    text = _FENCE.sub("", page.read_text("utf-8"))
    return [title.strip() for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]


def anchor(title: str) -> str:
    """The fragment by which a title is linked to."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def broken_links(page: Path) -> Iterator[str]:
    for link in _LINK.findall(_FENCE.sub("", page.read_text("utf-8"))):
        place, _, fragment = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        linked = (page.parent / place).resolve() if place else page
        if not linked.exists() or (fragment and fragment not in map(anchor, headings(linked))):
            yield link


def unknown_paths(page: Path) -> Iterator[str]:
    """Paths named in a page that are neither of the project nor beside the page."""
    for path in _PATH.findall(page.read_text("utf-8")):
        if not (ROOT / path).exists() and not (page.parent / path).exists():
            yield path


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_files_that_are_named_exist(page: Path) -> None:
    assert list(unknown_paths(page)) == []


def test_sections_that_the_code_cites_exist() -> None:
    cited = {
        (name, re.sub(r"\s+", " ", section), shown(path))
        for path in files("drorch", "tests", "benchmarks", "scripts")
        for name, section in _SECTION.findall(path.read_text("utf-8"))
    }
    assert cited
    assert [one for one in sorted(cited) if one[1] not in headings(ROOT / "docs" / one[0])] == []


def test_every_decision_is_in_the_list_of_decisions() -> None:
    decisions = ROOT / "docs" / "adr"
    listed = set(_LINK.findall((decisions / "README.md").read_text("utf-8")))
    assert {path.name for path in decisions.glob("[0-9]*.md")} == {link for link in listed if link[0].isdigit()}


def test_the_rules_bite(tmp_path: Path) -> None:
    page = tmp_path / "PAGE.md"
    page.write_text("# One\n\n[a](#one) [b](#two) [c](gone.md) [d](https://x.example)\n\ndrorch/gone.py, Makefile\n")
    assert list(broken_links(page)) == ["#two", "gone.md"]
    assert list(unknown_paths(page)) == ["drorch/gone.py"]
