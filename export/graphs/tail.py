"""Post-processing folded into a graph, so that one file goes from frames to detections.

The rule is the one of `runtime.postprocess.detections_from_heads`; `tests/export` holds the two against each other.
The `onnx` tail here and the `cluster` tail in `cluster_tail.py` differ in how they suppress; how candidates are chosen
and rows leave is shared.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ...runtime.card import Postprocess
from ...runtime.runners.contract import BOX_OFFSETS, CLASS_LOGITS, DET_BOXES, DET_CLASSES, DET_SCORES, HEADS, NUM_DETS

OPSET = 20
"""FP16 scales in quantized graphs need 19, TensorRT 10.0 reads up to 20."""

MAX_IR_VERSION = 10
"""Newer files are refused by readers that are still in use."""

PREFIX = "tail/"
"""How the name of every node and constant of a tail begins."""

_ABSENT = -1.0
"""Score of a (class, candidate) pair that does not exist; below anything that softmax gives."""


def append_onnx_tail(
    model: onnx.ModelProto, *, default_cxcywh: NDArray[np.float32], postprocess: Postprocess
) -> onnx.ModelProto:
    """Replace a graph's raw heads by detections, with TopK and NonMaxSuppression (ONNX Runtime, OpenVINO).

    All arithmetic is float32 and int64, and every output's shape is static but for N. Not promised: the same choice
    as the reference between scores that differ by rounding alone, or for an overlap within rounding of the
    threshold (NonMaxSuppression divides where the rule multiplies).

    Args:
        model: opset 20; its graph's outputs are `class_logits` [N, D, C] and `box_offsets` [N, D, 4], float32,
            with D and C fixed and N fixed or symbolic; class 0 is the background.
        default_cxcywh: [D, 4] float32, normalised.
        postprocess: K, M, score floor, IoU threshold and variances.

    Returns:
        A new model whose outputs are `num_dets` int32 [N, 1], `det_boxes` float32 [N, M, 4] (xyxy, normalised,
        clipped), `det_scores` float32 [N, M] (descending) and `det_classes` int32 [N, M] (background not counted);
        rows past `num_dets` are 0. The heads stay inside under their names.

    Raises:
        ValueError: the model does not end in those heads, its opset is another, or the default boxes do not fit.
    """
    batch, class_count = _check_heads(model, default_cxcywh)
    result = copy.deepcopy(model)
    del result.graph.output[:]
    candidate_count = min(postprocess.candidates, len(default_cxcywh) * class_count)
    tail = Tail(graph=result.graph, candidate_count=candidate_count, postprocess=postprocess)
    candidates = _add_candidates(tail, default_cxcywh, class_count)
    add_outputs(tail, candidates, add_suppression(tail, candidates, class_count), batch)
    onnx.checker.check_model(result)
    return result


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Names of the tensors of the K best pairs, best first."""

    boxes: str
    """[N, K, 4] float32, xyxy, clipped."""
    scores: str
    """[N, K] float32."""
    class_ids: str
    """[N, K] int64."""

    @property
    def names(self) -> tuple[str, str, str]:
        """All of them."""
        return self.boxes, self.scores, self.class_ids


CANDIDATES = Candidates(
    boxes=f"{PREFIX}boxes_clipped", scores=f"{PREFIX}candidates_values", class_ids=f"{PREFIX}candidate_class_ids"
)
"""What every tail calls its candidates, so that one way of suppression can be put in another's place."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Names of the tensors that say which candidates leave."""

    ranks: str
    """[N, M] int64, ascending; 0 past the last."""
    is_valid: str
    """[N, M] bool: which of the ranks count."""


