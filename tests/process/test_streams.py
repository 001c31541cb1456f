"""Programs that are read from and fed: killed whole when they hang or are left, never blocked by what they say."""

import sys
import time
from pathlib import Path

import pytest

from drorch.process.commands import ChildFailed
from drorch.process.streams import FedChild, ReadChild, StreamCommand, start_feeding, start_reading
from tests.process.test_process import wait_until_gone

PATIENT = 120.0


def shell(script: str, *, quiet: float = PATIENT, stop: float | None = None) -> StreamCommand:
    return StreamCommand(["/bin/sh", "-c", script], quiet_seconds=quiet, stop_seconds=stop)


def python(script: str, *, quiet: float = PATIENT) -> StreamCommand:
    return StreamCommand([sys.executable, "-c", script], quiet_seconds=quiet)


def all_of(child: ReadChild, size: int = 1 << 16) -> bytes:
    buffer, pieces = memoryview(bytearray(size)), []
    while count := child.readinto(buffer):
        pieces.append(bytes(buffer[:count]))
    return b"".join(pieces)


def fed(child: FedChild, *pieces: bytes) -> None:
    for piece in pieces:
        child.feed(piece)


def test_output_is_read_as_it_comes_and_fills_the_buffer() -> None:
    script = "printf abc; sleep 0.2; printf def; sleep 0.2; printf gh; echo beside >&2; exit 7"
    with start_reading(shell(script)) as child:
        buffer = memoryview(bytearray(7))
        assert [child.readinto(buffer) for _ in range(4)] == [7, 1, 0, 0]
        ended = child.finish()
        assert (ended.status, ended.said, child.said) == (7, "beside\n", "beside\n")


def test_what_it_is_given_reaches_it_whatever_its_size() -> None:
    given = bytes(range(256)) * 20_000
    with start_reading(StreamCommand(["cat"]), given) as child:
        assert all_of(child) == given
        assert child.finish().status == 0


def test_one_that_does_not_take_what_it_is_given_is_read_all_the_same() -> None:
    with start_reading(shell("exec <&-; sleep 0.2; echo done"), bytes(5_000_000)) as child:
        assert all_of(child) == b"done\n"
        assert child.finish().status == 0


def test_without_anything_given_its_input_is_empty() -> None:
    with start_reading(shell("wc -c")) as child:
        assert all_of(child).strip() == b"0"


def test_its_environment_is_what_is_given_and_what_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "geheim")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.setenv("DRORCH_RUN_ID", "cafe")
    command = StreamCommand(["/usr/bin/env"], {"PGPASSFILE": "/x", "LANG": "C"})
    with start_reading(command) as child:
        seen = dict(line.split(b"=", 1) for line in all_of(child).splitlines())
    assert (seen[b"PGPASSFILE"], seen[b"LANG"], seen[b"DRORCH_RUN_ID"]) == (b"/x", b"C", b"cafe")
    assert b"A_SECRET" not in seen
    assert "geheim" not in repr(StreamCommand(["x"], {"A": "geheim"}))


@pytest.mark.parametrize("status", [0, 1, -9])
def test_complaints_without_end_never_block_it(status: int) -> None:
    end = "os.kill(os.getpid(), 9)" if status < 0 else f"os._exit({status})"
    script = f"import os, sys; sys.stderr.write('x' * 10_000_000 + 'the last words'); os.write(1, b'out'); {end}"
    with start_reading(python(script)) as child:
        assert all_of(child) == b"out"
        ended = child.finish()
    assert ended.status == status
    assert len(ended.said) == 8192
    assert ended.said.endswith("xthe last words")


def test_complaints_after_its_output_never_block_it() -> None:
    script = "import os, sys; os.write(1, b'out'); os.close(1); sys.stderr.write('x' * 1_000_000 + 'late')"
    with start_reading(python(script)) as child:
        assert all_of(child) == b"out"
        assert child.finish().said.endswith("xlate")


def test_one_that_is_silent_is_killed_with_its_children(tmp_path: Path) -> None:
    script = f"echo first; echo waiting >&2; sleep 300 & echo $! > {tmp_path}/pid; wait"
    with start_reading(shell(script, quiet=1)) as child:
        with pytest.raises(ChildFailed, match="command /bin/sh printed nothing for 1 s and was killed") as failed:
            all_of(child)
        assert failed.value.context["said"] == "waiting\n"
        assert wait_until_gone(int((tmp_path / "pid").read_text()))


def test_complaints_are_no_sign_of_life() -> None:
    chatty = shell("while sleep 0.1; do echo alive >&2; done", quiet=1)
    with start_reading(chatty) as child, pytest.raises(ChildFailed, match="printed nothing"):
        all_of(child)


