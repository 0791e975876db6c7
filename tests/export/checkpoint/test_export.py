"""One export, held against its checkpoint and the contract; damaged ones are refused."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from singleshot.export.checkpoint import export
from singleshot.export.checkpoint.export import export_checkpoint
from singleshot.export.graphs import network_graph
from singleshot.export.parity.detections import compare_detections
from singleshot.export.parity.matching import pair_of_detections
from singleshot.runtime.card import CARD_KEY, Card, InputSpec, Measurement, Origin, Postprocess
from singleshot.runtime.detection.letterbox import fit_frame
from singleshot.runtime.errors import CheckError, InputError, MissingDependencyError
from singleshot.runtime.files import sha256_of_file
from singleshot.runtime.image_files import read_image_bgr
from singleshot.runtime.session import open_session
from singleshot.tests.places import PHOTOS
from singleshot.train.checkpoints.checkpoint import FRAMES_KEY, NETWORK_PREFIX, load_checkpoint
from singleshot.train.checkpoints.torch_session import TorchSession
from singleshot.train.networks.branches import Branch
from singleshot.train.networks.options import NetworkOptions
from singleshot.train.networks.registry import build_detector, build_network
from singleshot.train.networks.ssd import SSD

SIDE = 64
CLASSES = ("cat", "dog", "horse")
SPEC = InputSpec(height=SIDE, width=SIDE, colour="rgb", mean=(127, 127, 127), std=(128, 128, 128))


@dataclass(frozen=True, kw_only=True)
class Exported:
    checkpoint: Path
    graph: Path
    traced: onnx.ModelProto
    """The network's graph as it was before its tail."""
    frames: NDArray[np.uint8]


def network_of_noise() -> SSD:
    """Make a detector that sees objects everywhere, and elsewhere in every frame."""
    torch.manual_seed(0)
    network = build_detector(
        "ssd_lite0", NetworkOptions(input_hw=(SIDE, SIDE), class_count=len(CLASSES), pretrained=True)
    )
    with torch.no_grad():
        for branches in (network.class_branches, network.box_branches):
            for number, branch in enumerate(branches):
                # Untrained layers let the signal fade: amplify it on the two finest maps, where it is not yet noise.
                assert isinstance(branch, Branch)
                nn.init.normal_(branch.predictor.weight, std=5.0 if number < 2 else 0.5)
                assert branch.predictor.bias is not None
                nn.init.normal_(branch.predictor.bias)
    return network.eval()


