"""Guesses how a third-party detector's outputs are to be read, where they show it; each guess is said."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from ...runtime.errors import InputError
from .checks import (
    FAR_OUTSIDE,
    WELL_FORMED,
    check_final,
    check_reading,
    share_of_corners_in_order,
    share_of_sizes_above_0,
)
from .decoding import Decoding
from .final import first_class_of, is_suppressed, recognised_final
from .graph import ForeignGraph, Outputs, output_shapes_text
from .heads import BOX_NAME, COCO_CLASSES, POINT_NAME, SCORE_NAME, USUAL_BINS, Heads, is_class_first
from .other_tasks import has_angle, has_points, is_quiet
from .reading import (
    ROUNDING,
    Activation,
    Array,
    Columns,
    Layout,
    Reading,
    activated,
    columns_from_text,
)
from .told import Told
from .undecoded import guess_decoding, rows_by_scheme

_MASK_PROTOTYPES = 32
"""Channels of the prototypes that YOLO's masks are made of."""
_ALL = 0.999
"""Share of boxes that are all but for rounding."""
_WITH_SOFTMAX = ("ssd300", "ssdlite320", "retinaface")
_Y_FIRST = re.compile(r"detection_boxes(:\d+)?$|^TFLite_Detection_PostProcess")
"""What TensorFlow's detectors call their boxes."""
_NAMELESS = re.compile(r"StatefulPartitionedCall")
_DETR_NAMES = {("pred_boxes", "logits"), ("pred_boxes", "pred_logits"), ("dets", "labels")}
"""What DETR, RT-DETR and D-FINE call their boxes and scores, and RF-DETR."""


def guess_reading(
    graph: ForeignGraph,
    outputs: Outputs,
    told: Told,
    guesses: list[str],
    *,
    heads: Heads | None = None,
    class_count: int | None = None,
    is_end_to_end: bool = False,
) -> Reading:
    """Complete what the user says from the shapes and values of the outputs.

    Args:
        graph: the detector.
        outputs: of a run over some frames.
        told: what is law.
        guesses: a line is added for each: the option that would have said it, and what it was guessed from.
        heads: by level, where there are any; they are joined in `outputs` and named in `told`.
        class_count: how many classes there are names for, background left out; None where nobody named them.
        is_end_to_end: whether the file says that its detections are final.

    Returns:
        A complete reading that the values do not contradict.

    Raises:
        InputError: something is neither told nor recognisable, or what is told contradicts the values.
    """
    told = _with_final(outputs, told, guesses)
    if told.class_ids is not None:
        return _guess_final(outputs, told, guesses, class_count, is_end_to_end=is_end_to_end)
    boxes, scores, objectness = _columns(graph, outputs, told, guesses, class_count, is_rows=heads is not None)
    values = boxes.of(outputs)
    decoding = guess_decoding(graph, boxes, values, told, guesses, heads=heads, has_objectness=objectness is not None)
    if decoding is None and len(boxes) != 4:
        raise InputError(f"--boxes: expected four columns, got the {len(boxes)} of {boxes}.")
    layout: Layout
    if decoding is not None:
        layout, normalised = decoding.layout, False
    else:
        layout = told.layout or _layout(boxes, values, guesses, is_whole=boxes.is_whole)
        normalised = _normalised(values, guesses) if told.normalised is None else told.normalised
    is_detr = (boxes.output, scores.output) in _DETR_NAMES
    activation = told.activation or (is_detr and _activation_of_detr(scores, outputs, guesses, class_count))
    activation = activation or _activation(scores, outputs, guesses, decoding=decoding, class_count=class_count)
    if is_detr:
        guesses.append(f"--iou-threshold 1: {scores.output} is DETR's name, whose detections need no suppression")
    activated_scores = activated(scores.of(outputs), activation)
    reading = Reading(
        boxes=boxes,
        scores=scores,
        objectness=objectness,
        layout=layout,
        normalised=normalised,
        activation=activation,
        background=_background(scores, activated_scores, told, guesses, decoding, class_count=class_count),
        decoding=decoding,
        is_final=is_detr,
    )
    check_reading(outputs, reading)
    return reading


