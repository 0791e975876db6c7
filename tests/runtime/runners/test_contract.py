"""Values that a graph may not give, whatever runs it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from singleshot.runtime.card import Card, InputSpec
from singleshot.runtime.errors import InputError
from singleshot.runtime.runners.contract import detections_from_outputs

CARD = Card(
    kind="graph",
    network="small",
    class_names=("cat", "dog"),
    input=InputSpec(height=32, width=32, mean=(0, 0, 0), std=(1, 1, 1)),
)
SOUND: dict[str, Any] = {
    "num_dets": np.array([[2]], np.int32),
    "det_boxes": np.array([[[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0, 0, 0, 0]]], np.float32),
    "det_scores": np.array([[0.9, 0.8, 0]], np.float32),
    "det_classes": np.array([[1, 0, 0]], np.int32),
}


def test_rows_that_count_become_detections() -> None:
    (found,) = detections_from_outputs(CARD, SOUND, source="a.onnx")
    assert found.class_ids.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"num_dets": np.array([[4]], np.int32)}, "expected num_dets within its 3 rows, got 4.", id="too many rows"
        ),
        pytest.param(
            {"det_boxes": np.full((1, 3, 4), np.inf, np.float32)}, "expected finite boxes and scores", id="an edge"
        ),
        pytest.param(
            {"det_scores": np.array([[np.nan, 0.8, 0]], np.float32)}, "expected finite boxes and scores", id="a score"
        ),
    ],
)
def test_what_lies_outside_the_contract_is_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        detections_from_outputs(CARD, {**SOUND, **changes}, source="a.onnx")
    assert str(caught.value).startswith(f"a.onnx: {message}")
