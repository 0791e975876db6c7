"""What `adapt_detector` refuses, each with its one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from singleshot.export.foreign.adapt import adapt_detector
from singleshot.export.foreign.inputs import ForeignInput
from singleshot.export.foreign.told import Told
from singleshot.runtime.errors import InputError

from .foreign_models import (
    BOX_COUNT,
    SIDE,
    boxes_xyxy,
    class_scores,
    cxcywh,
    in_cells,
    model_of,
    plain_model,
    refusal,
    save,
    with_background,
)

BOXES, SCORES = boxes_xyxy(), class_scores()
NAMED: dict[str, Any] = {"boxes": "boxes", "scores": "scores"}


def refused(model: onnx.ModelProto, folder: Path, **options: Any) -> str:
    return refusal(save(model, folder / "foreign.onnx"), **options).split(" Guessed so far: ")[0]


def of(boxes: NDArray[Any], scores: NDArray[Any]) -> onnx.ModelProto:
    return model_of({"boxes": boxes, "scores": scores})


def with_nan() -> NDArray[Any]:
    boxes = BOXES.copy()
    boxes[3, 2] = np.nan
    return boxes


def test_is_grid_as_large_as_the_table_says() -> None:
    assert (BOX_COUNT, SIDE) == (21, 32)


OUTPUTS = [
    pytest.param(
        model_of({"boxes": BOXES}),
        Told(),
        "foreign.onnx: expected outputs that can be recognised, boxes [N, D, 4] beside scores [N, D, C] or both in "
        "one, got boxes [N, 21, 4]. Name them by --boxes and --scores; --suggest lists candidates.",
        id="boxes alone",
    ),
    pytest.param(
        plain_model(),
        Told(boxes="box", scores="scores"),
        "--boxes: expected an output of the graph, got 'box'. It has boxes [N, 21, 4], scores [N, 21, 3].",
        id="no such output",
    ),
    pytest.param(
        plain_model(),
        Told(boxes="boxes"),
        "--scores: expected with --boxes, got nothing. The graph has boxes [N, 21, 4], scores [N, 21, 3].",
        id="one of two is told",
    ),
    pytest.param(
        plain_model(),
        Told(boxes="boxes", scores="scores[1:9]"),
        "--scores: expected columns within scores's 3, got [1:9].",
        id="columns that are not there",
    ),
    pytest.param(
        plain_model(),
        Told(boxes="scores", scores="boxes"),
        "--boxes: expected four columns in scores, got [N, 21, 3]. Name them, as in 'scores[0:4]'.",
        id="scores for boxes",
    ),
    pytest.param(
        plain_model(),
        Told(boxes="boxes[0:3]", scores="scores"),
        "--boxes: expected four columns, got the 3 of boxes[0:3].",
        id="three columns",
    ),
    pytest.param(
        of(BOXES, SCORES[:9]),
        Told(**NAMED),
        "--scores: expected an axis of 21, the number of boxes, in scores, got [N, 9, 3].",
        id="fewer scores than boxes",
    ),
    pytest.param(
        model_of({"boxes": BOXES[None], "scores": SCORES}),
        Told(**NAMED),
        "--boxes: expected boxes to be [N, boxes, columns] or [N, columns, boxes], got [N, 1, 21, 4]. Name another "
        "tensor, also one inside the graph.",
        id="no axis of boxes",
    ),
    pytest.param(
        model_of({"boxes": BOXES, "first": SCORES, "second": SCORES}),
        Told(),
        "foreign.onnx: expected outputs that can be recognised, boxes [N, D, 4] beside scores [N, D, C] or both in "
        "one, got boxes [N, 21, 4], first [N, 21, 3], second [N, 21, 3]. Name them by --boxes and --scores; --suggest "
        "lists candidates.",
        id="outputs that say nothing",
    ),
]


@pytest.mark.parametrize(("model", "told", "message"), OUTPUTS)
def test_outputs(model: onnx.ModelProto, told: Told, message: str, tmp_path: Path) -> None:
    assert refused(model, tmp_path, told=told) == message


VALUES = [
    pytest.param(
        of(BOXES, SCORES),
        Told(**NAMED, layout="cxcywh", normalised=False),
        "--normalised: expected boxes in pixels, got values up to 1. Boxes in fractions of the input are "
        "--normalised yes.",
        id="fractions for pixels",
    ),
    pytest.param(
        of(BOXES * SIDE, SCORES),
        Told(**NAMED, normalised=True),
        "--normalised: expected boxes within [0, 1] or close to it, got values up to 32.0. Boxes in pixels are "
        "--normalised no.",
        id="pixels for fractions",
    ),
    pytest.param(
        of(cxcywh(BOXES), SCORES),
        Told(**NAMED, layout="xyxy"),
        "--layout: expected corners in order as in xyxy, got them in 14% of the boxes. It may be cxcywh.",
        id="centres for corners",
    ),
    pytest.param(
        of(-BOXES[:20], SCORES[:20]),
        Told(**NAMED, layout="cxcywh"),
        "--layout: expected sizes above 0 as in cxcywh, got them in 0% of the boxes. It may be xyxy or yxyx, or boxes "
        "that are not decoded.",
        id="no sizes",
    ),
    pytest.param(
        of(-BOXES[:20], SCORES[:20]),
        Told(**NAMED),
        "--layout: expected boxes that can be recognised, got corners in order in 0% and sizes above 0 in 0%. Boxes "
        "may be undecoded: see --decode, or export the graph with the decoding inside.",
        id="an unknown layout",
    ),
    pytest.param(
        of(with_nan(), SCORES),
        Told(**NAMED, layout="xyxy", normalised=True),
        "--boxes: expected finite values in boxes, got NaN or infinity.",
        id="a box that is no number",
    ),
    pytest.param(
        of(BOXES, SCORES * np.float32(np.inf)),
        Told(**NAMED, activation="sigmoid", background="none"),
        "--scores: expected finite values in scores, got NaN or infinity.",
        id="a score that is no number",
    ),
    pytest.param(
        of(BOXES, SCORES * 9 - 4),
        Told(**NAMED),
        "--activation: expected sigmoid or softmax, got nothing; scores run from -3.99 to 4.1 and do not tell which. "
        "Softmax goes with a background class.",
        id="an unknown activation",
    ),
    pytest.param(
        of(BOXES, SCORES * 9 - 4),
        Told(**NAMED, activation="none"),
        "--activation: expected scores within [0, 1] with none, got -3.99 to 4.1. Scores as the last layer left them "
        "need sigmoid or softmax.",
        id="no activation where one is needed",
    ),
    pytest.param(
        of(BOXES, SCORES),
        Told(**NAMED, activation="sigmoid"),
        "--activation: expected scores as the last layer left them with sigmoid, got 0.001 to 0.9, which look "
        "activated. --activation none leaves them so.",
        id="an activation where none is needed",
    ),
    pytest.param(
        of(BOXES, with_background(SCORES)[:, [1, 0, 2, 3]]),
        Told(**NAMED),
        "--background: expected a column or none, got nothing; scores of a box sum to 1, but the greatest on average "
        "is column 1.",
        id="a background in the middle",
    ),
    pytest.param(
        of(BOXES, SCORES),
        Told(**NAMED, background=3),
        "--background: expected a column of the scores, 0 to 2, got 3.",
        id="no such background",
    ),
    pytest.param(
        of(BOXES, SCORES[:, :1]),
        Told(**NAMED, background=0),
        "--scores: expected a class beside the background, got the one column of scores.",
        id="nothing but background",
    ),
    pytest.param(
        of(BOXES, SCORES * 9 - 4),
        Told(**NAMED, objectness="scores[0:1]", activation="softmax", background="none"),
        "--activation: expected none or sigmoid beside --objectness, got softmax.",
        id="objectness and softmax",
    ),
    pytest.param(
        of(BOXES, SCORES),
        Told(**NAMED, objectness="scores[0:2]"),
        "--objectness: expected [N, 21, 1], got [N, 21, 2].",
        id="two columns of objectness",
    ),
    pytest.param(
        of(in_cells(BOXES), SCORES),
        Told(**NAMED, strides=(8, 16)),
        "--strides: expected as many grid cells as boxes, 21, got 16 + 4 at 32x32.",
        id="a level too few",
    ),
    pytest.param(
        of(in_cells(BOXES), SCORES),
        Told(**NAMED, strides=(8, 16, 32), layout="xyxy"),
        "--strides: expected without --layout and --normalised, as decoded boxes are pixels, got --layout xyxy "
        "--normalised nothing.",
        id="corners in cells",
    ),
]


@pytest.mark.parametrize(("model", "told", "message"), VALUES)
def test_values_that_contradict_the_reading(model: onnx.ModelProto, told: Told, message: str, tmp_path: Path) -> None:
    assert refused(model, tmp_path, told=told) == message


def two_inputs() -> onnx.ModelProto:
    model = plain_model()
    model.graph.input.append(helper.make_tensor_value_info("sizes", TensorProto.INT64, ["N", 2]))
    boxes = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = [f"{name}/unscaled" if name == boxes else name for name in node.output]
    model.graph.node.append(helper.make_node("Cast", ["sizes"], ["sizes/float"], to=TensorProto.FLOAT))
    model.graph.node.append(helper.make_node("ReduceMax", ["sizes/float"], ["sizes/largest"], keepdims=0))
    model.graph.node.append(helper.make_node("Mul", [f"{boxes}/unscaled", "sizes/largest"], [boxes]))
    return model


def with_card() -> onnx.ModelProto:
    model = plain_model()
    helper.set_model_props(model, {"singleshot.card": "{}"})
    return model


def unknown_operator() -> onnx.ModelProto:
    model = plain_model()
    model.graph.node[0].op_type = "Fly"
    return model


def not_running() -> onnx.ModelProto:
    model = plain_model()
    model.graph.initializer.append(numpy_helper.from_array(np.array([5], np.int64), "fifth"))
    model.graph.node[2].output[0] = "only"
    model.graph.node.insert(3, helper.make_node("Gather", ["only", "fifth"], ["nothing"], axis=1))
    return model


INPUTS = [
    pytest.param(
        plain_model(input_shape=("N", 3, "H", SIDE)),
        ForeignInput(),
        "foreign.onnx: expected an input of fixed size, got 'H' x 32 (height x width). Give --size.",
        id="an open size that is not given",
    ),
    pytest.param(
        plain_model(),
        ForeignInput(size=(32, 64)),
        "--size: expected 32x32, to which foreign.onnx is fixed, got 32x64. Leave it out.",
        id="a fixed size that is given otherwise",
    ),
    pytest.param(
        plain_model(input_shape=(2, 3, SIDE, SIDE), batch=2),
        ForeignInput(),
        "foreign.onnx: expected a batch of 1 or an open one, got 2. Export it with a batch of 1.",
        id="a batch of two",
    ),
    pytest.param(
        plain_model(input_shape=("N", 1, SIDE, SIDE)),
        ForeignInput(),
        "foreign.onnx: expected an image input, float32, float16 or uint8 [N, 3, H, W] or [N, H, W, 3], got images "
        "FLOAT ['N', 1, 32, 32].",
        id="a grey input",
    ),
    pytest.param(
        two_inputs(),
        ForeignInput(),
        "foreign.onnx: expected one input, the image, got images, sizes. Export it with the image alone.",
        id="two inputs",
    ),
    pytest.param(
        plain_model(input_type=TensorProto.UINT8),
        ForeignInput(mean=(1, 2, 3)),
        "--mean, --std: expected none, as foreign.onnx takes uint8 and scales inside, got (1, 2, 3) and "
        "(255, 255, 255).",
        id="scaling of a network that scales",
    ),
    pytest.param(
        with_card(),
        ForeignInput(),
        "foreign.onnx: expected a third-party graph, got one with a singleshot card. Use it as it is.",
        id="our own",
    ),
    pytest.param(
        plain_model(opset=5),
        ForeignInput(),
        "foreign.onnx: expected a graph that ONNX Runtime loads, got: ",
        id="a graph that does not hold together",
    ),
    pytest.param(
        unknown_operator(),
        ForeignInput(),
        "foreign.onnx: expected a graph that ONNX Runtime loads, got: ",
        id="an operator that does not exist",
    ),
]


@pytest.mark.parametrize(("model", "given", "message"), INPUTS)
def test_inputs(model: onnx.ModelProto, given: ForeignInput, message: str, tmp_path: Path) -> None:
    said = refused(model, tmp_path, foreign_input=given)
    assert said == message or (message.endswith("got: ") and said.startswith(message))
    assert "\n" not in said


def test_graph_that_loads_and_does_not_run(tmp_path: Path) -> None:
    said = refused(not_running(), tmp_path)
    assert said.startswith("foreign.onnx: expected a graph that runs on [1, 3, 32, 32], got: ")


def test_opset_that_cannot_be_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from onnx import version_converter

    def convert_version(model: onnx.ModelProto, target: int) -> onnx.ModelProto:
        raise RuntimeError("no adapter\nfor Fly")

    monkeypatch.setattr(version_converter, "convert_version", convert_version)
    assert refused(plain_model(), tmp_path) == (
        "foreign.onnx: expected opset 20 or one that onnx converts to it, got 13 (no adapter for Fly). "
        "Export it again with opset 20."
    )


def test_rows_of_which_none_is_found(tmp_path: Path) -> None:
    assert refused(model_of({"dets": np.zeros((0, 6), np.float32)}), tmp_path) == (
        "--images: expected images in which something is found, as detections that are none cannot be read, got none "
        "found. Give a folder of them."
    )


def test_a_class_is_not_taken_for_objectness(tmp_path: Path) -> None:
    """YOLOv8's columns, boxes first and without names, as RKNN's and DeepStream's forks leave them."""
    one = np.concatenate([cxcywh(BOXES) * SIDE, np.full_like(SCORES, 0.001)], axis=1)
    output = np.tile(one, (9, 1)).astype(np.float32)
    output[5, 5] = 0.9
    assert refused(model_of({"o": output}), tmp_path) == (
        "--names: expected a file of class names, whose count tells 4 + 3 columns from 5 + 2, got none; the fifth of o "
        "may be objectness or a class, as the others hold next to nothing nearly everywhere."
    )


