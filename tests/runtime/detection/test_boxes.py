"""The box codec and overlaps: tables by hand, laws by hypothesis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from singleshot.runtime.detection.boxes import decode_boxes, encode_boxes, intersections_and_unions, iou_matrix

VARIANCES = (0.1, 0.2)
CODEC_TOLERANCE = 2e-6
"""A few float32 roundings of numbers up to 1."""


def boxes(count: int) -> st.SearchStrategy[NDArray[np.float32]]:
    """[count, 4] float32 xyxy within [0, 1], each side at least 1/100."""
    low = st.integers(0, 90)
    side = st.integers(1, 10)
    box = st.tuples(low, low, side, side).map(
        lambda v: (v[0] / 100, v[1] / 100, (v[0] + v[2]) / 100, (v[1] + v[3]) / 100)
    )
    return st.lists(box, min_size=count, max_size=count).map(lambda rows: np.array(rows, np.float32).reshape(-1, 4))


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        pytest.param((0, 0, 0, 0), (0.4, 0.3, 0.6, 0.7), id="no offset is the default box"),
        pytest.param((5, 0, 0, 0), (0.5, 0.3, 0.7, 0.7), id="the centre moves by dx * 0.1 * width"),
        pytest.param((0, -5, 0, 0), (0.4, 0.1, 0.6, 0.5), id="the centre moves by dy * 0.1 * height"),
        pytest.param((0, 0, np.log(2) / 0.2, 0), (0.3, 0.3, 0.7, 0.7), id="the width doubles"),
        pytest.param((0, 0, 0, np.log(0.5) / 0.2), (0.4, 0.4, 0.6, 0.6), id="the height halves"),
        pytest.param((50, 0, 0, 0), (1.4, 0.3, 1.6, 0.7), id="outside the image is not clipped"),
    ],
)
def test_decode_by_hand(offsets: tuple[float, ...], expected: tuple[float, ...]) -> None:
    default_cxcywh = np.array([[0.5, 0.5, 0.2, 0.4]], np.float32)
    decoded = decode_boxes(np.array([offsets], np.float32), default_cxcywh, VARIANCES)
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, [expected], rtol=0, atol=CODEC_TOLERANCE)


def test_decode_of_an_overflowing_size_is_infinite() -> None:
    default_cxcywh = np.array([[0.5, 0.5, 0.2, 0.4]], np.float32)
    decoded = decode_boxes(np.array([[0, 0, 1e6, 0]], np.float32), default_cxcywh, VARIANCES)
    assert decoded[0, [0, 2]].tolist() == [-np.inf, np.inf]


@given(boxes(5), boxes(5))
def test_decode_undoes_encode(truth: NDArray[np.float32], defaults: NDArray[np.float32]) -> None:
    centres, sizes = (defaults[:, :2] + defaults[:, 2:]) / 2, defaults[:, 2:] - defaults[:, :2]
    default_cxcywh = np.concatenate([centres, sizes], axis=1)
    decoded = decode_boxes(encode_boxes(truth, default_cxcywh, VARIANCES), default_cxcywh, VARIANCES)
    np.testing.assert_allclose(decoded, truth, rtol=0, atol=CODEC_TOLERANCE)


def test_encode_refuses_a_box_without_area() -> None:
    line = np.array([[0.2, 0.2, 0.2, 0.5]], np.float32)
    with pytest.raises(ValueError, match=r"expected widths and heights above 0, got 0\.0$"):
        encode_boxes(line, np.array([[0.5, 0.5, 0.2, 0.4]], np.float32), VARIANCES)


@pytest.mark.parametrize(
    ("first", "second", "intersection", "union", "iou"),
    [
        pytest.param((0, 0, 2, 2), (0, 0, 2, 2), 4, 4, 1, id="itself"),
        pytest.param((0, 0, 2, 2), (1, 0, 3, 2), 2, 6, 1 / 3, id="half of each"),
        pytest.param((0, 0, 4, 4), (1, 1, 2, 2), 1, 16, 1 / 16, id="one inside the other"),
        pytest.param((0, 0, 2, 2), (2, 0, 4, 2), 0, 8, 0, id="a shared edge"),
        pytest.param((0, 0, 2, 2), (5, 5, 6, 6), 0, 5, 0, id="apart on both axes"),
        pytest.param((1, 1, 1, 1), (1, 1, 1, 1), 0, 0, 0, id="two points"),
        pytest.param((3, 0, 1, 2), (0, 0, 4, 4), 0, 16, 0, id="an inverted box has no area"),
    ],
)
def test_overlap_by_hand(
    first: tuple[int, ...], second: tuple[int, ...], intersection: float, union: float, iou: float
) -> None:
    pair = np.array([first], np.float32), np.array([second], np.float32)
    intersections, unions = intersections_and_unions(*pair)
    assert (intersections.item(), unions.item()) == (intersection, union)
    assert iou_matrix(*pair).item() == pytest.approx(iou)


@given(boxes(3), boxes(4))
def test_iou_is_symmetric_and_within_0_and_1(first: NDArray[np.float32], second: NDArray[np.float32]) -> None:
    ious = iou_matrix(first, second)
    assert ious.shape == (3, 4)
    assert ious.dtype == np.float32
    assert ((ious >= 0) & (ious <= 1)).all()
    np.testing.assert_array_equal(ious, iou_matrix(second, first).T)
    np.testing.assert_allclose(np.diag(iou_matrix(first, first)), 1, rtol=1e-6)


def test_no_boxes_overlap_with_nothing() -> None:
    none = np.zeros((0, 4), np.float32)
    assert iou_matrix(none, np.ones((3, 4), np.float32)).shape == (0, 3)
