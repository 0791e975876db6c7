"""What DeepStream, GStreamer and Frigate are given: their own parsers read it, and they see the graph's detections."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import yaml

from singleshot.export.graphs.cluster_tail import with_cluster_tail
from singleshot.export.graphs.fp16 import with_fp16_network
from singleshot.export.graphs.graph_file import save_graph
from singleshot.export.handover import handover
from singleshot.export.handover.deepstream import CONFIG, DEEPSTREAM
from singleshot.export.handover.frigate import FRIGATE
from singleshot.export.handover.gstreamer import GSTREAMER, MODELINFO
from singleshot.export.handover.handover import To, hand_over
from singleshot.export.handover.program import Given, Program
from singleshot.runtime.card import Resize
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.detection.letterbox import fit_frame
from singleshot.runtime.errors import CheckError, InputError
from singleshot.runtime.image_files import read_image_bgr
from singleshot.runtime.session import open_session
from singleshot.runtime.shipped import shipped_detector
from singleshot.tests.fixtures.small_detector import CARD, small_detector_graph
from singleshot.tests.places import GRAPHS, PHOTOS

PROGRAMS: dict[To, Program] = {"deepstream": DEEPSTREAM, "gstreamer": GSTREAMER, "frigate": FRIGATE}

# Of gst-nvinfer's table "Property" and "class-attributes" in the DeepStream 8 development guide.
NVINFER_KEYS = {
    "property": "gpu-id onnx-file labelfile-path batch-size process-mode network-type network-mode "
    "num-detected-classes gie-unique-id net-scale-factor model-color-format infer-dims maintain-aspect-ratio "
    "symmetric-padding scaling-filter output-blob-names parse-bbox-func-name custom-lib-path cluster-mode",
    "class-attrs-all": "pre-cluster-threshold nms-iou-threshold topk",
}

READ_KEY_FILE = """
import json, sys
from gi.repository import GLib
file = GLib.KeyFile()
file.load_from_file(sys.argv[1], GLib.KeyFileFlags.NONE)
print(json.dumps({group: {key: file.get_string(group, key) for key in file.get_keys(group)[0]}
                  for group in file.get_groups()[0]}))
"""


def key_file(path: Path) -> dict[str, dict[str, str]]:
    """Read a file with GLib's parser, which nvinfer and GStreamer use."""
    python = "/usr/bin/python3"  # the system's, which has PyGObject
    if not Path(python).exists() or subprocess.run([python, "-c", "import gi"], check=False).returncode:
        pytest.skip("python3-gi is not installed")
    done = subprocess.run([python, "-c", READ_KEY_FILE, str(path)], capture_output=True, text=True, check=True)
    content: dict[str, dict[str, str]] = json.loads(done.stdout)
    return content


def write_small(folder: Path, **changes: Any) -> Path:
    """Write a detector whose weights are random; `changes` replace keys of its card."""
    path = folder / "small.onnx"
    save_graph(small_detector_graph(), CARD.model_copy(update=changes), path)
    return path


def shapes_of(values: Any) -> dict[str, list[int | str]]:
    return {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values
    }


def test_deepstream_parses_its_configuration(tmp_path: Path) -> None:
    written = hand_over(write_small(tmp_path), tmp_path / "out", to="deepstream", frames=PHOTOS, max_batch=4)
    config = key_file(written.folder / CONFIG)
    assert {section: set(keys) for section, keys in config.items()} == {
        section: set(keys.split()) for section, keys in NVINFER_KEYS.items()
    }
    assert config["property"]["infer-dims"] == "3;64;64"
    assert (config["property"]["batch-size"], config["property"]["num-detected-classes"]) == ("4", "2")
    assert (written.folder / config["property"]["onnx-file"]).is_file()
    assert (written.folder / config["property"]["labelfile-path"]).read_text() == "cat\ndog\n"
    model = onnx.load(written.folder / "model.onnx")
    assert shapes_of(model.graph.input) == {"frames": ["N", 3, 64, 64]}
    outputs = shapes_of(model.graph.output)
    assert outputs == {
        "num_detections": ["N", 1],
        "detection_boxes": ["N", 20, 4],
        "detection_scores": ["N", 20],
        "detection_classes": ["N", 20],
    }
    assert config["property"]["output-blob-names"].split(";") == list(outputs)
    assert {value.type.tensor_type.elem_type for value in model.graph.output} == {onnx.TensorProto.FLOAT}


