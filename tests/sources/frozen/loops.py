"""A real btrfs on a loop device, in a folder of its own, for as long as a block runs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.sources.needs import need, need_program, need_root

_BYTES = 320 << 20


def command(*argv: str | Path) -> str:
    """What a command prints, which must succeed."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    done = subprocess.run(argv, capture_output=True, timeout=120, check=False, env={**os.environ, "PATH": path})
    assert done.returncode == 0, f"{argv}: {done.stderr.decode(errors='backslashreplace')}"
    return done.stdout.decode()


def _btrfs_is_known() -> bool:
    return sys.platform == "linux" and "btrfs" in Path("/proc/filesystems").read_text()


@contextmanager
def btrfs(folder: Path) -> Iterator[Path]:
    """An empty btrfs, mounted at a folder in `folder`. The test is skipped where there can be none."""
    need_root()
    need_program("mkfs.btrfs")
    need_program("losetup")
    need(_btrfs_is_known(), "a kernel with btrfs")
    image, point = folder / "image", folder / "btrfs"
    with image.open("wb") as file:
        file.truncate(_BYTES)
    command("mkfs.btrfs", "-q", image)
    point.mkdir()
    command("mount", "-o", "loop", image, point)
    try:
        yield point
    finally:
        command("umount", point)
        image.unlink()


def subvolume(path: Path) -> Path:
    """A new subvolume."""
    command("btrfs", "subvolume", "create", path)
    return path


def snapshots_in(point: Path) -> list[str]:
    """Subvolumes on a btrfs that drorch made."""
    listed = command("btrfs", "subvolume", "list", point).splitlines()
    return [line for line in listed if ".drorch-" in line]
