"""The judgement whether two runs say the same: matches, tolerances, and what a threshold or a tie explains."""

from __future__ import annotations

import numpy as np
import pytest

from singleshot.calib.records.bootstrap import wilson_interval
from singleshot.export.parity.detections import compare_detections
from singleshot.export.parity.matching import FramePair
from singleshot.export.parity.parity import Parity
from singleshot.export.parity.tolerances import BOX_TOLERANCE, TIE
from singleshot.runtime.card import Postprocess
from singleshot.runtime.errors import CheckError
from singleshot.tests.fixtures.found import Found, detections

RULE = Postprocess(score_floor=0.1, iou_threshold=0.5, max_detections=5, candidates=100)
LEFT = (0.0, 0.0, 0.4, 0.4)
RIGHT = (0.6, 0.6, 1.0, 1.0)
SHIFTED = (0.1, 0.0, 0.5, 0.4)
"""Overlaps LEFT by 0.6."""


def compare(
    expected: list[Found], found: list[Found], candidates: list[Found] | None = None, *, heads: float = 0.0
) -> Parity:
    """Compare one frame; `candidates` are the parent's before suppression, its detections if not given."""
    before = detections(*(candidates or expected))
    scores = np.zeros((len(before), 3), np.float32)
    scores[np.arange(len(before)), before.class_ids] = before.scores
    pair = FramePair(
        expected=detections(*expected), found=detections(*found), scores=scores, boxes_xyxy=before.boxes_xyxy
    )
    return compare_detections([pair], RULE, heads_difference=heads)


def test_the_same_detections_hold() -> None:
    rows: list[Found] = [(0.9, 0, LEFT), (0.6, 1, LEFT), (0.5, 0, RIGHT)]
    parity = compare(rows, rows)
    assert parity.holds
    assert (parity.frames, parity.matched, parity.exempt, parity.unmatched) == (1, 3, 0, ())
    parity.check("any")


@pytest.mark.slow
@pytest.mark.parametrize("count", [pytest.param(count, id=f"{count} detections") for count in (1, 11, 22, 135, 1600)])
def test_no_change_is_no_change_of_any_count(count: int) -> None:
    rows: list[Found] = [(0.9, 0, LEFT)] * count
    parity = compare(rows, rows)
    assert parity.holds
    assert parity.changed_interval.low == 0
    assert wilson_interval(count, count).high == 1


def test_order_does_not_matter_but_class_does() -> None:
    assert compare([(0.9, 0, LEFT), (0.5, 0, RIGHT)], [(0.5, 0, RIGHT), (0.9, 0, LEFT)]).matched == 2
    parity = compare([(0.9, 0, LEFT), (0.5, 0, RIGHT)], [(0.9, 0, LEFT), (0.5, 1, RIGHT)])
    assert parity.matched == 1
    assert parity.unmatched == (
        "frame 0, by the parent alone: class 0, score 0.5000",
        "frame 0, by the artefact alone: class 1, score 0.5000",
    )
    assert not parity.holds


def test_each_detection_is_matched_once() -> None:
    parity = compare([(0.9, 0, LEFT)], [(0.9, 0, LEFT), (0.9, 0, LEFT)])
    assert (parity.matched, len(parity.unmatched)) == (1, 1)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param((0.9 - 5e-4, 0, LEFT), id="score"),
        pytest.param((0.9, 0, (0.0, 0.0, 0.4, 0.4 + 5 * BOX_TOLERANCE)), id="box"),
    ],
)
def test_a_match_beyond_tolerance_does_not_hold(found: Found) -> None:
    parity = compare([(0.9, 0, LEFT)], [found])
    assert (parity.matched, parity.unmatched) == (1, ())
    assert not parity.holds


@pytest.mark.parametrize("heads", [2e-4, float("nan"), float("inf")])
def test_raw_heads_are_judged(heads: float) -> None:
    rows: list[Found] = [(0.9, 0, LEFT)]
    assert compare(rows, rows, heads=9e-5).holds
    assert not compare(rows, rows, heads=heads).holds


def test_a_detection_that_is_no_number_does_not_hold() -> None:
    parity = compare([(0.9, 0, LEFT)], [(0.9, 0, LEFT), (float("nan"), 0, RIGHT)])
    assert not parity.holds
    assert len(parity.unmatched) == 1


