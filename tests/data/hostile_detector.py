"""A detector that says the same in float whatever its scales, and whose INT8 collapses where one channel is an outlier.

A ReLU passes a positive factor on, so a channel may be made a thousand times louder and its reader a thousand times
deafer: in float nothing changes, in eight bits a tensor the other channels vanish.
"""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from singleshot.export.tail import append_onnx_tail
from singleshot.runtime.card import Card, InputSpec, Postprocess
from singleshot.runtime.session import open_session

SIDE = 64
CELLS = 8
CHANNELS = 16
LAYERS = 4
LOUD = 3000.0
EVERY_LAYER = tuple(range(LAYERS + 1))
"""The last is that of the heads."""
POOLS: tuple[dict[str, Any], ...] = (
    *[{"kernel_shape": [2, 2], "strides": [2, 2]}] * (LAYERS - 1),
    {"kernel_shape": [1, 1]},
)
BLOCKS = tuple(f"conv{layer}" for layer in range(LAYERS))
CARD = Card(
    kind="graph",
    network="hostile",
    class_names=("cat", "dog"),
    input=InputSpec(height=SIDE, width=SIDE, mean=(127, 127, 127), std=(128, 128, 128)),
    postprocess=Postprocess(candidates=100, max_detections=20),
)


def hostile_detector_graph(outliers: Collection[int]) -> onnx.ModelProto:
    """Give a graph of four convolutions and two heads.

    Args:
        outliers: layers, from 0 to LAYERS (the heads), whose input has a channel LOUD times louder than it need be.
    """
    rng = np.random.default_rng(5)
    weights = [
        rng.normal(0, (2 / (9 * depth)) ** 0.5, (CHANNELS, depth, 3, 3)).astype(np.float32)
        for depth in (3, *[CHANNELS] * (LAYERS - 1))
    ]
    heads = {
        name: rng.normal(0, scale / 4, (width, CHANNELS, 1, 1)).astype(np.float32)
        for name, width, scale in (("class", 3, 1.5), ("box", 4, 0.3))
    }
    std = np.full((1, 3, 1, 1), 128, np.float32)
    for layer in outliers:
        for reader in [weights[layer]] if layer < LAYERS else heads.values():
            reader[:, 0] /= LOUD
        if layer:
            weights[layer - 1][0] *= LOUD
        else:
            std[0, 0] /= LOUD
    constants: dict[str, np.ndarray] = {
        "mean": np.full((1, 3, 1, 1), 127, np.float32),
        "std": std,
        **{f"w{layer}": value for layer, value in enumerate(weights)},
        **{f"w_{name}": value for name, value in heads.items()},
        **{f"s_{name}": np.array([0, -1, len(value)], np.int64) for name, value in heads.items()},
    }
    graph = helper.make_graph(
        _nodes(),
        "hostile",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info("class_logits", TensorProto.FLOAT, ["N", CELLS**2, 3]),
            helper.make_tensor_value_info("box_offsets", TensorProto.FLOAT, ["N", CELLS**2, 4]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    rows, columns = np.divmod(np.arange(CELLS**2), CELLS)
    centres = (np.stack([columns, rows], axis=1) + 0.5) / CELLS
    default_cxcywh = np.concatenate([centres, np.full((CELLS**2, 2), 0.3)], axis=1).astype(np.float32)
    return append_onnx_tail(model, default_cxcywh=default_cxcywh, postprocess=CARD.postprocess)


def _nodes() -> list[onnx.NodeProto]:
    same: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Cast", ["frames"], ["float"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["first"], "channels", perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["first", "mean"], ["centred"], "sub"),
        helper.make_node("Div", ["centred", "std"], ["x0"], "div"),
    ]
    for layer in range(LAYERS):
        nodes += [
            helper.make_node("Conv", [f"x{layer}", f"w{layer}"], [f"c{layer}"], f"conv{layer}", **same),
            helper.make_node("Relu", [f"c{layer}"], [f"r{layer}"], f"relu{layer}"),
            # Pooling keeps the convolutions apart, so that each is a block of its own.
            helper.make_node("MaxPool", [f"r{layer}"], [f"x{layer + 1}"], f"pool{layer}", **POOLS[layer]),
        ]
    for head, name in (("class", "class_logits"), ("box", "box_offsets")):
        nodes += [
            helper.make_node("Conv", [f"x{LAYERS}", f"w_{head}"], [head], f"conv_{head}", kernel_shape=[1, 1]),
            helper.make_node("Transpose", [head], [f"{head}_last"], f"last_{head}", perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", [f"{head}_last", f"s_{head}"], [name], f"flat_{head}"),
        ]
    return nodes


def patches(seed: int) -> np.ndarray:
    """Draw colourful patches of several sizes: [SIDE, SIDE, 3] uint8."""
    rng = np.random.default_rng(seed)
    cells = (rng.uniform(0, 255, (count, count, 3)).astype(np.float32) for count in (2, 4, 8))
    grown = [cv2.resize(item, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) for item in cells]
    return np.asarray(np.clip(np.mean(grown, axis=0) * 1.6 - 76, 0, 255), np.uint8)


def write_labelled(root: Path, graph: Path, *, images: int = 48, objects: int = 4) -> Path:
    """Write pictures of patches, labelled with what a detector finds in them: a CSV data set with the split `val`.

    Args:
        root: a new folder.
        graph: the detector; its average precision on the data is near 100.
        images: how many.
        objects: of an image, those of the best scores.
    """
    folder = root / "images"
    folder.mkdir(parents=True)
    with open_session(graph) as session, (root / "val.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label", "xmin", "ymin", "xmax", "ymax"])
        for number in range(images):
            image = patches(number)
            cv2.imwrite(str(folder / f"{number:03d}.png"), image)
            found = session.run(image[np.newaxis])[0]
            for box, class_id in zip(found.boxes_xyxy[:objects] * SIDE, found.class_ids[:objects], strict=True):
                left, top, right, bottom = box.tolist()
                name = session.card.class_names[class_id]
                writer.writerow([f"{number:03d}.png", name, left, top, right - 1, bottom - 1])
    return root


def quantized_by_rounding(path: Path, kept_float: Collection[str], *, clip: float = 1.0) -> onnx.ModelProto:
    """Round the input of every convolution to eight bits of its own largest value, as INT8 would, a tensor at a time.

    Args:
        path: a graph of `hostile_detector_graph`.
        kept_float: convolutions to leave as they are.
        clip: the largest value that eight bits reach, as a share of the largest that was seen.
    """
    model = onnx.load(str(path))
    graph = model.graph
    largest = _largest_inputs(model)
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        if node.name in BLOCKS and node.name not in kept_float:
            scale = f"{node.name}/scale"
            step = np.array(clip * largest[node.input[0]] / 127, np.float32)
            zero = f"{node.name}/zero"
            graph.initializer.append(numpy_helper.from_array(step, scale))
            graph.initializer.append(numpy_helper.from_array(np.array(0, np.int8), zero))
            rounded, back = f"{node.name}/q", f"{node.name}/dq"
            graph.node.append(helper.make_node("QuantizeLinear", [node.input[0], scale, zero], [rounded], rounded))
            graph.node.append(helper.make_node("DequantizeLinear", [rounded, scale, zero], [back], back))
            node.input[0] = back
        graph.node.append(node)
    onnx.checker.check_model(model)
    return model


def _largest_inputs(model: onnx.ModelProto) -> dict[str, float]:
    names = [f"x{layer}" for layer in range(LAYERS)]
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = ort.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    frames = np.stack([patches(1000 + seed) for seed in range(8)])
    return {
        name: float(np.abs(value).max())
        for name, value in zip(names, session.run(names, {"frames": frames}), strict=True)
    }