def write_checkpoint(path: Path, network: SSD, *, frames: NDArray[np.uint8]) -> Path:
    measured = Measurement(metric="AP50 (VOC all-point)", value=0.5, data="VOC2012 val", note="epoch 3")
    card = Card(
        kind="checkpoint",
        network="ssd_lite0",
        class_names=CLASSES,
        input=SPEC,
        origin=Origin(data="voc VOC2012 train, 3 images", data_sha256="ab", settings={"epochs": 4}),
        measurements=(measured,),
    )
    state = {f"{NETWORK_PREFIX}{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"state_dict": state, CARD_KEY: card.to_json(), FRAMES_KEY: torch.from_numpy(frames), "epoch": 3}, path)
    return path


def traced_without_a_change(network: SSD, spec: InputSpec) -> onnx.ModelProto:
    """Trace, and see that the network is left as it was: folding its norms is done on a copy."""
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    model = network_graph.network_graph(network, spec)
    after = network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    return model


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("export")
    photos = sorted(PHOTOS.glob("*.jpg"))[:3]
    frames = np.stack([fit_frame(read_image_bgr(path), SPEC) for path in photos])
    checkpoint = write_checkpoint(folder / "best.ckpt", network_of_noise(), frames=frames)
    traced: list[onnx.ModelProto] = []

    def trace(network: SSD, spec: InputSpec) -> onnx.ModelProto:
        traced.append(traced_without_a_change(network, spec))
        return traced[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "network_graph", trace)
        written = export_checkpoint(checkpoint, folder / "ssd.onnx")
    assert written.path == folder / "ssd.onnx"
    assert written.parity.holds
    assert written.parity.frames == 3
    assert written.parity.matched >= 20
    return Exported(checkpoint=checkpoint, graph=written.path, traced=traced[0], frames=frames)


def test_the_graph_follows_the_contract_and_says_what_torch_says(exported: Exported) -> None:
    checkpoint = load_checkpoint(exported.checkpoint)
    with open_session(exported.graph, threads=1) as session:
        expected = TorchSession(checkpoint.network, checkpoint.card).run(exported.frames)
        found = session.run(exported.frames)
    pairs = [pair_of_detections(*both, class_count=len(CLASSES)) for both in zip(expected, found, strict=True)]
    parity = compare_detections(pairs, checkpoint.card.postprocess, heads_difference=None)
    assert parity.holds, parity.lines()


def test_a_batch_says_what_its_frames_say_alone(exported: Exported) -> None:
    with open_session(exported.graph, threads=1) as session:
        together = session.run(exported.frames)
        for frame, in_batch in zip(exported.frames, together, strict=True):
            (alone,) = session.run(frame[None])
            pair = pair_of_detections(alone, in_batch, class_count=len(CLASSES))
            parity = compare_detections([pair], session.card.postprocess, heads_difference=None)
            assert parity.holds, parity.lines()


def test_the_card_tells_where_the_graph_comes_from(exported: Exported) -> None:
    with open_session(exported.graph, threads=1) as session:
        card = session.card
    assert (card.kind, card.class_names, card.input) == ("graph", CLASSES, SPEC)
    assert card.origin.parent_sha256 == sha256_of_file(exported.checkpoint)
    assert (card.origin.data, card.origin.settings) == ("voc VOC2012 train, 3 images", {"epochs": 4})
    assert {"torch", "onnx", "onnxruntime"} <= set(card.origin.packages)
    notes = [item.note for item in card.measurements if item.metric.startswith("AP50")]
    assert notes == ["epoch 3, of the checkpoint"]
    assert sum(item.metric.startswith("parity:") for item in card.measurements) == 6


def test_the_file_is_for_every_reader_and_holds_nothing_of_this_machine(exported: Exported) -> None:
    model = onnx.load(exported.graph)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 20)]
    assert model.ir_version <= 10
    assert not model.functions
    (frames,) = model.graph.input
    assert (frames.name, frames.type.tensor_type.elem_type) == ("frames", onnx.TensorProto.UINT8)
    assert [dim.dim_param or dim.dim_value for dim in frames.type.tensor_type.shape.dim] == ["N", SIDE, SIDE, 3]
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)
    content = exported.graph.read_bytes()
    for trace in (b"site-packages", b".py", b"/home", b"torch.nn", str(Path(torch.__file__).parent.parent).encode()):
        assert trace not in content, trace
    assert exported.graph.stat().st_size < 20e6


def test_only_the_graph_is_left(exported: Exported) -> None:
    assert sorted(path.name for path in exported.graph.parent.iterdir()) == ["best.ckpt", "ssd.onnx"]


