"""The page about a training, of a detector and of a classifier."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from singleshot.calib.accuracy.average_precision import ClassResult, EvaluationResult
from singleshot.calib.accuracy.top_k import AccuracyResult
from singleshot.calib.records.mistakes import Review, WorstImage
from singleshot.data.dataset import Dataset, open_dataset
from singleshot.runtime.card import Card, InputSpec, Measurement, Origin
from singleshot.tests.fixtures.parsed_page import ParsedPage
from singleshot.tests.places import VOC_ROOT
from singleshot.tools.pages.training_page import save_training_page
from singleshot.train.settings import train_settings

CARD = Card(
    kind="checkpoint",
    network="ssd_lite0",
    class_names=("cat", "<b>dog</b>"),
    input=InputSpec(height=8, width=8, mean=(0, 0, 0), std=(1, 1, 1)),
    origin=Origin(data="voc train", split_seed=3, settings=train_settings().model_dump(mode="json")),
    measurements=(Measurement(metric="AP50", value=0.5, data="val", note="epoch 2"),),
)
DETECTED = Review(
    split="val",
    images=5,
    classes=(*CARD.class_names, "background"),
    confusion=np.array([[3, 0, 1], [2, 0, 0], [0, 0, 0]]),
    result=EvaluationResult(
        images=5,
        classes=(
            ClassResult(name="cat", objects=40, difficult_objects=0, images=4, ap50_voc=0.5, ap50=0.25, ap50_95=0.125),
            ClassResult(
                name="<b>dog</b>", objects=0, difficult_objects=0, images=0, ap50_voc=None, ap50=None, ap50_95=None
            ),
        ),
        localization=None,
    ),
    score=0.25,
    worst=(),
)
CLASSIFIED = Review(
    split="val",
    images=3,
    classes=CARD.class_names,
    confusion=np.array([[2, 1], [0, 0]]),
    result=AccuracyResult(
        class_names=CARD.class_names,
        image_ids=("a", "b", "c"),
        labels=np.array([0, 0, 0]),
        ranks=np.array([0, 0, 1]),
        first=np.array([0, 0, 1]),
        ambiguous=0,
    ),
    score=None,
    worst=(WorstImage(image_id="2010_002531", wrong="cat taken for <b>dog</b>"),),
)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return open_dataset(VOC_ROOT)


def page_of(review: Review, dataset: Dataset, folder: Path) -> ParsedPage:
    metrics = folder / "metrics.csv"
    metrics.write_text("epoch,loss,val_loss,learning_rate\n0,2.5,,0.1\n1,1.5,2.0,0.05\n")
    save_training_page(CARD, metrics, review, dataset, folder / "report.html")
    return ParsedPage((folder / "report.html").read_text(encoding="utf-8"))


def test_a_detector_s_classes_confusion_and_mistakes(dataset: Dataset, tmp_path: Path) -> None:
    page = page_of(DETECTED, dataset, tmp_path)
    classes, confusion, mistakes = page.tables
    heads = ("class", "AP50 (VOC)", "AP50", "AP50:95", "objects", "images")
    assert classes == [
        dict(zip(heads, ("cat", "0.500", "0.250", "0.125", "40", "4"), strict=True)),
        dict(zip(heads, ("<b>dog</b>", "-", "-", "-", "0", "0"), strict=True)),
        dict(zip(heads, ("mean", "0.500", "0.250", "0.125", "", "5"), strict=True)),
    ]
    assert confusion[0] == {"": "cat", "cat": "3", "<b>dog</b>": "", "background": "1"}
    assert [tuple(row.values()) for row in mistakes] == [("<b>dog</b>", "cat", "2"), ("cat", "background", "1")]
    assert page.figures == ["loss", "learning rate"]
    for text in (
        "0.5000 AP50 (epoch 2)",
        "Means are over the classes with enough objects: cat.",
        "Detections from a score of 0.25 on",
        "Nothing was wrong in any image.",
        "voc train, split seed 3; sha256 unknown",
        "Classes: cat, <b>dog</b>",
    ):
        assert text in page.text


def test_a_classifier_s_classes_and_worst_images(dataset: Dataset, tmp_path: Path) -> None:
    page = page_of(CLASSIFIED, dataset, tmp_path)
    assert [tuple(row.values()) for row in page.tables[0]] == [
        ("cat", "0.667", "1.000", "3"),
        ("<b>dog</b>", "-", "-", "0"),
        ("all", "0.667", "1.000", "3"),
    ]
    assert page.pictures == ["2010_002531: cat taken for <b>dog</b>"]
    assert "Detections" not in page.text


def test_of_many_classes_the_mistakes_are_named_alone(dataset: Dataset, tmp_path: Path) -> None:
    many = replace(DETECTED, classes=tuple(f"class {at}" for at in range(41)), confusion=np.eye(41, dtype=np.int64) * 2)
    page = page_of(many, dataset, tmp_path)
    assert len(page.tables) == 1
    assert "The commonest mistakes None." in page.text
