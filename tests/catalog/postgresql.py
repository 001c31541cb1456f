"""A real PostgreSQL server for one test session, in a folder of its own on a free port of the loopback."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.storage.privileges import need


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_server() -> Iterator[str]:
    """The url of a server, without a database: append one. Skips where PostgreSQL is not installed."""
    binaries = _binaries()
    need("PostgreSQL's server programs", present=binaries is not None)
    assert binaries is not None
    folder = Path(tempfile.mkdtemp(prefix="drorch-pg-"))
    # PostgreSQL refuses to run as root.
    other = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    try:
        if other:
            folder.chmod(0o711)
            shutil.chown(folder, "postgres")
        data = str(folder / "data")
        make = [str(binaries / "initdb"), "-D", data, "-U", "drorch", "--auth=trust", "--no-sync", "-E", "UTF8"]
        subprocess.run([*other, *make, "--locale=C.UTF-8"], check=True, stdout=subprocess.DEVNULL)
        port = _free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": folder,
            "fsync": "off",
            "shared_buffers": "32MB",
            "max_connections": "40",
            "dynamic_shared_memory_type": "mmap",
        }
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        dying = ["--pdeathsig", "INT"] if other else []
        server = subprocess.Popen(
            [*other, *dying, str(binaries / "postgres"), "-D", data, "-p", str(port), *settings],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            _wait_for(binaries, port, server)
            yield f"postgresql://drorch@127.0.0.1:{port}/"
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(5)
            server.kill()
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(binaries: Path, port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(1500):
        ready = subprocess.run([binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False)
        if ready.returncode == 0:
            return
        assert server.poll() is None, "the server ended"
        time.sleep(0.02)
    raise AssertionError("the server did not get ready")