def _with_final(outputs: Outputs, told: Told, guesses: list[str]) -> Told:
    """Name the outputs of detections that have one class each, where nothing is told of them."""
    if told.boxes is not None or told.scores is not None or told.class_ids is not None:
        return told
    final = recognised_final(outputs)
    if final is None:
        return told
    texts = f"--boxes {final.boxes} --scores {final.scores} --class-ids {final.class_ids}"
    guesses.append(f"{texts}: class ids are whole numbers")
    return replace(told, boxes=final.boxes, scores=final.scores, class_ids=final.class_ids)


def _guess_final(
    outputs: Outputs,
    told: Told,
    guesses: list[str],
    class_count: int | None,
    *,
    is_end_to_end: bool,
) -> Reading:
    """Complete what is told of detections that have one class each; rows without a score are none."""
    boxes, scores, class_ids = (
        columns_from_text(flag, text or "nothing", outputs, is_rows=True)
        for flag, text in (("--boxes", told.boxes), ("--scores", told.scores), ("--class-ids", told.class_ids))
    )
    is_found = scores.of(outputs)[..., 0] > 0  # [N, D]
    ids = class_ids.of(outputs)[is_found][:, 0]
    first = first_class_of(ids, class_ids, told.background, class_count, guesses)
    values = boxes.of(outputs)[is_found][None]  # [1, found, 4]
    layout = told.layout or _layout(boxes, values, guesses)
    normalised = _normalised(values, guesses) if told.normalised is None else told.normalised
    is_final = is_end_to_end or is_suppressed(scores.of(outputs))
    ground = "the file says so" if is_end_to_end else "scores descend" if is_final else "scores do not descend"
    guesses.append(
        f"--iou-threshold: {'final, so nothing is suppressed again' if is_final else 'as usual'}, as {ground}"
    )
    reading = Reading(
        boxes=boxes,
        scores=scores,
        objectness=None,
        layout=layout,
        normalised=normalised,
        activation=told.activation or _activation(scores, outputs, guesses),
        background=None,
        class_ids=class_ids,
        class_count=class_count or 0,
        first_class=first,
        is_final=is_final,
    )
    found = {columns.output: outputs[columns.output] for columns in (boxes, scores, class_ids)}
    check_final(found, reading, values)
    return reading


def _columns(
    graph: ForeignGraph,
    outputs: Outputs,
    told: Told,
    guesses: list[str],
    class_count: int | None,
    *,
    is_rows: bool,
) -> tuple[Columns, Columns, Columns | None]:
    """Find the outputs' columns: of boxes, scores, objectness."""
    boxes_text, scores_text, objectness_text = told.boxes, told.scores, told.objectness
    box_count = None
    if boxes_text is None and scores_text is None:
        boxes_text, scores_text, objectness_text, box_count = _recognised(graph, outputs, told, class_count)
    elif boxes_text is None or scores_text is None:
        missing = "--boxes" if boxes_text is None else "--scores"
        raise InputError(
            f"{missing}: expected with {'--scores' if boxes_text is None else '--boxes'}, got nothing. "
            f"The graph has {output_shapes_text(outputs)}."
        )
    boxes = columns_from_text("--boxes", boxes_text, outputs, box_count=box_count, is_rows=is_rows)
    box_count = boxes.of(outputs).shape[1]
    scores = columns_from_text("--scores", scores_text, outputs, box_count=box_count, is_rows=is_rows)
    objectness = None
    if objectness_text is not None:
        objectness = columns_from_text("--objectness", objectness_text, outputs, box_count=box_count, is_rows=is_rows)
    if told.boxes is None:
        guesses.append(f"--boxes {boxes_text} --scores {scores_text}: from the shapes {output_shapes_text(outputs)}")
        if objectness_text is not None and told.objectness is None:
            between = "as is usual between the boxes and the scores; --names FILE would tell by their count"
            ground = between if class_count is None else f"there are 5 + {class_count} columns for {class_count} names"
            ground = "one column a box" if objectness is not None and objectness.is_whole else ground
            guesses.append(f"--objectness {objectness_text}: {ground}")
    return boxes, scores, objectness


