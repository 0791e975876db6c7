"""Top-1 and top-5 accuracy, with a classifier whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from singleshot.calib.accuracy.evaluate import open_dataset_for
from singleshot.calib.accuracy.top_k import AccuracyEvaluator, evaluate_accuracy, label_of
from singleshot.data.dataset import open_dataset
from singleshot.data.sample import Sample
from singleshot.runtime.detection.classifications import Classification
from singleshot.runtime.errors import InputError
from singleshot.runtime.session import open_session

NAMES = ("a", "b", "c", "d", "e", "f", "g")


def sample(*class_ids: int, name: str = "x") -> Sample:
    return Sample(
        image_id=name,
        image_path=Path(name),
        boxes_xyxy_px=np.tile(np.array([0, 0, 4, 4], np.float32), (len(class_ids), 1)),
        class_ids=np.array(class_ids, np.int64),
        difficult=np.zeros(len(class_ids), bool),
        height_px=8,
        width_px=8,
    )


def ranked(*class_ids: int) -> Classification:
    return Classification(
        scores=np.linspace(0.5, 0.1, len(class_ids)).astype(np.float32), class_ids=np.array(class_ids, np.int32)
    )


def test_figures_are_what_one_counts_by_hand() -> None:
    evaluator = AccuracyEvaluator(NAMES)
    evaluator.add(sample(0, name="first"), ranked(0, 1, 2, 3, 4))
    evaluator.add(sample(0, 0, name="fifth, two objects"), ranked(1, 2, 3, 4, 0))
    evaluator.add(sample(5, name="not named"), ranked(1, 2, 3, 4, 0))
    evaluator.add(sample(1, name="second"), ranked(0, 1, 2, 3, 4))
    evaluator.add(sample(0, 1, name="two classes"), ranked(0, 1, 2, 3, 4))
    evaluator.add(sample(name="no object"), ranked(0, 1, 2, 3, 4))
    result = evaluator.result()
    assert (result.images, result.ambiguous) == (4, 2)
    assert (result.top1, result.top5) == (0.25, 0.75)
    assert [(item.images, item.top1, item.top5) for item in result.classes[:3]] == [
        (2, 0.5, 1.0),
        (1, 0.0, 1.0),
        (0, None, None),
    ]
    assert result.confusion[0, :2].tolist() == [1, 1]
    assert result.confusion[5, 1] == 1
    assert result.confusion.sum() == 4
    assert result.to_dict()["classes"][5] == {"name": "f", "images": 1, "top1": 0.0, "top5": 0.0}


def test_label_is_the_one_class_of_all_objects() -> None:
    assert [label_of(sample(2, 2)), label_of(sample(2, 3)), label_of(sample())] == [2, None, None]


def test_nothing_to_count_is_an_error() -> None:
    evaluator = AccuracyEvaluator(("a", "b"))
    evaluator.add(sample(0, 1), ranked(0, 1))
    with pytest.raises(InputError, match=r"expected images that show one of the classes a, b, got none \(1 with"):
        evaluator.result()


def test_session_is_measured_on_a_split(kaggle_root: Path, graphs: Path) -> None:
    with open_session(graphs / "quarters_classifier.onnx") as session:
        with pytest.raises(InputError, match="expected the classifier's classes cat, cow, dog, horse, got"):
            evaluate_accuracy(session, open_dataset(kaggle_root), "train")
        with pytest.raises(InputError, match="expected images that show one of the classes cat"):
            evaluate_accuracy(session, open_dataset_for(session.card, kaggle_root), "train")
