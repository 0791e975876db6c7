"""What an engine is held to before it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from singleshot.export.engine.prove import prove_typed_graph
from singleshot.export.graphs.graph_file import save_graph
from singleshot.runtime.errors import CheckError
from singleshot.runtime.precision import Precision
from singleshot.tests.fixtures.small_detector import CARD, small_detector_graph


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
