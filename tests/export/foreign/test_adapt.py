"""Third-party detectors become graphs of our own: every reading, every refusal, and what is guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from singleshot.calib.graph_surgery import open_inner
from singleshot.export.foreign import adapt
from singleshot.export.foreign.adapt import Adaptation, adapt_detector
from singleshot.export.foreign.inputs import ForeignInput
from singleshot.export.foreign.reading import candidates_from_outputs
from singleshot.export.foreign.told import Told
from singleshot.export.graphs.cluster_tail import with_cluster_tail
from singleshot.runtime.card import Postprocess
from singleshot.runtime.errors import CheckError
from singleshot.runtime.files import sha256_of_file
from singleshot.runtime.session import open_session

from .foreign_models import (
    BOX_COUNT,
    CLASS_COUNT,
    EXPECTED,
    SIDE,
    STRIDES,
    boxes_xyxy,
    class_scores,
    cxcywh,
    in_cells,
    model_of,
    plain_model,
    save,
    with_background,
)

Outputs = dict[str, NDArray[Any]]

POSTPROCESS = Postprocess(score_floor=0.05)
FRAME = np.zeros((1, SIDE, SIDE, 3), np.uint8)
TOLERANCE = 1e-6
"""Boxes and scores go through a handful of float32 operations."""


def adapted(model: onnx.ModelProto, folder: Path, **changes: Any) -> Adaptation:
    path = save(model, folder / "foreign.onnx")
    return adapt_detector(path, folder / "adapted.onnx", **{"postprocess": POSTPROCESS, **changes})


def assert_expected(path: Path, frames: NDArray[np.uint8] = FRAME) -> None:
    with open_session(path) as session:
        for found in session.run(frames):
            assert found.class_ids.tolist() == [class_id for class_id, _, _ in EXPECTED]
            np.testing.assert_allclose(found.scores, [score for _, score, _ in EXPECTED], rtol=0, atol=TOLERANCE)
            np.testing.assert_allclose(found.boxes_xyxy, [box for _, _, box in EXPECTED], rtol=0, atol=TOLERANCE)


def logits(scores: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.log(scores / (1 - scores)), np.float32)


BOXES, SCORES = boxes_xyxy(), class_scores()
OBJECTNESS = SCORES.max(axis=1, keepdims=True)
ALL_BACKGROUND = with_background(SCORES)
YOLO5 = np.concatenate([cxcywh(BOXES) * SIDE, OBJECTNESS, SCORES / OBJECTNESS], axis=1).astype(np.float32)
YOLO8 = np.concatenate([cxcywh(BOXES) * SIDE, SCORES], axis=1).T.copy()
YOLOX = np.concatenate([in_cells(BOXES), OBJECTNESS, SCORES / OBJECTNESS], axis=1).astype(np.float32)
CORNERS_TOLD = Told(boxes="b", scores="s", layout="xyxy", normalised=True, activation="none", background="none")

READINGS = [
    pytest.param({"b": BOXES, "s": SCORES}, CORNERS_TOLD, id="normalised corners"),
    pytest.param({"b": BOXES.T.copy(), "s": SCORES.T.copy()}, CORNERS_TOLD, id="columns before boxes"),
    pytest.param(
        {"b": BOXES[:, [1, 0, 3, 2]] * SIDE, "s": logits(SCORES)},
        Told(boxes="b", scores="s", layout="yxyx", normalised=False, activation="sigmoid", background="none"),
        id="corners in pixels, y first, scores before the sigmoid",
    ),
    pytest.param(
        {"b": cxcywh(BOXES), "s": np.log(ALL_BACKGROUND) + 3},
        Told(boxes="b", scores="s", layout="cxcywh", normalised=True, activation="softmax", background=0),
        id="centres and sizes, scores before the softmax, background first",
    ),
    pytest.param(
        {"b": BOXES, "s": with_background(SCORES, last=True)},
        Told(boxes="b", scores="s", layout="xyxy", normalised=True, activation="none", background=CLASS_COUNT),
        id="background last",
    ),
    pytest.param(
        {"o": YOLOX},
        Told(
            boxes="o[0:4]",
            scores="o[5:8]",
            objectness="o[4:5]",
            layout="cxcywh",
            normalised=False,
            activation="none",
            background="none",
            strides=STRIDES,
        ),
        id="cells of a grid, objectness, all in one output",
    ),
]


@pytest.mark.parametrize(("outputs", "told"), READINGS)
def test_what_is_told_is_done(outputs: Outputs, told: Told, tmp_path: Path) -> None:
    done = adapted(model_of(outputs), tmp_path, told=told)
    assert_expected(done.path)
    assert done.guesses[-1] == "--names: class 0, class 1, …, as the file names no classes"
    assert all(guess.startswith(("--input", "--letterbox")) for guess in done.guesses[:-1])
    assert done.parity.matched == 2 * done.parity.frames


GUESSES = [
    pytest.param(
        {"b": BOXES, "s": SCORES},
        ["--boxes b --scores s", "--layout xyxy", "--normalised yes", "--activation none", "--background none"],
        id="two outputs",
    ),
    pytest.param(
        {"scores": ALL_BACKGROUND, "boxes": BOXES * SIDE},
        ["--boxes boxes --scores scores", "--layout xyxy", "--normalised no", "--activation none", "--background 0"],
        id="a background, pixels",
    ),
    pytest.param(
        {"boxes": BOXES[:, None], "confs": SCORES},
        ["--boxes boxes --scores confs", "--layout xyxy", "--normalised yes"],
        id="one box for all classes, as PyTorch's YOLOv4 has it",
    ),
    pytest.param(
        {"a": np.pad(SCORES, ((0, 0), (0, 1)), constant_values=0.001), "b": BOXES * SIDE},
        ["--boxes b --scores a", "--layout xyxy", "--normalised no"],
        id="four classes: boxes are what is not within 0 and 1",
    ),
    pytest.param(
        {"loc": BOXES, "cls": np.pad(SCORES, ((0, 0), (0, 1)), constant_values=0.001)},
        ["--boxes loc --scores cls", "--layout xyxy"],
        id="four classes: boxes by their name",
    ),
    pytest.param(
        {"o": YOLO8},
        ["--letterbox: 21 rows", "--boxes o[0:4] --scores o[4:7]", "--layout cxcywh", "--normalised no"],
        id="one output, columns first",
    ),
    pytest.param(
        {"o": YOLO5},
        ["--letterbox: 21 rows", "--boxes o[0:4] --scores o[5:8]", "--objectness o[4:5]", "--layout cxcywh"],
        id="one output, boxes first, objectness",
    ),
    pytest.param(
        {"o": YOLOX},
        [
            "--input bgr --std 1 --top-left: o is in cells",
            "--boxes o[0:4]",
            "--objectness o[4:5]",
            "--decode yolox: 21",
        ],
        id="cells of a grid",
    ),
]


@pytest.mark.parametrize(("outputs", "said"), GUESSES)
def test_what_is_recognised_is_said(outputs: Outputs, said: list[str], tmp_path: Path) -> None:
    done = adapted(model_of(outputs), tmp_path)
    assert_expected(done.path)
    for start, line in zip(said, done.guesses, strict=False):
        assert line.startswith(start)


def test_centres_that_nearly_all_look_like_corners(tmp_path: Path) -> None:
    """Beside scores in one output they are centres and sizes, as sizes above 0 leave it open."""
    output = YOLO8.T.copy()
    output[:, 2:4] = output[:, :2] + 1
    output[3, 2:4] = 0.5
    done = adapted(model_of({"o": output}), tmp_path)
    assert done.reading.layout == "cxcywh"


def test_pixels_off_their_grid_are_not_undecoded(tmp_path: Path) -> None:
    """An untrained YOLOv8's boxes lie anywhere."""
    output = YOLO8.T.copy()
    output[:, :2] = np.random.default_rng(0).uniform(0, 64, (BOX_COUNT, 2))
    done = adapted(model_of({"o": output}), tmp_path)
    assert done.reading.decoding is None
    assert done.card.input.resize == "letterbox"