def _recognised(
    graph: ForeignGraph, outputs: Outputs, told: Told, class_count: int | None
) -> tuple[str, str, str | None, int]:
    """Recognise an output of boxes beside one of scores, or one of both: three texts and the number of boxes."""
    cubes = {name: value.shape for name, value in outputs.items() if value.ndim == 3 and not POINT_NAME.search(name)}
    with_four = [name for name, shape in cubes.items() if 4 in shape[1:]]
    if not with_four and len(cubes) == 2:
        with_four = [name for name, shape in cubes.items() if _bins_of(graph, shape)]
    if len(with_four) > 1:  # with four classes, or three and a background, scores have four columns, too
        with_four = _boxes_among({name: outputs[name] for name in with_four})
    pairs = []
    for name in with_four:
        box_count = cubes[name][1] if cubes[name][2] == 4 else max(cubes[name][1:])
        others = [other for other, shape in cubes.items() if other != name and box_count in shape[1:]]
        single = [other for other in others if min(cubes[other][1:]) == 1]
        objectness = single[0] if len(others) == 2 and len(single) == 1 else None
        others = [other for other in others if other != objectness]
        pairs += [(name, others[0], objectness, box_count)] if len(others) == 1 else []
    if len(pairs) == 1:
        name, other, objectness, box_count = pairs[0]
        return name, other, told.objectness or objectness, box_count
    if len(cubes) == 1:
        (name,) = cubes
        if any(value.ndim == 4 and value.shape[1] == _MASK_PROTOTYPES for value in outputs.values()):
            raise InputError(
                f"{graph.path}: expected a detector of boxes, got one of masks (a seg model), as "
                f"{output_shapes_text(outputs)} show. Export a detection model."
            )
        return _both_in_one(graph, outputs, name, told, class_count)
    raise _unrecognised(graph, outputs)


def _boxes_among(outputs: Outputs) -> list[str]:
    """Choose what boxes are among outputs of four columns: by their names, else those that are not within [0, 1]."""
    named = [name for name in outputs if BOX_NAME.search(name) or name == "dets"]
    unnamed = [name for name in outputs if not SCORE_NAME.search(name) and name != "labels"]
    far = [name for name, value in outputs.items() if float(value.max()) > FAR_OUTSIDE]
    return next((names for names in (named, unnamed, far) if len(names) == 1), named or list(outputs))


def _both_in_one(
    graph: ForeignGraph, outputs: Outputs, name: str, told: Told, class_count: int | None
) -> tuple[str, str, str | None, int]:
    """Divide one output's columns: the count of names tells 4 + C from 5 + C, else the order of the axes does."""
    shape = outputs[name].shape
    is_first, width = shape[1] < shape[2], min(shape[1:])
    classes = COCO_CLASSES if class_count is None else class_count
    bins = next((count for count in USUAL_BINS if width == 4 * count + classes), 0)
    if bins and rows_by_scheme(graph, max(shape[1:])):
        values = outputs[name].transpose(0, 2, 1) if is_first else outputs[name]
        start = classes if is_class_first(values, classes) else 0
        score_start = 0 if start else 4 * bins
        texts = f"{name}[{start}:{start + 4 * bins}]", f"{name}[{score_start}:{score_start + classes}]"
        return *texts, None, max(shape[1:])
    by_column = outputs[name] if is_first else outputs[name].transpose(0, 2, 1)  # [N, columns, D]
    if (class_count is None or width not in (4 + class_count, 5 + class_count)) and has_points(by_column):
        raise InputError(
            f"{graph.path}: expected a detector of boxes, got one of keypoints (a pose model), as columns of "
            f"{output_shapes_text(outputs)} show, which reach as far as the boxes behind a score. Export a detection "
            "model; else name the columns by --boxes and --scores."
        )
    is_turned = is_first and has_angle(by_column)
    if class_count is None:
        has_objectness = not is_first and _has_objectness(name, by_column, told)
    else:
        fitting = [axis for axis in (1, 2) if shape[axis] in (4 + class_count, 5 + class_count)]
        if not fitting:
            raise InputError(
                f"{graph.path}: expected 4 + {class_count} or 5 + {class_count} columns for {class_count} class "
                f"names, got {name} [N, {shape[1]}, {shape[2]}]. Other columns may be masks, keypoints or angles, "
                "which are not detections; else name the columns by --boxes and --scores."
            )
        axis = fitting[0] if len(fitting) == 1 else (1 if is_first else 2)
        is_first, width = axis == 1, shape[axis]
        has_objectness = width == 5 + class_count
        is_turned = is_turned and has_objectness
    if is_turned:
        raise InputError(
            f"{graph.path}: expected a detector of boxes, got one of turned boxes (an obb model), as the last column "
            f"of {output_shapes_text(outputs)} shows, which is no class. Export a detection model; else name the "
            "columns by --boxes and --scores."
        )
    if width <= 4 + has_objectness:
        raise _unrecognised(graph, {name: np.zeros(shape, np.float32)})
    box_count = shape[2] if is_first else shape[1]
    objectness = told.objectness or (f"{name}[4:5]" if has_objectness else None)
    return f"{name}[0:4]", f"{name}[{4 + has_objectness}:{width}]", objectness, box_count


