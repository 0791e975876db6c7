"""A classifier's tail says what the reference says, and the proof catches what differs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper

from singleshot.export.graphs.classifier_tail import append_classifier_tail
from singleshot.export.parity.classifications import ClassificationParity, compare_classifications
from singleshot.runtime.detection.classifications import Classification
from singleshot.runtime.detection.postprocess import classifications_from_logits
from singleshot.runtime.errors import CheckError
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


def named(*pairs: tuple[int, float]) -> Classification:
    class_ids, scores = zip(*pairs, strict=True)
    return Classification(scores=np.array(scores, np.float32), class_ids=np.array(class_ids, np.int32))


SURE = named((2, 0.7), (0, 0.2))
TIED = named((2, 0.4), (0, 0.3995))


@pytest.mark.parametrize(
    ("expected", "found", "logits_apart", "holds", "exempt"),
    [
        pytest.param(SURE, SURE, 0.0, True, 0, id="equal"),
        pytest.param(SURE, named((2, 0.70005), (0, 0.2)), 5e-5, True, 0, id="within tolerance"),
        pytest.param(SURE, named((2, 0.71), (0, 0.2)), 0.0, False, 0, id="another score"),
        pytest.param(SURE, SURE, 1e-3, False, 0, id="other logits"),
        pytest.param(SURE, named((0, 0.7), (2, 0.2)), 0.0, False, 0, id="another class first"),
        pytest.param(TIED, named((0, 0.3995), (2, 0.3995)), 0.0, False, 1, id="a tie whose scores moved too far"),
        pytest.param(TIED, named((0, 0.39955), (2, 0.39995)), 0.0, True, 1, id="a tie may fall either way"),
    ],
)
def test_proof_by_hand(
    expected: Classification, found: Classification, logits_apart: float, holds: bool, exempt: int
) -> None:
    parity = compare_classifications([expected], [found], logits_difference=logits_apart)
    assert (parity.holds, parity.exempt) == (holds, exempt)


def test_failed_proof_says_its_figures() -> None:
    parity = ClassificationParity(frames=4, logits_difference=0.5, score_difference=0.1, agreeing=2, exempt=1)
    with pytest.raises(CheckError, match=r"x.onnx: expected the same classes .* first class agrees 2; .*Nothing was"):
        parity.check("x.onnx")
    assert parity.to_dict()["holds"] is False


def test_no_number_never_holds() -> None:
    parity = compare_classifications([SURE], [named((2, np.nan), (0, 0.2))], logits_difference=0.0)
    assert not parity.holds