def test_card(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("cat\ndog\n\nhorse\n")
    done = adapted(plain_model(), tmp_path, names_path=tmp_path / "names.txt", images=None)
    with open_session(done.path) as session:
        card = session.card
    assert card == done.card
    assert (card.kind, card.network, card.class_names) == ("graph", "foreign.onnx", ("cat", "dog", "horse"))
    assert card.origin.parent_sha256 == sha256_of_file(tmp_path / "foreign.onnx")
    assert card.origin.settings["layout"] == "xyxy"
    assert [item.value for item in card.measurements][::4] == [done.parity.matched, done.parity.heads_difference]


def test_names_in_the_metadata(tmp_path: Path) -> None:
    model = plain_model()
    helper.set_model_props(model, {"names": "{0: 'cat', 1: 'dog', 2: 'horse'}"})
    done = adapted(model, tmp_path)
    assert done.card.class_names == ("cat", "dog", "horse")
    assert "--names: the 3 in the file's metadata" in done.guesses


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"input_shape": (1, 3, SIDE, SIDE), "batch": 1}, id="a batch of 1"),
        pytest.param({"input_shape": ("N", SIDE, SIDE, 3)}, id="channels last"),
        pytest.param({"input_shape": (1, SIDE, SIDE, 3), "input_type": TensorProto.UINT8}, id="uint8"),
        pytest.param({"input_type": TensorProto.FLOAT16}, id="half precision"),
        pytest.param({"opset": 20}, id="our opset"),
        pytest.param({"opset": 21}, id="a newer opset"),
    ],
)
def test_inputs(changes: dict[str, Any], tmp_path: Path) -> None:
    done = adapted(plain_model(**changes), tmp_path)
    assert_expected(done.path)
    model = onnx.load(str(done.path))
    assert [entry.version for entry in model.opset_import if not entry.domain] == [20]
    assert model.ir_version <= 10


