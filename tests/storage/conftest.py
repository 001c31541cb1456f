"""Places to store in that are small, denied or limited, for tests of what a target says then."""

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage.privileges import need, run_quietly

pytest.register_assert_rewrite("tests.storage.contract")

_NOBODY = 65534


@pytest.fixture
def unprivileged_folder() -> Iterator[Path]:
    """A folder of a user who is not root, while this process is that user (root may write everywhere)."""
    folder = Path(tempfile.mkdtemp(prefix="drorch-denied-"))
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(folder, _NOBODY, _NOBODY)
        os.setegid(_NOBODY)
        os.seteuid(_NOBODY)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
            os.setegid(0)
        for inner in [folder, *folder.rglob("*")]:
            if inner.is_dir():
                inner.chmod(0o700)
        shutil.rmtree(folder)


@pytest.fixture
def file_size_limit() -> Iterator[int]:
    """No file of this process may grow beyond so many bytes."""
    limit = 1024 * 1024
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = run_quietly("mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "none", str(folder)) == 0
    need("the right to mount a tmpfs", present=mounted)
    try:
        yield folder
    finally:
        run_quietly("umount", "--lazy", str(folder))