@dataclass(frozen=True, kw_only=True)
class Tail:
    """The graph being extended; every node and constant that it adds is named `tail/...`."""

    graph: onnx.GraphProto
    candidate_count: int
    """K, or all (box, class) pairs where there are fewer."""
    postprocess: Postprocess

    def constant(self, name: str, value: object, kind: type[np.generic]) -> str:
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(value, kind), f"{PREFIX}{name}"))
        return f"{PREFIX}{name}"

    def node(self, operator: str, name: str, inputs: list[str], **attributes: Any) -> str:
        return self.nodes(operator, name, inputs, [""], **attributes)[0]

    def nodes(self, operator: str, name: str, inputs: list[str], results: list[str], **attributes: Any) -> list[str]:
        """Add one node with several results, named `tail/NAME` plus each of `results`.

        `attributes` is Any because onnx mixes them with options of its own.
        """
        names = [f"{PREFIX}{name}{result}" for result in results]
        self.graph.node.append(helper.make_node(operator, inputs, names, name=f"{PREFIX}{name}", **attributes))
        return names

    def output(self, operator: str, name: str, inputs: list[str], kind: int, shape: list[int | str]) -> None:
        self.graph.node.append(helper.make_node(operator, inputs, [name], name=f"{PREFIX}{name}"))
        self.graph.output.append(helper.make_tensor_value_info(name, kind, shape))

    def top(self, name: str, values: str, count: int) -> list[str]:
        """Add a TopK along axis 1: names of values and indices, descending, a tie in index order."""
        size = self.constant(f"{name}_count", [count], np.int64)
        return self.nodes("TopK", name, [values, size], ["_values", "_indices"], axis=1)

    def rows(self, name: str, values: str, indices: str) -> str:
        """Select per image: values [N, A, ...] at indices [N, B] give [N, B, ...]."""
        axis = self.constant(f"{name}_axis", [-1], np.int64)
        column = self.node("Unsqueeze", f"{name}_column", [indices, axis])  # [N, B, 1]
        return self.node("GatherND", name, [values, column], batch_dims=1)


def _check_heads(model: onnx.ModelProto, default_cxcywh: NDArray[np.float32]) -> tuple[int | str, int]:
    """Return N (a number or a symbol) and the number of classes without the background."""
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if opsets.get("") != OPSET:
        raise ValueError(f"model: expected opset {OPSET}, got {opsets.get('')}")
    outputs = {value.name: value.type.tensor_type for value in model.graph.output}
    if sorted(outputs) != sorted(HEADS):
        raise ValueError(f"model: expected the outputs {', '.join(HEADS)}, got {', '.join(outputs)}")
    shapes = {}
    for name, tensor in outputs.items():
        shapes[name] = [dim.dim_param or dim.dim_value for dim in tensor.shape.dim]
        if tensor.elem_type != TensorProto.FLOAT or len(shapes[name]) != 3:
            kind = TensorProto.DataType.Name(tensor.elem_type)
            raise ValueError(f"{name}: expected FLOAT with three dimensions, got {kind} {shapes[name]}")
    batch, box_count, width = shapes[CLASS_LOGITS]
    if not isinstance(width, int) or width < 2:
        raise ValueError(f"class_logits: expected a fixed number of classes, background included, got {width!r}")
    if shapes[BOX_OFFSETS] != [batch, box_count, 4] or default_cxcywh.shape != (box_count, 4):
        raise ValueError(
            f"box_offsets, default_cxcywh: expected [{batch}, {box_count}, 4] and [{box_count}, 4] after class_logits "
            f"[{batch}, {box_count}, {width}], got {shapes['box_offsets']} and {list(default_cxcywh.shape)}"
        )
    return batch, width - 1


def _add_candidates(tail: Tail, default_cxcywh: NDArray[np.float32], class_count: int) -> Candidates:
    """Take the K best (box, class) pairs and decode their boxes."""
    probabilities = tail.node("Softmax", "probabilities", [CLASS_LOGITS], axis=2)  # [N, D, C]
    bounds = [
        tail.constant(f"foreground_{name}", [value], np.int64)
        for name, value in (("start", 1), ("end", class_count + 1), ("axis", 2))
    ]
    foreground = tail.node("Slice", "foreground", [probabilities, *bounds])  # [N, D, C - 1]
    # One flat TopK, not one per class or stage: its order of ties is part of the rule.
    flat = tail.node("Flatten", "flat_scores", [foreground], axis=1)  # [N, D * (C - 1)]
    scores, pairs = tail.top("candidates", flat, tail.candidate_count)
    count = tail.constant("class_count", class_count, np.int64)
    box_ids = tail.node("Div", "candidate_box_ids", [pairs, count])
    candidates = Candidates(
        boxes=_add_decode(tail, box_ids, default_cxcywh),
        scores=scores,
        class_ids=tail.node("Mod", "candidate_class_ids", [pairs, count]),
    )
    if candidates != CANDIDATES:
        raise RuntimeError(f"{candidates} are not called {CANDIDATES}")
    return candidates


