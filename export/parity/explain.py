"""What explains the difference between two artefacts: rounding, or a weight, a tail, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray

from ...runtime.card import Card
from ...runtime.detection.detections import Detections
from ...runtime.detection.disagreement import Answer
from ...runtime.precision import Precision
from ...runtime.runners.contract import CLASS_LOGITS
from ...runtime.uncertified import is_made_of
from ..graphs.network_part import answers_of, cut_at
from .artefact import Artefact
from .level import LEVEL_FRAMES, rounding_level
from .lineage import Lineage, lineage_of
from .raw_heads import HeadsOfFrame
from .rounding import RoundingVerdict, rounding_verdict
from .rows import rounding_of_rows
from .tail_check import TailCheck, check_rows, check_tail

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What was found.

    Args:
        rounding: None where a network is not at hand on one side.
        lineage: what of a converted graph rounding does not explain.
        tail: None where the second has none that can be run by itself.
    """

    rounding: RoundingVerdict | None = None
    lineage: tuple[str, ...] = ()
    tail: TailCheck | None = None


def explain(
    first: Artefact,
    second: Artefact,
    frames: Sequence[NDArray[np.uint8]],
    answers: Sequence[tuple[HeadsOfFrame | None, tuple[Answer, HeadsOfFrame | None]]],
) -> Explanation:
    """Hold the second's answers against the first's.

    Args:
        first: held to be right.
        second: of the same contract.
        frames: each [1, H, W, 3] uint8 BGR, fitted to the input.
        answers: what the first's network answered on these frames, and what the second said and its network answered;
            none of a network that is not at hand.
    """
    most = LEVEL_FRAMES[first.card.task]
    frames, answers = frames[:most], answers[:most]
    ours = [heads for heads, _ in answers if heads is not None]
    theirs = [heads for _, (_, heads) in answers if heads is not None]
    if not ours:
        return Explanation()
    names = ours[0].names
    models = _models(first, second)
    networks = {side: cut_at(model, names) for side, model in models.items() if answers_of(model) == names}
    coarser = max(first.precision, second.precision, key=list(Precision).index)
    level = rounding_level(networks.get("first"), networks.get("second"), coarser, frames)
    if level is None:
        return Explanation()
    if theirs:
        verdict: RoundingVerdict | None = rounding_verdict(
            _stacked(ours), _stacked(theirs), level.exact, level.rounded, names
        )
    else:
        exact, rounded = (_by_frame(item, like=ours[0]) for item in (level.exact, level.rounded))
        verdict = rounding_of_rows(ours, [said for _, (said, _) in answers], exact, rounded, first.card.postprocess)
    is_converted = first.precision == Precision.FP32 != second.precision and len(models) == len(("first", "second"))
    lineage = lineage_of(models["first"], models["second"]) if is_converted else Lineage(structure=(), weights=())
    # Two that are built differently cannot be told apart weight by weight, unless one says it was made of the other.
    is_held = not lineage.structure or is_made_of(second.card.origin, first.path)
    return Explanation(
        rounding=verdict,
        lineage=lineage.differences if is_held else (),
        tail=_tail_of(second, models.get("second"), theirs, first.card, ours[0].default_cxcywh)
        if theirs
        else check_rows([said for _, (said, _) in answers if isinstance(said, Detections)], first.card),
    )


def _tail_of(
    second: Artefact,
    model: onnx.ModelProto | None,
    heads: Sequence[HeadsOfFrame],
    parent: Card,
    default_cxcywh: Array | None,
) -> TailCheck | None:
    """Run the second's tail by itself, where it is a graph with one and there are numbers to give it."""
    if model is None or second.kind != "graph":
        return None
    found = _stacked(heads)
    if not all(np.isfinite(values).all() for values in found):
        return None
    return check_tail(model, second.card, found, parent=parent, default_cxcywh=default_cxcywh)


def _models(first: Artefact, second: Artefact) -> dict[str, onnx.ModelProto]:
    """Read both graphs; a checkpoint is traced only where the other side is no float32 graph of its network."""
    models = {}
    for side, artefact, other in (("first", first, second), ("second", second, first)):
        is_spared = artefact.is_checkpoint and other.kind == "graph" and other.precision == Precision.FP32
        if artefact.model is not None and not is_spared:
            models[side] = artefact.model()
    return models


def _stacked(heads: Sequence[HeadsOfFrame]) -> list[Array]:
    """Give each answer of all frames as a network gives it for a batch: [frames, ...] float32."""
    answers = [np.stack(values) for values in zip(*(item.values for item in heads), strict=True)]
    return [values[:, 0] for values in answers] if heads[0].names == (CLASS_LOGITS,) else answers


def _by_frame(answers: Sequence[Array], *, like: HeadsOfFrame) -> list[HeadsOfFrame]:
    """Undo `_stacked`."""
    if like.names == (CLASS_LOGITS,):
        return [replace(like, class_logits=logits[None]) for logits in answers[0]]
    return [replace(like, class_logits=logits, box_offsets=offsets) for logits, offsets in zip(*answers, strict=True)]
