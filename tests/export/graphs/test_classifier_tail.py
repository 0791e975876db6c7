"""A classifier's tail says what the reference says."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper

from singleshot.export.graphs.classifier_tail import append_classifier_tail
from singleshot.runtime.detection.classifications import Classification
from singleshot.runtime.detection.postprocess import classifications_from_logits
from singleshot.runtime.runners.quiet_session import open_quietly


def logits_graph(classes: int, *, output: str = "class_logits") -> onnx.ModelProto:
    """A graph that hands its input through as the logits."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], [output])],
        "logits",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", classes])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", classes])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(model: onnx.ModelProto, logits: np.ndarray) -> list[Classification]:
    session = open_quietly(model.SerializeToString())
    scores, classes = session.run(["top_scores", "top_classes"], {"x": logits})
    assert (scores.dtype, classes.dtype) == (np.float32, np.int32)
    return [Classification(scores=row, class_ids=ids) for row, ids in zip(scores, classes, strict=True)]


@given(
    st.integers(2, 12).flatmap(
        lambda classes: hnp.arrays(np.float32, (3, classes), elements=st.integers(-8, 8).map(float))
    )
)
def test_tail_equals_the_reference_with_ties_and_few_classes(logits: np.ndarray) -> None:
    found = run(append_classifier_tail(logits_graph(logits.shape[1])), logits)
    for ours, theirs in zip(found, classifications_from_logits(logits), strict=True):
        assert ours.class_ids.tolist() == theirs.class_ids.tolist()
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-6)


def test_graph_that_ends_otherwise_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the output class_logits, got"):
        append_classifier_tail(logits_graph(3, output="scores"))