def _has_objectness(name: str, values: Array, told: Told) -> bool:
    """Say whether the fifth of columns [N, columns, D] is one, where boxes come first and nobody names the classes."""
    width = int(values.shape[1])
    if width == 4 + COCO_CLASSES or told.objectness is not None or not is_quiet(values[:, 5:]):
        return width != 4 + COCO_CLASSES
    raise InputError(
        f"--names: expected a file of class names, whose count tells 4 + {width - 4} columns from 5 + {width - 5}, got "
        f"none; the fifth of {name} may be objectness or a class, as the others hold next to nothing nearly everywhere."
    )


def _bins_of(graph: ForeignGraph, shape: tuple[int, ...]) -> bool:
    """Say whether [N, D, columns] may be distributions of distances, in either order."""
    return min(shape[1:]) in [4 * count for count in USUAL_BINS] and bool(rows_by_scheme(graph, max(shape[1:])))


def _unrecognised(graph: ForeignGraph, outputs: Outputs) -> InputError:
    return InputError(
        f"{graph.path}: expected outputs that can be recognised, boxes [N, D, 4] beside scores [N, D, C] or both in "
        f"one, got {output_shapes_text(outputs)}. Name them by --boxes and --scores; --suggest lists candidates."
    )


def _layout_by_name(boxes: Columns, values: Array, guesses: list[str]) -> Layout | None:
    if _NAMELESS.match(boxes.output) and share_of_corners_in_order(values) >= WELL_FORMED:
        raise InputError(
            f"--layout: expected yxyx or xyxy, got nothing; {boxes.output} may be any of TensorFlow's. Boxes of its "
            "detection API and of TFLite have y first."
        )
    if not _Y_FIRST.search(boxes.output):
        return None
    guesses.append(f"--layout yxyx: {boxes.output} is TensorFlow's name, whose boxes have y first")
    return "yxyx"


def _layout(boxes: Columns, values: Array, guesses: list[str], *, is_whole: bool = True) -> Layout:
    if (named := _layout_by_name(boxes, values, guesses)) is not None:
        return named
    in_order, with_size = share_of_corners_in_order(values), share_of_sizes_above_0(values)
    # Beside scores in one output there are rather centres and sizes, unless every single pair of corners is in order.
    if in_order >= (WELL_FORMED if is_whole or with_size < WELL_FORMED else _ALL):
        guesses.append(
            f"--layout xyxy: {in_order:.1%} of the boxes have corners in order (yxyx looks alike; TensorFlow's is)"
        )
        return "xyxy"
    if with_size >= WELL_FORMED:
        guesses.append(
            f"--layout cxcywh: {with_size:.1%} of the boxes have sizes above 0, {in_order:.1%} corners in order"
        )
        return "cxcywh"
    raise InputError(
        f"--layout: expected boxes that can be recognised, got corners in order in {in_order:.0%} and sizes above 0 in "
        f"{with_size:.0%}. Boxes may be undecoded: see --decode, or export the graph with the decoding inside."
    )


