"""The contract of targets over SFTP, once for each carrier, on a real server."""

import itertools
from collections.abc import Iterator

import pytest

from drorch.storage.sftp.settings import Carrier
from drorch.storage.sftp.target import SftpTarget
from drorch.storage.target import Target
from tests.servers.sshd import Sshd
from tests.storage.contract import TargetContract

_NAMES = itertools.count()


@pytest.fixture(scope="module")
def over_openssh(sshd: Sshd) -> Iterator[SftpTarget]:
    """One target serves a whole class and is emptied between its tests, so that they pay for few connections."""
    yield from _created(sshd, "ssh")


@pytest.fixture(scope="module")
def over_paramiko(sshd: Sshd) -> Iterator[SftpTarget]:
    """As the other, carried by drorch's own connection."""
    yield from _created(sshd, "paramiko")


class TestOverOpenssh(TargetContract):
    @pytest.fixture
    def target(self, request: pytest.FixtureRequest, sshd: Sshd, over_openssh: SftpTarget) -> Iterator[Target]:
        if is_to_be_closed(request):
            yield from _created(sshd, "ssh")
        else:
            yield _emptied(sshd, over_openssh)


class TestOverParamiko(TargetContract):
    @pytest.fixture
    def target(self, request: pytest.FixtureRequest, sshd: Sshd, over_paramiko: SftpTarget) -> Iterator[Target]:
        if is_to_be_closed(request):
            yield from _created(sshd, "paramiko")
        else:
            yield _emptied(sshd, over_paramiko)


def _created(sshd: Sshd, carrier: Carrier) -> Iterator[SftpTarget]:
    target = SftpTarget(sshd.settings(f"contract-{next(_NAMES)}", carrier=carrier))
    target.create()
    yield target
    target.close()


def is_to_be_closed(request: pytest.FixtureRequest) -> bool:
    """Whether a test leaves its target useless for the next one."""
    return bool(request.function.__name__ == TargetContract.test_closing_twice_is_fine.__name__)


def _emptied(sshd: Sshd, target: SftpTarget) -> SftpTarget:
    for path in (sshd.data / target.root).rglob("*"):
        if not path.is_dir():
            path.unlink()
    return target
