"""What a process writes is changed on its way, whoever of its family writes it, and none of it is lost."""

import subprocess
import sys

import pytest


def written(code: str) -> bytes:
    start = "import os, subprocess, sys\nfrom drorch.process.outlet import Outlet\n"
    begun = f"{start}Outlet(lambda text: text.replace('secret', '***'))\n"
    done = subprocess.run(
        [sys.executable, "-c", begun + code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
    )
    return done.stdout


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('a secret')", b"a ***\n"),
        ("print('a sec', end='')\nprint('ret', file=sys.stdout)", b"a ***\n"),
        ("sys.stderr.write('no end of line: secret')", b"no end of line: ***"),
        ("subprocess.run(['sh', '-c', 'echo secret; echo secret >&2'])", b"***\n***\n"),
        ("os.write(2, bytes(range(128, 256)) + b'secret')", bytes(range(128, 256)) + b"***"),
        ("", b""),
    ],
)
def test_what_is_written_is_changed(code: str, said: bytes) -> None:
    assert written(code) == said


def test_a_fault_at_the_end_is_seen() -> None:
    said = written("raise ValueError('a secret')")
    assert b"Traceback" in said
    assert b"secret" not in said.replace(b"raise ValueError('a secret')", b"")
    assert said.endswith(b"ValueError: a ***\n")


def test_much_is_passed_on_and_none_is_lost() -> None:
    said = written("for number in range(100000): print(number, 'secret')\nos.write(1, b'x' * 300000)")
    lines = said.split(b"\n")
    assert lines[:-1] == [b"%d ***" % number for number in range(100000)]
    assert lines[-1] == b"x" * 300000


def test_a_child_that_goes_on_holding_the_streams_is_not_waited_for_for_long() -> None:
    code = "child = subprocess.Popen(['sleep', '30'])\nprint(child.pid, flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", f"import subprocess\nfrom drorch.process.outlet import Outlet\nOutlet(str)\n{code}"],
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        pid = process.stdout.readline().strip()
        assert process.wait(20) == 0
        subprocess.run(["kill", pid.decode()], check=True)
