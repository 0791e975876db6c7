"""Cards that are none, and what a card is asked for and lacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from singleshot.runtime.card import Card, InputSpec, card_from_json, postprocess_settings
from singleshot.runtime.errors import InputError

CARD = Card(
    kind="graph",
    network="small",
    class_names=("cat", "dog"),
    input=InputSpec(height=32, width=32, mean=(0, 0, 0), std=(1, 1, 1)),
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"class_names": ["cat", "cat"]}, "class_names: expected unique names", id="one name twice"),
        pytest.param({"kind": "engine"}, "engine: expected one for the kind engine", id="an engine without its facts"),
        pytest.param({"kind": "plan"}, "kind: Input should be", id="a kind that there is not"),
        pytest.param({"speed": 3}, "speed: Extra inputs are not permitted", id="a key that there is not"),
    ],
)
def test_what_is_no_card_is_one_line(changes: dict[str, Any], message: str) -> None:
    text = json.dumps({**json.loads(CARD.to_json()), **changes})
    with pytest.raises(InputError) as caught:
        card_from_json(text, source="a.onnx")
    assert str(caught.value).startswith("a.onnx: expected a valid singleshot card, got ")
    assert message in str(caught.value)
    assert str(caught.value).endswith(" Export the graph again.")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        pytest.param(lambda: CARD.class_id("cow"), "cow: expected one of the classes cat, dog.", id="a class"),
        pytest.param(
            lambda: postprocess_settings(score_floor=1.5), "score_floor: expected less than 1, got 1.5.", id="a floor"
        ),
    ],
)
def test_what_cannot_be_asked_of_one(ask: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        ask()
    assert str(caught.value) == message
