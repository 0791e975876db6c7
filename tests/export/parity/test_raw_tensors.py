"""Two graphs without a card: what differs is told output by output, and what cannot be compared in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from singleshot.export.parity.raw_tensors import are_raw_graphs, compare_raw
from singleshot.runtime.errors import CheckError, InputError
from singleshot.runtime.runners.onnxruntime_runner import load_graph
from singleshot.tests.places import CLIP

Shape = tuple[int | str, ...]
FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def graph_at(
    path: Path,
    *,
    shape: Shape = ("N", 3, 8, 8),
    kind: int = FLOAT,
    factor: float = 2.0,
    names: tuple[str, ...] = ("y",),
    divided: bool = False,
    source: str = "x",
) -> Path:
    """Write a graph that multiplies its input, and divides by zero where told."""
    ftype = kind if kind in (FLOAT, HALF) else FLOAT
    dtype = np.float16 if ftype == HALF else np.float32
    nodes = [helper.make_node("Cast", [source], ["cast"], to=ftype)]
    for name in names:
        nodes.append(helper.make_node("Mul", ["cast", "factor"], [f"{name}/raw"]))
        nodes.append(helper.make_node("Div" if divided else "Mul", [f"{name}/raw", "last"], [name]))
    graph = helper.make_graph(
        nodes,
        "raw",
        [helper.make_tensor_value_info(source, kind, shape)],
        [helper.make_tensor_value_info(name, ftype, shape) for name in names],
        [
            numpy_helper.from_array(np.array(factor, dtype), "factor"),
            numpy_helper.from_array(np.array(0 if divided else 1, dtype), "last"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


@pytest.mark.parametrize(
    ("first", "second", "settings", "holds"),
    [
        pytest.param({}, {}, {}, True, id="itself"),
        pytest.param({}, {"factor": 2.0001}, {}, True, id="less than a thousandth"),
        pytest.param({}, {"factor": 2.1}, {}, False, id="five hundredths"),
        pytest.param({}, {"factor": 2.1}, {"rtol": 0.06}, True, id="as much as is allowed"),
        pytest.param({}, {"factor": 2.0001}, {"rtol": 0, "atol": 0}, False, id="no tolerance at all"),
        pytest.param({}, {"kind": HALF}, {}, True, id="inputs of another type"),
        pytest.param({"divided": True}, {"divided": True}, {}, True, id="infinities of the same place"),
        pytest.param({}, {"divided": True}, {}, False, id="infinities on one side"),
        pytest.param({"shape": ("N", 4)}, {"shape": (1, "C")}, {}, True, id="sizes that one of both fixes"),
        pytest.param({"kind": TensorProto.INT64}, {"kind": TensorProto.INT64}, {}, True, id="integers"),
        pytest.param({"kind": TensorProto.BOOL}, {"kind": TensorProto.UINT8}, {}, True, id="truth values and pixels"),
    ],
)
def test_verdict(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], settings: dict[str, Any], holds: bool
) -> None:
    one, other = graph_at(tmp_path / "a.onnx", **first), graph_at(tmp_path / "b.onnx", **second)
    assert are_raw_graphs(one, other)
    comparison = compare_raw(one, other, count=2, **settings)
    assert (comparison.holds, comparison.runs) == (holds, 2)
    assert json.loads(json.dumps(comparison.to_dict()))["holds"] == holds
    if holds:
        comparison.check()
    else:
        with pytest.raises(CheckError, match=r"b\.onnx: expected the outputs of .*a\.onnx within atol .* got 1 of 1"):
            comparison.check()


def test_figures_by_hand(tmp_path: Path) -> None:
    shape = (1, 5)
    one = graph_at(tmp_path / "a.onnx", shape=shape, names=("y", "z", "left"))
    other = graph_at(tmp_path / "b.onnx", shape=shape, factor=3.0, names=("z", "right", "y"))
    comparison = compare_raw(one, other, count=3)
    assert [output.name for output in comparison.outputs] == ["y", "z"]
    assert comparison.alone == ("left", "right")
    for output in comparison.outputs:
        assert (output.beyond, output.values) == (15, 15)
        assert output.relative == pytest.approx(0.5)
        assert 0.3 < output.absolute < 1  # the largest of 15 numbers in 0 to 1, times 3 - 2
    text = "\n".join(comparison.lines())
    assert "DIFFERS y [1, 5]: absolute" in text
    assert "alone   left: not compared" in text


@pytest.mark.parametrize(
    ("shape", "kind", "expected"),
    [
        pytest.param((1, 3, 8, 12), FLOAT, (1, 3, 8, 12), id="channels first"),
        pytest.param((2, 8, 12, 3), TensorProto.UINT8, (2, 8, 12, 3), id="channels last, a batch of two"),
        pytest.param(("N", 3, "H", "W"), FLOAT, (1, 3, 320, 320), id="open sides"),
    ],
)
def test_frames_are_given_to_what_looks_like_an_image(
    tmp_path: Path, shape: Shape, kind: int, expected: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[NDArray[Any]] = []
    path = graph_at(tmp_path / "a.onnx", shape=shape, kind=kind)

    def watched(*arguments: Any, **options: Any) -> Any:
        session = load_graph(*arguments, **options)

        class Watched:
            def run(self, names: list[str], fed: dict[str, NDArray[Any]]) -> Any:
                seen.append(fed["x"])
                return session.run(names, fed)

        return Watched()

    monkeypatch.setattr("singleshot.export.parity.raw_tensors.open_in_onnxruntime", watched)
    compare_raw(path, path, frames=CLIP, count=2)
    assert [value.shape for value in seen] == [expected] * 4
    np.testing.assert_array_equal(seen[0], seen[1])
    assert (seen[0] != seen[2]).any()
    assert 0.2 < seen[0].max() / (255 if kind == TensorProto.UINT8 else 1) <= 1


@pytest.mark.parametrize(
    ("second", "frames", "message"),
    [
        pytest.param(
            {"source": "z"},
            None,
            r"expected the inputs of the other graph, got x as none instead of .*`singleshot adapt`",
            id="name",
        ),
        pytest.param({"shape": ("N", 3, 9, 8)}, None, r"got x as x float32 \[N, 3, 9, 8\] instead of", id="size"),
        pytest.param(
            {"names": ("z",)}, None, r"expected outputs of .*, got none of its names\.", id="no common output"
        ),
        pytest.param({"kind": TensorProto.STRING}, None, "x: expected an input of numbers, got", id="texts"),
        pytest.param({}, CLIP, r"--frames: expected a graph with an input like \[N, 3, H, W\]", id="no image"),
    ],
)
def test_what_cannot_be_compared(tmp_path: Path, second: dict[str, Any], frames: Path | None, message: str) -> None:
    first = {"shape": ("N", 4)} if frames else {"kind": second.get("kind", FLOAT)}
    one, other = graph_at(tmp_path / "a.onnx", **first), graph_at(tmp_path / "b.onnx", **{**first, **second})
    with pytest.raises(InputError, match=message):
        compare_raw(one, other, frames=frames, count=1)


def test_graph_that_does_not_run_on_the_sizes_chosen(tmp_path: Path) -> None:
    path = graph_at(tmp_path / "a.onnx", shape=("N", "C"))
    model = onnx.load(str(path))
    model.graph.node[0].input[0] = "flat"
    shape = numpy_helper.from_array(np.array([-1, 7], np.int64), "rows")
    model.graph.initializer.append(shape)
    model.graph.node.insert(0, helper.make_node("Reshape", ["x", "rows"], ["flat"]))
    onnx.save(model, str(path))
    with pytest.raises(InputError, match=r"a\.onnx: expected a graph that runs on x float32 \[1, 8\], got an error"):
        compare_raw(path, path, count=1)