@pytest.mark.parametrize(
    ("expected", "found", "candidates"),
    [
        pytest.param(
            [(0.9, 0, LEFT), (0.1 + TIE / 2, 0, RIGHT)], [(0.9, 0, LEFT)], None, id="at the score floor, the parent's"
        ),
        pytest.param(
            [(0.9, 0, LEFT)],
            [(0.9, 0, LEFT), (0.1, 0, RIGHT)],
            [(0.9, 0, LEFT), (0.1 - TIE / 2, 0, RIGHT)],
            id="at the score floor, the artefact's",
        ),
        pytest.param(
            [(0.9, 0, LEFT), (0.7, 1, LEFT)],
            [(0.9, 0, LEFT), (0.7, 1, SHIFTED)],
            [(0.9, 0, LEFT), (0.7, 1, LEFT), (0.7 - TIE / 2, 1, SHIFTED)],
            id="a tie of two that suppress each other",
        ),
        pytest.param(
            [(0.9, 0, (0.0, 0.0, 0.4, 0.4)), (0.8, 0, (0.0, 0.0, 0.4, 0.20004))],
            [(0.9, 0, (0.0, 0.0, 0.4, 0.4))],
            None,
            id="an overlap at the threshold",
        ),
        pytest.param(
            [(0.9, 0, (0.0, 0.0, 0.4, 0.4)), (0.8, 0, (0.0, 0.0, 0.4, 0.20004))],
            [(0.9, 0, (0.0, 0.0, 0.4, 0.4)), (0.7, 0, (0.0, 0.0, 0.3, 0.19))],
            None,
            id="and what its absence sets free on the other side",
        ),
    ],
)
def test_what_rounding_explains_is_exempt_and_counted(
    expected: list[Found], found: list[Found], candidates: list[Found] | None
) -> None:
    parity = compare(expected, found, candidates)
    assert parity.unmatched == ()
    assert parity.exempt >= 1
    assert parity.holds


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        pytest.param(
            [(0.9, 0, LEFT), (0.1 + 2 * TIE, 0, RIGHT)], [(0.9, 0, LEFT)], id="above the floor by twice a tie"
        ),
        pytest.param([(0.9, 0, LEFT), (0.8, 0, SHIFTED)], [(0.9, 0, LEFT)], id="a clear overlap"),
        pytest.param([(0.9, 0, LEFT)], [(0.9, 0, LEFT), (0.5, 2, RIGHT)], id="a detection out of nothing"),
    ],
)
def test_what_nothing_explains_is_not(expected: list[Found], found: list[Found]) -> None:
    parity = compare(expected, found)
    assert len(parity.unmatched) == 1
    assert parity.exempt == 0
    assert not parity.holds


def test_the_last_of_m_rows_is_exempt() -> None:
    corner = [(x, y, x + 0.1, y + 0.1) for x in (0.0, 0.2, 0.4) for y in (0.0, 0.5)]
    kept: list[Found] = [(0.9 - 0.1 * number, 0, corner[number]) for number in range(4)]
    last: list[Found] = [(0.5, 0, corner[4]), (0.5 - TIE / 2, 0, corner[5])]
    parity = compare([*kept, last[0]], [*kept, last[1]], [*kept, *last])
    assert parity.unmatched == ()
    assert parity.exempt == 2


def test_nothing_to_compare_is_no_proof() -> None:
    parity = compare([], [], [(0.01, 0, LEFT)])
    assert not parity.holds
    with pytest.raises(
        CheckError, match=r"nothing was compared.* Train longer, or name pictures of its objects.*detections matched 0"
    ):
        parity.check("ssd.onnx")


def test_the_error_carries_the_figures() -> None:
    parity = compare([(0.9, 0, LEFT)], [(0.9, 0, LEFT), (0.5, 2, RIGHT)], heads=3e-5)
    with pytest.raises(CheckError) as caught:
        parity.check("ssd.onnx")
    text = str(caught.value)
    assert text.startswith(
        "ssd.onnx: expected the same detections as its parent, got: more than the tolerances allow: 1 of 2 "
    )
    assert "raw heads differ by 3.00e-05 at most (allowed 1e-04)" in text
    assert "by the artefact alone: class 2, score 0.5000" in text
    assert "Nothing was written." in text
    assert "\n" not in text