def test_nvidias_parser_and_compiler_take_the_graph_for_deepstream(tmp_path: Path) -> None:
    rtx = pytest.importorskip("tensorrt_rtx")
    written = hand_over(write_small(tmp_path), tmp_path / "out", to="deepstream", frames=PHOTOS)
    builder = rtx.Builder(rtx.Logger(rtx.Logger.ERROR))
    network = builder.create_network(0)
    parser = rtx.OnnxParser(network, rtx.Logger(rtx.Logger.ERROR))
    assert parser.parse((written.folder / "model.onnx").read_bytes()), parser.get_error(0).desc()
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    profile.set_shape("frames", (1, 3, 64, 64), (1, 3, 64, 64), (4, 3, 64, 64))
    config.add_optimization_profile(profile)
    assert builder.build_serialized_network(network, config) is not None


@pytest.mark.parametrize(
    ("resize", "ratio", "symmetric"),
    [
        pytest.param("stretch", "0", "0", id="stretched"),
        pytest.param("letterbox", "1", "1", id="bars on both sides"),
        pytest.param("letterbox-top-left", "1", "0", id="bars at the right and bottom"),
    ],
)
def test_deepstream_fits_frames_as_the_card_says(tmp_path: Path, resize: Resize, ratio: str, symmetric: str) -> None:
    graph = write_small(tmp_path, input=CARD.input.model_copy(update={"resize": resize}))
    written = hand_over(graph, tmp_path / "out", to="deepstream", frames=PHOTOS)
    config = key_file(written.folder / CONFIG)["property"]
    assert (config["maintain-aspect-ratio"], config["symmetric-padding"]) == (ratio, symmetric)


def test_gstreamer_finds_each_tensor_as_the_modelinfo_says(tmp_path: Path) -> None:
    written = hand_over(write_small(tmp_path), tmp_path / "out", to="gstreamer", frames=PHOTOS)
    info = key_file(written.folder / MODELINFO)
    group = "ssd-mobilenet-v1-variant-1-out"
    assert info.pop("modelinfo") == {"version": "1.0", "group-id": group}
    model = onnx.load(written.folder / "model.onnx")
    tensors = {value.name: (value, "input") for value in model.graph.input}
    tensors |= {value.name: (value, "output") for value in model.graph.output}
    assert set(info) == set(tensors)
    for name, (value, direction) in tensors.items():
        tensor = value.type.tensor_type
        kind = {onnx.TensorProto.UINT8: "uint8", onnx.TensorProto.FLOAT: "float32"}[tensor.elem_type]
        assert (info[name]["dir"], info[name]["type"]) == (direction, kind)
        assert [int(side) for side in info[name]["dims"].split(",")] == [dim.dim_value for dim in tensor.shape.dim]
    ids = {name: info[name]["id"] for name in info if info[name]["dir"] == "output"}
    assert ids == {
        "num_detections": "generic-variant-1-out-count",
        "detection_boxes": f"{group}-boxes",
        "detection_scores": f"{group}-scores",
        "detection_classes": f"{group}-classes",
    }
    assert "size-threshold=1.0" in written.next_step
    assert "add-borders=false" in written.next_step