def _add_decode(tail: Tail, box_ids: str, default_cxcywh: NDArray[np.float32]) -> str:
    """Decode and clip the candidates' boxes, operation by operation as `runtime.boxes.decode_boxes`: [N, K, 4]."""
    offsets = tail.rows("candidate_offsets", BOX_OFFSETS, box_ids)  # [N, K, 4]
    halves = tail.constant("offset_halves", [2, 2], np.int64)
    centre_offsets, size_offsets = tail.nodes("Split", "split", [offsets, halves], ["_centre", "_size"], axis=2)
    default_centres = tail.constant("default_centres", default_cxcywh[:, :2], np.float32)
    default_sizes = tail.constant("default_sizes", default_cxcywh[:, 2:], np.float32)
    default_centre = tail.node("Gather", "default_centre", [default_centres, box_ids])  # [N, K, 2]
    default_size = tail.node("Gather", "default_size", [default_sizes, box_ids])
    centre_variance, size_variance = (
        tail.constant(f"{name}_variance", value, np.float32)
        for name, value in zip(("centre", "size"), tail.postprocess.variances, strict=True)
    )
    scaled = tail.node("Mul", "centre_scaled", [centre_offsets, centre_variance])
    moved = tail.node("Mul", "centre_moved", [scaled, default_size])
    centre = tail.node("Add", "centre", [moved, default_centre])
    growth = tail.node("Exp", "growth", [tail.node("Mul", "exponent", [size_offsets, size_variance])])
    size = tail.node("Mul", "size", [growth, default_size])
    half_size = tail.node("Mul", "half_size", [size, tail.constant("half", 0.5, np.float32)])
    top_left = tail.node("Sub", "top_left", [centre, half_size])
    bottom_right = tail.node("Add", "bottom_right", [centre, half_size])
    boxes = tail.node("Concat", "boxes", [top_left, bottom_right], axis=2)
    limits = [tail.constant(f"edge_{limit}", limit, np.float32) for limit in (0, 1)]
    return tail.node("Clip", "boxes_clipped", [boxes, *limits])


def add_suppression(tail: Tail, candidates: Candidates, class_count: int) -> Kept:
    """Keep the first M survivors."""
    selected = _add_selection(tail, candidates, class_count)  # [S, 3]: image, class, rank
    # A key per candidate, higher for a better rank and 0 for what was not selected. A second TopK over the keys
    # restores the order across classes and gives a static shape back.
    columns = [tail.constant(f"columns_{len(at)}", at, np.int64) for at in ([0, 2], [2])]
    places = tail.node("Gather", "selected_places", [selected, columns[0]], axis=1)  # [S, 2]
    ranks = tail.node("Gather", "selected_ranks", [selected, columns[1]], axis=1)  # [S, 1]
    flat = tail.node("Squeeze", "selected_flat_ranks", [ranks, tail.constant("last_axis", [1], np.int64)])  # [S]
    best_key = tail.constant("best_key", tail.candidate_count, np.int64)
    keys = tail.node("Sub", "selected_keys", [best_key, flat])  # [S], K for the best, 1 for the worst
    width = tail.constant("key_width", [max(tail.candidate_count, tail.postprocess.max_detections)], np.int64)
    batch = tail.nodes("Shape", "batch", [candidates.scores], [""], start=0, end=1)[0]
    key_shape = tail.node("Concat", "key_shape", [batch, width], axis=0)
    no_keys = tail.node("Expand", "no_keys", [tail.constant("zero", 0, np.int64), key_shape])
    all_keys = tail.node("ScatterND", "keys", [no_keys, places, keys])  # [N, max(K, M)]
    return add_kept(tail, all_keys)