NAMES = [
    pytest.param(
        b"cat\ndog\n",
        "names.txt: expected 3 class names, one per column of scores but the background's, got 2.",
        id="too few",
    ),
    pytest.param(b"cat\ndog\ncat\n", "names.txt: expected different class names, got cat more than once.", id="twice"),
    pytest.param(b"\xff\xfe\n", "names.txt: expected class names, one a line, got no UTF-8 text.", id="no text"),
    pytest.param(None, "names.txt: expected class names, one a line, got No such file or directory.", id="no file"),
]


@pytest.mark.parametrize(("content", "message"), NAMES)
def test_names(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    if content is not None:
        path.write_bytes(content)
    assert refused(plain_model(), tmp_path, names_path=path) == message


NO_GRAPH = "foreign.onnx: expected an ONNX graph, got a file that holds none. Export or download it again."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "foreign.onnx: expected an ONNX graph, got no such file.", id="no file"),
        pytest.param(b"hello", NO_GRAPH, id="text"),
        pytest.param(b"", NO_GRAPH, id="empty"),
        pytest.param(
            helper.make_model(
                helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "no outputs", [], [])
            ).SerializeToString(),
            "foreign.onnx: expected an ONNX graph, got one without outputs that are tensors of numbers.",
            id="no outputs",
        ),
    ],
)
def test_files(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "foreign.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as error:
        adapt_detector(path, tmp_path / "adapted.onnx")
    assert str(error.value) == f"{tmp_path}/{message}"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        pytest.param("out.engine", "out.engine: expected a name that ends in .onnx, got .engine.", id="suffix"),
        pytest.param(
            "foreign.onnx",
            "foreign.onnx: expected another file than the foreign graph itself. Choose another name.",
            id="itself",
        ),
    ],
)
def test_out(out: str, message: str, tmp_path: Path) -> None:
    path = save(plain_model(), tmp_path / "foreign.onnx")
    before = path.read_bytes()
    with pytest.raises(InputError) as error:
        adapt_detector(path, tmp_path / out)
    assert str(error.value) == f"{tmp_path}/{message}"
    assert path.read_bytes() == before
