"""A probe of a folder behind SSH, on a real server."""

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from drorch.actions.probe.facts import Answer, Probed
from drorch.actions.probe.plan import carry_out, plan
from drorch.clock import SystemClock
from drorch.errors import TargetMissing
from drorch.storage.sftp.scratch import SftpScratch
from tests.actions.scratch_places import CONTRACT, SMALL, Listener
from tests.servers.sshd import Sshd


def probed(scratch: SftpScratch) -> Probed:
    return carry_out(scratch, plan(SMALL, lock_relied_on=False), SystemClock(), SMALL, Listener())


@pytest.fixture(scope="module")
def sshd() -> Iterator[Sshd]:
    with tempfile.TemporaryDirectory(prefix="drorch-sshd-") as place, Sshd(Path(place)) as server:
        yield server


def test_a_folder_behind_ssh(sshd: Sshd) -> None:
    (sshd.data / "repository").mkdir(parents=True)
    (sshd.data / "repository" / "config").write_text("a repository's")
    found = probed(SftpScratch(sshd.settings("repository"), "drorch-probe-test"))
    assert found.broken == ()
    given = {fact.name: fact.answer for fact in found.facts}
    assert {name for name, answer in given.items() if answer is Answer.YES} == CONTRACT | {"clock"}
    assert {name for name, answer in given.items() if answer is Answer.NO} == {"conditional", "versions", "lock"}
    assert abs(timedelta(seconds=found.by_name["clock"].finding.figures["skew_seconds"])) < timedelta(minutes=1)
    assert [path.name for path in (sshd.data / "repository").iterdir()] == ["config"]


def test_no_such_folder_behind_ssh(sshd: Sshd) -> None:
    with pytest.raises(TargetMissing):
        probed(SftpScratch(sshd.settings("not/there"), "drorch-probe-test"))
    assert not (sshd.data / "not").exists()
