"""Names, retentions and jobs as values."""

from datetime import timedelta

import pytest

from drorch.model.names import STATE_JOB, is_name, job_name, target_name
from drorch.model.retention import Retention


@pytest.mark.parametrize("name", ["a", "0", "web-1_homes", "a" * 64])
def test_names_are_names(name: str) -> None:
    assert is_name(name)
    assert (job_name(name), target_name(name)) == (name, name)


@pytest.mark.parametrize("name", ["", "A", "-a", "_a", "a b", "a" * 65, "ä", "a\n", "a/b", STATE_JOB])
def test_other_words_are_not(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(ValueError, match="is not a name: small letters"):
        job_name(name)


def test_a_retention_keeps_something_or_not() -> None:
    assert not Retention().keeps_something
    assert Retention(yearly=1).keeps_something
    assert Retention(within_daily=timedelta(days=1)).keeps_something
    with pytest.raises(ValueError, match="fewer than no"):
        Retention(daily=-1)
