"""What a foreign file says of itself decides, and pictures must show something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from singleshot.export.foreign.adapt import adapt_detector
from singleshot.export.foreign.inputs import ForeignInput
from singleshot.runtime.card import Postprocess
from singleshot.runtime.errors import CheckError

from .foreign_models import SIDE, boxes_xyxy, class_scores, cxcywh, model_of, plain_model, refusal, save

BOXES, SCORES = boxes_xyxy(), class_scores()
CENTRES = cxcywh(BOXES) * SIDE
OBJECTNESS = SCORES.max(axis=1, keepdims=True)
WITHOUT_OBJECTNESS = np.concatenate([CENTRES, SCORES], axis=1).astype(np.float32)
WITH_OBJECTNESS = np.concatenate([CENTRES, OBJECTNESS, SCORES / OBJECTNESS], axis=1).astype(np.float32)
NAMES = str({0: "cat", 1: "dog", 2: "horse"})
POSTPROCESS = Postprocess(score_floor=0.05)


def named(output: NDArray[Any], names: str = NAMES, **metadata: str) -> onnx.ModelProto:
    model = model_of({"o": output})
    helper.set_model_props(model, {"names": names, **metadata})
    return model


def refused(model: onnx.ModelProto, folder: Path, **options: Any) -> str:
    return refusal(save(model, folder / "foreign.onnx"), **options)


@pytest.mark.parametrize(
    ("output", "scores"),
    [
        pytest.param(WITHOUT_OBJECTNESS, "o[4:7]", id="boxes first, 4 + C"),
        pytest.param(WITHOUT_OBJECTNESS.T.copy(), "o[4:7]", id="columns first, 4 + C"),
        pytest.param(WITH_OBJECTNESS, "o[5:8]", id="boxes first, 5 + C"),
        pytest.param(WITH_OBJECTNESS.T.copy(), "o[5:8]", id="columns first, 5 + C"),
    ],
)
@pytest.mark.parametrize("by_file", [False, True], ids=["in the metadata", "in a file"])
def test_count_of_names_tells_objectness(output: NDArray[Any], scores: str, by_file: bool, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("cat\ndog\nhorse\n")
    path = save(model_of({"o": output}) if by_file else named(output), tmp_path / "foreign.onnx")
    done = adapt_detector(
        path,
        tmp_path / "adapted.onnx",
        postprocess=POSTPROCESS,
        names_path=tmp_path / "names.txt" if by_file else None,
    )
    assert str(done.reading.scores) == scores
    assert str(done.reading.objectness) == ("o[4:5]" if scores == "o[5:8]" else "None")
    assert done.card.class_names == ("cat", "dog", "horse")
    assert done.parity.matched == 2 * done.parity.frames


def test_84_columns_without_names_are_80_classes(tmp_path: Path) -> None:
    output = np.concatenate([np.tile(CENTRES, (5, 1)), np.full((105, 80), 0.001)], axis=1).astype(np.float32)
    output[9, 4] = 0.9
    done = adapt_detector(save(model_of({"o": output}), tmp_path / "foreign.onnx"), tmp_path / "adapted.onnx")
    assert (str(done.reading.scores), done.reading.objectness) == ("o[4:84]", None)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("path: coco\nnames:\n  0: cat\n  1: dog\n  2: horse\n", id="a table"),
        pytest.param("nc: 3\r\nnames: [cat, dog, horse]\r\n", id="a list"),
    ],
)
def test_names_of_a_data_set(text: str, tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text(text)
    path = save(model_of({"o": WITHOUT_OBJECTNESS}), tmp_path / "foreign.onnx")
    done = adapt_detector(path, tmp_path / "adapted.onnx", postprocess=POSTPROCESS, names_path=tmp_path / "data.yaml")
    assert done.card.class_names == ("cat", "dog", "horse")
    assert str(done.reading.scores) == "o[4:7]"


def test_names_that_fit_no_reading(tmp_path: Path) -> None:
    message = "foreign.onnx: expected 4 + 2 or 5 + 2 columns for 2 class names, got o [N, 21, 8]. Other columns may be "
    assert refused(named(WITH_OBJECTNESS, "['cat', 'dog']"), tmp_path).startswith(message)


def test_names_that_the_told_columns_contradict(tmp_path: Path) -> None:
    model = plain_model()
    helper.set_model_props(model, {"names": "['cat', 'dog']"})
    said = refused(model, tmp_path)
    assert said.startswith(
        "--scores: expected a column for each of the 2 classes that foreign.onnx names, got 3. "
        "Name the columns by --boxes and --scores, or the classes by --names. Guessed so far: --boxes boxes --scores "
    )
    assert "; --layout xyxy: " in said


@pytest.mark.parametrize(
    ("task", "what"),
    [
        pytest.param("segment", "masks (a seg model)", id="seg"),
        pytest.param("pose", "keypoints (a pose model)", id="pose"),
        pytest.param("obb", "turned boxes (an obb model)", id="obb"),
    ],
)
def test_models_of_another_task_are_named(task: str, what: str, tmp_path: Path) -> None:
    assert refused(named(WITH_OBJECTNESS, task=task), tmp_path) == (
        f"foreign.onnx: expected a detector of boxes, got one of {what}, as its metadata say: task {task}. "
        "Export a detection model."
    )


def test_masks_are_named_without_metadata(tmp_path: Path) -> None:
    model = model_of({"o": WITHOUT_OBJECTNESS.T.copy(), "masks": np.zeros((32, 8, 8), np.float32)})
    assert refused(model, tmp_path) == (
        "foreign.onnx: expected a detector of boxes, got one of masks (a seg model), as o [N, 7, 21], masks "
        "[N, 32, 8, 8] show. Export a detection model."
    )


@pytest.mark.parametrize(
    "names", [pytest.param("['cat', 'dog', 'horse']", id="named"), pytest.param(None, id="nameless")]
)
def test_turned_boxes_are_named_without_metadata(names: str | None, tmp_path: Path) -> None:
    angles = np.random.default_rng(0).uniform(0.2, 0.9, (len(WITHOUT_OBJECTNESS), 1)).astype(np.float32)
    model = model_of({"o": np.concatenate([WITHOUT_OBJECTNESS, angles], axis=1).T.copy()})
    if names is not None:
        helper.set_model_props(model, {"names": names})
    assert refused(model, tmp_path).startswith(
        "foreign.onnx: expected a detector of boxes, got one of turned boxes (an obb model), as the last column of o "
        "[N, 8, 21] shows, which is no class. Export a detection model; else name the columns by --boxes and --scores. "
        "Guessed so far: "
    )


@pytest.mark.parametrize(
    "columns_first", [pytest.param(True, id="columns first"), pytest.param(False, id="a row for each box")]
)
@pytest.mark.parametrize("names", [pytest.param("['person']", id="named"), pytest.param(None, id="nameless")])
def test_keypoints_are_named_without_metadata(names: str | None, columns_first: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, SIDE, (len(CENTRES), 17, 3))
    points[..., 2] /= SIDE  # how sure it is of each
    values = np.concatenate([CENTRES, OBJECTNESS, points.reshape(len(CENTRES), -1)], axis=1).astype(np.float32)
    values = np.concatenate([values] * 4)  # more boxes than columns, as such models have
    model = model_of({"o": values.T.copy() if columns_first else values})
    if names is not None:
        helper.set_model_props(model, {"names": names})
    shape = f"56, {len(values)}" if columns_first else f"{len(values)}, 56"
    assert refused(model, tmp_path).startswith(
        "foreign.onnx: expected a detector of boxes, got one of keypoints (a pose model), as columns of o "
        f"[N, {shape}] show, which reach as far as the boxes behind a score. Export a detection model; else name the "
        "columns by --boxes and --scores."
    )


@pytest.mark.parametrize(
    ("given", "resize"),
    [
        pytest.param(ForeignInput(), "letterbox", id="the exporter's way"),
        pytest.param(ForeignInput(resize="stretch"), "stretch", id="what is told is law"),
    ],
)
def test_ultralytics_letterboxes(given: ForeignInput, resize: str, tmp_path: Path) -> None:
    path = save(named(WITHOUT_OBJECTNESS, task="detect"), tmp_path / "foreign.onnx")
    done = adapt_detector(path, tmp_path / "adapted.onnx", foreign_input=given, postprocess=POSTPROCESS)
    assert done.card.input.resize == resize
    assert any(line.startswith("--letterbox: ") for line in done.guesses) == (resize == "letterbox")


def test_nearly_nothing_in_real_pictures_is_no_proof(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in range(3):
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), np.zeros((SIDE, SIDE, 3), np.uint8))
    path = save(model_of({"boxes": BOXES, "scores": SCORES * np.float32(0.2)}), tmp_path / "foreign.onnx")
    with pytest.raises(CheckError, match=r"got a score of 0\.25 or more in 0 of 3\. Check .* Guessed so far: --boxes "):
        adapt_detector(path, tmp_path / "adapted.onnx", images=tmp_path / "images")
    assert not (tmp_path / "adapted.onnx").exists()


def test_names_of_tensorflow_say_the_layout_and_the_background(tmp_path: Path) -> None:
    background = np.full((len(BOXES), 1), 0.3, np.float32)
    outputs = {
        "detection_boxes": BOXES[:2, [1, 0, 3, 2]],
        "raw_detection_boxes": BOXES[:, [1, 0, 3, 2]],
        "raw_detection_scores": np.concatenate([background, SCORES], axis=1),
    }
    done = adapt_detector(
        save(model_of(outputs), tmp_path / "foreign.onnx"), tmp_path / "adapted.onnx", postprocess=POSTPROCESS
    )
    assert (str(done.reading.boxes), done.reading.layout, done.reading.background) == ("raw_detection_boxes", "yxyx", 0)
    assert done.parity.matched == 2 * done.parity.frames


@pytest.mark.parametrize("plugin", ["EfficientNMS_TRT", "BatchedNMSDynamic_TRT"])
def test_graph_that_ends_in_a_plugin_is_cut_before_it(plugin: str, tmp_path: Path) -> None:
    model = plain_model()
    del model.graph.output[:]
    model.graph.node.append(helper.make_node(plugin, ["boxes", "scores"], ["num"], domain="TRT"))
    model.graph.output.append(helper.make_tensor_value_info("num", onnx.TensorProto.INT32, [1, 1]))
    model.opset_import.append(helper.make_opsetid("TRT", 1))
    done = adapt_detector(save(model, tmp_path / "foreign.onnx"), tmp_path / "adapted.onnx", postprocess=POSTPROCESS)
    assert (str(done.reading.boxes), str(done.reading.scores)) == ("boxes", "scores")
    assert done.parity.matched == 2 * done.parity.frames
