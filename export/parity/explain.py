"""What explains the difference between two artefacts: rounding, or a weight, a tail, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from ...runtime.files import sha256_of_file
from ...runtime.precision import Precision
from ...runtime.runners.contract import CLASS_LOGITS
from ..graphs.network_part import answers_of, cut_at
from .artefact import Artefact
from .level import LEVEL_FRAMES, rounding_level
from .lineage import Lineage, lineage_of
from .raw_heads import HeadsOfFrame
from .rounding import RoundingVerdict, rounding_verdict
from .tail_check import TailCheck, check_tail

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
    heads: Sequence[tuple[HeadsOfFrame, HeadsOfFrame]],
) -> Explanation:
    """Hold the second's answers against the first's.

    Args:
        first: held to be right.
        second: of the same contract.
        frames: each [1, H, W, 3] uint8 BGR, fitted to the input.
        heads: what both networks answered on these frames; empty where one side does not say.
    """
    if not heads:
        return Explanation()
    heads, frames = heads[:LEVEL_FRAMES], frames[:LEVEL_FRAMES]
    names = heads[0][1].names
    expected, found = (_stacked([pair[side] for pair in heads]) for side in (0, 1))
    models = _models(first, second)
    networks = {side: cut_at(model, names) for side, model in models.items() if answers_of(model) == names}
    coarser = max(first.precision, second.precision, key=list(Precision).index)
    level = rounding_level(networks.get("first"), networks.get("second"), coarser, frames)
    if level is None:
        return Explanation()
    verdict = rounding_verdict(expected, found, level.exact, level.rounded, names)
    is_converted = first.precision == Precision.FP32 != second.precision and len(models) == len(("first", "second"))
    lineage = lineage_of(models["first"], models["second"]) if is_converted else Lineage(structure=(), weights=())
    # Two that are built differently cannot be told apart weight by weight, unless one says it was made of the other.
    is_held = not lineage.structure or second.card.origin.parent_sha256 == sha256_of_file(first.path)
    tail = None
    if second.kind == "graph" and "second" in models and all(np.isfinite(values).all() for values in found):
        tail = check_tail(
            models["second"], second.card, found, parent=first.card, default_cxcywh=heads[0][0].default_cxcywh
        )
    return Explanation(
        rounding=verdict,
        lineage=lineage.differences if is_held else (),
        tail=tail,
    )


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
