"""What is seen of an engine: its detections, held to the answers that they came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from singleshot.export.parity.raw_heads import HeadsOfFrame
from singleshot.export.parity.rows import rounding_of_rows
from singleshot.runtime.card import Postprocess
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.detection.postprocess import classifications_from_logits, detections_from_candidates
from singleshot.runtime.runners.contract import CLASS_LOGITS

POSTPROCESS = Postprocess(candidates=200, max_detections=50)
ROUNDING = 1e-4


def heads_of(seed: int, *, rounding: int | None = None) -> HeadsOfFrame:
    """Answers of 300 boxes, or the same rounded by the noise of a seed."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0.2, 0.8, (300, 2))
    offsets = rng.normal(0, 0.5, (300, 4))
    logits = rng.normal(0, 2, (300, 3))
    if rounding is not None:
        noise = np.random.default_rng(rounding)
        offsets, logits = (x + noise.normal(0, ROUNDING, x.shape) for x in (offsets, logits))
    return HeadsOfFrame(
        class_logits=logits.astype(np.float32),
        box_offsets=offsets.astype(np.float32),
        default_cxcywh=np.concatenate([centres, np.full((300, 2), 0.2)], axis=1).astype(np.float32),
    )


PARENT = [heads_of(seed) for seed in range(4)]
ROUNDED = [heads_of(seed, rounding=10 + seed) for seed in range(4)]


def rows_of(heads: HeadsOfFrame) -> Detections:
    candidates = heads.candidates(POSTPROCESS.variances)
    assert candidates is not None
    return detections_from_candidates(*candidates, POSTPROCESS)


OTHERS = [rows_of(heads_of(seed, rounding=20 + seed)) for seed in range(4)]


def test_another_rounding_is_rounding() -> None:
    verdict = rounding_of_rows(PARENT, OTHERS, PARENT, ROUNDED, POSTPROCESS)
    assert verdict is not None
    assert verdict.holds
    assert abs(verdict.bits) < 0.7


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        pytest.param(
            lambda x: replace(x, scores=x.scores * np.float32(0.995)), "score", id="scores half a percent low"
        ),
        pytest.param(
            lambda x: replace(x, boxes_xyxy=x.boxes_xyxy + np.array([0.002, 0, 0, 0], np.float32)),
            "left edge",
            id="an edge moved",
        ),
        pytest.param(lambda x: replace(x, class_ids=1 - x.class_ids), "right edge", id="classes swapped"),
        pytest.param(
            lambda x: replace(x, scores=np.full_like(x.scores, np.nan)), "score is infinite or no number and", id="NaN"
        ),
    ],
)
def test_what_rounding_does_not_explain(damage: Callable[[Any], Any], where: str) -> None:
    verdict = rounding_of_rows(PARENT, [damage(rows) for rows in OTHERS], PARENT, ROUNDED, POSTPROCESS)
    assert verdict is not None
    assert (verdict.holds, verdict.where) == (False, where)


def test_nothing_found_says_nothing() -> None:
    nothing = [rows.where(np.zeros(0, np.intp)) for rows in OTHERS]
    assert rounding_of_rows(PARENT, nothing, PARENT, ROUNDED, POSTPROCESS) is None


def test_a_type_that_cannot_hold_the_parent_is_no_level() -> None:
    broken = [replace(heads, class_logits=heads.class_logits + np.float32(np.inf)) for heads in ROUNDED]
    assert rounding_of_rows(PARENT, OTHERS, PARENT, broken, POSTPROCESS) is None


def test_default_boxes_that_are_not_known() -> None:
    parent, rounded = ([replace(heads, default_cxcywh=None) for heads in side] for side in (PARENT, ROUNDED))
    assert rounding_of_rows(parent, OTHERS, parent, rounded, POSTPROCESS) is None


@pytest.mark.parametrize(
    ("off", "holds"), [pytest.param(0.0, True, id="rounding"), pytest.param(0.3, False, id="more")]
)
def test_classes(off: float, holds: bool) -> None:
    def answers(noise: float) -> list[HeadsOfFrame]:
        logits = np.random.default_rng(0).normal(0, 2, (16, 1, 8))
        moved = logits + np.random.default_rng(int(1 / ROUNDING)).normal(0, noise or 1e-12, logits.shape)
        nothing = np.zeros((0, 4), np.float32)
        return [
            HeadsOfFrame(
                class_logits=item.astype(np.float32), box_offsets=nothing, default_cxcywh=None, names=(CLASS_LOGITS,)
            )
            for item in moved
        ]

    exact, rounded = answers(0), answers(0.01)
    raised = np.array([off] + [0] * 7, np.float32)
    found = [classifications_from_logits(item.class_logits + raised)[0] for item in answers(0.01)]
    verdict = rounding_of_rows(exact, found, exact, rounded, POSTPROCESS)
    assert verdict is not None
    assert verdict.holds is holds


@pytest.mark.parametrize(
    ("off", "holds"), [pytest.param(0.0, True, id="rounding"), pytest.param(0.02, False, id="more")]
)
def test_classes_whose_scores_are_bfloat16(off: float, holds: bool) -> None:
    """A softmax in bfloat16 rounds its scores, however little rounding moves the logits."""
    nothing = np.zeros((0, 4), np.float32)
    logits = np.random.default_rng(0).normal(0, 0.1, (16, 1, 8)).astype(np.float32)
    exact, rounded = (
        [
            HeadsOfFrame(class_logits=item, box_offsets=nothing, default_cxcywh=None, names=(CLASS_LOGITS,))
            for item in side
        ]
        for side in (logits, logits + np.float32(1e-5))
    )
    raised = np.array([off] + [0] * 7, np.float32)
    found = []
    for item in exact:
        (said,) = classifications_from_logits(item.class_logits + raised)
        nearest = (said.scores.view(np.uint32) + 0x8000) & 0xFFFF0000
        found.append(replace(said, scores=nearest.astype(np.uint32).view(np.float32)))
    verdict = rounding_of_rows(exact, found, exact, rounded, POSTPROCESS)
    assert verdict is not None
    assert verdict.holds is holds
