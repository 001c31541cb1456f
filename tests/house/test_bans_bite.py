"""Each name that only one file may use is refused by ruff everywhere else in the product."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.project import ROOT, settings

BANNED: tuple[str, ...] = tuple(settings()["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"])


def banned_names_found_in(file: str, code: str) -> set[str]:
    """What ruff's TID251 says of a file of this name with this code."""
    ruff = str(Path(sys.executable).with_name("ruff"))
    command = [ruff, "check", "--no-cache", "--output-format=json", "--select=TID251", f"--stdin-filename={file}", "-"]
    done = subprocess.run(command, cwd=ROOT, input=code, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return {fault["message"].split("`")[1] for fault in json.loads(done.stdout)}


def code_that_uses(names: tuple[str, ...]) -> str:
    return "".join(f"from {name.rpartition('.')[0]} import {name.rpartition('.')[2]}\n" for name in names)


@pytest.mark.parametrize("file", ["drorch/actions/backup.py", "drorch/storage/local.py", "drorch/app/access.py"])
def test_every_ban_bites(file: str) -> None:
    members = tuple(name for name in BANNED if not name.startswith("datetime."))
    assert banned_names_found_in(file, code_that_uses(members)) == set(members)


def test_the_clock_is_banned_as_a_member_too() -> None:
    code = "import datetime\nimport time\n\nprint(datetime.datetime.now(), datetime.date.today(), time.time())\n"
    found = banned_names_found_in("drorch/actions/backup.py", code)
    assert found == {"datetime.datetime.now", "datetime.date.today", "time.time"}


@pytest.mark.parametrize("file", ["drorch/clock.py", "drorch/process/room.py", "drorch/cli/main.py"])
def test_the_homes_are_free(file: str) -> None:
    assert banned_names_found_in(file, code_that_uses(BANNED)) == set()
