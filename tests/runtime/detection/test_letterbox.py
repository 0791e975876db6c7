"""Frames go into the network's input and boxes come back to where they were."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from singleshot.runtime.card import InputSpec, Resize
from singleshot.runtime.detection.letterbox import (
    PADDING_GREY,
    boxes_to_frame,
    boxes_to_input,
    detections_to_frame,
    fit_frame,
)
from singleshot.runtime.errors import InputError
from singleshot.runtime.session import detect, open_session
from singleshot.tests.fixtures.found import detections

ROUND_TRIP = 2e-4
"""Of a frame's side: two float32 mappings at an aspect ratio of up to 30."""


def spec(resize: Resize, height: int = 300, width: int = 300) -> InputSpec:
    return InputSpec(height=height, width=width, resize=resize, mean=(0, 0, 0), std=(1, 1, 1))


def test_stretch_is_opencv_linear() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    expected = cv2.resize(frame, (300, 200), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(fit_frame(frame, spec("stretch", 200, 300)), expected)


def test_letterbox_centres_between_grey_bars() -> None:
    fitted = fit_frame(np.full((100, 200, 3), 7, np.uint8), spec("letterbox"))
    assert fitted.shape == (300, 300, 3)
    assert (fitted[:75] == PADDING_GREY).all()
    assert (fitted[75:225] == 7).all()
    assert (fitted[225:] == PADDING_GREY).all()


def test_letterbox_at_the_top_left_has_its_bar_at_the_other_side() -> None:
    fitted = fit_frame(np.full((100, 200, 3), 7, np.uint8), spec("letterbox-top-left"))
    assert (fitted[:150] == 7).all()
    assert (fitted[150:] == PADDING_GREY).all()
    box = np.array([[0.5, 0.25, 0.75, 0.75]], np.float32)
    mapped = boxes_to_frame(box, spec("letterbox-top-left"), height=100, width=200)
    np.testing.assert_allclose(mapped, [[0.5, 0.5, 0.75, 1.0]], atol=1e-6)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        pytest.param([[0.0, 0.25, 1.0, 0.75]], [[0.0, 0.0, 1.0, 1.0]], id="the whole picture"),
        pytest.param([[0.5, 0.5, 0.75, 0.75]], [[0.5, 0.5, 0.75, 1.0]], id="the lower right's left half"),
        pytest.param([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]], id="with the bars: clipped"),
    ],
)
def test_letterbox_boxes_by_hand(boxes: list[list[float]], expected: list[list[float]]) -> None:
    mapped = boxes_to_frame(np.array(boxes, np.float32), spec("letterbox"), height=100, width=200)
    np.testing.assert_allclose(mapped, expected, atol=1e-6)
    assert mapped.dtype == np.float32


def test_detection_in_the_bars_alone_is_dropped() -> None:
    found = detections((0.9, 3, [0.1, 0.4, 0.2, 0.6]), (0.8, 4, [0.1, 0.0, 0.2, 0.2]))
    assert detections_to_frame(found, spec("letterbox"), height=100, width=200).class_ids.tolist() == [3]


@given(
    height=st.integers(10, 4000),
    width=st.integers(10, 4000),
    resize=st.sampled_from(get_args(Resize)),
    corners=st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4),
)
def test_box_to_the_input_and_back_is_the_identity(
    height: int, width: int, resize: Resize, corners: list[float]
) -> None:
    if max(height, width) > 30 * min(height, width):
        return
    boxes = np.array([corners], np.float32)
    there = boxes_to_input(boxes, spec(resize, 320, 300), height=height, width=width)
    assert ((there >= -1e-6) & (there <= 1 + 1e-6)).all()
    back = boxes_to_frame(there, spec(resize, 320, 300), height=height, width=width)
    np.testing.assert_allclose(back, boxes, atol=ROUND_TRIP)


@given(height=st.integers(1, 700), width=st.integers(1, 700), resize=st.sampled_from(get_args(Resize)))
def test_any_frame_fits(height: int, width: int, resize: Resize) -> None:
    assert fit_frame(np.zeros((height, width, 3), np.uint8), spec(resize, 64, 48)).shape == (64, 48, 3)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(np.zeros((10, 10), np.uint8), id="grey"),
        pytest.param(np.zeros((10, 10, 4), np.uint8), id="with transparency"),
        pytest.param(np.zeros((10, 10, 3), np.float32), id="floats"),
        pytest.param(np.zeros((0, 10, 3), np.uint8), id="empty"),
    ],
)
def test_other_frames_are_refused(frame: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"frame: expected uint8 \[h, w, 3\], got"):
        fit_frame(frame, spec("stretch"))


@pytest.mark.parametrize(
    ("graph", "box"),
    [
        pytest.param("quarters", [0.625, 0.125, 0.875, 0.375], id="stretch"),
        # The picture is the middle half of the input's rows: 0.125..0.375 of the input is -0.25..0.25 of the frame.
        pytest.param("quarters_letterbox", [0.625, 0.0, 0.875, 0.25], id="letterbox"),
    ],
)
def test_detect_finds_the_bright_quarter(graphs: Path, graph: str, box: list[float]) -> None:
    frame = np.zeros((100, 200, 3), np.uint8)
    frame[:50, 100:] = 255
    with open_session(graphs / f"{graph}.onnx") as session:
        found = detect(session, frame).where(np.array([0]))
    assert found.class_ids.tolist() == [1]
    np.testing.assert_allclose(found.boxes_xyxy, [box], atol=1e-6)
