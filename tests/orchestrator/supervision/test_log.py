"""A log keeps the beginning and the end of whatever is written, and the newest of its kind."""

import os
from pathlib import Path

from drorch.orchestrator.supervision.log import FOLDER, MOST_BYTES, MOST_FILES, Log


def test_what_fits_is_kept_as_it_is(tmp_path: Path) -> None:
    log = Log(tmp_path, "a")
    log.line("one\nline")
    log.write(b"raw \xff\n")
    log.line("name \udcfe")
    log.close()
    log.close()
    file = tmp_path / FOLDER / "a.log"
    assert file.read_bytes() == b"one line\nraw \xff\nname \xfe\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert log.tail.startswith("one line\nraw")
    assert log.complaint == ""


def test_the_beginning_and_the_end_are_kept_of_what_does_not_fit(tmp_path: Path) -> None:
    for size in (100, 60_000, 400_000):
        log = Log(tmp_path, f"of-{size}")
        file = tmp_path / FOLDER / f"of-{size}.log"
        written = 0
        for number in range(4_000_000 // size):
            piece = f"{number:08} {'x' * (size - 10)}\n".encode()
            written += len(piece)
            log.write(piece)
            assert file.stat().st_size <= MOST_BYTES
        log.close()
        kept = file.read_bytes()
        beginning, _, rest = kept.partition(b"\n[... ")
        left_out, _, end = rest.partition(b" bytes are left out ...]\n")
        assert beginning.startswith(b"00000000 ")
        assert len(beginning) == 64 * 1024
        assert end.endswith(piece[-50_000:])
        assert len(beginning) + int(left_out) + len(end) == written
        assert log.tail == piece[-8192:].decode() or log.tail.endswith(piece.decode())


def test_the_newest_logs_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    for number in range(MOST_FILES + 20):
        file = folder / f"{number:04}.log"
        file.write_text("old")
        os.utime(file, (1000 + number, 1000 + number))
    (folder / "of somebody else").write_text("stays")
    Log(tmp_path, "new").close()
    names = sorted(path.name for path in folder.glob("*.log"))
    assert len(names) == MOST_FILES
    assert names[0] == "0021.log"
    assert names[-1] == "new.log"
    assert (folder / "of somebody else").exists()


def test_a_disk_that_takes_nothing_is_told_of_and_costs_only_the_log(tmp_path: Path) -> None:
    (tmp_path / FOLDER).symlink_to("/dev/null/nowhere")
    log = Log(tmp_path, "a")
    assert "cannot be written" in log.complaint
    for _ in range(100):
        log.write(b"x" * 10_000)
    log.line("the end")
    assert log.tail.endswith("the end\n")
    log.close()


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / "precious").write_text("precious")
    (tmp_path / FOLDER / "a.log").symlink_to(tmp_path / "precious")
    log = Log(tmp_path, "a")
    log.line("x")
    log.close()
    assert log.complaint
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_text_that_no_byte_stands_for_is_written_all_the_same(tmp_path: Path) -> None:
    log = Log(tmp_path, "a")
    log.line("half \ud800, byte \udcff")
    log.close()
    assert b"half \\ud800" in (tmp_path / FOLDER / "a.log").read_bytes()