def as_frigate_loads(model: Path, side: int) -> Any:
    """Open a model as Frigate's OpenVINO detector opens those of the type ssd, with its checks of shapes."""
    openvino = pytest.importorskip("openvino")
    compiled = openvino.Core().compile_model(str(model), "CPU")
    assert compiled.inputs[0].get_shape() == openvino.Shape([1, side, side, 3])
    (output,) = compiled.outputs
    shape = output.get_shape()
    assert (shape[0], shape[1], shape[3]) == (1, 1, 7)
    return compiled


def as_frigate_reads(compiled: Any, frame: Any) -> list[list[float]]:
    """Give the rows that Frigate takes: class, score, x1, y1, x2, y2."""
    request = compiled.create_infer_request()
    request.infer([frame])
    found: list[list[float]] = []
    for row in request.get_output_tensor().data[0, 0, :]:
        if row[2] < 0.1 or len(found) == 20:
            break
        found.append([*map(float, row[1:])])
    return found


def test_frigate_sees_the_detections_of_the_graph(tmp_path: Path) -> None:
    written = hand_over(shipped_detector(), tmp_path, to="frigate", frames=PHOTOS, name="animals")
    config = yaml.safe_load((written.folder / "config.yml").read_text(encoding="utf-8"))
    assert config["model"]["model_type"] == "ssd"
    assert (config["model"]["input_tensor"], config["model"]["input_pixel_format"]) == ("nhwc", "bgr")
    assert config["model"]["path"] == "/config/animals/model.onnx"
    names = (written.folder / "labelmap.txt").read_text(encoding="utf-8").splitlines()
    assert names == config["objects"]["track"]
    compiled = as_frigate_loads(written.folder / "model.onnx", config["model"]["width"])
    precision = "bf16" if compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "bf16" else "fp32"
    seen = 0
    with open_session(shipped_detector(), backend="openvino", precision=precision, proves=False) as session:
        for photo in sorted(PHOTOS.iterdir())[:4]:
            frame = fit_frame(read_image_bgr(photo), session.card.input)[np.newaxis]
            expected = session.run(frame)[0].at_least(np.full(len(names), 0.1, np.float32))
            rows = np.array(as_frigate_reads(compiled, frame), np.float32).reshape(-1, 6)
            assert len(rows) == len(expected)
            np.testing.assert_array_equal(rows[:, 0], expected.class_ids)
            np.testing.assert_allclose(rows[:, 1], expected.scores, atol=1e-5)
            np.testing.assert_allclose(rows[:, 2:], expected.boxes_xyxy, atol=1e-5)
            seen += len(rows)
    assert seen


@pytest.mark.parametrize("to", PROGRAMS)
def test_what_is_read_is_proved(tmp_path: Path, to: To) -> None:
    written = hand_over(write_small(tmp_path), tmp_path / "out", to=to, frames=PHOTOS)
    assert f"what {PROGRAMS[to].name} reads is equal in every bit" in written.proof
    assert written.folder == tmp_path / "out" / f"small-{to}"


def test_a_graph_of_a_fixed_batch_keeps_it_in_deepstream(tmp_path: Path) -> None:
    model = small_detector_graph()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    path = tmp_path / "two.onnx"
    save_graph(model, CARD, path)
    written = hand_over(path, tmp_path / "out", to="deepstream", frames=PHOTOS)
    assert key_file(written.folder / CONFIG)["property"]["batch-size"] == "2"
    with pytest.raises(InputError, match="--max-batch: expected none, as the graph takes 2 frames at a time, got 4"):
        hand_over(path, tmp_path / "four", to="deepstream", max_batch=4)
    with pytest.raises(InputError, match="expected a graph that takes one frame at a time or any number of them"):
        hand_over(path, tmp_path / "one", to="frigate", frames=PHOTOS)


