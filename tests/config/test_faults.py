"""Every fault of a configuration is told at once, at its place, in words; and what is no fault is not."""

from pathlib import Path

import pytest

from drorch.config.fields import Surroundings
from drorch.config.reading import Reader, parse
from drorch.errors import ConfigError
from tests.config.configs import ANNA, FILE, SOUND, configuration, faults

HERE = Path(__file__).parent
FAULTY = (HERE / "faulty.toml").read_text("utf-8")


def test_all_planted_faults_are_told_in_these_words() -> None:
    assert faults(FAULTY) == (HERE / "faulty.expected.txt").read_text("utf-8").splitlines()


def test_the_faults_are_on_the_lines_they_were_planted_on() -> None:
    planted = [number for number, line in enumerate(FAULTY.splitlines(), 1) if "# fault" in line]
    told = [int(fault.split(":")[0]) for fault in faults(FAULTY)]
    assert sorted(set(told)) == planted
    assert told == sorted(told)
    assert len(planted) > 20


def test_the_error_says_how_many_and_what_to_type() -> None:
    with pytest.raises(ConfigError) as raised:
        configuration(FAULTY)
    assert raised.value.exit_code == 4
    assert raised.value.message == f"jobs.toml has {len(faults(FAULTY))} faults"
    assert "drorch config check" in (raised.value.hint or "")


def test_a_key_that_is_there_twice_is_told_where_it_was_first() -> None:
    text = SOUND.replace('schedule = "30 2', 'targets = []\nschedule = "30 2')
    assert faults(text) == ['15:1: "targets" is there twice, first in line 14']


def test_a_table_that_is_there_twice_is_told() -> None:
    text = SOUND + '[jobs.homes]\ntargets = ["nowhere"]\n'
    assert faults(text) == ["21:7: [jobs.homes] is there twice, first in line 12"]


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ('path = "/srv/backup', ["4:20: this is not TOML: unterminated string"]),
        ("path = /srv/backup", ["4:8: this is not TOML: invalid value"]),
        ("path '/srv'", ["4:6: this is not TOML: expected '=' after a key in a key/value pair"]),
        ('path = "/srv"]', ["4:14: this is not TOML: expected newline or end of document after a statement"]),
    ],
)
def test_a_broken_line_is_told_and_nothing_follows_from_it(broken: str, told: list[str]) -> None:
    assert faults(SOUND.replace('path = "/srv/backup"', broken)) == told


def test_beside_broken_lines_other_faults_are_told() -> None:
    text = SOUND.replace("[targets.shelf]", "[targets.shelf").replace('"30 2 * * *"', "2:30").replace("last", "lost")
    told = faults(text)
    assert [fault.split(":")[0] for fault in told] == ["7", "15", "16"]
    assert told[2].endswith('unknown key "lost"; did you mean "last"?')


def test_columns_count_characters() -> None:
    text = SOUND.replace('path = "/srv/backup"', 'path = "/srv/backup" # ä\n"ключ" = 1')
    assert faults(text) == [
        '5:1: unknown key "ключ"; known keys: type, path, password, limits, price, max_parallel_runs'
    ]
    assert faults('drorch = { host = "ü ", "timezone" = 5 }')[0].startswith("1:19:")


def test_a_secret_that_everyone_can_read_is_a_fault(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    text = SOUND.replace("/etc/drorch/onsite.password", str(secret))
    secret.chmod(0o600)
    assert configuration(text).targets
    secret.chmod(0o604)
    assert faults(text) == [f"5:21: the secret in {secret} can be read by everyone; type: chmod 600 {secret}"]


def test_patterns_are_judged_by_who_knows_them() -> None:
    text = SOUND.replace("exclude_larger", 'exclude = ["*.tmp", "a["], exclude_larger')
    judge = Surroundings(lambda pattern: "malformed" if "[" in pattern else None)
    with pytest.raises(ConfigError) as raised:
        parse(text, FILE, Reader(ANNA.user, ANNA.environment, judge))
    assert [problem.message for problem in raised.value.problems] == ["malformed"]
    assert configuration(text).jobs
