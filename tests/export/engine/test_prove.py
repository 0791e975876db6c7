"""What an engine is held to before it is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper

from singleshot.export.engine.prove import prove_typed_graph
from singleshot.export.graphs.fp16 import with_fp16_network
from singleshot.export.graphs.graph_file import save_graph
from singleshot.runtime.errors import CheckError
from singleshot.runtime.precision import Precision
from singleshot.tests.fixtures.small_detector import CARD, small_detector_graph
from singleshot.tests.places import CLIP


def test_a_graph_of_another_contract_is_refused(small_detector: Path, tmp_path: Path) -> None:
    typed = tmp_path / "typed.onnx"
    save_graph(small_detector_graph(), CARD.model_copy(update={"class_names": CARD.class_names[::-1]}), typed)
    message = r"typed\.onnx: expected the contract of .*small\.onnx, got class names: "
    with pytest.raises(CheckError, match=message):
        prove_typed_graph(
            small_detector,
            typed,
            out=tmp_path / "small.engine",
            frames=None,
            precision=Precision.FP16,
            labels_judge=False,
        )


def test_a_comparison_without_a_detection_says_so(tmp_path: Path) -> None:
    model = small_detector_graph()
    towards_background = np.broadcast_to(np.array([0.5, 0, -0.5], np.float32)[:, None, None, None], (3, 8, 3, 3))
    floor = next(item for item in model.graph.initializer if item.name == "tail/score_floor")
    weights = next(item for item in model.graph.initializer if item.name == "w_class")
    weights.CopyFrom(numpy_helper.from_array(towards_background.copy(), "w_class"))
    floor.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(floor), 0.45), floor.name))
    card = CARD.model_copy(update={"postprocess": CARD.postprocess.model_copy(update={"score_floor": 0.45})})
    save_graph(model, card, tmp_path / "blind.onnx")
    save_graph(with_fp16_network(model), card, tmp_path / "typed.onnx")
    proof = prove_typed_graph(
        tmp_path / "blind.onnx",
        tmp_path / "typed.onnx",
        out=tmp_path / "blind.engine",
        frames=str(CLIP),
        precision=Precision.FP16,
        labels_judge=False,
    )
    assert proof.note == (
        "no detections were compared, as there are none in 16 frames of dog.mp4, but what the network emits; --frames "
        "names pictures of its objects"
    )
