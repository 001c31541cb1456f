"""Whatever is said, it is a request or refused: nothing else ever comes of it."""

import json
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from drorch.errors import UsageError
from drorch.model.names import STATE_JOB, JobName, TargetName
from drorch.orchestrator.control.requests import Cancel, Pause, Run, parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
VERBS = st.sampled_from(["hello", "status", "run", "pause", "resume", "cancel", "reload"])
NAMES = st.sampled_from(["jobs", "target", "follow", "for", "reason", "what", "config", "verb"])


def judge(line: bytes) -> object:
    try:
        return parse(line)
    except UsageError as refused:
        assert len(refused.message) < 200
        assert refused.message.isascii()
        assert "\n" not in refused.message
        return None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_refused(line: bytes) -> None:
    judge(line)


@given(VERBS | JSON, st.dictionaries(NAMES | st.text(max_size=8), JSON | st.lists(st.text(max_size=70)), max_size=4))
def test_any_arguments_are_names_spans_and_flags_or_refused(verb: object, arguments: dict[str, object]) -> None:
    request = judge(json.dumps({**arguments, "verb": verb}).encode())
    for name in (*getattr(request, "jobs", ()), *([request.what] if isinstance(request, Cancel) else [])):
        assert name.removeprefix("@").replace("_", "").replace("-", "").isalnum()
    if isinstance(request, Pause):
        assert request.span is None or timedelta(0) < request.span <= timedelta(days=3660)
        assert request.reason.isprintable()


def test_nothing_is_nested_too_deep_to_be_refused() -> None:
    for depth in (*range(900, 1100), 10_000, 30_000):
        assert judge(b'{"verb":"cancel","what":' + b"[" * depth + b"]" * depth + b"}") is None
        assert judge(b'{"verb":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}") is None


def test_what_is_meant_is_understood() -> None:
    assert parse(b'{"verb":"run","jobs":["a","@state","a"],"target":"t-1","follow":true}') == Run(
        (JobName("a"), STATE_JOB), TargetName("t-1"), follow=True
    )
    assert parse(b'{"verb":"pause","for":1.5,"jobs":[]}') == Pause((), timedelta(seconds=1.5), "")
