"""What jobs and targets may be called.

Promise: a name can stand in a file name, a tag, a URL and a command line without a second thought.
"""

import re
from typing import NewType

NAME_PATTERN = "[a-z0-9][a-z0-9_-]{0,63}"
NAME_RULE = "small letters, digits, _ and -, at most 64 of them, the first a letter or a digit"
_NAME = re.compile(NAME_PATTERN)

JobName = NewType("JobName", str)
TargetName = NewType("TargetName", str)

JOB_TAG = "drorch:job="
"""A snapshot says whose it is by a tag: this, and the name of the job."""

STATE_JOB = JobName("@state")
"""The built-in job that saves what only the catalog knows; no configured job can be called so."""


def is_name(text: str) -> bool:
    """Whether a job or a target may be called so."""
    return _NAME.fullmatch(text) is not None


def job_name(text: str) -> JobName:
    """The name of a configured job. Raises `ValueError` that says what a name is."""
    return JobName(_checked(text))


def target_name(text: str) -> TargetName:
    """The name of a target. Raises `ValueError` that says what a name is."""
    return TargetName(_checked(text))


def _checked(text: str) -> str:
    if not is_name(text):
        raise ValueError(f'"{text}" is not a name: {NAME_RULE}')
    return text
