"""Whether a job is being run, asked without being in its way."""

from pathlib import Path

from drorch.model.names import job_name
from drorch.orchestrator.joblock import is_run_now, only_run_of

JOB = job_name("homes")


def test_a_job_is_run_while_its_lock_is_held_and_no_longer(tmp_path: Path) -> None:
    assert not is_run_now(JOB, tmp_path)
    with only_run_of(JOB, tmp_path):
        assert is_run_now(JOB, tmp_path)
        assert not is_run_now(job_name("etc"), tmp_path)
    assert not is_run_now(JOB, tmp_path)
