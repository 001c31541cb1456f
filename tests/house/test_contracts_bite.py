"""Each import contract of pyproject.toml is broken by a planted violation, and by nothing in a clean house.

The violations are planted in a skeleton of the house: the same rooms and stones, without their content.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.project import PRODUCT, ROOT, contracts, floors

FLOORS = "Floors: imports point down"
LIBRARY_HOMES = {
    "boto3": "storage",
    "botocore": "storage",
    "paramiko": "storage",
    "sqlalchemy": "catalog",
    "alembic": "catalog",
    "pydantic": "config",
    "tree_sitter": "config",
    "tree_sitter_toml": "config",
    "click": "cli",
    "rich": "cli",
    "jinja2": "reporting",
    "matplotlib": "reporting",
    "smtplib": "reporting",
    "prometheus_client": "reporting",
    "urllib3": "storage and reporting",
    "apscheduler": "orchestrator",
    "cronsim": "model",
    "zstandard": "repository",
    "orjson": "repository",
    "pyfastcdc": "repository",
    "cryptography": "repository and drills",
    "pathspec": "sources",
    "psycopg": "sources",
    "pymysql": "sources",
}

VIOLATIONS = [
    (FLOORS, "app/room.py", "import drorch.cli"),
    (FLOORS, "orchestrator/room.py", "import drorch.app"),
    (FLOORS, "orchestrator/room.py", "from drorch.reporting import room"),
    (FLOORS, "reporting/room.py", "from drorch import orchestrator"),
    (FLOORS, "drills/room.py", "import drorch.orchestrator.room"),
    (FLOORS, "actions/room.py", "import drorch.drills"),
    (FLOORS, "repository/room.py", "import drorch.actions"),
    (FLOORS, "repository/room.py", "import drorch.sources"),
    (FLOORS, "sources/room.py", "import drorch.repository"),
    (FLOORS, "storage/room.py", "import drorch.repository.room"),
    (FLOORS, "storage/room.py", "import drorch.model"),
    (FLOORS, "errors.py", "import drorch.storage"),
    (FLOORS, "storage/room.py", "def late():\n    import drorch.app"),
    (FLOORS, "storage/room.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import drorch.app"),
    (FLOORS, "helpless.py", '"""A module on no floor."""'),
    ("The engine is a library: it never hears of jobs", "repository/room.py", "import drorch.model.room"),
    ("The engine is a library: it never hears of jobs", "sources/room.py", "import drorch.model"),
    ("Only the repository and those above it store", "sources/room.py", "import drorch.storage"),
    ("Only the repository and those above it store", "config/room.py", "import drorch.storage.room"),
    ("Config stops at the door", "actions/room.py", "import drorch.config"),
    ("Config stops at the door", "orchestrator/room.py", "from drorch.config import room"),
    ("The catalog is opened above the actions", "actions/room.py", "import drorch.catalog.queries"),
    ("The catalog is opened above the actions", "cli/room.py", "import drorch.catalog.queries"),
    ("What happened is written by the orchestrator", "reporting/room.py", "import drorch.catalog.ledger"),
    ("What was told is written by reporting", "orchestrator/room.py", "import drorch.catalog.outbox"),
    ("Only process starts children", "storage/room.py", "import subprocess"),
    ("Only process starts children", "repository/room.py", "from multiprocessing import Process"),
    ("Only process starts children", "cli/room.py", "import multiprocessing.shared_memory"),
    ("No cycles anywhere", "actions/room.py", "from drorch.actions import second"),
]


def library_contract(library: str) -> str:
    return f"{library} is at home in {LIBRARY_HOMES[library]}"


def violations() -> list[tuple[str, str, str]]:
    """The violations above, and each library imported in a room that is not its home."""
    abroad = [
        (library_contract(library), "actions/room.py", f"def late():\n    import {library}.part")
        for library in LIBRARY_HOMES
    ]
    return VIOLATIONS + abroad


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A skeleton of the house in a folder of its own, with the project's contracts."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    package = tmp_path / "drorch"
    package.mkdir()
    (package / "__init__.py").write_text('"""The house."""\n')
    for name in (name for floor in floors() for name in floor):
        if (PRODUCT / name).is_dir():
            (package / name).mkdir()
            for file in ("__init__.py", "room.py", "second.py"):
                (package / name / file).write_text('"""A room."""\n')
        else:
            (package / f"{name}.py").write_text('"""A stone."""\n')
    for door in ("ledger.py", "outbox.py", "queries.py"):
        (package / "catalog" / door).write_text('"""A door."""\n')
    (package / "actions" / "second.py").write_text('"""A room."""\n\nimport drorch.actions.room\n')
    return tmp_path


def lint(house: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    environment = {**os.environ, "PYTHONPATH": str(house), "COLUMNS": "200"}
    return subprocess.run(command, cwd=house, env=environment, capture_output=True, text=True, check=False)


def test_a_clean_house_keeps_every_contract(house: Path) -> None:
    done = lint(house)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(contracts())} kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("contract", "file", "code"),
    [pytest.param(*case, id=f"{case[1]}: {case[2].splitlines()[-1].strip()}") for case in violations()],
)
def test_a_violation_breaks_its_contract(house: Path, contract: str, file: str, code: str) -> None:
    with (house / "drorch" / file).open("a") as module:
        module.write(f"\n{code}\n")
    done = lint(house)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{contract} BROKEN" in done.stdout


def test_every_contract_is_shown_to_bite() -> None:
    assert {contract["name"] for contract in contracts()} == {contract for contract, _, _ in violations()}


@pytest.mark.parametrize("library", LIBRARY_HOMES)
def test_a_library_is_foreign_everywhere_but_at_home(library: str) -> None:
    contract = next(one for one in contracts() if one["name"] == library_contract(library))
    everywhere = {f"drorch.{name}" for floor in floors() for name in floor}
    homes = {f"drorch.{name}" for name in LIBRARY_HOMES[library].split(" and ")}
    assert set(contract["source_modules"]) == everywhere - homes
    assert contract["forbidden_modules"] == [library]


def test_children_are_started_nowhere_but_in_process() -> None:
    contract = next(one for one in contracts() if one["name"] == "Only process starts children")
    everywhere = {f"drorch.{name}" for floor in floors() for name in floor}
    assert set(contract["source_modules"]) == everywhere - {"drorch.process"}
