"""The SSD that speed is compared on is a detector like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from singleshot.export.inspection.operations import count_operations
from singleshot.runtime.errors import InputError
from singleshot.runtime.image_files import read_image_bgr
from singleshot.runtime.session import detect, open_session
from singleshot.tests.places import PHOTOS
from singleshot.tools.reference.reference_ssd import CLASSES, main, reference_ssd

DEFAULT_BOXES = 8732
"""Of SSD300."""


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reference") / "reference.onnx"
    main([str(path)])
    return path


def test_it_detects_something_and_is_sure_of_little(graph: Path) -> None:
    photographs = sorted(PHOTOS.iterdir())[:2]
    with open_session(graph, backend="onnxruntime") as session:
        for found in (detect(session, read_image_bgr(path)) for path in photographs):
            assert 0 < len(found) <= 100
            assert np.median(found.scores) < 0.5


def test_shapes_and_arithmetic_are_those_of_the_published_one(graph: Path) -> None:
    model = onnx.load(str(graph))
    boxes = [item for item in model.graph.initializer if item.name == "tail/default_centres"]
    assert [numpy_helper.to_array(item).shape[-2] for item in boxes] == [DEFAULT_BOXES]
    gflops = count_operations(model).gflops
    assert gflops is not None
    assert 10 < gflops < 20
    assert CLASSES == 20


def test_the_same_seed_gives_the_same_graph() -> None:
    assert reference_ssd() == reference_ssd()
    assert reference_ssd() != reference_ssd(seed=1)


@pytest.mark.parametrize("arguments", [[], ["a.onnx", "b.onnx"], ["a.pt"]])
def test_one_path_is_expected(arguments: list[str]) -> None:
    with pytest.raises(InputError, match=r"^arguments: expected one path that ends in \.onnx, got "):
        main(arguments)
