"""What a trained artefact does well and badly on a split: figures per class, confusion, the worst images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...data.image_stream import check_same_classes, streamed_images
from ...data.sample import Sample
from ...runtime.detection.detections import Detections
from ...runtime.progress import Progress, no_progress
from ...runtime.session import Session, classify, detect
from ..accuracy.average_precision import DetectionEvaluator, EvaluationResult, judged
from ..accuracy.class_boxes import overlaps_with
from ..accuracy.top_k import AccuracyEvaluator, AccuracyResult, label_of
from .detection_records import DetectionRecords
from .operating_point import best_f1

MATCH_IOU = 0.5
"""The overlap from which on a detection speaks of an object."""

WORST = 12
"""How many images are named."""

_UNKNOWN_SCORE = 0.5
"""Where no class has enough objects for a threshold to be chosen by."""


@dataclass(frozen=True, kw_only=True)
class WorstImage:
    """An image that much was wrong in.

    Args:
        image_id: as the data name it.
        wrong: in words.
        found: what was found in it from the review's score on; none of a classifier.
    """

    image_id: str
    wrong: str
    found: Detections | None = None


@dataclass(frozen=True, kw_only=True)
class Review:
    """What was found on one split.

    Args:
        split: its name.
        images: that were looked at.
        classes: names of rows and columns of `confusion`; a detector's last one is the background.
        confusion: [C, C] int64; row: labelled, column: answered. A detector's last row are detections where nothing
            is, its last column objects that were missed.
        result: the figures per class.
        score: from which on a detection counts in the confusion, that of the best F1 on this very split.
        worst: the worst first.
    """

    split: str
    images: int
    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    result: EvaluationResult | AccuracyResult
    score: float | None
    worst: tuple[WorstImage, ...]


def review(
    session: Session, dataset: Dataset, split: str, *, seed: int = 0, on_progress: Progress = no_progress
) -> Review:
    """Run a detector or a classifier over a split; images are streamed.

    Args:
        session: an open session.
        dataset: labelled images with the classes of the session's card.
        split: one of the data set's splits.
        seed: of a seeded split.
        on_progress: called after each image.

    Raises:
        InputError: the classes differ, no image can be used, or the data set is strict and something is wrong.
    """
    check_same_classes(session.card, dataset)
    look = _review_classifier if session.card.task == "classifier" else _review_detector
    return look(session, dataset, split, seed, on_progress)


def confused(
    sample: Sample, found: Detections, *, classes: int, score: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair an image's objects with its detections, of the same class first, then by overlap.

    What overlaps a difficult object, or lies in a crowd, and is paired with no other counts neither way.

    Args:
        sample: the image's objects.
        found: detections, normalised to the image.
        classes: how many there are; their number stands for background.
        score: detections below it are left out.

    Returns:
        [n] int64 labelled and [n] int64 answered classes, one entry per object and per detection without one.
    """
    found = found.where(found.scores >= score)
    boxes_px = found.boxes_xyxy_px(height=sample.height_px, width=sample.width_px)
    overlaps = overlaps_with(boxes_px, sample.boxes_xyxy_px, sample.crowd)  # [detections, objects]
    counted = ~sample.difficult
    same = found.class_ids[:, None] == sample.class_ids[None]
    pairs = np.argwhere((overlaps >= MATCH_IOU) & counted)
    keys = (-overlaps[pairs[:, 0], pairs[:, 1]], ~same[pairs[:, 0], pairs[:, 1]])
    answer_of = np.full(len(sample), classes, np.int64)
    is_free = np.ones(len(found), np.bool_)
    for detection, item in pairs[np.lexsort(keys)]:
        if is_free[detection] and answer_of[item] == classes:
            answer_of[item] = found.class_ids[detection]
            is_free[detection] = False
    is_free &= ~((overlaps >= MATCH_IOU) & sample.difficult).any(axis=1)
    labelled = np.concatenate([sample.class_ids[counted], np.full(int(is_free.sum()), classes, np.int64)])
    answered = np.concatenate([answer_of[counted], found.class_ids[is_free]])
    return labelled.astype(np.int64), answered.astype(np.int64)


def _review_detector(session: Session, dataset: Dataset, split: str, seed: int, on_progress: Progress) -> Review:
    names = dataset.class_names
    evaluator = DetectionEvaluator(names)
    kept: list[tuple[Sample, Detections]] = []
    for sample, image in streamed_images(dataset, split, seed=seed, on_progress=on_progress):
        found = judged(sample, detect(session, image))
        evaluator.add(sample, found)
        kept.append((sample, found))
    score = _best_score(evaluator, [sample for sample, _ in kept], names)
    confusion = np.zeros((len(names) + 1, len(names) + 1), np.int64)
    mistakes: list[tuple[int, WorstImage]] = []
    for sample, found in kept:
        labelled, answered = confused(sample, found, classes=len(names), score=score)
        np.add.at(confusion, (labelled, answered), 1)
        wrong = int((labelled != answered).sum())
        if wrong:
            missed, false = int((answered == len(names)).sum()), int((labelled == len(names)).sum())
            text = f"{missed} missed, {false} where nothing is, {wrong - missed - false} taken for another class"
            shown = found.where(found.scores >= score)
            mistakes.append((wrong, WorstImage(image_id=sample.image_id, wrong=text, found=shown)))
    mistakes.sort(key=lambda item: -item[0])  # stable: of equal ones the split's order
    return Review(
        split=split,
        images=len(kept),
        classes=(*names, "background"),
        confusion=confusion,
        result=evaluator.result(),
        score=score,
        worst=tuple(item for _, item in mistakes[:WORST]),
    )


def _best_score(evaluator: DetectionEvaluator, samples: Sequence[Sample], names: Sequence[str]) -> float:
    records = DetectionRecords(
        class_names=names,
        image_ids=[sample.image_id for sample in samples],
        image_areas_px=np.array([sample.height_px * sample.width_px for sample in samples], np.float64),
        boxes=evaluator.boxes_by_class(),
    )
    best = best_f1(records.answers()) if records.is_measurable else None
    return _UNKNOWN_SCORE if best is None else best.threshold


def _review_classifier(session: Session, dataset: Dataset, split: str, seed: int, on_progress: Progress) -> Review:
    names = dataset.class_names
    evaluator = AccuracyEvaluator(names)
    mistakes: list[tuple[float, WorstImage]] = []
    for sample, image in streamed_images(dataset, split, seed=seed, on_progress=on_progress):
        found = classify(session, image)
        evaluator.add(sample, found)
        label, said = label_of(sample), int(found.class_ids[0])
        if label is not None and label != said:
            right = float(found.scores[found.class_ids == label].sum())  # 0 where it is not among the first
            text = f"{names[label]} taken for {names[said]} ({found.scores[0]:.2f}; {right:.2f} for {names[label]})"
            lead = float(found.scores[0]) - right
            mistakes.append((lead, WorstImage(image_id=sample.image_id, wrong=text)))
    result = evaluator.result()
    mistakes.sort(key=lambda item: -item[0])
    return Review(
        split=split,
        images=result.images,
        classes=tuple(names),
        confusion=result.confusion,
        result=result,
        score=None,
        worst=tuple(item for _, item in mistakes[:WORST]),
    )
