"""What all tests share: nothing of the machine's own settings, repositories or caches is seen or touched."""

import importlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.servers.seaweedfs import SeaweedFS

_NOT_FOR_TESTS = (
    "RESTIC_REPOSITORY",
    "RESTIC_REPOSITORY_FILE",
    "RESTIC_PASSWORD",
    "RESTIC_PASSWORD_FILE",
    "RESTIC_PASSWORD_COMMAND",
    "RESTIC_HOST",
    "RESTIC_COMPRESSION",
    "RESTIC_READ_CONCURRENCY",
    "DRORCH_CONFIG",
)


@pytest.fixture(scope="session", autouse=True)
def quiet_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No repository, password or setting of whoever runs the tests reaches them or the programs they start."""
    with pytest.MonkeyPatch.context() as environment:
        for name in _NOT_FOR_TESTS:
            environment.delenv(name, raising=False)
        environment.setenv("RESTIC_CACHE_DIR", str(tmp_path_factory.mktemp("restic-cache")))
        environment.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator["SeaweedFS"]:
    """An S3 server for everybody, by http and https: make a bucket of your own in it."""
    # Here and not above: most tests need no server, and its client takes a while to import.
    module = importlib.import_module("tests.servers.seaweedfs")
    with tempfile.TemporaryDirectory(prefix="drorch-s3-") as folder:
        place = Path(folder)
        with module.SeaweedFS(place / "server", module.make_certificate(place)) as server:
            yield server