def test_whoever_reads_slowly_is_no_reason_to_kill_it() -> None:
    with start_reading(shell("printf abc; printf def", quiet=0.5)) as child:
        buffer = memoryview(bytearray(3))
        assert child.readinto(buffer) == 3
        time.sleep(1)
        assert (child.readinto(buffer), child.readinto(buffer), child.finish().status) == (3, 0, 0)


@pytest.mark.parametrize(("quiet", "stop"), [(PATIENT, 1.0), (1.0, None)])
def test_one_that_closes_its_output_and_goes_on_is_killed(quiet: float, stop: float | None) -> None:
    with start_reading(shell("echo out; exec >&-; sleep 300", quiet=quiet, stop=stop)) as child:
        assert all_of(child) == b"out\n"
        with pytest.raises(ChildFailed, match="did not end within 1 s of the end of its stream"):
            child.finish()


def test_one_that_is_left_early_is_killed_with_its_children(tmp_path: Path) -> None:
    with start_reading(shell(f"sleep 300 & echo $! > {tmp_path}/pid; cat /dev/zero")) as child:
        child.readinto(memoryview(bytearray(100_000)))
        pid = child.pid
    assert wait_until_gone(int((tmp_path / "pid").read_text()))
    assert wait_until_gone(pid)
    child.close()


def test_one_that_ends_well_leaves_no_children(tmp_path: Path) -> None:
    with start_reading(shell(f"sleep 300 >&- 2>&- & echo $! > {tmp_path}/pid; echo out")) as child:
        assert all_of(child) == b"out\n"
        assert child.finish().status == 0
        assert wait_until_gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("start", [start_reading, start_feeding])
def test_one_that_cannot_be_started_is_named(start: object) -> None:
    assert callable(start)
    with pytest.raises(ChildFailed, match="command /nonexistent/tool: No such file or directory"):
        start(StreamCommand(["/nonexistent/tool"]))


def test_it_takes_all_it_is_fed_and_its_words_are_kept() -> None:
    with start_feeding(shell("wc -c; echo beside >&2; exit 3")) as child:
        fed(child, b"x" * 3_000_000, b"", b"y" * 5)
        ended = child.finish()
    assert (ended.status, ended.output, ended.said) == (3, b"", "3000005\nbeside\n")


def test_its_output_is_kept_apart_where_that_is_asked_for() -> None:
    with start_feeding(shell("cat; echo beside >&2"), output_bytes=10) as child:
        fed(child, b"x" * 1_000_000, b"0123456789")
        ended = child.finish()
    assert (ended.status, ended.output, ended.said) == (0, b"0123456789", "beside\n")


def test_one_that_stops_reading_has_failed_and_says_why() -> None:
    with start_feeding(shell("head -c 10 > /dev/null; echo 'ERROR: duplicate key' >&2; exit 3")) as child:
        with pytest.raises(ChildFailed, match="stopped reading and exited with status 3") as failed:
            fed(child, *[b"x" * 100_000] * 100)
        assert failed.value.context["said"] == "ERROR: duplicate key\n"


def test_one_that_takes_nothing_is_killed() -> None:
    with start_feeding(shell("sleep 300", quiet=1)) as child:
        with pytest.raises(ChildFailed, match="took nothing for 1 s and was killed"):
            fed(child, *[b"x" * 100_000] * 100)
        assert wait_until_gone(child.pid)


def test_one_that_is_fed_and_left_early_never_sees_the_end_of_its_input(tmp_path: Path) -> None:
    with start_feeding(shell(f"cat > /dev/null; touch {tmp_path}/committed")) as child:
        fed(child, b"x" * 10)
    assert wait_until_gone(child.pid)
    assert not (tmp_path / "committed").exists()


def test_one_that_works_on_after_its_input_has_its_time() -> None:
    with start_feeding(shell("cat > /dev/null; sleep 0.5; echo done", quiet=60)) as child:
        fed(child, b"x")
        assert child.finish().said == "done\n"
    with start_feeding(shell("cat > /dev/null; sleep 300", quiet=60, stop=0.5)) as child:
        fed(child, b"x")
        with pytest.raises(ChildFailed, match="did not end within"):
            child.finish()


def test_no_descriptor_is_left_open() -> None:
    def handles() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = handles()
    for _ in range(3):
        with start_reading(StreamCommand(["cat"]), b"x") as reading:
            all_of(reading)
            reading.finish()
        with start_feeding(StreamCommand(["cat"]), output_bytes=3) as feeding:
            feeding.feed(b"x")
        for start in (start_reading, start_feeding):
            with pytest.raises(ChildFailed):
                start(StreamCommand(["/nonexistent/tool"]))
    assert handles() == before
