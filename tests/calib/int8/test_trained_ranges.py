"""Ranges leave a graph in the order of its arithmetic and come back to the same tensors."""

from __future__ import annotations

from pathlib import Path

import cv2
import onnx
import pytest

from singleshot.calib.int8.collect import choose_calibration_images, collect_calibration
from singleshot.calib.int8.image_pool import ImagePool
from singleshot.calib.int8.quantized_graph import quantized_graph
from singleshot.calib.int8.table import CalibrationTable
from singleshot.calib.int8.trained_ranges import int8_training, trained_table
from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.hostile_detector import patches
from singleshot.tests.fixtures.small_detector import CARD


@pytest.fixture(scope="module")
def model(small_detector: Path) -> onnx.ModelProto:
    return onnx.load(str(small_detector))


@pytest.fixture(scope="module")
def table(model: onnx.ModelProto, tmp_path_factory: pytest.TempPathFactory) -> CalibrationTable:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(8):
        cv2.imwrite(str(folder / f"{number}.png"), patches(number))
    pool = ImagePool(folder)
    chosen = choose_calibration_images(model, CARD, pool, source="small", count=8, seed=3)
    return collect_calibration(model, CARD, pool, chosen, source="small")["mse"]


def test_the_graph_that_comes_back_is_the_one_of_the_table(model: onnx.ModelProto, table: CalibrationTable) -> None:
    trained = int8_training(model, table, weight_steps=63)
    assert (trained.method, trained.images, trained.seed, trained.table_sha256) == ("mse", 8, 3, table.sha256)
    assert [limit is None for limit in trained.limits] == [False, False, True, False]  # the class predictor is float
    again = trained_table(model, CARD, trained, source="small")
    expected = quantized_graph(model, table, weight_steps=63)
    assert quantized_graph(model, again, weight_steps=63).SerializeToString() == expected.SerializeToString()


def test_what_never_changed_stays_in_float_again(model: onnx.ModelProto, table: CalibrationTable) -> None:
    first = next(node.input[0] for node in model.graph.node if node.op_type == "Conv")
    constant = table.ranges[first].model_copy(update={"low": 1.0, "high": 1.0})
    flat = table.model_copy(update={"ranges": {**table.ranges, first: constant}})
    again = trained_table(model, CARD, int8_training(model, flat, weight_steps=127), source="small")
    assert quantized_graph(model, again).SerializeToString() == quantized_graph(model, flat).SerializeToString()


def test_another_network_is_refused(model: onnx.ModelProto, table: CalibrationTable) -> None:
    trained = int8_training(model, table, weight_steps=127)
    shorter = trained.model_copy(update={"limits": trained.limits[1:]})
    with pytest.raises(InputError) as caught:
        trained_table(model, CARD, shorter, source="a.onnx")
    assert str(caught.value) == (
        "a.onnx: expected a network of 3 convolutions and sums, as its card says that was trained for int8, got one of "
        "4. Export it again from its checkpoint."
    )
