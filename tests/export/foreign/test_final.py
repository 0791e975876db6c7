"""Detections that are final already, or have one class each, are mapped to the contract and not suppressed again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from singleshot.calib.graph_surgery import open_inner
from singleshot.export.foreign.adapt import Adaptation, adapt_detector
from singleshot.export.foreign.rows import MOST_ROWS
from singleshot.export.foreign.told import Told
from singleshot.export.graphs.cluster_tail import with_cluster_tail
from singleshot.runtime.card import Postprocess
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.errors import InputError
from singleshot.runtime.runners.contract import DETECTOR_OUTPUTS, EXACT
from singleshot.runtime.session import open_session

from .foreign_models import SIDE, model_of, save

BOXES = np.array([[4, 4, 16, 20], [5, 4, 16, 20], [16, 16, 32, 28], [0, 0, 0, 0]], np.float32)
"""In pixels; the second overlaps the first, which final detections may, the last row holds none."""
SCORES = np.array([[0.9], [0.8], [0.7], [0]], np.float32)
IDS = np.array([[0], [0], [2], [0]], np.float32)
FOUND = [(0, 0.9, BOXES[0]), (0, 0.8, BOXES[1]), (2, 0.7, BOXES[2])]
TORCHVISION = {"boxes": BOXES[:3], "scores": SCORES[:3], "labels": IDS[:3] + 1}


def adapted(model: onnx.ModelProto, folder: Path, **options: Any) -> Adaptation:
    (folder / "names.txt").write_text("cat\ndog\nhorse\n")
    path = save(model, folder / "foreign.onnx")
    return adapt_detector(path, folder / "adapted.onnx", **{"names_path": folder / "names.txt", **options})


def found_by(path: Path) -> Detections:
    with open_session(path) as session:
        (found,) = session.run(np.zeros((1, SIDE, SIDE, 3), np.uint8))
    return found


def assert_found(path: Path, expected: list[tuple[int, float, NDArray[np.float32]]]) -> None:
    found = found_by(path)
    assert found.class_ids.tolist() == [class_id for class_id, _, _ in expected]
    np.testing.assert_allclose(found.scores, [score for _, score, _ in expected], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.boxes_xyxy * SIDE, [box for _, _, box in expected], rtol=0, atol=1e-4)


def squeezed(outputs: dict[str, NDArray[Any]], axes: dict[str, list[int]]) -> onnx.ModelProto:
    """Take axes of length 1 from outputs."""
    model = model_of(outputs, input_shape=(1, 3, SIDE, SIDE), batch=1)
    for node in model.graph.node:
        node.output[:] = [f"{name}_all" if name in outputs else name for name in node.output]
    for name, taken in axes.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(taken, np.int64), f"{name}_taken"))
        given = [f"{name}_all", f"{name}_taken"] if taken else [f"{name}_all"]
        model.graph.node.append(helper.make_node("Squeeze" if taken else "Identity", given, [name]))
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs)
    return model


ONE = np.concatenate([BOXES, SCORES, IDS], axis=1)
STYLES = [
    pytest.param(model_of({"output0": ONE}), id="YOLO26, Ultralytics' nms=True: box, score, class"),
    pytest.param(model_of({"o": np.concatenate([IDS, SCORES, BOXES], axis=1)}), id="Paddle: class, score, box"),
    pytest.param(
        model_of({"o": np.concatenate([0 * IDS, BOXES, IDS, SCORES], axis=1)}), id="YOLOv7: image, box, class, score"
    ),
    pytest.param(
        model_of({"labels": IDS, "boxes": BOXES, "scores": SCORES}), id="RT-DETR, D-FINE: labels, boxes, scores"
    ),
    pytest.param(
        squeezed({"dets": np.concatenate([BOXES, SCORES], axis=1), "labels": IDS}, {"dets": [], "labels": [2]}),
        id="MMDeploy: box and score, labels",
    ),
    pytest.param(
        squeezed(
            {"det_boxes": BOXES, "det_scores": SCORES, "det_classes": IDS},
            {"det_boxes": [], "det_scores": [2], "det_classes": [2]},
        ),
        id="EfficientNMS: no axis of columns",
    ),
    pytest.param(
        squeezed(
            {
                "detection_boxes": BOXES[:, [1, 0, 3, 2]] / SIDE,
                "detection_scores": SCORES,
                "detection_classes": IDS + 1,
            },
            {"detection_boxes": [], "detection_scores": [2], "detection_classes": [2]},
        ),
        id="TensorFlow: y first, fractions, ids from 1",
    ),
    pytest.param(
        squeezed(
            {
                "detection_boxes:0": BOXES[:, [1, 0, 3, 2]] / SIDE,
                "detection_scores:0": SCORES,
                "detection_classes:0": IDS + 1,
            },
            {"detection_boxes:0": [], "detection_scores:0": [2], "detection_classes:0": [2]},
        ),
        id="TensorFlow 1: names of tensors",
    ),
    pytest.param(
        squeezed(
            {
                "TFLite_Detection_PostProcess": BOXES[:, [1, 0, 3, 2]] / SIDE,
                "TFLite_Detection_PostProcess:1": IDS,
                "TFLite_Detection_PostProcess:2": SCORES,
            },
            {
                "TFLite_Detection_PostProcess": [],
                "TFLite_Detection_PostProcess:1": [2],
                "TFLite_Detection_PostProcess:2": [2],
            },
        ),
        id="TFLite: y first, ids from 0",
    ),
    pytest.param(
        squeezed(TORCHVISION, {"boxes": [0], "scores": [0, 2], "labels": [0, 2]}),
        id="torchvision: no axis of images, ids from 1",
    ),
]


@pytest.mark.parametrize("model", STYLES)
def test_final_detections_pass_as_they_are(model: onnx.ModelProto, tmp_path: Path) -> None:
    done = adapted(model, tmp_path)
    assert done.reading.is_final
    assert done.card.postprocess.iou_threshold == 1
    assert_found(done.path, FOUND)
    assert "NonMaxSuppression" in {node.op_type for node in onnx.load(str(done.path)).graph.node}
    # What `build` puts in the place of suppression says the same.
    graph = onnx.load(str(done.path))
    frames = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    expected = open_inner(graph, DETECTOR_OUTPUTS)(frames)
    found = open_inner(with_cluster_tail(graph, done.card.postprocess), (*DETECTOR_OUTPUTS, EXACT))(frames)
    assert found.pop(EXACT).tolist() == [[1]]
    for name, value in found.items():
        np.testing.assert_array_equal(value, expected[name])


def test_order_of_rows_is_no_matter_where_the_file_says_that_they_are_final(tmp_path: Path) -> None:
    model = model_of({"output0": ONE[[2, 0, 3, 1]]})
    helper.set_model_props(model, {"names": "['cat', 'dog', 'horse']", "task": "detect", "end2end": "True"})
    assert_found(adapted(model, tmp_path, names_path=None).path, FOUND)


def test_boxes_under_a_name_of_anything_are_told(tmp_path: Path) -> None:
    names = {what: f"StatefulPartitionedCall:{number}" for number, what in enumerate(("boxes", "scores", "ids"))}
    model = squeezed(
        {names["boxes"]: BOXES[:, [1, 0, 3, 2]] / SIDE, names["scores"]: SCORES, names["ids"]: IDS},
        {names["boxes"]: [], names["scores"]: [2], names["ids"]: [2]},
    )
    with pytest.raises(InputError) as error:
        adapted(model, tmp_path)
    assert str(error.value).startswith(
        "--layout: expected yxyx or xyxy, got nothing; StatefulPartitionedCall:0 may be any of TensorFlow's. Boxes of "
        "its detection API and of TFLite have y first. Guessed so far: "
    )
    assert_found(adapted(model, tmp_path, told=Told(layout="yxyx")).path, FOUND)


def test_one_class_each_before_suppression_is_suppressed(tmp_path: Path) -> None:
    model = model_of({"boxes": BOXES[[2, 1, 0]], "scores": SCORES[[2, 1, 0]], "classes": IDS[[2, 1, 0]]})
    done = adapted(model, tmp_path)
    assert not done.reading.is_final
    assert_found(done.path, [FOUND[0], FOUND[2]])


def test_what_is_told_of_suppression_is_law(tmp_path: Path) -> None:
    done = adapted(model_of({"output0": ONE}), tmp_path, postprocess=Postprocess(iou_threshold=0.5, max_detections=1))
    assert_found(done.path, FOUND[:1])


def test_columns_are_told(tmp_path: Path) -> None:
    wide = np.concatenate([ONE, ONE], axis=1)
    told = Told(boxes="o[0:4]", scores="o[4:5]", class_ids="o[5:6]")
    assert_found(adapted(model_of({"o": wide}), tmp_path, told=told).path, FOUND)


def test_number_of_rows_that_changes(tmp_path: Path) -> None:
    """Of 40 detections those above the picture's mean brightness are given: another number for each picture."""
    scores = np.linspace(0.9, 0.1, 40, dtype=np.float32)
    values: dict[str, NDArray[Any]] = {"b": np.tile(BOXES[2], (40, 1)), "s": scores, "l": np.arange(40) % 3 + 1}
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Greater", ["s", "mean"], ["is_above"]),
    ]
    names = {"b": "boxes", "s": "scores", "l": "labels"}
    nodes += [helper.make_node("Compress", [given, "is_above"], [name], axis=0) for given, name in names.items()]
    graph = helper.make_graph(
        nodes,
        "changing",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info(name, TensorProto.INT64 if name == "labels" else TensorProto.FLOAT, None)
            for name in names.values()
        ],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    done = adapted(model, tmp_path)
    assert done.card.postprocess.max_detections == MOST_ROWS
    found = found_by(done.path)
    np.testing.assert_allclose(found.scores, scores, rtol=0, atol=1e-6)  # all are above a black picture's
    assert found.class_ids.tolist() == (np.arange(40) % 3).tolist()


