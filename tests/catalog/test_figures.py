"""The promised figures of path history, at a fifth of the promised size: bytes a version and time a question."""

from pathlib import Path

from benchmarks.catalog import Plan, measure

_MIB = 2**20


def test_path_history_is_small_and_fast(tmp_path: Path) -> None:
    figures = measure(Plan(snapshots=40, paths=10_000, changing=0.05), tmp_path)
    assert figures.size < 6 * _MIB
    assert figures.delta < 0.5
    assert figures.history < 0.05
