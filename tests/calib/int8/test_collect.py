"""Ranges are those of the activations, for all methods from one pass over the images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from singleshot.calib.int8.choose_images import Selection
from singleshot.calib.int8.collect import (
    Tables,
    choose_calibration_images,
    collect_calibration,
    graph_sha256,
    images_as_they_are,
)
from singleshot.calib.int8.image_pool import ImagePool, Named
from singleshot.calib.int8.table import METHODS
from singleshot.runtime.detection.letterbox import fit_frame
from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.hostile_detector import patches
from singleshot.tests.fixtures.small_detector import CARD, small_detector_graph

IMAGES = 12
COUNT = 8


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> ImagePool:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(IMAGES):
        cv2.imwrite(str(folder / f"{number:02d}.png"), cv2.resize(patches(number), (80, 60)))
    return ImagePool(folder)


def calibrated(model: onnx.ModelProto, pool: ImagePool) -> tuple[Selection, Tables]:
    selection = choose_calibration_images(model, CARD, pool, source="x.onnx", count=COUNT, seed=0)
    return selection, collect_calibration(model, CARD, pool, selection, source="x.onnx")


def changed(name: str, value: float) -> onnx.ModelProto:
    """The small detector with all of a constant set to a value."""
    model = small_detector_graph()
    place = next(item for item in model.graph.initializer if item.name == name)
    place.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(place), value), name))
    return model


def test_ranges_are_those_of_the_activations(pool: ImagePool) -> None:
    model = small_detector_graph()
    selection, tables = calibrated(model, pool)
    tensors = ("scaled", "r1", "r2")
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    frames = np.stack([fit_frame(image, CARD.input) for _, image in pool.images(selection.names)])
    for name, values in zip(tensors, session.run(tensors, {"frames": frames}), strict=True):
        ranges = {method: tables[method].ranges[name] for method in METHODS}
        assert ranges["minmax"].low == pytest.approx(float(values.min()), rel=1e-5)
        assert ranges["minmax"].high == pytest.approx(float(values.max()), rel=1e-5)
        assert ranges["minmax"].limit == pytest.approx(float(np.abs(values).max()), rel=1e-5)
        assert all(0 < item.limit <= ranges["minmax"].limit for item in ranges.values())


def test_tables_tell_what_they_are_of(pool: ImagePool) -> None:
    model = small_detector_graph()
    selection, tables = calibrated(model, pool)
    assert tuple(tables) == METHODS
    for method, table in tables.items():
        assert (table.method, table.graph_sha256, table.preprocessing) == (method, graph_sha256(model), CARD.input)
        assert set(table.images.sha256_of) == set(selection.names)
        assert images_as_they_are(table, pool, count=COUNT, seed=0) == table.images


def test_fingerprint_of_a_graph_is_not_that_of_its_card() -> None:
    model, other = small_detector_graph(), small_detector_graph()
    onnx.helper.set_model_props(other, {"singleshot.card": "{}"})
    assert graph_sha256(model) == graph_sha256(other)
    assert graph_sha256(model) != graph_sha256(changed("w2", 0.1))


def test_progress_and_images_are_told(pool: ImagePool) -> None:
    model = small_detector_graph()
    steps: list[tuple[str, int, int]] = []
    seen: list[Named] = []
    selection = choose_calibration_images(
        model, CARD, pool, source="x.onnx", count=COUNT, seed=0, on_progress=lambda *step: steps.append(step)
    )
    collect_calibration(
        model,
        CARD,
        pool,
        selection,
        source="x.onnx",
        on_image=seen.append,
        on_progress=lambda *step: steps.append(step),
    )
    assert steps[IMAGES - 1] == ("choosing images", IMAGES, IMAGES)
    assert steps[-1] == ("measuring ranges", COUNT, COUNT)
    assert {name for name, _ in seen} == set(selection.names)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        pytest.param(
            changed("w1", float("nan")),
            r"^x\.onnx: expected finite activations, got NaN or infinity in the tensor r1 on one of the images\. Its",
            id="NaN is noticed while choosing",
        ),
        pytest.param(
            changed("std", 0.0),
            "^x.onnx: expected finite activations, got NaN or infinity in the tensor",
            id="infinity",
        ),
        pytest.param(
            changed("mean", float("-inf")), "^x.onnx: expected finite activations", id="infinity in the first tensor"
        ),
    ],
)
def test_networks_that_cannot_be_calibrated(pool: ImagePool, model: onnx.ModelProto, message: str) -> None:
    with pytest.raises(InputError, match=message):
        calibrated(model, pool)


def test_graph_whose_tensors_are_all_constant(pool: ImagePool) -> None:
    model = changed("w1", 0.0)
    # Frames times 0: the input of the first convolution does not change either.
    next(node for node in model.graph.node if node.name == "div").op_type = "Mul"
    place = next(item for item in model.graph.initializer if item.name == "std")
    place.CopyFrom(numpy_helper.from_array(np.zeros((1, 3, 1, 1), np.float32), "std"))
    with pytest.raises(
        InputError, match=r"^x\.onnx: expected activations that change with the image, got constant ones"
    ):
        calibrated(model, pool)


def test_graph_without_convolutions(pool: ImagePool, graphs: Path) -> None:
    with pytest.raises(InputError, match=r"^x\.onnx: expected convolutions with constant float32 weights, got none"):
        calibrated(onnx.load(str(graphs / "quarters.onnx")), pool)


def test_image_that_vanishes_meanwhile(pool: ImagePool, tmp_path: Path) -> None:
    model = small_detector_graph()
    selection = choose_calibration_images(model, CARD, pool, source="x.onnx", count=COUNT, seed=0)
    cv2.imwrite(str(tmp_path / selection.names[0]), patches(0))
    with pytest.raises(InputError, match=r"expected the image that was read a moment ago, got none\. Leave"):
        collect_calibration(model, CARD, ImagePool(tmp_path), selection, source="x.onnx")


def test_a_dead_layer_is_constant(pool: ImagePool) -> None:
    _, tables = calibrated(changed("w1", 0.0), pool)
    assert {name for name, item in tables["mse"].ranges.items() if item.is_constant} == {"r1", "r2"}


def test_a_tensor_that_was_not_looked_at_before_and_is_no_number(pool: ImagePool) -> None:
    sound = small_detector_graph()
    selection = choose_calibration_images(sound, CARD, pool, source="x.onnx", count=COUNT, seed=0)
    with pytest.raises(
        InputError, match=r"x\.onnx: expected finite activations, got NaN .* the tensor r\d on \d\d\.png"
    ):
        collect_calibration(changed("w1", np.nan), CARD, pool, selection, source="x.onnx")