def test_open_batch_stays_open(tmp_path: Path) -> None:
    done = adapted(plain_model(), tmp_path)
    assert_expected(done.path, np.repeat(FRAME, 3, axis=0))


def test_batch_that_is_open_in_the_input_alone(tmp_path: Path) -> None:
    model = plain_model(batch=1)
    # What many exporters do: the shape of one image is written into a Reshape.
    shape = numpy_helper.from_array(np.array([1, BOX_COUNT, CLASS_COUNT], np.int64), "fixed")
    model.graph.initializer.append(shape)
    model.graph.node[-1].output[0] = "scores_open"
    model.graph.node.append(helper.make_node("Reshape", ["scores_open", "fixed"], ["scores"]))
    done = adapted(model, tmp_path)
    assert_expected(done.path)
    assert onnx.load(str(done.path)).graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


def test_open_size_takes_the_one_given(tmp_path: Path) -> None:
    given = ForeignInput(size=(SIDE, SIDE))
    done = adapted(plain_model(input_shape=("N", 3, "H", "W")), tmp_path, foreign_input=given)
    assert_expected(done.path)


@pytest.mark.parametrize("size", [f"[{SIDE}, {SIDE}]", str(SIDE)])
def test_open_size_is_in_the_metadata(size: str, tmp_path: Path) -> None:
    model = plain_model(input_shape=("N", 3, "H", "W"))
    helper.set_model_props(model, {"imgsz": size})
    done = adapted(model, tmp_path)
    assert_expected(done.path)
    assert done.guesses[0] == "--size 32x32: the metadata's imgsz"


