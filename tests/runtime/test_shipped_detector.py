"""The shipped detector on the shipped clips: it finds the dog and sees no animals in bottles."""

from __future__ import annotations

from collections.abc import Container, Iterator

import numpy as np
import pytest

from singleshot.runtime.detection.boxes import iou_matrix
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.image_files import read_image_bgr
from singleshot.runtime.session import Session, detect, open_session
from singleshot.runtime.shipped import shipped_detector
from singleshot.runtime.sources.open_source import open_source
from singleshot.tests.places import FIXTURES, ROOT

DEMO = ROOT / "demo"
SCORE = 0.5
ANIMALS = ("cat", "cow", "dog", "horse", "sheep")

# The puppy, ears and tail included, boxed by hand on frames spread evenly over the clip: frame -> xyxy in pixels.
DOG_BOXES_PX = {
    0: (222, 33, 474, 321),
    26: (226, 34, 475, 322),
    51: (222, 33, 474, 321),
    77: (226, 25, 459, 321),
    102: (238, 21, 468, 321),
    128: (238, 3, 439, 321),
    153: (238, 10, 430, 321),
    179: (238, 14, 448, 321),
    204: (238, 12, 443, 321),
    230: (238, 12, 440, 321),
    255: (236, 7, 419, 321),
    281: (421, 57, 640, 354),
}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with open_session(shipped_detector()) as session:
        yield session


def found_in(clip: str, session: Session, frames: Container[int]) -> dict[int, tuple[Detections, int, int]]:
    """Detect on some of a clip's frames: frame -> (detections at SCORE, height, width)."""
    least = np.full(len(session.card.class_names), SCORE, np.float32)
    with open_source(str(DEMO / clip)) as source:
        return {
            frame.index: (detect(session, frame.image).at_least(least), *frame.image.shape[:2])
            for frame in source
            if frame.index in frames
        }


def test_classes_and_size(session: Session) -> None:
    assert session.card.class_names == ("cat", "cow", "dog", "horse", "sheep", "person")
    assert shipped_detector().stat().st_size < 20e6


def test_card_says_where_it_comes_from(session: Session) -> None:
    card = session.card
    assert card.origin.parent_sha256
    assert card.origin.data_sha256
    assert any("AP50" in item.metric for item in card.measurements)
    assert any("parity" in item.metric for item in card.measurements)


def test_finds_the_dog_in_four_fifths_of_the_frames_boxed_by_hand(session: Session) -> None:
    dog = session.card.class_id("dog")
    found = found_in("dog.mp4", session, set(DOG_BOXES_PX))
    hits = []
    for index, box_px in DOG_BOXES_PX.items():
        detections, height, width = found[index]
        dogs = detections.where(detections.class_ids == dog).boxes_xyxy_px(height=height, width=width)
        hits.append(bool((iou_matrix(np.array([box_px], np.float32), dogs) >= 0.5).any()))
    assert len(hits) == 12
    assert np.mean(hits) >= 0.8


def test_sees_animals_in_at_most_a_twentieth_of_every_third_frame_with_bottles(session: Session) -> None:
    animals = [session.card.class_id(name) for name in ANIMALS]
    found = found_in("bottle.mp4", session, range(0, 300, 3))
    wrong = [np.isin(detections.class_ids, animals).any() for detections, _, _ in found.values()]
    assert len(wrong) >= 96
    assert np.mean(wrong) <= 0.05


def test_the_papers_detector_knows_what_small_pictures_show() -> None:
    graph = DEMO / "ssd_resnet.onnx"
    assert graph.stat().st_size < 20e6
    pictures = sorted((FIXTURES / "imagenet25").rglob("*.JPEG"))  # two a class, none trained on
    with open_session(graph) as session:
        card = session.card
        guesses = [
            [card.class_names[number] for number in dict.fromkeys(detect(session, read_image_bgr(path)).class_ids)]
            for path in pictures
        ]
    assert (len(card.class_names), card.network) == (25, "ssd_resnet")
    assert any("AP50" in item.metric for item in card.measurements)
    assert sorted(path.parent.name for path in pictures) == sorted([*card.class_names] * 2)
    ranks = [
        own.index(path.parent.name) if path.parent.name in own else len(card.class_names)
        for own, path in zip(guesses, pictures, strict=True)
    ]
    assert ranks.count(0) >= 20  # of 50; by chance 2
    assert sum(rank < 5 for rank in ranks) >= 38  # by chance 10
