"""The `cluster` tail: non-maximum suppression from plain operators, for compilers that have no such operator.

Which candidate suppresses which is a K x K matrix. Whoever is not suppressed by a survivor survives: from all valid
candidates, that rule is applied T times to the result of the last time. Even results hold every greedy survivor and
maybe more, odd ones hold none but greedy survivors; so two results that agree on a row prove it. A chain of n
candidates that each suppress the next needs n steps; real scenes needed 7 at most.
"""

from __future__ import annotations

import copy

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ...calib.graph_surgery import drop_unused
from ...runtime.card import Postprocess
from ...runtime.runners.contract import EXACT
from .tail import CANDIDATES, PREFIX, Kept, Tail, add_kept, add_outputs

STEPS = 16
"""T; even, so that what leaves an unfinished run can be completed on the host."""

MAX_CANDIDATES = 3840
"""Bound of TensorRT's TopK; it also bounds the K x K matrix."""


def with_cluster_tail(model: onnx.ModelProto, postprocess: Postprocess) -> onnx.ModelProto:
    """Put the `cluster` tail in the place of a graph's `onnx` tail.

    Both tails share the way to their candidates; from there on, only operators with static shapes are left (N apart).
    The operators are those that every TensorRT target builds: a MatMul in place of ReduceMax is refused for SM75.

    Args:
        model: a graph that carries the `onnx` tail; its network may compute in another precision.
        postprocess: of its card.

    Returns:
        A new model with the same outputs and `exact` int32 [N, 1]: 1 where the rows are exactly those of greedy
        suppression, 0 where greedy suppression on the host over the rows still has to finish.

    Raises:
        ValueError: the model carries no `onnx` tail, or K is above MAX_CANDIDATES.
    """
    batch, candidate_count = _check_onnx_tail(model)
    result = copy.deepcopy(model)
    drop_unused(result.graph, CANDIDATES.names)
    del result.graph.output[:]
    tail = Tail(graph=result.graph, candidate_count=candidate_count, postprocess=postprocess)
    last, before_last = _add_steps(tail)  # [N, K, 1] float32, 1 = survives
    kept = _add_kept_of(tail, last)
    add_outputs(tail, CANDIDATES, kept, batch)
    _add_exact(tail, before_last, kept, batch)
    onnx.checker.check_model(result)
    return result


def _check_onnx_tail(model: onnx.ModelProto) -> tuple[int | str, int]:
    """Return N and K."""
    made = {name for node in model.graph.node for name in node.output}
    if not made.issuperset(CANDIDATES.names) or f"{PREFIX}selected" not in made:
        raise ValueError(f"model: expected the `onnx` tail with {', '.join(CANDIDATES.names)}, got none")
    counts = [item for item in model.graph.initializer if item.name == f"{PREFIX}candidates_count"]
    count = int(numpy_helper.to_array(counts[0]).item())
    if count > MAX_CANDIDATES:
        raise ValueError(f"candidates: expected at most {MAX_CANDIDATES} for the `cluster` tail, got {count}")
    batch = model.graph.input[0].type.tensor_type.shape.dim[0]
    return batch.dim_param or batch.dim_value, count


def _add_steps(tail: Tail) -> tuple[str, str]:
    """Apply the rule T times: names of the last result and the one before, each [N, K, 1] float32 of 0 and 1."""
    floor = tail.constant("score_floor", tail.postprocess.score_floor, np.float32)
    is_above = tail.node("GreaterOrEqual", "is_above", [CANDIDATES.scores, floor])  # [N, K]
    flags = tail.node("Cast", "above_flags", [is_above], to=TensorProto.FLOAT)
    valid = tail.node("Unsqueeze", "valid", [flags, tail.constant("column_axis", [2], np.int64)])  # [N, K, 1]
    suppresses = tail.node("Cast", "suppresses", [_add_suppression_matrix(tail)], to=TensorProto.FLOAT)  # [N, K, K]
    last_axis = tail.constant("matrix_axis", [2], np.int64)
    result, before = valid, valid
    for step in range(1, STEPS + 1):
        row = tail.node("Transpose", f"row_{step}", [result], perm=[0, 2, 1])  # [N, 1, K]
        by_survivor = tail.node("Mul", f"by_survivor_{step}", [suppresses, row])
        is_hit = tail.node("ReduceMax", f"hit_{step}", [by_survivor, last_axis], keepdims=1)  # [N, K, 1]
        rest = tail.node("Sub", f"rest_{step}", [valid, is_hit])
        # 1 where valid and not hit; -1, where hit and not valid, becomes 0.
        result, before = tail.node("Relu", f"survives_{step}", [rest]), result
    return result, before


