"""The proof that two runs of a classifier say the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...runtime.card import Measurement
from ...runtime.detection.classifications import Classification
from ...runtime.errors import CheckError
from .tolerances import FP32, Tolerances


@dataclass(frozen=True, kw_only=True)
class ClassificationParity:
    """How far two runs over the same frames are apart.

    Args:
        frames: frames compared.
        logits_difference: largest absolute difference of a class logit; 0 where they are not at hand.
        logits_compared: whether the logits of both sides were at hand.
        score_difference: largest absolute difference of a class's score, among classes that both sides name.
        agreeing: frames whose first class is the same on both sides.
        exempt: frames whose first classes differ and are a tie on the parent's side.
        tolerances: that these figures are held against.
    """

    frames: int
    logits_difference: float
    logits_compared: bool = True
    score_difference: float
    agreeing: int
    exempt: int
    tolerances: Tolerances = FP32

    @property
    def disagreeing(self) -> int:
        """Frames whose first classes differ without a tie."""
        return self.frames - self.agreeing - self.exempt

    @property
    def holds(self) -> bool:
        """Whether all is within tolerance."""
        allowed = self.tolerances
        return (
            self.frames > 0
            and (allowed.heads is None or self.logits_difference <= allowed.heads)
            and self.score_difference <= allowed.score
            and self.disagreeing <= allowed.unmatched_share * self.frames
        )

    def lines(self) -> list[str]:
        """Say the figures, each with its tolerance."""
        allowed = self.tolerances
        logits = f"{self.logits_difference:.2e} at most {allowed.said(allowed.heads)}"
        return [
            f"frames compared        {self.frames}",
            f"class logits differ by {logits if self.logits_compared else 'not at hand on both sides'}",
            f"scores differ by       {self.score_difference:.2e} at most {allowed.said(allowed.score)}",
            f"first class agrees     {self.agreeing}",
            f"exempt (tie within {allowed.tie:.0e}) {self.exempt}",
            f"first class differs    {self.disagreeing} (allowed {allowed.unmatched_share:.0%})",
        ]

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return {**asdict(self), "holds": self.holds}

    def measurements(self, *, data: str) -> tuple[Measurement, ...]:
        """Write for the card."""
        return (
            Measurement(
                metric="parity: class logits, largest absolute difference", value=self.logits_difference, data=data
            ),
            Measurement(
                metric="parity: frames with the same first class",
                value=self.agreeing,
                data=data,
                note=f"{self.exempt} exempt by a tie",
            ),
        )

    def check(self, name: str) -> None:
        """Raise unless all is within tolerance.

        Args:
            name: the artefact's, for the error.

        Raises:
            CheckError: it is not; the text holds the figures.
        """
        if not self.holds:
            figures = "; ".join(" ".join(line.split()) for line in self.lines())
            raise CheckError(f"{name}: expected the same classes as its parent, got: {figures}. Nothing was written.")


def compare_classifications(
    expected: list[Classification],
    found: list[Classification],
    *,
    logits_difference: float | None,
    tolerances: Tolerances = FP32,
) -> ClassificationParity:
    """Compare two runs frame by frame.

    Args:
        expected: by the parent.
        found: by the artefact.
        logits_difference: the largest, absolute; None where the logits are not at hand.
        tolerances: what may differ.
    """
    agreeing = exempt = 0
    score_difference = 0.0
    for ours, theirs in zip(expected, found, strict=True):
        by_class = dict(zip(theirs.class_ids.tolist(), theirs.scores.tolist(), strict=True))
        for class_id, score in zip(ours.class_ids.tolist(), ours.scores.tolist(), strict=True):
            if class_id in by_class:
                # numpy's maximum keeps a NaN, which Python's would drop.
                score_difference = float(np.maximum(score_difference, abs(score - by_class[class_id])))
        first = int(theirs.class_ids[0])
        if first == ours.class_ids[0]:
            agreeing += 1
        elif any(
            class_id == first and ours.scores[0] - score <= tolerances.tie
            for class_id, score in zip(ours.class_ids, ours.scores, strict=True)
        ):
            exempt += 1
    return ClassificationParity(
        frames=len(expected),
        logits_difference=logits_difference or 0.0,
        logits_compared=logits_difference is not None,
        score_difference=score_difference,
        agreeing=agreeing,
        exempt=exempt,
        tolerances=tolerances,
    )
