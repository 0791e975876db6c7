"""Run an artefact over labelled images and keep what a comparison needs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...data.image_stream import check_same_classes
from ...runtime.detection.classifications import Classification
from ...runtime.detection.letterbox import detections_to_frame
from ...runtime.errors import InputError
from ...runtime.session import Session
from ..accuracy.average_precision import DetectionEvaluator
from ..accuracy.class_matches import NOT_FOUND
from ..accuracy.top_k import label_of
from .answers import found_or_nothing
from .classification_records import ClassificationRecords
from .detection_records import DetectionRecords
from .labelled_images import LabelledImages
from .records import Records

OnImage = Callable[[], None]
"""Called after each image."""


def records_of(
    session: Session, images: LabelledImages, *, on_image: OnImage = lambda: None, nan_is_nothing: bool = False
) -> Records:
    """Ask a detector or classifier about every image.

    Args:
        session: an open session.
        images: labelled, with the classes of the session's card.
        on_image: called after each image.
        nan_is_nothing: a detector that computes no numbers for an image found nothing in it, as a candidate that
            overflows; otherwise an error.

    Raises:
        InputError: the classes differ, or no image can be used.
    """
    check_same_classes(session.card, images.dataset)
    if session.card.task == "classifier":
        found = _classes_of(session, images, on_image)
    else:
        found = _detections_of(session, images, on_image, nan_is_nothing=nan_is_nothing)
    if not found.image_ids:
        raise InputError(
            f"{images.dataset.name}: expected labelled images, got none that can be used of {len(images)} sampled. "
            f"Name another split by --split."
        )
    return found


def _detections_of(session: Session, images: LabelledImages, on_image: OnImage, *, nan_is_nothing: bool) -> Records:
    spec = session.card.input
    evaluator = DetectionEvaluator(images.dataset.class_names)
    image_ids: list[str] = []
    areas_px: list[int] = []
    for sample, frame in images.frames(spec):
        found = found_or_nothing(session, frame) if nan_is_nothing else session.run(frame)[0]
        evaluator.add(sample, detections_to_frame(found, spec, height=sample.height_px, width=sample.width_px))
        image_ids.append(sample.image_id)
        areas_px.append(sample.height_px * sample.width_px)
        on_image()
    return DetectionRecords(
        class_names=images.dataset.class_names,
        image_ids=image_ids,
        image_areas_px=np.array(areas_px, np.float64),
        boxes=evaluator.boxes_by_class(),
    )


def _classes_of(session: Session, images: LabelledImages, on_image: OnImage) -> Records:
    """Images that show several classes, or none, are left out."""
    rows: list[tuple[str, int, int, float, float]] = []
    for sample, frame in images.frames(session.card.input):
        label = label_of(sample)
        if label is not None:
            found = session.classify(frame)[0]
            right = _score_of(found, label)
            rows.append((sample.image_id, label, int(found.class_ids[0]), float(found.scores[0]), right))
        on_image()
    columns: list[NDArray[np.float64]] = [np.array([row[at] for row in rows], np.float64) for at in range(1, 5)]
    return ClassificationRecords(
        class_names=images.dataset.class_names,
        image_ids=[row[0] for row in rows],
        class_ids=columns[0].astype(np.int64),
        answers_given=columns[1].astype(np.int64),
        answer_scores=columns[2],
        right_scores=columns[3],
    )


def _score_of(found: Classification, class_id: int) -> float:
    places = np.flatnonzero(found.class_ids == class_id)
    return float(found.scores[places[0]]) if len(places) else NOT_FOUND
