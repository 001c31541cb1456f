"""Configurations for tests, and the faults of a text."""

from pathlib import Path

import pytest

from drorch.config.configuration import Configuration
from drorch.config.location import User
from drorch.config.reading import Reader, parse
from drorch.errors import ConfigError

FILE = Path("jobs.toml")
ANNA = Reader(user=User(1000, 1000), environment={"XDG_STATE_HOME": "/home/anna/.state", "TZ": "Europe/Vienna"})

SOUND = """
[targets.onsite]
type = "local"
path = "/srv/backup"
password = { file = "/etc/drorch/onsite.password" }

[targets.shelf]
type = "local"
path = "/mnt/shelf"
password = { env = "SHELF_PASSWORD" }

[jobs.homes]
source = { type = "files", paths = ["/home"], exclude_larger_than = "10 MiB" }
targets = ["onsite", "shelf"]
schedule = "30 2 * * *"
retention = { last = 3, within = "2w" }
objectives = { rpo = "26h", rto = "90m" }

[jobs.homes.on.shelf]
schedule = "every 4h"
"""


def configuration(text: str, reader: Reader = ANNA) -> Configuration:
    """The configuration in a text."""
    return parse(text, FILE, reader)


def faults(text: str) -> list[str]:
    """What is wrong with a text, as `line:column: message`."""
    with pytest.raises(ConfigError) as raised:
        configuration(text)
    return [f"{problem.subject.removeprefix('jobs.toml:')}: {problem.message}" for problem in raised.value.problems]
