"""A model repository that Triton's own protobuf reads."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from singleshot.export.handover.triton import triton_config, write_triton_model
from singleshot.export.inspection.facts import TensorInfo
from singleshot.runtime.card import Card, Engine, InputSpec, Postprocess
from singleshot.runtime.engines.engine_checks import card_path_of
from singleshot.runtime.errors import InputError
from singleshot.runtime.files import sha256_of_file


def parsed(config: str) -> Any:
    """Read a config with Triton's message, whose classes are made at run time and so have no types."""
    pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed")
    from tritonclient.grpc import model_config_pb2

    return text_format.Parse(config, model_config_pb2.ModelConfig())


def test_triton_reads_what_was_written(graphs: Path, tmp_path: Path) -> None:
    written = write_triton_model(graphs / "quarters.onnx", tmp_path / "models", max_batch=4)
    config = parsed((written.folder / "config.pbtxt").read_text(encoding="utf-8"))
    assert (config.name, config.backend, config.max_batch_size) == ("quarters", "onnxruntime", 4)
    assert config.HasField("dynamic_batching")
    tensors = [(item.name, item.data_type, list(item.dims)) for item in (*config.input, *config.output)]
    uint8, int32, float32 = 2, 8, 11  # TYPE_UINT8, TYPE_INT32, TYPE_FP32 of model_config.proto
    assert tensors == [
        ("frames", uint8, [32, 32, 3]),
        ("num_dets", int32, [1]),
        ("det_boxes", float32, [4, 4]),
        ("det_scores", float32, [4]),
        ("det_classes", int32, [4]),
    ]
    assert config.parameters["resize"].string_value == "stretch"


def test_a_fixed_batch_is_part_of_the_shape(graphs: Path, tmp_path: Path) -> None:
    written = write_triton_model(graphs / "quarters_one_by_one.onnx", tmp_path, name="one")
    config = parsed((written.folder / "config.pbtxt").read_text(encoding="utf-8"))
    assert (config.name, config.max_batch_size) == ("one", 0)
    assert list(config.input[0].dims) == [1, 32, 32, 3]
    assert not config.HasField("dynamic_batching")


def test_names_are_quoted() -> None:
    card = Card(
        kind="graph",
        network='so "called"',
        class_names=("cat",),
        input=InputSpec(height=8, width=8, mean=(0, 0, 0), std=(1, 1, 1)),
    )
    tensor = TensorInfo(name="frames", dtype="uint8", shape=("N", 8, 8, 3))
    config = parsed(triton_config("a", inputs=[tensor], outputs=[], max_batch=1, card=card, sha256="0"))
    assert config.parameters["network"].string_value == 'so "called"'


def test_the_folder_is_as_triton_wants_it(graphs: Path, tmp_path: Path) -> None:
    written = write_triton_model(graphs / "quarters.onnx", tmp_path / "models")
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == [f"models/quarters/{name}" for name in ("1/model.onnx", "config.pbtxt", "labels.txt")]
    assert (written.folder / "labels.txt").read_text() == "cat\ncow\ndog\nhorse\n"
    assert (written.folder / "1/model.onnx").read_bytes() == (graphs / "quarters.onnx").read_bytes()


def engine_card(**changes: Any) -> Card:
    values: dict[str, Any] = {
        "graph": "small.onnx",
        "compiler": "tensorrt",
        "version": "10.3.0",
        "compute_capabilities": ("8.7",),
        "precision": "fp16",
        "batch": (1, 4, 8),
        "plan_sha256": hashlib.sha256(b"plan").hexdigest(),
        "network_convolutions": {"half": 1},
        "deserialised": True,
        "executed": True,
    }
    return Card(
        kind="engine",
        network="small",
        class_names=("cat", "dog"),
        input=InputSpec(height=8, width=8, mean=(0, 0, 0), std=(1, 1, 1)),
        postprocess=Postprocess(tail="cluster"),
        engine=Engine(**{**values, **changes}),
    )


def write_engine(folder: Path, card: Card) -> Path:
    engine = folder / "small.engine"
    engine.write_bytes(b"plan")
    card_path_of(engine).write_text(card.to_json())
    return engine


def test_engine_goes_to_the_tensorrt_backend(tmp_path: Path) -> None:
    engine = write_engine(tmp_path, engine_card())
    with pytest.raises(InputError, match="expected an engine that you built on this machine"):
        write_triton_model(engine, tmp_path / "models")
    written = write_triton_model(engine, tmp_path / "models", trust=True)
    assert (written.folder / "1" / "model.plan").read_bytes() == b"plan"
    config = parsed((written.folder / "config.pbtxt").read_text(encoding="utf-8"))
    assert (config.backend, config.max_batch_size) == ("tensorrt", 8)
    assert [item.name for item in config.output] == ["num_dets", "det_boxes", "det_scores", "det_classes", "exact"]
    assert list(config.output[1].dims) == [100, 4]
    assert config.parameters["engine_sha256"].string_value == sha256_of_file(engine)


@pytest.mark.parametrize(
    ("changes", "max_batch", "message"),
    [
        pytest.param({"compiler": "tensorrt_rtx"}, None, "expected an engine of TensorRT, as Triton has no", id="RTX"),
        pytest.param({"batch": (2, 4, 8)}, None, r"expected a batch from 1 on, .* --batch 1:4:8", id="from 2 on"),
        pytest.param({}, 9, "--max-batch: expected at most 8, as .* was built for, got 9", id="beyond the profile"),
        pytest.param({"batch": (2, 2, 2)}, 2, "--max-batch: expected none, as .* takes 2", id="fixed"),
        pytest.param({"plan_sha256": "0" * 64}, None, "expected the plan of its card", id="another plan"),
    ],
)
def test_engines_that_triton_cannot_serve(
    tmp_path: Path, changes: dict[str, Any], max_batch: int | None, message: str
) -> None:
    engine = write_engine(tmp_path, engine_card(**changes))
    with pytest.raises(InputError, match=message):
        write_triton_model(engine, tmp_path / "models", max_batch=max_batch, trust=True)
    assert not (tmp_path / "models").exists()


def test_a_classifier_has_its_own_outputs(graphs: Path, tmp_path: Path) -> None:
    written = write_triton_model(graphs / "quarters_classifier.onnx", tmp_path)
    config = parsed((written.folder / "config.pbtxt").read_text(encoding="utf-8"))
    assert [(item.name, list(item.dims)) for item in config.output] == [("top_scores", [4]), ("top_classes", [4])]


@pytest.mark.parametrize(
    ("graph", "options", "message"),
    [
        pytest.param("quarters", {"name": "a b"}, "a b: expected a model name of letters, digits", id="name"),
        pytest.param("quarters", {"name": "taken"}, "taken: expected no model of that name, got one", id="taken"),
        pytest.param("quarters_one_by_one", {"max_batch": 4}, "--max-batch: expected none, as .* takes 1", id="batch"),
        pytest.param("bad_no_card", {}, "expected a graph with a card", id="no card"),
    ],
)
def test_wrong_wishes_are_one_line(graphs: Path, tmp_path: Path, graph: str, options: Any, message: str) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match=message):
        write_triton_model(graphs / f"{graph}.onnx", tmp_path, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_no_place_to_write_to(graphs: Path, tmp_path: Path) -> None:
    (tmp_path / "models").touch()
    with pytest.raises(InputError, match=r"quarters: could not be written \(.*\); nothing was changed\."):
        write_triton_model(graphs / "quarters.onnx", tmp_path / "models")
