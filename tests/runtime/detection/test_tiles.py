"""Parts of a frame: where they lie, and what is made of their answers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from singleshot.runtime.card import Card, InputSpec, Postprocess
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.detection.tiles import Tiles
from singleshot.runtime.errors import InputError
from singleshot.runtime.image_files import read_image_bgr
from singleshot.runtime.session import detect, open_session
from singleshot.runtime.shipped import shipped_detector
from singleshot.tests.fixtures.found import Found, detections
from singleshot.tests.places import PHOTOS

CARD = Card(
    kind="graph",
    network="small",
    class_names=("cat", "dog"),
    input=InputSpec(height=8, width=8, mean=(0, 0, 0), std=(1, 1, 1)),
    postprocess=Postprocess(max_detections=3, iou_threshold=0.5),
)
CAT, DOG = 0, 1
WIDTH, HEIGHT = 180, 100
"""Two columns of one row are [0, 100] and [80, 180] wide."""


@pytest.mark.parametrize("option", ["2", "2x", "1x1", "0x5", "9x9", "2x2x2", "-2x2", "2 x 2", "ax2", "", "100x1"])
def test_options_that_are_refused(option: str) -> None:
    with pytest.raises(InputError, match=r"--tiles: expected COLUMNSxROWS with 2 to 64 parts, got '.*'\. Try 2x2\."):
        Tiles.from_option(option)


def test_an_option() -> None:
    assert Tiles.from_option("3x2") == Tiles(columns=3, rows=2)


def test_parts_by_hand() -> None:
    assert Tiles(columns=2, rows=1).boxes_px(height=HEIGHT, width=WIDTH) == [
        (0, 0, 180, 100),
        (0, 0, 100, 100),
        (80, 0, 180, 100),
    ]


@settings(max_examples=500)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 5000), st.integers(1, 5000))
def test_parts_cover_every_frame_and_none_is_empty(columns: int, rows: int, height: int, width: int) -> None:
    whole, *parts = Tiles(columns=columns, rows=rows).boxes_px(height=height, width=width)
    assert whole == (0, 0, width, height)
    assert len(parts) == columns * rows
    for low, high, size in ((0, 2, width), (1, 3, height)):
        reach = 0
        for start, end in sorted({(part[low], part[high]) for part in parts}):
            assert start <= reach
            assert start < end <= size
            reach = max(reach, end)
        assert reach == size


@pytest.mark.parametrize(
    ("whole", "left", "right", "expected"),
    [
        pytest.param([], [], [], [], id="nothing anywhere"),
        pytest.param(
            [], [(0.9, DOG, (0.2, 0.2, 0.4, 0.6))], [], [(0.9, DOG, (20, 20, 40, 60))], id="in the left part alone"
        ),
        pytest.param(
            [], [], [(0.9, DOG, (0.5, 0.2, 1, 0.6))], [(0.9, DOG, (130, 20, 180, 60))], id="at the frame's own border"
        ),
        pytest.param(
            [(0.6, DOG, (0.475, 0.2, 0.525, 0.6))],
            [(0.7, DOG, (0.85, 0.2, 0.95, 0.6))],
            [(0.8, DOG, (0.05, 0.2, 0.15, 0.6))],
            [(0.8, DOG, (85, 20, 95, 60))],
            id="three looks at one object",
        ),
        pytest.param(
            [(0.5, DOG, (0.25, 0.2, 0.75, 0.6))],
            [(0.9, DOG, (0.45, 0.2, 1.0, 0.6))],
            [(0.8, DOG, (0.0, 0.2, 0.55, 0.6))],
            [(0.5, DOG, (45, 20, 135, 60))],
            id="an object larger than the overlap is the frame's",
        ),
        pytest.param(
            [(0.6, DOG, (0.1, 0.2, 0.2, 0.6))],
            [(0.7, CAT, (0.18, 0.2, 0.36, 0.6))],
            [],
            [(0.7, CAT, (18, 20, 36, 60)), (0.6, DOG, (18, 20, 36, 60))],
            id="classes do not suppress each other",
        ),
        pytest.param(
            [(0.3, DOG, (0.8, 0, 0.9, 0.2))],
            [(0.9, DOG, (0, 0, 0.1, 0.2)), (0.2, DOG, (0.5, 0, 0.6, 0.2))],
            [(0.8, DOG, (0.8, 0, 0.9, 0.2)), (0.1, DOG, (0.3, 0, 0.4, 0.2))],
            [(0.9, DOG, (0, 0, 10, 20)), (0.8, DOG, (160, 0, 170, 20)), (0.3, DOG, (144, 0, 162, 20))],
            id="as many as the graph gives",
        ),
    ],
)
def test_merging_by_hand(whole: list[Found], left: list[Found], right: list[Found], expected: list[Found]) -> None:
    answers = [detections(*whole), detections(*left), detections(*right)]
    merged = Tiles(columns=2, rows=1).merge(answers, CARD, height=HEIGHT, width=WIDTH)
    assert merged.class_ids.tolist() == [class_id for _, class_id, _ in expected]
    assert merged.scores.tolist() == pytest.approx([score for score, _, _ in expected])
    boxes = [list(np.asarray(box, float)) for _, _, box in expected]
    np.testing.assert_allclose(
        merged.boxes_xyxy_px(height=HEIGHT, width=WIDTH), np.reshape(boxes, (-1, 4)), rtol=0, atol=1e-3
    )


def test_a_small_dog_is_found_in_a_part() -> None:
    """A fifth of the frame's width: 51 pixels at the network's input, of which the dog has half."""
    photo = read_image_bgr(PHOTOS / "2008_008487.jpg")
    frame = np.full((5 * photo.shape[0], 5 * photo.shape[1], 3), 114, np.uint8)
    frame[: photo.shape[0], : photo.shape[1]] = photo
    with open_session(shipped_detector()) as session:
        alone, with_parts = _best(detect(session, frame)), _best(detect(session, frame, tiles=Tiles(columns=3, rows=3)))
        right = _best(detect(session, photo))
    assert with_parts.scores[0] > max(0.5, alone.scores[0])
    scaled = right.boxes_xyxy[0] / 5
    np.testing.assert_allclose(with_parts.boxes_xyxy[0], scaled, atol=0.03)


def test_no_batch_is_larger_than_the_session_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = np.asarray(cv2.resize(read_image_bgr(PHOTOS / "2008_008487.jpg"), (640, 360)), np.uint8)
    with open_session(shipped_detector()) as session:
        one_by_one = detect(session, frame, tiles=Tiles(columns=2, rows=2))
        sizes = []
        run = session.run

        def counted(frames: np.ndarray) -> list[Detections]:
            sizes.append(len(frames))
            return run(frames)

        monkeypatch.setattr(session, "run", counted)
        monkeypatch.setattr(session, "batch", 4)
        by_fours = detect(session, frame, tiles=Tiles(columns=2, rows=2))
    assert sizes == [4, 1]
    np.testing.assert_allclose(by_fours.scores, one_by_one.scores, atol=1e-4)


def _best(found: Detections) -> Detections:
    assert len(found)
    return found.where(np.arange(1))