@pytest.mark.parametrize("to", PROGRAMS)
def test_nothing_is_written_where_the_program_would_see_something_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, to: To
) -> None:
    def mirrored(outputs: Any) -> Detections:
        found = PROGRAMS[to].read(outputs)
        return replace(found, boxes_xyxy=found.boxes_xyxy[:, [1, 0, 3, 2]])

    monkeypatch.setitem(handover._PROGRAMS, to, replace(PROGRAMS[to], read=mirrored))
    with pytest.raises(CheckError, match=r"expected the same detections for .*, got others in \d+ of \d+ frames"):
        hand_over(write_small(tmp_path), tmp_path / "out", to=to, frames=PHOTOS)
    assert not (tmp_path / "out").exists()


def test_frames_in_which_nothing_is_found_prove_nothing(tmp_path: Path) -> None:
    black = tmp_path / "black.png"
    cv2.imwrite(str(black), np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(CheckError, match="expected detections to compare, got none in"):
        hand_over(GRAPHS / "quarters.onnx", tmp_path / "out", to="frigate", frames=black)


def write_cluster(folder: Path) -> Path:
    path = folder / "clustered.onnx"
    postprocess = CARD.postprocess.model_copy(update={"tail": "cluster"})
    model = with_cluster_tail(small_detector_graph(), CARD.postprocess)
    save_graph(model, CARD.model_copy(update={"postprocess": postprocess}), path)
    return path


def test_a_cluster_tail_goes_to_deepstream_as_it_is(tmp_path: Path) -> None:
    written = hand_over(write_cluster(tmp_path), tmp_path / "out", to="deepstream", frames=PHOTOS)
    assert "what DeepStream reads is equal in every bit" in written.proof


def write_half(folder: Path) -> Path:
    path = folder / "half.onnx"
    save_graph(with_fp16_network(small_detector_graph()), CARD, path)
    return path


@pytest.mark.parametrize(
    ("graph", "options", "message"),
    [
        pytest.param(
            "quarters", {"to": "deepstream"}, "be given the `cluster` tail for DeepStream", id="no tail of ours"
        ),
        pytest.param(
            write_half, {"to": "deepstream"}, "expected a graph in fp32, as nvinfer .*, got fp16", id="float16"
        ),
        pytest.param(
            write_cluster, {"to": "gstreamer"}, "expected a graph with the `onnx` tail, got one", id="cluster"
        ),
        pytest.param(
            "quarters_classifier", {"to": "frigate"}, "expected a detector, got a classifier", id="classifier"
        ),
        pytest.param(
            "quarters", {"to": "frigate", "max_batch": 2}, "--max-batch: expected none with Frigate", id="batch"
        ),
        pytest.param("quarters", {"to": "triton", "frames": "x"}, "--frames: expected none with triton", id="frames"),
        pytest.param(
            lambda folder: folder / "best.ckpt", {"to": "frigate"}, "got a checkpoint. `singleshot export", id="ckpt"
        ),
        pytest.param("quarters", {"to": "frigate", "name": "a b"}, "expected a model name of letters", id="name"),
    ],
)
def test_what_cannot_be_handed_over_is_one_line(tmp_path: Path, graph: Any, options: Any, message: str) -> None:
    path = GRAPHS / f"{graph}.onnx" if isinstance(graph, str) else graph(tmp_path)
    with pytest.raises(InputError, match=message):
        hand_over(path, tmp_path / "out", **{"frames": PHOTOS, **options} if options["to"] != "triton" else options)
    assert not (tmp_path / "out").exists()


def test_an_engine_goes_to_triton_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x.engine: expected a graph \(.onnx\) for GStreamer, got an engine"):
        hand_over(tmp_path / "x.engine", tmp_path / "out", to="gstreamer")


def test_frigate_looks_at_squares() -> None:
    card = CARD.model_copy(update={"input": CARD.input.model_copy(update={"width": 96})})
    given = Given(path=Path("wide.onnx"), model=onnx.ModelProto(), card=card)
    with pytest.raises(InputError, match=r"wide\.onnx: expected a square input, as Frigate .*, got 96 x 64"):
        FRIGATE.check(given)
