"""What a file is said to hold, against what was put in."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from singleshot.export.inspection.inspect_artefact import inspect_artefact
from singleshot.export.inspection.operations import count_operations
from singleshot.runtime.card import CARD_KEY, Card, InputSpec, Measurement, Origin
from singleshot.runtime.errors import InputError
from singleshot.runtime.files import sha256_of_file
from singleshot.tests.fixtures.parsed_page import ParsedPage
from singleshot.tools.pages.inspection_facts import facts_of
from singleshot.tools.pages.inspection_page import save_inspection_page


def foreign_model(*, batch: int | str = "batch", side: int | str = 8) -> onnx.ModelProto:
    """A graph as others write it: a 3x3 convolution of stride 2 with 4 outputs in 2 groups, then a product."""
    rng = np.random.default_rng(0)
    constants: dict[str, NDArray[Any]] = {
        "kernel": rng.normal(size=(4, 1, 3, 3)).astype(np.float32),
        "flat_shape": np.array([-1, 64], np.int64),
        "factor": rng.normal(size=(64, 10)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["images", "kernel"], ["maps"], group=2, strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps"], ["positive"]),
        helper.make_node("Reshape", ["positive", "flat_shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "factor"], ["answer"]),
    ]
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 2, side, side])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [batch, 10])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="others")


CONVOLUTION = 4 * 4 * 4 * (1 * 3 * 3)
PRODUCT = 64 * 10


@pytest.mark.parametrize("batch", ["batch", 1, 3])
def test_multiply_adds_of_one_frame_by_hand(batch: int | str) -> None:
    operations = count_operations(foreign_model(batch=batch))
    assert (operations.multiply_adds, operations.counted, operations.uncounted) == (CONVOLUTION + PRODUCT, 2, 0)
    assert operations.gflops == pytest.approx(2e-9 * (CONVOLUTION + PRODUCT))


def test_an_open_size_is_said_and_not_guessed() -> None:
    operations = count_operations(foreign_model(side="side"))
    assert (operations.counted, operations.uncounted, operations.gflops) == (0, 2, None)
    assert "2 of 2, whose shapes the file does not fix" in operations.note


def test_a_foreign_graph_has_no_card(tmp_path: Path) -> None:
    path = tmp_path / "foreign.onnx"
    onnx.save(foreign_model(), str(path))
    found = inspect_artefact(path)
    assert found.card is None
    assert (
        found.card_problem == "no card: the file does not come from singleshot; `singleshot adapt` gives a detector one"
    )
    assert [str(item) for item in found.inputs] == ["images float32 [batch, 2, 8, 8]"]
    assert [str(item) for item in found.outputs] == ["answer float32 [batch, 10]"]
    assert dict(found.operators) == {"Conv": 1, "Relu": 1, "Reshape": 1, "MatMul": 1}
    assert found.parameters == 4 * 9 + 64 * 10
    assert found.format == "ONNX, IR 8, opset ai.onnx 17, by others"
    assert (found.precision, found.sha256) == ("fp32", sha256_of_file(path))


def test_weights_beside_the_file_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "foreign.onnx"
    onnx.save(foreign_model(), str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)
    found = inspect_artefact(path)
    assert found.other_files == ("weights.bin",)
    assert found.size_bytes == path.stat().st_size + (tmp_path / "weights.bin").stat().st_size
    assert found.parameters == 4 * 9 + 64 * 10


def test_a_quantized_graph_is_int8(tmp_path: Path) -> None:
    model = foreign_model()
    model.graph.initializer.extend([numpy_helper.from_array(np.array(0.1, np.float32), "scale")])
    model.graph.node.append(helper.make_node("QuantizeLinear", ["answer", "scale"], ["steps"]))
    onnx.save(model, str(tmp_path / "q.onnx"))
    assert inspect_artefact(tmp_path / "q.onnx").precision == "int8"


def test_ancestry_and_measurements_come_from_the_card(tmp_path: Path) -> None:
    card = Card(
        kind="graph",
        network="small",
        class_names=("cat", "<b>dog</b>"),
        input=InputSpec(height=8, width=8, mean=(0, 0, 0), std=(1, 1, 1)),
        origin=Origin(parent_sha256="a" * 64, data="voc train", data_sha256="b" * 64, settings={"epochs": 3}),
        measurements=(Measurement(metric="AP50", value=0.5, data="val, 10 images"),),
    )
    model = foreign_model()
    helper.set_model_props(model, {CARD_KEY: card.to_json()})
    onnx.save(model, str(tmp_path / "own.onnx"))
    found = inspect_artefact(tmp_path / "own.onnx")
    sections = {section.title: section.rows for section in facts_of(found)}
    assert ("made from", "a" * 64) in sections["Ancestry"]
    assert ("data list", "b" * 64) in sections["Ancestry"]
    assert ("settings", "epochs 3") in sections["Ancestry"]
    assert sections["Measurements"] == (("0.5", "AP50; val, 10 images"),)
    assert found.to_dict()["card"]["class_names"] == ["cat", "<b>dog</b>"]
    path = tmp_path / "page.html"
    save_inspection_page(found, path)
    page = ParsedPage(path.read_text(encoding="utf-8"))
    assert "2: cat, <b>dog</b>" in page.text
    assert "b" not in page.tags


def test_a_checkpoint_counts_as_its_graph_does(tmp_path: Path) -> None:
    from singleshot.train.networks.options import NetworkOptions
    from singleshot.train.networks.registry import build_detector

    card = Card(
        kind="checkpoint",
        network="ssd_lite0",
        class_names=("cat",),
        input=InputSpec(height=96, width=96, mean=(127, 127, 127), std=(128, 128, 128)),
    )
    network = build_detector("ssd_lite0", NetworkOptions(input_hw=(96, 96), class_count=1))
    state = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({CARD_KEY: card.to_json(), "state_dict": state}, tmp_path / "a.ckpt")
    found = inspect_artefact(tmp_path / "a.ckpt")
    convolutions = sum(isinstance(module, torch.nn.Conv2d) for module in network.modules())
    assert dict(found.operators)["Conv2d"] == found.operations.counted == convolutions
    assert found.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert 0.05e9 < found.operations.multiply_adds < 0.12e9, "891 million at 320 x 320 are about 80 at 96 x 96"
    assert found.outputs[0].shape == ("N", len(network.default_cxcywh), 2)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("a.onnx", b"not a graph at all", "expected an ONNX graph, got a file that holds none", id="text"),
        pytest.param("a.onnx", b"", "expected an ONNX graph, got a file that holds none", id="empty"),
        pytest.param("a.onnx", None, "expected an ONNX graph, got no such file", id="missing"),
        pytest.param(
            "a.pt", b"x", "expected a graph .*, a checkpoint .* or an engine .*, got the suffix '.pt'", id="other kind"
        ),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        inspect_artefact(tmp_path / name)


def test_a_page_has_a_page_s_name(graphs: Path, tmp_path: Path) -> None:
    found = inspect_artefact(graphs / "quarters.onnx")
    with pytest.raises(InputError, match=r"page\.txt: expected a name that ends in \.html, got \.txt"):
        save_inspection_page(found, tmp_path / "page.txt")
    save_inspection_page(found, tmp_path / "page.html")
    page = ParsedPage((tmp_path / "page.html").read_text(encoding="utf-8"))
    for section in facts_of(found):
        assert all(" ".join(text.split()) in page.text for text in (section.title, *chain(*section.rows)))


def test_a_broken_card_is_said(graphs: Path) -> None:
    found = inspect_artefact(graphs / "bad_card_not_json.onnx")
    assert found.card is None
    assert "expected a valid singleshot card" in found.card_problem