REFUSED = [
    pytest.param(
        ONE,
        {"names_path": None},
        "--names: expected a file of class names, as detections with class ids do not tell how many classes there are, "
        "got none.",
        id="no names",
    ),
    pytest.param(
        np.concatenate([BOXES, SCORES, IDS * 2], axis=1),
        {},
        "--names: expected a name for every class id, 0 to 4, got 3 names. --background 0 says that id 0 is no class.",
        id="an id without a name",
    ),
    pytest.param(
        ONE * np.array([1, 1, 1, 1, 0, 1], np.float32),
        {"told": Told(boxes="output0[0:4]", scores="output0[4:5]", class_ids="output0[5:6]")},
        "--images: expected images in which something is found, as detections that are none cannot be read, got none "
        "found. Give a folder of them.",
        id="nothing found",
    ),
    pytest.param(
        ONE * np.array([np.nan, 1, 1, 1, 1, 1], np.float32),
        {},
        "--boxes: expected finite values in output0[0:4], got NaN or infinity.",
        id="a box that is no number",
    ),
]


@pytest.mark.parametrize(("output", "options", "message"), REFUSED)
def test_refused(output: NDArray[Any], options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        adapted(model_of({"output0": output}), tmp_path, **options)
    assert str(error.value).split(" Guessed so far: ")[0] == message
    assert not (tmp_path / "adapted.onnx").exists()