def test_pixels_reach_the_network_as_told(tmp_path: Path) -> None:
    """A network whose scores are what it sees of each channel, at one pixel."""
    nodes = [
        helper.make_node("Slice", ["images", "from", "to", "axes"], ["pixel"]),  # [N, 3, 1, 1]
        helper.make_node("Reshape", ["pixel", "row"], ["seen"]),  # [N, 1, 3]
        helper.make_node("Mul", ["seen", "factors"], ["scores"]),  # [N, 2, 3]
        helper.make_node("Mul", ["seen", "zero"], ["nothing"]),
        helper.make_node("ReduceSum", ["nothing", "last"], ["zeros"], keepdims=1),  # [N, 2, 1]
        helper.make_node("Add", ["zeros", "places"], ["boxes"]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "from": np.array([4, 7], np.int64),
        "to": np.array([5, 8], np.int64),
        "axes": np.array([2, 3], np.int64),
        "row": np.array([-1, 1, 3], np.int64),
        "factors": np.array([[1], [0]], np.float32),
        "zero": np.zeros((2, 1), np.float32),
        "last": np.array([2], np.int64),
        "places": np.array([BOXES[0], BOXES[20]], np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "channels",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, 16, 32])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2, size])
            for name, size in (("boxes", 4), ("scores", 3))
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    told = Told(boxes="boxes", scores="scores", activation="none", background="none", layout="xyxy", normalised=True)
    given = ForeignInput(colour="rgb", mean=(10, 0, -5), std=(500, 1000, 2000))
    done = adapted(model, tmp_path, told=told, foreign_input=given, postprocess=Postprocess(score_floor=0))
    frame = np.zeros((1, 16, 32, 3), np.uint8)
    frame[0, 4, 7] = (15, 100, 210)  # blue, green, red
    with open_session(done.path) as session:
        assert (session.card.input.height, session.card.input.width) == (16, 32)
        (found,) = session.run(frame)
    by_class = dict(zip(found.class_ids[:3].tolist(), found.scores[:3].tolist(), strict=True))
    assert by_class == pytest.approx({0: (210 - 10) / 500, 1: 100 / 1000, 2: (15 + 5) / 2000})


def test_cluster_tail_takes_its_place(tmp_path: Path) -> None:
    done = adapted(plain_model(), tmp_path)
    model = with_cluster_tail(onnx.load(str(done.path)), POSTPROCESS)
    rows = _run(model, FRAME)
    assert rows["exact"].tolist() == [[1]]
    for name, value in _run(onnx.load(str(done.path)), FRAME).items():
        np.testing.assert_array_equal(rows[name], value, err_msg=name)


def _run(model: onnx.ModelProto, frames: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    return open_inner(model, [output.name for output in model.graph.output])(frames)


@pytest.mark.parametrize(
    ("by", "options", "said"),
    [
        pytest.param(0.01, {}, r"1\.00e-02", id="boxes elsewhere"),
        pytest.param(np.nan, {"postprocess": Postprocess(score_floor=0.95)}, "nan", id="no numbers, nothing found"),
    ],
)
def test_graph_that_differs_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: float, options: dict[str, Any], said: str
) -> None:
    def moved(*arguments: Any, **given: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        boxes, scores = candidates_from_outputs(*arguments, **given)
        return boxes + np.float32(by), scores

    monkeypatch.setattr(adapt, "candidates_from_outputs", moved)
    message = f"adapted.onnx: expected the same detections as its parent, got: .*raw heads differ by {said}"
    with pytest.raises(CheckError, match=message):
        adapted(plain_model(), tmp_path, **options)
    assert not (tmp_path / "adapted.onnx").exists()


def test_images_in_which_nothing_is_found(tmp_path: Path) -> None:
    import cv2

    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "grey.png"), FRAME[0])
    with pytest.raises(CheckError, match=r"expected detections in the images of .*, got none. Check --input"):
        adapted(plain_model(), tmp_path, images=tmp_path / "images", postprocess=Postprocess(score_floor=0.95))
    # Generated patterns show no objects, so that nothing need be found in them.
    done = adapted(plain_model(), tmp_path, postprocess=Postprocess(score_floor=0.95))
    assert done.parity.matched == 0
