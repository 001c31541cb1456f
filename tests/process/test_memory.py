"""A process keeps to its limit, its children too, and want of memory is known when it is seen."""

import errno
import subprocess
import sys

import pytest

from drorch.process.memory import is_want_of_memory

LIMIT = "from drorch.process.memory import is_want_of_memory, limit_memory\nlimit_memory(64 << 20)\n"


def said(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", LIMIT + code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_more_is_not_had_by_a_process_or_its_children() -> None:
    taking = "try:\n    bytearray(100 << 20)\nexcept BaseException as error:\n    print(is_want_of_memory(error))\n"
    assert said(taking) == "True\n"
    inherited = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'bytearray(100 << 20)'], check=False)\n"
    done = subprocess.run([sys.executable, "-c", LIMIT + inherited], capture_output=True, timeout=60, check=False)
    assert b"MemoryError" in done.stderr


def test_a_limit_is_never_widened() -> None:
    assert said("import resource\nlimit_memory(1 << 40)\nprint(resource.getrlimit(resource.RLIMIT_DATA)[0])") == (
        f"{64 << 20}\n"
    )


def test_threads_that_do_not_fit_are_want_of_memory() -> None:
    code = (
        "import threading\n"
        "try:\n    for _ in range(100): threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "except BaseException as error:\n    print(is_want_of_memory(error))\n"
    )
    assert said(code) == "True\n"


@pytest.mark.parametrize(
    ("error", "wants"),
    [
        (MemoryError(), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (ImportError("x.so: failed to map segment from shared object"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (RuntimeError("dictionary changed size during iteration"), False),
        (ImportError("No module named x"), False),
        (ValueError(), False),
    ],
)
def test_what_it_looks_like(error: Exception, wants: bool) -> None:
    assert is_want_of_memory(error) is wants
    wrapped = ValueError("something else")
    wrapped.__cause__ = error
    assert is_want_of_memory(wrapped) is wants
