"""A database's tool that fails on purpose: put in place of the real one, which it asks for what it then spoils.

    tool = stand_in(folder, "pg_dump", Path("/usr/bin/pg_dump"), Fault(keep=0.5, end="signal KILL"))

It notes the arguments and variables of each call, so that tests can look for what must not be there.
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_PIECE = 1 << 20
_HANG_SECONDS = 600
_PLAN = "plan.json"
_CALLS = "calls"


@dataclass(frozen=True, slots=True)
class Fault:
    """What the tool does wrong.

    `keep` is how much of the real dump it hands on: all (None), a share (float), so many bytes (int; where negative,
    so many less than all). `prints` is handed on in place of the dump. It writes `says`, then `flood` bytes of
    complaints, to standard error. Then it ends: "exit STATUS", "signal NAME", "hang", or "close": it closes its output
    and hangs. `heir` is a child that it leaves behind, with its output open.
    """

    keep: int | float | None = None
    prints: str | None = None
    says: str = ""
    flood: int = 0
    end: str = "exit 0"
    heir: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the tool as it saw it."""

    pid: int
    arguments: list[str]
    variables: dict[str, str]


def stand_in(folder: Path, name: str, real: Path, fault: Fault, *, marks: str = "") -> Path:
    """Put a faulty tool into a folder; calls without the argument `marks` are left to the real one."""
    folder.mkdir(exist_ok=True)
    plan = folder / f"{name}.{_PLAN}"
    plan.write_text(json.dumps({"real": str(real), "marks": marks, **asdict(fault)}))
    tool = folder / name
    tool.unlink(missing_ok=True)
    tool.write_text(f"#!{sys.executable} -IS\n{Path(__file__).read_text()}")
    tool.chmod(0o755)
    return tool


def calls(folder: Path, name: str) -> Iterator[Call]:
    """The calls of a tool so far."""
    with contextlib.suppress(FileNotFoundError):
        for line in (folder / f"{name}.{_CALLS}").read_text().splitlines():
            yield Call(**json.loads(line))


def _dump(plan: dict[str, Any]) -> bytes:
    if plan["prints"] is not None:
        return str(plan["prints"]).encode()
    if plan["keep"] == 0:
        return b""
    done = subprocess.run([plan["real"], *sys.argv[1:]], stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        os._exit(done.returncode)
    keep = plan["keep"]
    if isinstance(keep, float):
        keep = int(len(done.stdout) * keep)
    return done.stdout[:keep]


def _end(how: str) -> None:
    deed, _, what = how.partition(" ")
    if deed == "exit":
        os._exit(int(what))
    if deed == "signal":
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), signal.Signals[f"SIG{what}"])
    if deed == "close":
        os.close(1)
    time.sleep(_HANG_SECONDS)


def _main() -> None:
    place = Path(sys.argv[0])
    plan = json.loads(place.with_name(f"{place.name}.{_PLAN}").read_text())
    meant = not plan["marks"] or any(plan["marks"] in argument for argument in sys.argv[1:])
    if not meant or sys.argv[1:] == ["--version"]:
        os.execv(plan["real"], sys.argv)  # noqa: S606
    with place.with_name(f"{place.name}.{_CALLS}").open("a") as noted:
        noted.write(json.dumps(asdict(Call(os.getpid(), sys.argv, dict(os.environ)))) + "\n")
    if plan["end"] in ("hang", "close"):
        # Who hangs does not listen either.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    content = _dump(plan)
    if plan["heir"]:
        subprocess.Popen(["sleep", str(_HANG_SECONDS)], stdin=subprocess.DEVNULL)
    with contextlib.suppress(BrokenPipeError), open(1, "wb", buffering=0, closefd=False) as output:
        for start in range(0, len(content), _PIECE):
            output.write(content[start : start + _PIECE])
    with open(2, "wb", buffering=0, closefd=False) as complaints:
        complaints.write(plan["says"].encode())
        for _ in range(plan["flood"] // _PIECE):
            complaints.write((b"a complaint of the tool\n" * (_PIECE // 24 + 1))[:_PIECE])
    _end(plan["end"])


if __name__ == "__main__":
    _main()
