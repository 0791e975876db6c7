"""What a run reads before it begins: every file of labels, once."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from singleshot.data.dataset import open_dataset
from singleshot.data.report import Problem
from singleshot.runtime.card import InputSpec
from singleshot.tests.fixtures.animals import WriteVoc
from singleshot.train.feed.training_images import open_training_images
from singleshot.train.feed.validation_batches import validation_batches
from singleshot.train.networks.box_fitting import fit_default_boxes
from singleshot.train.settings import train_settings

_COUNTERS: list[Counter[str]] = []
_HOOKED: list[object] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _COUNTERS and isinstance(arguments[0], str):
        _COUNTERS[-1][Path(arguments[0]).name] += 1


@contextmanager
def opened_files() -> Iterator[Counter[str]]:
    """Count how often each file is opened, whoever does it."""
    if _note not in _HOOKED:
        sys.addaudithook(_note)  # for good: Python has no way to take it off
        _HOOKED.append(_note)
    _COUNTERS.append(Counter())
    try:
        yield _COUNTERS[-1]
    finally:
        _COUNTERS.pop()


@pytest.mark.parametrize("splits", [("train", "val"), ("seeded-train", "seeded-val")])
@pytest.mark.parametrize("broken", [False, True], ids=["sound images", "a broken image"])
def test_labels_are_read_once(write_voc: WriteVoc, tmp_path: Path, splits: tuple[str, str], broken: bool) -> None:
    root = write_voc({"train": ["dog"] * 20, "val": ["dog"] * 10})
    if broken:
        image = root / "VOCdevkit" / "VOC2012" / "JPEGImages" / "train_3.jpg"
        image.write_bytes(image.read_bytes()[:-20])
    settings = train_settings(train_split=splits[0], val_split=splits[1], epochs=1)
    spec = InputSpec(height=64, width=64, mean=(0, 0, 0), std=(1, 1, 1))
    with opened_files() as opened:
        data = open_dataset(root, class_names=("dog",))
        for _ in range(2):  # as `tune` does, trial after trial
            images = open_training_images(data, settings, input_hw=(64, 64), cache_folder=tmp_path / "caches")
            fit_default_boxes(data, splits[0], "ssd_lite0")
            for _ in range(2):
                list(validation_batches(data, splits[1], spec))
    labels = {name: count for name, count in opened.items() if name.endswith(".xml")}
    assert len(labels) == 30
    assert set(labels.values()) == {1}
    assert len(images.train.image_ids) + len(images.val.image_ids) == 30 - broken
    assert data.report.count(Problem.BROKEN_IMAGE) == broken