def _add_selection(tail: Tail, candidates: Candidates, class_count: int) -> str:
    """Add NonMaxSuppression over the candidates, each rival of its own class alone, unless all are of all."""
    middle = tail.constant("class_axis", [1], np.int64)
    score_row = tail.node("Unsqueeze", "score_row", [candidates.scores, middle])
    floor = tail.constant("score_floor", tail.postprocess.score_floor, np.float32)
    exists = tail.node("GreaterOrEqual", "is_above", [score_row, floor])  # [N, 1, K]
    if not tail.postprocess.class_agnostic:
        class_row = tail.node("Unsqueeze", "class_row", [candidates.class_ids, middle])  # [N, 1, K]
        classes = tail.constant("classes", np.arange(class_count).reshape(1, -1, 1), np.int64)
        is_class = tail.node("Equal", "is_class", [class_row, classes])  # [N, C - 1, K]
        exists = tail.node("And", "exists", [is_class, exists])
    absent = tail.constant("absent", _ABSENT, np.float32)
    # The usual trick, moving the boxes of each class apart, would round the overlaps; a row of scores per class
    # leaves the boxes as they are.
    scores_by_class = tail.node("Where", "scores_by_class", [exists, score_row, absent])
    limits = [
        tail.constant("max_per_class", [tail.postprocess.max_detections], np.int64),
        tail.constant("iou_threshold", [tail.postprocess.iou_threshold], np.float32),
        tail.constant("exists_threshold", [_ABSENT / 2], np.float32),
    ]
    return tail.node("NonMaxSuppression", "selected", [candidates.boxes, scores_by_class, *limits])


def add_kept(tail: Tail, keys: str) -> Kept:
    """Take the M best ranks by key.

    Args:
        tail: being built.
        keys: [N, at least M], higher for a better rank, 0 for a candidate that does not leave.
    """
    values, indices = tail.top("kept", keys, tail.postprocess.max_detections)
    no_rank = tail.constant("no_rank", 0, np.int64)
    no_key = tail.node("CastLike", "no_key", [no_rank, values])
    is_valid = tail.node("Greater", "is_valid", [values, no_key])
    return Kept(ranks=tail.node("Where", "kept_ranks", [is_valid, indices, no_rank]), is_valid=is_valid)


def add_outputs(tail: Tail, candidates: Candidates, kept: Kept, batch: int | str) -> None:
    """Gather the rows that leave, zero those that are not valid, and make them the graph's outputs.

    Args:
        tail: being built.
        candidates: to choose from.
        kept: which of them leave.
        batch: N, a number or a symbol.
    """
    rows = tail.postprocess.max_detections
    ranks, is_valid = kept.ranks, kept.is_valid
    count_axis = tail.constant("count_axis", [1], np.int64)
    flags = tail.node("Cast", "valid_flags", [is_valid], to=TensorProto.INT32)
    tail.output("ReduceSum", NUM_DETS, [flags, count_axis], TensorProto.INT32, [batch, 1])
    no_score = tail.constant("no_score", 0, np.float32)
    boxes = tail.rows("kept_boxes", candidates.boxes, ranks)  # [N, M, 4]
    valid_column = tail.node("Unsqueeze", "valid_column", [is_valid, tail.constant("box_axis", [2], np.int64)])
    tail.output("Where", DET_BOXES, [valid_column, boxes, no_score], TensorProto.FLOAT, [batch, rows, 4])
    scores = tail.rows("kept_scores", candidates.scores, ranks)
    tail.output("Where", DET_SCORES, [is_valid, scores, no_score], TensorProto.FLOAT, [batch, rows])
    class_ids = tail.rows("kept_class_ids", candidates.class_ids, ranks)
    short_ids = tail.node("Cast", "kept_short_ids", [class_ids], to=TensorProto.INT32)
    no_class = tail.constant("no_class", 0, np.int32)
    tail.output("Where", DET_CLASSES, [is_valid, short_ids, no_class], TensorProto.INT32, [batch, rows])
