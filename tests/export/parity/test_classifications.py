"""The judgement whether two runs of a classifier say the same."""

from __future__ import annotations

import numpy as np
import pytest

from singleshot.export.parity.classifications import compare_classifications
from singleshot.runtime.detection.classifications import Classification
from singleshot.runtime.errors import CheckError


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
    parity = compare_classifications([SURE, expected], [SURE, found], heads_difference=logits_apart)
    assert (parity.holds, parity.exempt) == (holds, exempt)


def test_failed_proof_says_its_figures() -> None:
    found = [SURE, named((0, 0.7), (2, 0.2)), named((0, 0.39955), (2, 0.39995))]
    parity = compare_classifications([SURE, SURE, TIED], found, heads_difference=None)
    with pytest.raises(
        CheckError,
        match=r"x.onnx: .* same first classes .* Nothing was written.* differ by not at hand .* first classes "
        r"matched 1; .* exempt \(threshold, tie within 1e-03\) 1; .* frame 1: class 2 by the parent, 0 by the artefact",
    ):
        parity.check("x.onnx")
    assert parity.to_dict()["holds"] is False


def test_classes_are_compared_by_their_id_wherever_they_stand() -> None:
    parity = compare_classifications([SURE], [named((2, 0.7), (1, 0.25), (0, 0.1))], heads_difference=None)
    assert parity.score_difference == pytest.approx(0.1)


def test_no_number_never_holds() -> None:
    parity = compare_classifications([SURE], [named((2, np.nan), (0, 0.2))], heads_difference=0.0)
    assert not parity.holds


def test_nothing_that_is_sure_on_both_sides_is_no_proof() -> None:
    parity = compare_classifications([TIED], [named((0, 0.39955), (2, 0.39995))], heads_difference=0.0)
    assert (parity.exempt, parity.holds) == (1, False)