def _normalised(values: Array, guesses: list[str]) -> bool:
    reach = float(np.quantile(np.abs(values), 0.99))
    normalised = reach <= FAR_OUTSIDE
    guesses.append(f"--normalised {'yes' if normalised else 'no'}: boxes reach to {reach:.4g}")
    return normalised


def _activation_of_detr(
    columns: Columns, outputs: Outputs, guesses: list[str], class_count: int | None
) -> Activation | None:
    """Tell DETR's softmax, where most queries find nothing and the last column says so, from a sigmoid."""
    values = columns.of(outputs)
    if values.min() >= -ROUNDING and values.max() <= 1 + ROUNDING:
        return None
    if class_count in (len(columns), len(columns) - 1):
        activation: Activation = "sigmoid" if class_count == len(columns) else "softmax"
        guesses.append(f"--activation {activation}: {len(columns)} columns for {class_count} names")
        return activation
    share = float((values.argmax(axis=2) == values.shape[2] - 1).mean())
    activation = "softmax" if share > 0.5 and values.shape[2] > 1 else "sigmoid"
    guesses.append(f"--activation {activation}: the last column is the greatest in {share:.0%} of the queries")
    return activation


def _activation(
    columns: Columns,
    outputs: Outputs,
    guesses: list[str],
    *,
    decoding: Decoding | None = None,
    class_count: int | None = None,
) -> Activation:
    values = columns.of(outputs)
    low, high = float(values.min()), float(values.max())
    if low >= -ROUNDING and high <= 1 + ROUNDING:
        guesses.append(f"--activation none: scores run from {low:.3g} to {high:.3g}")
        return "none"
    if decoding is None:
        raise InputError(
            f"--activation: expected sigmoid or softmax, got nothing; scores run from {low:.3g} to {high:.3g} and do "
            "not tell which. Softmax goes with a background class."
        )
    has_background = decoding.scheme in _WITH_SOFTMAX if class_count is None else class_count == len(columns) - 1
    activation: Activation = "softmax" if has_background and not (decoding.y_first or decoding.has_root) else "sigmoid"
    ground = "a column more than classes" if has_background else "undecoded heads have one"
    guesses.append(f"--activation {activation}: {ground}; scores run from {low:.3g} to {high:.3g}")
    return activation


def _background(
    columns: Columns,
    scores: Array,
    told: Told,
    guesses: list[str],
    decoding: Decoding | None,
    *,
    class_count: int | None,
) -> int | None:
    """Where scores of a box sum to 1, the background is among them; at one of the ends, and above the others."""
    if told.background == "none":
        return None
    if told.background is not None:
        return told.background
    if columns.output.removesuffix(":0").endswith("raw_detection_scores"):
        guesses.append(f"--background 0: {columns.output} is TensorFlow's name")
        return 0
    sums_to_1 = scores.shape[2] > 1 and bool((np.abs(scores.sum(axis=2) - 1) <= ROUNDING).all())
    if not sums_to_1:
        has_more = decoding is not None and class_count == len(columns) - 1
        ground = f"{len(columns)} columns for {class_count} names" if has_more else "scores of a box do not sum to 1"
        guesses.append(f"--background {0 if has_more else 'none'}: {ground}")
        return 0 if has_more else None
    means = scores.mean(axis=(0, 1))
    best = int(means.argmax())
    if decoding is not None and decoding.scheme in _WITH_SOFTMAX and best != len(means) - 1:
        guesses.append(f"--background 0: as {decoding.scheme} has it")
        return 0
    if best not in (0, len(means) - 1):
        raise InputError(
            f"--background: expected a column or none, got nothing; scores of a box sum to 1, but the greatest on "
            f"average is column {best}."
        )
    guesses.append(
        f"--background {best}: scores of a box sum to 1, and column {best} holds {means[best]:.0%} on average"
    )
    return best
