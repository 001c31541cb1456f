"""The benchmark of databases measures what it says, on as little as there can be."""

from pathlib import Path

from benchmarks.databases import Figures, Plan, measure, section

_FIGURES = Figures("pg_dump", 500.0, 2.0, 2.2, 9.0, "restic 0.18.1", 8.0, 150.0, 140.0, 80.0, 0.03, 0.99)


def test_a_small_database_is_measured(tmp_path: Path) -> None:
    figures = measure(Plan("sqlite", size_mb=4, passes=1), tmp_path)
    assert figures.dump_mb > 2
    assert figures.bare_seconds > 0
    assert figures.run_seconds > figures.session_seconds > 0
    assert figures.restic.startswith("restic ") and figures.restic_seconds > figures.bare_seconds
    assert 0 < figures.stored_contiguous < figures.stored_scattered
    assert figures.quarter_peak_mb > 20


def test_a_bar_is_met_or_missed() -> None:
    text = section(Plan("postgresql"), _FIGURES, "2 cores")
    assert text.startswith("## postgresql\n")
    assert "2.20 (1.10)" in text
    assert "- met: read by drorch, at most 1.15 of the bare tool" in text
    assert "- MISSED: `drorch run`, at most 1.15 of the bare tool" in text
    assert "- MISSED: `drorch run`, at most what the tool into restic 0.18.1 takes" in text
    assert "- met: contiguous changes, at most 10% of the first" in text
