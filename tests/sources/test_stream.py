"""Streams and commands as sources: read once, and never believed when the command failed."""

import io
import os
import pickle
import stat
import sys
import time
from pathlib import Path

import pytest

from drorch.errors import DumpFailed, SourceUnavailable, UsageError
from drorch.repository.pipeline.entries import Source
from drorch.sources.stream import CommandSource, StreamSource
from tests.doubles import FakeClock
from tests.sources.walking import read_all, walked


def shell(script: str) -> CommandSource:
    return CommandSource(b"dump.sql", ["/bin/sh", "-c", script], FakeClock())


def test_a_stream_is_one_file_at_the_root() -> None:
    clock = FakeClock()
    source: Source = StreamSource(b"stdin", io.BytesIO(b"content" * 1000), clock)
    entries = walked(source)
    entry = entries[b"/stdin"]
    assert list(entries) == [b"/stdin"]
    assert entry.streamed
    assert entry.stat.st_mode == stat.S_IFREG | 0o644
    assert entry.stat.st_mtime_ns == int(clock.now().timestamp()) * 10**9
    assert (entry.stat.st_ino, entry.stat.st_nlink, entry.stat.st_uid) == (0, 1, os.geteuid())
    assert entry.details().linktarget is None
    assert read_all(source, entry) == b"content" * 1000


def test_a_stream_may_lie_in_folders() -> None:
    entries = walked(StreamSource(b"postgresql/orders.dump", io.BytesIO(b""), FakeClock()))
    assert list(entries) == [b"/postgresql", b"/postgresql/orders.dump"]
    assert stat.S_ISDIR(entries[b"/postgresql"].stat.st_mode)


@pytest.mark.parametrize("name", [b"", b"/", b"..", b"a/../b", b"a//b", b"a\0"])
def test_bad_names(name: bytes) -> None:
    with pytest.raises(UsageError):
        StreamSource(name, io.BytesIO(b""), FakeClock())


def test_a_stream_is_read_once_and_only_here() -> None:
    source = StreamSource(b"stdin", io.BytesIO(b"x"), FakeClock())
    copy = pickle.loads(pickle.dumps(source.reader))  # noqa: S301
    source.reader.open(b"/stdin").close()
    for reader in (copy, source.reader):
        with pytest.raises(SourceUnavailable):
            reader.open(b"/stdin")


def test_slow_pipes_fill_the_buffer() -> None:
    source = shell("printf abc; sleep 0.2; printf def; sleep 0.2; printf gh")
    opened = source.reader.open(b"/dump.sql")
    buffer = bytearray(7)
    assert [opened.readinto(memoryview(buffer)) for _ in range(3)] == [7, 1, 0]
    opened.close()


def test_a_command_that_succeeds() -> None:
    source: Source = shell("head -c 3000000 /dev/zero")
    assert read_all(source, walked(source)[b"/dump.sql"], 1 << 16) == bytes(3_000_000)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo half; exit 3", "exited with status 3"),
        ("exit 1", "exited with status 1"),
        ("echo half; kill -KILL $$", "was killed by SIGKILL"),
        ("echo half; exec >&-; sleep 0.2; exit 7", "exited with status 7"),
    ],
)
def test_a_command_that_fails_is_not_believed(script: str, told: str) -> None:
    source = shell(script)
    opened = source.reader.open(b"/dump.sql")
    buffer = memoryview(bytearray(100))
    while opened.readinto(buffer):
        pass
    with pytest.raises(DumpFailed, match=told) as caught:
        opened.close()
    assert caught.value.exit_code == 31


def test_a_command_that_does_not_exist() -> None:
    source = CommandSource(b"x", ["/nonexistent/pg_dump"], FakeClock())
    with pytest.raises(DumpFailed, match="/nonexistent/pg_dump"):
        source.reader.open(b"/x")
    with pytest.raises(UsageError):
        CommandSource(b"x", [], FakeClock())


def test_a_command_left_early_is_ended_with_its_children(tmp_path: Path) -> None:
    script = f"sleep 300 & echo $! > {tmp_path}/pid; cat /dev/zero"
    opened = shell(script).reader.open(b"/dump.sql")
    opened.readinto(memoryview(bytearray(100_000)))
    opened.close()
    child = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not _runs(child):
            return
        time.sleep(0.05)
    pytest.fail("a child of the command goes on")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_arguments_reach_the_command_as_they_are() -> None:
    argv = [sys.executable, "-c", "import sys; print(sys.argv[1:])", "$HOME", "a b", "*"]
    source = CommandSource(b"out", argv, FakeClock())
    assert read_all(source, walked(source)[b"/out"]) == b"['$HOME', 'a b', '*']\n"
