"""Whatever way a dump fails, there is no snapshot, and one line says why: real servers, tools that fail on purpose."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.databases.faulty_tool import Fault, calls, stand_in
from tests.cli.databases.running import Place, Ran
from tests.cli.databases.served import SERVERS, Served

_FAILED, _SUSPICIOUS = 31, 32
_QUIET = 'quiet = "2s"'
_LAST_WORDS = "error: the disk of the server is on fire\n"

FAILURES = {
    "ends at once": Fault(keep=0, says=_LAST_WORDS, end="exit 1"),
    "ends in the middle": Fault(keep=0.5, says=_LAST_WORDS, end="exit 1"),
    "ends before its last byte": Fault(keep=-1, says=_LAST_WORDS, end="exit 1"),
    "says after its last byte that it failed": Fault(says=_LAST_WORDS, end="exit 3"),
    "is killed before its first byte": Fault(keep=0, end="signal KILL"),
    "is killed in the middle": Fault(keep=0.5, end="signal KILL"),
    "is ended after its last byte": Fault(end="signal TERM"),
    "crashes in the middle": Fault(keep=0.5, end="signal SEGV"),
    "prints nothing": Fault(keep=0),
    "prints three bytes": Fault(keep=3),
    "stops within its head": Fault(keep=60),
    "stops after a quarter": Fault(keep=0.25),
    "stops in the middle": Fault(keep=0.5),
    "stops shortly before its end": Fault(keep=0.995),
    "stops before its closing line": Fault(keep=-70),
    "stops three bytes before its end": Fault(keep=-3),
    "stops a byte before its end": Fault(keep=-1),
    "complains, and prints nothing": Fault(keep=0, says=_LAST_WORDS),
    "complains, and stops in the middle": Fault(keep=0.5, says=_LAST_WORDS),
    "prints something else": Fault(prints="<html><title>502 Bad Gateway</title></html>\n" * 5000),
    "prints an empty line": Fault(prints="\n"),
}
HANGS = {
    "hangs before its first byte": Fault(keep=0, end="hang"),
    "hangs in the middle": Fault(keep=0.5, end="hang"),
    "hangs after its last byte": Fault(end="hang"),
    "closes its output and goes on": Fault(end="close"),
    "closes its output in the middle and goes on": Fault(keep=0.5, end="close"),
    "complains for ever so long and hangs": Fault(keep=0, flood=20_000_000, end="hang"),
    "ends, and leaves a child with its output": Fault(keep=0.5, end="exit 1", heir=True),
    "stops in the middle, and leaves a child with its output": Fault(keep=0.5, heir=True),
}


@pytest.fixture(scope="module", params=SERVERS)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    with SERVERS[request.param]() as server:
        yield server


def spoiled(folder: Path, served: Served, fault: Fault, more: str = "") -> Place:
    """An installation whose tool fails so."""
    put_tools(folder / "tools", served, fault)
    return Place(folder, served.source(folder, bin_dir=folder / "tools", more=more))


def put_tools(folder: Path, served: Served, fault: Fault) -> None:
    """The tools of the server, of which the one that dumps fails so."""
    folder.mkdir()
    for tool in served.tool.parent.iterdir() if served.kind == "postgresql" else (served.tool,):
        (folder / tool.name).symlink_to(tool)
    stand_in(folder, served.tool.name, served.tool, fault, marks=served.marks)


def run_failing(place: Place, served: Served, status: int = _FAILED) -> Ran:
    """Run the job, which must fail so, with all that holds for every failure."""
    ran = place.run()
    assert ran.status == status, ran
    assert place.snapshots() == []
    assert ran.line.startswith("run: orders@one: ")
    place.assert_tidy(served.password)
    assert served.password.encode() not in ran.stdout + ran.stderr
    return ran


def test_dumps_that_fail_leave_no_snapshot_and_a_line_each(tmp_path: Path, served: Served) -> None:
    """One job for each way to fail; the first one's tool does as it should, and nobody's failure is another's."""
    failing = {f"failing-{number}": fault for number, fault in enumerate(FAILURES.values())}
    tools = {job: tmp_path / f"tools-{job}" for job in failing}
    for job, fault in failing.items():
        put_tools(tools[job], served, fault)
    sources = {job: served.source(tmp_path, bin_dir=tools[job]) for job in failing}
    jobs = "".join(f'[jobs.{job}]\nsource = {source}\ntargets = ["one"]\n' for job, source in sources.items())
    place = Place(tmp_path, served.source(tmp_path), more=jobs)
    ran = place.run(*failing)
    assert ran.status == _FAILED, ran
    assert len(place.snapshots()) == 1
    assert served.password.encode() not in ran.stdout + ran.stderr
    place.assert_tidy(served.password)
    said = dict(line.removeprefix("run: ").split("@one: ", 1) for line in ran.stderr.decode().splitlines())
    assert list(said) == list(failing), ran.stderr.decode()
    for (job, fault), name in zip(failing.items(), FAILURES, strict=True):
        assert place.snapshots(job) == [], name
        assert list(calls(tools[job], served.tool.name)), f"{name}: the tool was not called at all"
        if fault.end != "exit 0":
            assert fault.says.strip() in said[job], name


