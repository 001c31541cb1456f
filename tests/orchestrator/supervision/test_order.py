"""Orders and the word that ends them survive the line; anything else is refused."""

import json

import pytest

from drorch.model.launch import StopCause, WorkKind
from drorch.model.run import Trigger
from drorch.orchestrator.supervision.order import Order, Stop
from tests.orchestrator.supervision.watching import an_order


@pytest.mark.parametrize(
    "order",
    [
        an_order(),
        an_order(kind=WorkKind.CHECK, name="one", targets=(), trigger=Trigger.HAND, part=(30, 30), memory=1),
        an_order(user="ä\udcff", tty="/dev/pts/1", config="/a b/ü.toml"),
    ],
)
def test_an_order_is_the_same_afterwards(order: Order) -> None:
    text = order.to_json()
    assert text.isascii()
    assert "\n" not in text
    assert Order.from_json(text) == order


@pytest.mark.parametrize("text", ["", "{", "7", "[]", "null", '{"order": {}}', '{"order": 1}', '{"stop": "x"}'])
def test_what_is_no_order_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Order.from_json(text)


@pytest.mark.parametrize(
    "change", [{"kind": "prune"}, {"trigger": "moon"}, {"uid": "x"}, {"part": [1]}, {"targets": 3}]
)
def test_an_order_with_a_fault_is_refused(change: dict[str, object]) -> None:
    said = json.loads(an_order().to_json())["order"]
    with pytest.raises(ValueError, match=r".*"):
        Order.from_json(json.dumps({"order": {**said, **change}}))


def test_the_word_to_stop_says_why() -> None:
    for cause in StopCause:
        stop = Stop("it took\ntoo ä long", cause)
        assert Stop.from_json(stop.to_json()) == stop
    assert len(Stop("ä" * 100_000, StopCause.OVERRUN).to_json()) < 65536
    unknown = ('{"stop": 7, "cause": "overrun"}', '{"stop": "it"}', '{"stop": "it", "cause": "moon"}')
    for text in ("", "{", "[]", "7", *unknown, an_order().to_json()):
        assert Stop.from_json(text) is None
