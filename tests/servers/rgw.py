"""Ceph's RADOS Gateway, the second opinion on S3: strict on signatures and object lock, and it lists in byte order.

    with RGW(place) as server:
        bucket = server.new_bucket("some-name")      # server.endpoint, server.access_key, server.secret_key

A cluster of one monitor and one OSD that keeps its objects in memory, alone on the loopback and without logins among
its parts: nothing of it survives. The packages are radosgw, ceph-mon, ceph-osd and ceph-common.
"""

import contextlib
import http.client
import os
import secrets
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from botocore.exceptions import BotoCoreError, ClientError

from tests.servers.buckets import client_for
from tests.servers.children import ServerNotReady, running, stop, wait_until
from tests.servers.ports import free_ports
from tests.storage.privileges import need

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
_FOLDERS = ("mon", "osd", "rgw", "run", "log")
_ATTEMPTS = 3
_COMMAND_SECONDS = 60.0
_MEMORY_BYTES = 4 * 1024**3
"""As much as the OSD takes before it says that it is full."""

_CONFIGURATION = """\
[global]
fsid={fsid}
mon_host=v1:127.0.0.1:{mon_port}
public_addr=127.0.0.1
cluster_addr=127.0.0.1
auth_cluster_required=none
auth_service_required=none
auth_client_required=none
run_dir={home}/run
admin_socket={home}/run/$cluster-$name.$pid.asok
pid_file={home}/run/$name.pid
log_file={home}/log/$name.log
crash_dir={home}/log
keyring={home}/keyring
mon_cluster_log_file=/dev/null
ms_bind_msgr2=false
osd_pool_default_size=1
osd_pool_default_min_size=1
mon_allow_pool_size_one=true
osd_pool_default_pg_num=1
osd_pool_default_pgp_num=1
osd_pool_default_pg_autoscale_mode=off
mon_max_pg_per_osd=1000
osd_crush_chooseleaf_type=0
mon_data_avail_warn=1
mon_data_avail_crit=0
osd_objectstore=memstore
memstore_device_bytes={memory}
osd_max_object_name_len=1024
# Set by the test instead: at some starts the OSD asks before the monitor knows it.
osd_class_update_on_start=false
osd_crush_update_on_start=false
# A start takes a second so, and a dozen by the defaults.
paxos_propose_interval=0.02
paxos_min_wait=0.01
mon_tick_interval=1
osd_mon_report_interval=1
osd_tick_interval=0.2
osd_pg_stat_report_interval_max=1
[mon.a]
mon_data={home}/mon
[osd.0]
osd_data={home}/osd
[client.rgw]
rgw_frontends=beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw_data={home}/rgw
rgw_thread_pool_size=64
rgw_num_rados_handles=1
"""


class RGW:
    """A server whose folder is below `place`; its objects are in memory and end with it."""

    def __init__(self, place: Path) -> None:
        self.access_key = "AKDRORCHTEST"
        self.secret_key = secrets.token_hex(20)
        self._place = place
        self._home = place
        self._port = 0
        self._stack = contextlib.ExitStack()

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self._port}"

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
        missing = [program for program in _PROGRAMS if shutil.which(program) is None]
        need(f"Ceph ({', '.join(missing)}): make second-opinion installs it", present=not missing)
        for attempt in range(_ATTEMPTS):
            self._home = self._place / f"attempt-{attempt}"
            try:
                self._start()
            except ServerNotReady:
                # A port may have been taken since it was looked at.
                self._stack.close()
                if attempt == _ATTEMPTS - 1:
                    raise
            except BaseException:
                self._stack.close()
                raise
            else:
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self) -> None:
        for folder in _FOLDERS:
            (self._home / folder).mkdir(parents=True)
        mon_port, self._port = free_ports(2)
        fsid = str(uuid.uuid4())
        written = _CONFIGURATION.format(
            fsid=fsid, mon_port=mon_port, home=self._home, memory=_MEMORY_BYTES, port=self._port
        )
        (self._home / "ceph.conf").write_text(written)
        self._start_monitor(fsid, mon_port)
        self._start_osd()
        keys = [f"--access-key={self.access_key}", f"--secret-key={self.secret_key}"]
        account = ["user", "create", "--uid=test", "--display-name=test", *keys]
        self._run("radosgw-admin", *self._known, "-n", "client.rgw", *account)
        child, log = self._serve("radosgw", "-n", "client.rgw")
        wait_until(self._answers, child, log)
        self._client = client_for(self.endpoint, self.access_key, self.secret_key)
        self._stack.callback(self._client.close)
        wait_until(self._takes_objects, child, log)

    def _start_monitor(self, fsid: str, port: int) -> None:
        keyring, monmap = self._home / "keyring", self._home / "monmap"
        everything = ["--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *"]
        self._run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        self._run("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", *everything)
        self._run("monmaptool", "--create", "--addv", "a", f"[v1:127.0.0.1:{port}]", "--fsid", fsid, monmap)
        self._run("ceph-mon", *self._known, "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        self._serve("ceph-mon", "-i", "a")

    def _start_osd(self) -> None:
        self._run("ceph-osd", *self._known, "-i", "0", "--mkfs", "--osd-uuid", str(uuid.uuid4()))
        # Objects in memory are of an OSD that chooses its id itself.
        chosen = (self._home / "osd" / "fsid").read_text().strip()
        self._run("ceph", *self._known, "osd", "new", chosen)
        self._run("ceph", *self._known, "osd", "crush", "add", "osd.0", "1.0", "root=default")
        child, log = self._serve("ceph-osd", "-i", "0")
        wait_until(self._osd_is_up, child, log)

    @property
    def _known(self) -> tuple[str, str]:
        return ("-c", str(self._home / "ceph.conf"))

    @property
    def _environment(self) -> dict[str, str]:
        """Nothing of the caller's own cluster."""
        return {"HOME": str(self._place), "PATH": os.environ.get("PATH", os.defpath)}

    def _serve(self, program: str, *arguments: str) -> tuple[subprocess.Popen[bytes], Path]:
        log = self._home / "log" / f"{program}.output"
        command = [program, *self._known, "-f", *arguments]
        child = self._stack.enter_context(running(command, log, self._environment))
        # There is nothing to keep, and the gateway takes its time to end.
        self._stack.callback(stop, child, signal.SIGKILL)
        return child, log

    def _run(self, *command: str | Path) -> str:
        try:
            done = subprocess.run(
                command,
                check=True,
                capture_output=True,
                text=True,
                timeout=_COMMAND_SECONDS,
                env=self._environment,
                stdin=subprocess.DEVNULL,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as fault:
            raise ServerNotReady(f"{command[0]} failed:\n{fault.stderr!s}") from fault
        return done.stdout

    def _osd_is_up(self) -> bool:
        return '"num_up_osds":1' in self._run("ceph", *self._known, "osd", "stat", "-f", "json")

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _takes_objects(self) -> bool:
        """It answers before it can store: the pools of the first bucket are made then."""
        try:
            self._client.create_bucket(Bucket="ready")
            self._client.put_object(Bucket="ready", Key="ready", Body=b"ready")
        except (BotoCoreError, ClientError):
            time.sleep(0.1)
            return False
        return True