@pytest.mark.parametrize("name", HANGS)
def test_a_dump_that_hangs_is_ended(tmp_path: Path, served: Served, name: str) -> None:
    run_failing(spoiled(tmp_path, served, HANGS[name], _QUIET), served)


def test_complaints_without_end_neither_stop_a_dump_nor_fill_memory(tmp_path: Path, served: Served) -> None:
    peaks = []
    for number, flood in enumerate((0, 100_000_000)):
        folder = tmp_path / str(number)
        folder.mkdir()
        place = spoiled(folder, served, Fault(flood=flood))
        ran = place.run()
        # What redis-cli says last is all that tells that it was the end: who drowns that has no dump.
        drowned = served.kind == "redis" and flood > 0
        assert ran.status == (_FAILED if drowned else 0), ran
        assert len(place.snapshots()) == (0 if drowned else 1)
        assert len(ran.stderr) < 20_000
        place.assert_tidy(served.password)
        peaks.append(ran.peak_bytes)
    assert peaks[1] < peaks[0] + 50_000_000


def test_of_what_a_failed_tool_says_a_bounded_end_is_told(tmp_path: Path, served: Served) -> None:
    ran = run_failing(spoiled(tmp_path, served, Fault(flood=20_000_000, end="exit 1")), served)
    assert "a complaint of the tool" in ran.line
    assert len(ran.line) < 2000


def test_a_tool_that_repeats_the_password_is_not_quoted_with_it(tmp_path: Path, served: Served) -> None:
    said = f"error: cannot log in with {served.password}\n"
    ran = run_failing(spoiled(tmp_path, served, Fault(keep=0, says=said, end="exit 1")), served)
    assert "cannot log in" in ran.line


def test_a_tool_that_cannot_be_run_is_named(tmp_path: Path, served: Served) -> None:
    place = spoiled(tmp_path, served, Fault())
    tool = tmp_path / "tools" / served.tool.name
    tool.unlink()
    assert served.tool.name in run_failing(place, served).line
    tool.write_bytes(b"\x7fELF and then nothing")
    assert served.tool.name in run_failing(place, served).line
    tool.chmod(0o755)
    assert served.tool.name in run_failing(place, served).line


def test_a_dump_that_is_too_short_is_suspicious(tmp_path: Path, served: Served) -> None:
    place = spoiled(tmp_path, served, Fault(), 'min_bytes = "1 GiB"')
    ran = run_failing(place, served, _SUSPICIOUS)
    assert "at least 1.000 GiB are expected" in ran.line


def test_a_slow_target_makes_no_dump_fail(tmp_path: Path, served: Served) -> None:
    place = spoiled(tmp_path, served, Fault(), _QUIET)
    text = place.file.read_text()
    slow = 'limits = [{ upload = "40 KiB/s" }]'
    place.file.write_text(text.replace("[targets.two]", f"{slow}\n[targets.two]", 1))
    ran = place.run()
    assert ran.status == 0, ran
    assert len(place.snapshots()) == 1
    place.assert_tidy(served.password)


def test_the_same_tool_without_a_fault_makes_a_snapshot(tmp_path: Path, served: Served) -> None:
    """The other tests see faults of the dump, and none of the tool that stands in."""
    place = spoiled(tmp_path, served, Fault())
    ran = place.run()
    assert (ran.status, ran.stderr) == (0, b""), ran
    assert len(place.snapshots()) == 1
    place.assert_tidy(served.password)
