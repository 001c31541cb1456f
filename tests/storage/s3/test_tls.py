"""Secure connections: always verified, with an authority of one's own where there is one."""

from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.errors import TargetDenied
from drorch.storage.s3.target import S3Target
from tests.servers.seaweedfs import SeaweedFS, make_certificate
from tests.storage.contract import PACK
from tests.storage.s3.places import opened, settings_for


def test_a_server_trusted_by_its_own_authority(seaweedfs: SeaweedFS, bucket: str) -> None:
    assert seaweedfs.certificate is not None
    trusting = {"endpoint": seaweedfs.secure_endpoint, "ca_file": seaweedfs.certificate.file}
    with opened(settings_for(seaweedfs, bucket, **trusting)) as target:
        content = bytes(range(256)) * 1000
        target.save(PACK, content)
        assert target.load(PACK) == content


@pytest.mark.parametrize("which", ["the system's authorities", "another authority"])
def test_a_server_that_nobody_vouches_for_is_refused(
    seaweedfs: SeaweedFS, bucket: str, tmp_path: Path, which: str
) -> None:
    ca_file = make_certificate(tmp_path).file if which == "another authority" else None
    settings = settings_for(seaweedfs, bucket, endpoint=seaweedfs.secure_endpoint, ca_file=ca_file)
    with opened(settings) as target, pytest.raises(TargetDenied, match="is not trusted") as refused:
        target.load(PACK)
    assert "ca_file" in (refused.value.hint or "")


def test_a_server_that_does_not_speak_tls(seaweedfs: SeaweedFS, bucket: str) -> None:
    settings = settings_for(seaweedfs, bucket, endpoint=f"https://127.0.0.1:{seaweedfs.port}")
    with opened(settings) as target, pytest.raises(TargetDenied, match="no secure connection") as refused:
        target.load(PACK)
    assert "https" in (refused.value.hint or "")


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_of_authorities_that_holds_none(
    seaweedfs: SeaweedFS, bucket: str, tmp_path: Path, content: bytes | None
) -> None:
    ca_file = tmp_path / "none.pem"
    if content is not None:
        ca_file.write_bytes(content)
    settings = settings_for(seaweedfs, bucket, endpoint=seaweedfs.secure_endpoint, ca_file=ca_file)
    with pytest.raises(TargetDenied, match=r"none\.pem cannot be used"):
        S3Target(settings, SystemClock())