@pytest.fixture
def export_of(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> onnx.ModelProto:
    """Make later exports start from a copy of the traced graph that the test may change; tracing takes seconds."""
    model = onnx.ModelProto()
    model.CopyFrom(exported.traced)
    monkeypatch.setattr(export, "network_graph", lambda _network, _spec: model)
    return model


def test_a_damaged_graph_is_refused_and_nothing_is_written(
    exported: Exported, export_of: onnx.ModelProto, tmp_path: Path
) -> None:
    weights = next(item for item in export_of.graph.initializer if len(item.dims) == 4 and item.dims[2] == 3)
    damaged = numpy_helper.to_array(weights) * np.float32(1.01)
    weights.CopyFrom(numpy_helper.from_array(damaged, weights.name))
    with pytest.raises(CheckError, match=r"ssd\.onnx: .*no rounding explains the difference: .* bits") as caught:
        export_checkpoint(exported.checkpoint, tmp_path / "ssd.onnx")
    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_says_no_numbers_is_refused(
    exported: Exported, export_of: onnx.ModelProto, tmp_path: Path
) -> None:
    weights = next(item for item in export_of.graph.initializer if len(item.dims) == 4)
    nothing = np.full(tuple(weights.dims), np.nan, np.float32)
    weights.CopyFrom(numpy_helper.from_array(nothing, weights.name))
    with pytest.raises(CheckError, match="raw heads differ by nan"):
        export_checkpoint(exported.checkpoint, tmp_path / "ssd.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_post_processing_and_images_can_be_chosen(
    exported: Exported, export_of: onnx.ModelProto, tmp_path: Path
) -> None:
    asked = Postprocess(candidates=50, max_detections=7, score_floor=0.3, iou_threshold=0.6, variances=(1.0, 1.0))
    written = export_checkpoint(exported.checkpoint, tmp_path / "ssd.onnx", postprocess=asked, images=PHOTOS)
    assert written.parity.frames == len(list(PHOTOS.glob("*.jpg")))
    # Whoever asks for other variances than the network was trained with does not get them.
    assert written.card.postprocess == asked.model_copy(update={"variances": (0.1, 0.2)})
    with open_session(written.path, threads=1) as session:
        (found,) = session.run(exported.frames[:1])
    assert len(found) == 7
    assert found.scores.min() >= 0.3


@pytest.mark.parametrize(
    ("out", "images", "message"),
    [
        pytest.param("ssd.pt", None, r"ssd\.pt: expected a name that ends in \.onnx, got \.pt\.", id="suffix"),
        pytest.param("ssd", None, r"ssd: expected a name that ends in \.onnx, got none\.", id="no suffix"),
        pytest.param("ssd.onnx", "none", "none: expected a folder of images, got nothing", id="no folder"),
        pytest.param("ssd.onnx", ".", "expected images .*, got none", id="a folder without images"),
    ],
)
def test_wrong_names_are_refused(
    exported: Exported, tmp_path: Path, out: str, images: str | None, message: str
) -> None:
    folder = None if images is None else tmp_path / images
    with pytest.raises(InputError, match=message):
        export_checkpoint(exported.checkpoint, tmp_path / out, images=folder)
    assert list(tmp_path.iterdir()) == []


def test_a_classifier_has_no_post_processing_and_is_no_detector(tmp_path: Path) -> None:
    network = build_network("ssd7_classifier", NetworkOptions(input_hw=(SIDE, SIDE), class_count=len(CLASSES)))
    card = Card(kind="checkpoint", task="classifier", network="ssd7_classifier", class_names=CLASSES, input=SPEC)
    state = {f"{NETWORK_PREFIX}{name}": tensor for name, tensor in network.state_dict().items()}
    checkpoint, frames = tmp_path / "best.ckpt", torch.zeros((1, SIDE, SIDE, 3), dtype=torch.uint8)
    torch.save({"state_dict": state, CARD_KEY: card.to_json(), FRAMES_KEY: frames, "epoch": 3}, checkpoint)
    with pytest.raises(
        InputError, match=r"best\.ckpt: expected no --candidates, .* for a classifier, which has no such"
    ):
        export_checkpoint(checkpoint, tmp_path / "a.onnx", postprocess=Postprocess())
    with pytest.raises(InputError, match=r"ssd7_classifier: expected a detector, got a classifier\."):
        _ = load_checkpoint(checkpoint).detector


def test_a_checkpoint_without_frames_asks_for_images(tmp_path: Path) -> None:
    none = np.zeros((0, SIDE, SIDE, 3), np.uint8)
    network = build_detector("ssd_lite0", NetworkOptions(input_hw=(SIDE, SIDE), class_count=len(CLASSES)))
    checkpoint = write_checkpoint(tmp_path / "best.ckpt", network, frames=none)
    with pytest.raises(InputError, match=r"expected frames to prove the export with, got none\. Name a folder by"):
        export_checkpoint(checkpoint, tmp_path / "ssd.onnx")


def test_without_onnxscript_the_error_names_the_extra(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(
        MissingDependencyError, match=r"'onnxscript', which is not installed\. pip install 'singleshot\["
    ):
        export_checkpoint(exported.checkpoint, tmp_path / "ssd.onnx")
    assert list(tmp_path.iterdir()) == []
