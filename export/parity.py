"""The proof that an exported graph says what its network says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.boxes import iou_matrix
from ..runtime.card import Postprocess
from ..runtime.detections import Detections
from ..runtime.errors import CheckError

HEADS_TOLERANCE = 1e-4
"""Largest absolute difference of a raw head: both sides compute in float32, in another order."""
SCORE_TOLERANCE = 1e-4
"""Of a matched detection. The softmax does not enlarge differences of its logits."""
BOX_TOLERANCE = 1e-4
"""Of a matched detection's corners, normalised. Offsets are multiplied by a variance of at most 1 and a box side."""
TIE = 1e-3
"""Scores or overlaps this close to each other or to a threshold may fall either way by rounding alone."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How far two runs over the same frames are apart.

    Args:
        frames: frames compared.
        heads_difference: largest absolute difference of class logits and box offsets.
        matched: detections found by both, one to one, of the same class.
        score_difference: largest absolute difference of score among the matched.
        box_difference: largest absolute difference of a corner among the matched, normalised.
        exempt: detections of one side alone that a threshold or a tie within `TIE` explains.
        unmatched: detections of one side alone that nothing explains, each in one line.
    """

    frames: int
    heads_difference: float
    matched: int
    score_difference: float
    box_difference: float
    exempt: int
    unmatched: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether all is within tolerance, and at least one detection was there to compare."""
        return (
            self.heads_difference <= HEADS_TOLERANCE
            and self.score_difference <= SCORE_TOLERANCE
            and self.box_difference <= BOX_TOLERANCE
            and self.matched > 0
            and not self.unmatched
        )

    def lines(self) -> list[str]:
        """Say the figures, each with its tolerance."""
        return [
            f"frames compared        {self.frames}",
            f"raw heads differ by    {self.heads_difference:.2e} at most (allowed {HEADS_TOLERANCE:.0e})",
            f"detections matched     {self.matched}",
            f"their scores differ by {self.score_difference:.2e} at most (allowed {SCORE_TOLERANCE:.0e})",
            f"their boxes differ by  {self.box_difference:.2e} at most (allowed {BOX_TOLERANCE:.0e})",
            f"exempt (threshold, tie within {TIE:.0e}) {self.exempt}",
            f"unmatched              {len(self.unmatched)}",
            *self.unmatched[:5],
        ]

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return {**asdict(self), "holds": self.holds}

    def check(self, name: str) -> None:
        """Raise unless all is within tolerance.

        Args:
            name: the artefact's, for the error.

        Raises:
            CheckError: it is not; the text holds the figures.
        """
        if not self.holds:
            figures = "; ".join(" ".join(line.split()) for line in self.lines())
            empty = "" if self.matched else " Train longer, or name a folder with its objects by --images."
            raise CheckError(
                f"{name}: expected the same detections as its parent, got: {figures}. Nothing was written.{empty}"
            )


@dataclass(frozen=True, kw_only=True)
class FramePair:
    """One frame's detections by both sides, and what explains a difference between them.

    Args:
        expected: by the parent.
        found: by the artefact.
        scores: [D, C - 1] float32, the parent's before suppression, background dropped.
        boxes_xyxy: [D, 4] float32, the parent's, decoded and clipped.
    """

    expected: Detections
    found: Detections
    scores: NDArray[np.float32]
    boxes_xyxy: NDArray[np.float32]


def compare_detections(pairs: list[FramePair], postprocess: Postprocess, *, heads_difference: float) -> Parity:
    """Match the detections of two runs one to one and judge what is left over.

    Args:
        pairs: one per frame.
        postprocess: of both sides.
        heads_difference: measured on the raw heads of the same frames.
    """
    matched = exempt = 0
    score_difference = box_difference = 0.0
    unmatched: list[str] = []
    for number, pair in enumerate(pairs):
        left, right = _matches(pair.expected, pair.found)
        matched += len(left)
        if len(left):
            scores = np.abs(pair.expected.scores[left] - pair.found.scores[right])
            boxes = np.abs(pair.expected.boxes_xyxy[left] - pair.found.boxes_xyxy[right])
            score_difference = max(score_difference, float(scores.max()))
            box_difference = max(box_difference, float(boxes.max()))
        for side, detections, used in (("parent", pair.expected, left), ("artefact", pair.found, right)):
            alone = detections.where(np.setdiff1d(np.arange(len(detections)), used))
            is_exempt = _exempt(alone, pair, postprocess)
            exempt += int(is_exempt.sum())
            unmatched += [
                f"frame {number}, by the {side} alone: class {alone.class_ids[row]}, score {alone.scores[row]:.4f}"
                for row in np.flatnonzero(~is_exempt)
            ]
    return Parity(
        frames=len(pairs),
        heads_difference=heads_difference,
        matched=matched,
        score_difference=score_difference,
        box_difference=box_difference,
        exempt=exempt,
        unmatched=tuple(unmatched),
    )


def _matches(first: Detections, second: Detections) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pair rows of the same class whose boxes and scores are closest, each row once, if within `TIE`."""
    apart = np.abs(first.boxes_xyxy[:, None] - second.boxes_xyxy[None]).max(axis=2, initial=0)  # [n, m]
    apart = np.maximum(apart, np.abs(first.scores[:, None] - second.scores[None]))
    apart[first.class_ids[:, None] != second.class_ids[None]] = np.inf
    rows, columns = [], []
    for flat in np.argsort(apart, axis=None, kind="stable"):
        row, column = np.unravel_index(flat, apart.shape)
        if apart[row, column] > TIE:
            break
        if row not in rows and column not in columns:
            rows.append(row)
            columns.append(column)
    return np.array(rows, np.intp), np.array(columns, np.intp)


def _exempt(alone: Detections, pair: FramePair, postprocess: Postprocess) -> NDArray[np.bool_]:
    """Mark those of [n] detections whose presence hangs on a threshold or a tie."""
    limits = [postprocess.score_floor]
    if len(pair.expected) == postprocess.max_detections:
        limits.append(float(pair.expected.scores[-1]))
    flat = np.sort(pair.scores, axis=None)
    if len(flat) > postprocess.candidates:
        limits.append(float(flat[-postprocess.candidates]))
    exempt: NDArray[np.bool_] = (np.abs(alone.scores[:, None] - np.array(limits, np.float32)) <= TIE).any(axis=1)
    iou = iou_matrix(alone.boxes_xyxy, pair.boxes_xyxy)  # [n, D]
    scores = pair.scores[:, alone.class_ids].T  # [n, D]
    at_threshold = (np.abs(iou - postprocess.iou_threshold) <= TIE) & (scores >= alone.scores[:, None] - TIE)
    # A rival of the same score within rounding, other than the detection's own default box.
    is_rival = (iou > postprocess.iou_threshold - TIE) & (np.abs(scores - alone.scores[:, None]) <= TIE)
    tied = is_rival.sum(axis=1) > 1
    exempt = exempt | at_threshold.any(axis=1) | tied
    # What an exempt detection suppresses, or sets free, is explained with it.
    iou_alone = iou_matrix(alone.boxes_xyxy, alone.boxes_xyxy) > postprocess.iou_threshold - TIE
    near = iou_alone & (alone.class_ids[:, None] == alone.class_ids[None])
    for _ in range(len(alone)):
        exempt = exempt | (near & exempt[None]).any(axis=1)
    return exempt
