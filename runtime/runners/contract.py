"""The graph contract: which tensors an artefact has to have, and what their values mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..card import Card, InputSpec, Task
from ..detection.classifications import TOP, Classification
from ..detection.detections import Detections
from ..detection.postprocess import greedy_survivors
from ..errors import InputError, NotFiniteError

FRAMES = "frames"
"""The input of every graph."""
NUM_DETS, DET_BOXES, DET_SCORES, DET_CLASSES = DETECTOR_OUTPUTS = ("num_dets", "det_boxes", "det_scores", "det_classes")
TOP_SCORES, TOP_CLASSES = CLASSIFIER_OUTPUTS = ("top_scores", "top_classes")
EXACT = "exact"
"""Further output of the `cluster` tail: 0 where suppression has to be finished on the host."""
CLASS_LOGITS, BOX_OFFSETS = HEADS = ("class_logits", "box_offsets")
"""Inside a graph, what the network emits; a classifier has the logits alone."""
EXPORT_AGAIN = "Export it again with `singleshot export`."


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """An input or output of a graph.

    Args:
        dtype: in numpy's words, for example `uint8`.
        shape: None where a dimension is free.
    """

    dtype: str
    shape: tuple[int | None, ...]


Tensors = Mapping[str, TensorSpec]


def contract_inputs(card: Card) -> dict[str, TensorSpec]:
    """Return the inputs that a card promises; a free first dimension is the batch."""
    return {FRAMES: TensorSpec(dtype="uint8", shape=(None, card.input.height, card.input.width, 3))}


def contract_outputs(card: Card) -> dict[str, TensorSpec]:
    """Return the outputs that a card promises; a free first dimension is the batch."""
    if card.task == "classifier":
        top = min(TOP, len(card.class_names))
        return {
            TOP_SCORES: TensorSpec(dtype="float32", shape=(None, top)),
            TOP_CLASSES: TensorSpec(dtype="int32", shape=(None, top)),
        }
    rows = card.postprocess.max_detections
    outputs = {
        NUM_DETS: TensorSpec(dtype="int32", shape=(None, 1)),
        DET_BOXES: TensorSpec(dtype="float32", shape=(None, rows, 4)),
        DET_SCORES: TensorSpec(dtype="float32", shape=(None, rows)),
        DET_CLASSES: TensorSpec(dtype="int32", shape=(None, rows)),
    }
    if card.postprocess.tail == "cluster":
        outputs[EXACT] = TensorSpec(dtype="int32", shape=(None, 1))
    return outputs


def check_contract(card: Card, inputs: Tensors, outputs: Tensors, *, source: str, mend: str = EXPORT_AGAIN) -> None:
    """Compare an artefact's inputs and outputs with what its card promises: names, then types, then shapes.

    Args:
        card: the artefact's, which promises them.
        inputs: what the artefact takes, by name.
        outputs: what it gives, by name.
        source: the artefact's name, for the error.
        mend: what to do about it, for the error.

    Raises:
        InputError: they differ. The first dimension is the batch and may be anything.
    """
    for kind, got, wanted in (
        ("inputs", inputs, contract_inputs(card)),
        ("outputs", outputs, contract_outputs(card)),
    ):
        if set(got) != set(wanted):
            raise InputError(
                f"{source}: expected the {kind} {', '.join(wanted)}, got {', '.join(got) or 'none'}. {mend}"
            )
        for name, spec in wanted.items():
            found = got[name]
            if found.dtype != spec.dtype or found.shape[1:] != spec.shape[1:] or len(found.shape) != len(spec.shape):
                raise InputError(
                    f"{source}: expected {name} {spec.dtype} {_shape_text(spec.shape)}, "
                    f"got {found.dtype} {_shape_text(found.shape)}. {mend}"
                )


def detections_from_outputs(card: Card, outputs: Outputs, *, source: str, mend: str = EXPORT_AGAIN) -> list[Detections]:
    """Read a detector's outputs, one value per frame, boxes normalised to the input.

    Where the `cluster` tail did not come to an end, suppression is finished here: its rows hold the greedy answer and
    more. Were they cut at M, its last rows may be missing.

    Raises:
        InputError: a value lies outside the contract.
    """
    is_cluster = card.postprocess.tail == "cluster"
    found = []
    for row, count in enumerate(outputs[NUM_DETS][:, 0].tolist()):
        rows = Detections(
            boxes_xyxy=outputs[DET_BOXES][row, :count],
            scores=outputs[DET_SCORES][row, :count],
            class_ids=outputs[DET_CLASSES][row, :count],
        )
        if len(rows) != count:
            raise InputError(f"{source}: expected num_dets within its {len(rows)} rows, got {count}. {mend}")
        if not np.isfinite(rows.boxes_xyxy).all():
            raise NotFiniteError(f"{source}: expected finite boxes and scores, got NaN or infinity. {mend}")
        _check_named("boxes and scores", card, rows.scores, rows.class_ids, source=source, mend=mend)
        if is_cluster and not outputs[EXACT][row, 0]:
            rows = greedy_survivors(rows, card.postprocess)
        found.append(rows)
    return found


def classifications_from_outputs(
    card: Card, outputs: Outputs, *, source: str, mend: str = EXPORT_AGAIN
) -> list[Classification]:
    """Read a classifier's outputs, one value per frame.

    Raises:
        InputError: a value lies outside the contract.
    """
    found = []
    for scores, class_ids in zip(outputs[TOP_SCORES], outputs[TOP_CLASSES], strict=True):
        _check_named("scores", card, scores, class_ids, source=source, mend=mend)
        found.append(Classification(scores=scores, class_ids=class_ids))
    return found


def _check_named(
    what: str, card: Card, scores: NDArray[Any], class_ids: NDArray[Any], *, source: str, mend: str
) -> None:
    """Refuse what would otherwise surface as an index error or as results that silently vanish."""
    classes = len(card.class_names)
    if not np.isfinite(scores).all():
        raise NotFiniteError(f"{source}: expected finite {what}, got NaN or infinity. {mend}")
    if len(class_ids) and not 0 <= class_ids.min() <= class_ids.max() < classes:
        raise InputError(
            f"{source}: expected class ids 0 to {classes - 1} as in the card, "
            f"got {class_ids.min()} to {class_ids.max()}. {mend}"
        )


def _shape_text(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join('N' if size is None else str(size) for size in shape)}]"


Outputs = Mapping[str, NDArray[Any]]
"""A graph's outputs by name; their dtypes and shapes are those of the contract."""


def check_task(card: Card, task: Task, *, source: str) -> None:
    """Refuse an artefact of another task.

    Raises:
        InputError: the card says that it is another.
    """
    if card.task != task:
        raise InputError(f"{source}: expected a {task}, got a {card.task}. Give one that was trained as a {task}.")


def check_frames(frames: NDArray[np.uint8], spec: InputSpec, *, batch: int | None = None) -> None:
    """Refuse frames that are not what the card says.

    Args:
        frames: what a session was given.
        spec: the card's input.
        batch: N where it is fixed.

    Raises:
        InputError: dtype or shape is another than [N, H, W, 3] uint8 of the card's height and width, or N is 0.
    """
    fits = (
        frames.ndim == 4 and frames.shape[1:] == (spec.height, spec.width, 3) and len(frames) == (batch or len(frames))
    )
    if frames.dtype != np.uint8 or not fits or not len(frames):
        raise InputError(
            f"frames: expected uint8 [{batch or 'N'}, {spec.height}, {spec.width}, 3], "
            f"got {frames.dtype} {list(frames.shape)}. "
            f"`singleshot.detect` and `singleshot.classify` fit a frame of any size."
        )