def _add_suppression_matrix(tail: Tail) -> str:
    """Say of every candidate (row) which others (column) suppress it while they survive: [N, K, K] bool."""
    order = np.arange(tail.candidate_count, dtype=np.int32)
    of_rank = tail.constant("of_rank", order[:, None], np.int32)  # [K, 1]
    by_rank = tail.constant("by_rank", order[None], np.int32)  # [1, K]
    is_better = tail.node("Less", "is_better", [by_rank, of_rank])  # [K, K]
    may = is_better
    if not tail.postprocess.class_agnostic:
        axes = [tail.constant(f"{name}_axis", [axis], np.int64) for name, axis in (("of", 2), ("by", 1))]
        of_class, by_class = (
            tail.node("Unsqueeze", f"{name}_class", [CANDIDATES.class_ids, axis])
            for name, axis in zip(("of", "by"), axes, strict=True)
        )
        may = tail.node("And", "may_suppress", [tail.node("Equal", "is_rival", [of_class, by_class]), is_better])
    return tail.node("And", "does_suppress", [may, _add_overlap(tail)])


def _add_overlap(tail: Tail) -> str:
    """Compare each with each, operation by operation as the reference: intersection > threshold * union."""
    quarters = tail.constant("corner_sizes", [1, 1, 1, 1], np.int64)
    of = tail.nodes("Split", "of", [CANDIDATES.boxes, quarters], ["_x1", "_y1", "_x2", "_y2"], axis=2)  # [N, K, 1]
    by = [tail.node("Transpose", name.removeprefix(PREFIX).replace("of", "by"), [name], perm=[0, 2, 1]) for name in of]

    def side(name: str, high: str, low: str) -> str:
        return tail.node("Relu", name, [tail.node("Sub", f"{name}_signed", [high, low])])

    def inner(name: str, axis: int) -> str:
        low = tail.node("Max", f"inner_low_{name}", [of[axis], by[axis]])
        high = tail.node("Min", f"inner_high_{name}", [of[axis + 2], by[axis + 2]])
        return side(f"inner_{name}", high, low)

    areas = [
        tail.node(
            "Mul", f"area_{name}", [side(f"width_{name}", box[2], box[0]), side(f"height_{name}", box[3], box[1])]
        )
        for name, box in (("of", of), ("by", by))
    ]
    intersection = tail.node("Mul", "intersection", [inner("x", 0), inner("y", 1)])  # [N, K, K]
    union = tail.node("Sub", "union", [tail.node("Add", "areas", areas), intersection])
    threshold = tail.constant("iou_threshold", tail.postprocess.iou_threshold, np.float32)
    limit = tail.node("Mul", "overlap_limit", [threshold, union])
    return tail.node("Greater", "overlaps", [intersection, limit])


def _add_kept_of(tail: Tail, survives: str) -> Kept:
    """Choose the M best survivors."""
    count, rows = tail.candidate_count, tail.postprocess.max_detections
    # Whole numbers up to MAX_CANDIDATES are exact in float32.
    best_first = tail.constant("keys_by_rank", np.arange(count, 0, -1)[:, None], np.float32)  # [K, 1]
    column = tail.node("Mul", "keys_column", [survives, best_first])  # [N, K, 1]
    keys = tail.node("Squeeze", "keys", [column, tail.constant("keys_axis", [2], np.int64)])
    if count < rows:
        keys = tail.node("Pad", "keys_padded", [keys, tail.constant("padding", [0, 0, 0, rows - count], np.int64)])
    return add_kept(tail, keys)


def _add_exact(tail: Tail, before_last: str, kept: Kept, batch: int | str) -> None:
    """Prove the rows: what is kept from a superset of the greedy survivors is also in a subset of them."""
    certain = tail.rows("kept_certain", before_last, kept.ranks)  # [N, M, 1]
    wanted = tail.node("Cast", "kept_wanted", ["tail/valid_column"], to=TensorProto.FLOAT)  # [N, M, 1]
    doubt = tail.node("Relu", "doubts", [tail.node("Sub", "doubts_signed", [wanted, certain])])
    axes = tail.constant("doubt_axis", [1, 2], np.int64)
    doubts = tail.node("ReduceMax", "doubt", [doubt, axes], keepdims=0)  # [N]
    column = tail.node("Unsqueeze", "doubt_column", [doubts, tail.constant("exact_axis", [1], np.int64)])
    one = tail.constant("certainty", 1, np.float32)
    exact = tail.node("Sub", "exact_float", [one, column])
    tail.graph.node.append(helper.make_node("Cast", [exact], [EXACT], name=f"{PREFIX}exact", to=TensorProto.INT32))
    tail.graph.output.append(helper.make_tensor_value_info(EXACT, TensorProto.INT32, [batch, 1]))
