"""drorch status shows scheduled checks and jobs that follow others."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from tests.cli.commandline import drorch, drorch_json
from tests.cli.scheduled import install

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC).timestamp()


def test_a_check_that_never_ran_is_overdue_until_it_does(tmp_path: Path) -> None:
    file = install(tmp_path)
    drorch("-c", file, "run", "homes")
    file.write_text(f'{file.read_text()}\n[maintenance.one]\ncheck = {{ schedule = "@monthly", parts = 30 }}\n')
    os.utime(file, (LONG_AGO, LONG_AGO))
    told = drorch("-c", file, "status", status=70).stdout.decode()
    assert "check@one: it never ran, and was due 2020-02-01" in told
    [overdue] = json.loads(drorch("-c", file, "status", "--json", status=70).stdout)["checks"]
    assert (overdue["target"], overdue["standing"], overdue["last_run"]) == ("one", "overdue", None)
    drorch("-c", file, "check", "-t", "one")
    assert "Check of" in drorch("-c", file, "status").stdout.decode()
    [well] = drorch_json("-c", file, "status")["checks"]
    assert (well["standing"], well["schedule"], well["last_run"]["outcome"]) == ("ok", "@monthly", "ok")
    assert drorch_json("-c", file, "status", "-t", "two")["checks"] == []
