"""A classifier's post-processing folded into its graph: softmax and the likeliest classes."""

from __future__ import annotations

import copy

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ...runtime.detection.classifications import TOP
from ...runtime.runners.contract import CLASS_LOGITS, TOP_CLASSES, TOP_SCORES
from .tail import PREFIX


def append_classifier_tail(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace a graph's class logits by its likeliest classes.

    Args:
        model: its one output is `class_logits` float32 [N, C], C fixed.

    Returns:
        A new model with outputs `top_scores` float32 [N, n], descending, and `top_classes` int32 [N, n]; n is the
        smaller of 5 and C. The logits stay inside under their name.

    Raises:
        ValueError: the model does not end in such logits.
    """
    if [value.name for value in model.graph.output] != [CLASS_LOGITS]:
        raise ValueError(f"expected the output {CLASS_LOGITS}, got {[value.name for value in model.graph.output]}")
    dims = model.graph.output[0].type.tensor_type.shape.dim
    if len(dims) != 2 or not dims[1].dim_value:
        raise ValueError(f"{CLASS_LOGITS}: expected [N, C] with C fixed, got {len(dims)} dimensions")
    batch = dims[0].dim_value or dims[0].dim_param
    top = min(TOP, dims[1].dim_value)
    result = copy.deepcopy(model)
    graph = result.graph
    del graph.output[:]
    graph.initializer.append(numpy_helper.from_array(np.array([top], np.int64), f"{PREFIX}top"))
    graph.node.extend(
        [
            helper.make_node("Softmax", [CLASS_LOGITS], [f"{PREFIX}scores"], name=f"{PREFIX}softmax", axis=1),
            helper.make_node(
                "TopK", [f"{PREFIX}scores", f"{PREFIX}top"], [TOP_SCORES, f"{PREFIX}classes"], name=f"{PREFIX}topk"
            ),
            helper.make_node("Cast", [f"{PREFIX}classes"], [TOP_CLASSES], name=f"{PREFIX}cast", to=TensorProto.INT32),
        ]
    )
    graph.output.extend(
        [
            helper.make_tensor_value_info(TOP_SCORES, TensorProto.FLOAT, [batch, top]),
            helper.make_tensor_value_info(TOP_CLASSES, TensorProto.INT32, [batch, top]),
        ]
    )
    onnx.checker.check_model(result)
    return result
