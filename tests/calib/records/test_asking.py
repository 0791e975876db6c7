"""What artefacts are asked about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from singleshot.calib.accuracy.evaluate import open_dataset_for
from singleshot.calib.records.answers import answers_to
from singleshot.calib.records.asking import records_of
from singleshot.calib.records.labelled_images import sampled_images
from singleshot.runtime.errors import InputError, NotFiniteError
from singleshot.runtime.session import open_session

if TYPE_CHECKING:
    from singleshot.tests.fixtures.voc_folder import VocFolder


def test_a_candidate_that_computes_no_numbers_has_found_nothing(
    small_detector: Path, voc_folder: VocFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overflow(*_given: object) -> None:
        raise NotFiniteError("graph.onnx: expected finite boxes and scores, got NaN or infinity.")

    voc_folder.add("a", [("dog", (1, 1, 24, 32))], split="val")
    with open_session(small_detector, backend="onnxruntime") as session:
        images = sampled_images(open_dataset_for(session.card, voc_folder.root), "val", seed=0, most=2)
        monkeypatch.setattr(session, "run", overflow)
        assert records_of(session, images, nan_is_nothing=True).headline(np.ones(1, np.int64)) == 0
        assert [len(found) for found in answers_to(session, [np.zeros((1, 64, 64, 3), np.uint8)])] == [0]
        with pytest.raises(NotFiniteError):
            records_of(session, images)


def test_nothing_but_broken_images_is_an_error(small_detector: Path, voc_folder: VocFolder) -> None:
    for name in ("a", "b"):
        voc_folder.add(name, [("dog", (1, 1, 24, 32))], split="val")
    with open_session(small_detector, backend="onnxruntime") as session:
        images = sampled_images(open_dataset_for(session.card, voc_folder.root), "val", seed=0, most=2)
        for name in ("a", "b"):
            voc_folder.image_path(name).write_bytes(b"")
        with pytest.raises(
            InputError, match=r"VOC2012: expected labelled images, got none that can be used of 2 .* by --split\."
        ):
            records_of(session, images)
