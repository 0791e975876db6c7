"""What a command line names, and what is measured of it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.places import GRAPHS
from singleshot.tools.benchmarks.contenders import entries_for, read_batches
from singleshot.tools.benchmarks.ledger import read_runs

GRAPH = GRAPHS / "quarters.onnx"


def other_graph(path: Path, dtype: int = TensorProto.FLOAT) -> Path:
    """Write a graph that only adds its input, of open size, to itself."""
    values = [helper.make_tensor_value_info(name, dtype, ["N", 3]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "other", values[:1], values[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(path))
    return path


def listed(specs: list[str], backends: list[str], batches: list[int]) -> list[tuple[str, str, int]]:
    return [(entry.name, entry.backend, entry.batch) for entry in entries_for(specs, backends, batches)]


def test_every_artefact_with_every_backend_and_batch() -> None:
    found = listed([str(GRAPH), f"{GRAPH}@openvino:f32"], ["auto", "onnxruntime"], [1, 4])
    assert found == [
        (GRAPH.name, backend, batch) for backend in ("auto", "onnxruntime", "openvino:fp32") for batch in (1, 4)
    ]


def test_the_same_twice_is_measured_once() -> None:
    assert len(listed([str(GRAPH), str(GRAPH)], ["auto"], [1])) == 1


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    copy = tmp_path / GRAPH.name
    copy.write_bytes(GRAPH.read_bytes())
    assert [name for name, _, _ in listed([str(GRAPH), str(copy)], ["auto"], [1])] == [str(GRAPH), str(copy)]


def test_an_at_in_a_file_name(tmp_path: Path) -> None:
    copy = tmp_path / "a@b.onnx"
    copy.write_bytes(GRAPH.read_bytes())
    assert listed([str(copy)], ["auto"], [1]) == [("a@b.onnx", "auto", 1)]


def test_engines_are_left_to_tensorrt() -> None:
    assert listed(["a.engine"], ["openvino", "onnxruntime"], [1]) == [("a.engine", "auto", 1)]


def test_accuracy_is_measured_once_and_cameras_bring_one_frame() -> None:
    one, four = entries_for([str(GRAPH)], ["auto"], [1, 4])
    assert one.modes == {"back_to_back", "paced", "loop", "accuracy"}
    assert four.modes == {"back_to_back"}
    (alone,) = entries_for([str(GRAPH)], ["auto"], [4])
    assert alone.modes == {"back_to_back", "accuracy"}


def test_a_batch_that_the_graph_does_not_take(tmp_path: Path) -> None:
    model = onnx.load(str(GRAPH))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(model, str(tmp_path / "two.onnx"))
    with pytest.raises(InputError, match=r"^--batch 4: expected at most 2, which .*two\.onnx fixes, got 4\.$"):
        entries_for([str(tmp_path / "two.onnx")], ["auto"], [1, 4])


def test_batches() -> None:
    assert read_batches("1,4,1") == [1, 4]


@pytest.mark.slow
def test_a_graph_of_others_is_timed_as_it_is(tmp_path: Path) -> None:
    other, ledger = other_graph(tmp_path / "other.onnx"), tmp_path / "l.jsonl"
    done = run_verb("bench", other, GRAPH, "--frames", 2, "--repeats", 1, "--fps", 200, "--ledger", ledger)
    assert done.exit_code == 0, done.stderr
    first, second = read_runs(ledger)[0].contenders
    assert (first.runs_on, first.detections) == ("onnxruntime, as it is", None)
    assert second.runs_on.startswith("onnxruntime (")
    assert "other.onnx, onnxruntime, as it is: not one" not in done.stdout


def test_a_graph_of_others_has_no_backend(tmp_path: Path) -> None:
    other = other_graph(tmp_path / "other.onnx")
    with pytest.raises(InputError, match=r"other\.onnx: expected a graph with a card, got one without"):
        entries_for([f"{other}@openvino"], ["auto"], [1])


def test_a_graph_that_takes_no_images_is_refused(tmp_path: Path) -> None:
    done = run_verb("bench", other_graph(tmp_path / "other.onnx", TensorProto.INT64), "--quick")
    assert done.exit_code == 2
    assert "expected an input of float32, float16 or uint8, got x of tensor(int64)" in done.stderr
