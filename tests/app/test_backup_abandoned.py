"""What a killed writer left half-written is gone after the next backup, and what may be in use is not."""

import os
import time
from pathlib import Path

from tests.cli.commandline import drorch, new_repository


def test_a_backup_removes_old_temporary_files_only(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "repository")
    old, young = repository / "data" / "ab" / f"{'ab' * 32}-tmp-17", repository / "index" / f"{'cd' * 32}-tmp-18"
    for path in (old, young):
        path.write_bytes(b"half")
    two_hours_ago = time.time() - 7200
    os.utime(old, (two_hours_ago, two_hours_ago))
    (tmp_path / "file").write_bytes(b"content")
    drorch("backup", tmp_path / "file", "--repo", repository)
    assert not old.exists()
    assert young.exists()
