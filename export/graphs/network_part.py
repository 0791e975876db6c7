"""The network inside a graph: what lies between the frames and the answers that suppression chooses from."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper
from onnxruntime import GraphOptimizationLevel

from ...calib.graph_surgery import drop_unused
from ...runtime.runners.contract import CLASS_LOGITS, FRAMES, HEADS
from ...runtime.runners.quiet_session import open_quietly, quiet_options
from .tail import PREFIX

ADAPTED = (f"{PREFIX}scores", f"{PREFIX}boxes")
"""[N, D, classes] and [N, D, 4] float32, xyxy, normalised, not clipped: what an adapted detector's tail begins with."""
ANSWERS = (HEADS, ADAPTED, (CLASS_LOGITS,))
"""What a network answers: our detectors, adapted ones, classifiers."""


def answers_of(model: onnx.ModelProto) -> tuple[str, ...]:
    """Name the tensors that a graph's tail begins with; none where it is a graph of others."""
    made = {name for node in model.graph.node for name in node.output} | {item.name for item in model.graph.output}
    return next((names for names in ANSWERS if made.issuperset(names)), ())


def cut_at(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Let a graph end in other tensors of it; what only the former outputs needed goes."""
    result = copy.deepcopy(model)
    drop_unused(result.graph, names)
    del result.graph.output[:], result.graph.value_info[:]
    result.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    return result


def run_network(
    network: onnx.ModelProto, frames: Sequence[NDArray[np.uint8]], *, outputs: Sequence[str] | None = None
) -> list[NDArray[np.float32]]:
    """Compute a network's answers node by node, as it is written: nothing is fused or left out.

    Args:
        network: its input takes uint8 frames.
        frames: each [1, H, W, 3] uint8 BGR.
        outputs: tensors wanted in place of its outputs.

    Returns:
        Of each output [frames, ...] float32.
    """
    model = network if outputs is None else cut_at(network, outputs)
    options = quiet_options()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    session = open_quietly(model.SerializeToString(), options)
    batch = session.get_inputs()[0].shape[0]
    count = batch if isinstance(batch, int) else 1
    found = [session.run(None, {FRAMES: np.repeat(frame, count, axis=0)}) for frame in frames]
    return [np.concatenate([item[:1] for item in items]).astype(np.float32) for items in zip(*found, strict=True)]
