"""How far two runs over the same frames are apart, and whether that is allowed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ...runtime.card import Measurement
from ...runtime.errors import CheckError
from .tolerances import FP32, Tolerances


@dataclass(frozen=True, kw_only=True)
class Parity:
    """What a comparison measured.

    Args:
        of: what was matched: detections, or of a classifier the first class of each frame.
        frames: frames compared.
        heads_difference: largest absolute difference of what the networks emit; None where it is not at hand.
        matched: detections found by both, one to one, of the same class; or frames whose first class is the same.
        score_difference: largest absolute difference of score among the matched, of a classifier among the classes that
            both sides name.
        box_difference: largest absolute difference of a corner among the matched, normalised; None of a classifier.
        least_iou: smallest overlap among the matched, boxes without area left out; None of a classifier.
        exempt: what one side alone says and a threshold or a tie explains.
        unmatched: what one side alone says and nothing explains, each in one line.
        tolerances: that these figures are held against.
    """

    of: Literal["detections", "first classes"] = "detections"
    frames: int
    heads_difference: float | None
    matched: int
    score_difference: float
    box_difference: float | None = None
    least_iou: float | None = None
    exempt: int
    unmatched: tuple[str, ...]
    tolerances: Tolerances = FP32

    @property
    def judged(self) -> int:
        """Matched and unmatched."""
        return self.matched + len(self.unmatched)

    @property
    def unmatched_share(self) -> float:
        """Unmatched among all that were judged."""
        return len(self.unmatched) / max(1, self.judged)

    @property
    def holds(self) -> bool:
        """Whether all is within tolerance, and there was something to compare."""
        allowed = self.tolerances
        differences = (
            (self.heads_difference, allowed.heads),
            (self.score_difference, allowed.score),
            (self.box_difference, allowed.box),
        )
        return (
            # A difference that is no number is not within.
            all(found is None or most is None or found <= most for found, most in differences)
            and self.matched > 0
            and self.unmatched_share <= allowed.unmatched_share
        )

    def lines(self) -> list[str]:
        """Say the figures, each with its tolerance."""
        allowed = self.tolerances
        share = (
            f" ({self.unmatched_share:.1%}, allowed {allowed.unmatched_share:.0%})" if allowed.unmatched_share else ""
        )
        lines = [
            f"frames compared        {self.frames}",
            f"raw heads differ by    {_said(self.heads_difference, allowed.heads)}",
            f"{self.of} matched".ljust(23) + str(self.matched),
            f"their scores differ by {_said(self.score_difference, allowed.score)}",
        ]
        if self.box_difference is not None:
            lines.append(f"their boxes differ by  {_said(self.box_difference, allowed.box)}")
        if self.least_iou is not None:
            lines.append(f"their least overlap    {self.least_iou:.4f} IoU")
        return [
            *lines,
            f"exempt (threshold, tie within {allowed.tie:.0e}) {self.exempt}",
            f"unmatched              {len(self.unmatched)}{share}",
            *self.unmatched[:5],
        ]

    def measurements(self, *, data: str, heads: str = "raw heads") -> tuple[Measurement, ...]:
        """Write for the card.

        Args:
            data: the frames, and what was held against what.
            heads: what the networks emit.
        """
        figures = {
            f"parity: {self.of} matched one to one": self.matched,
            f"parity: {self.of} of one side alone": len(self.unmatched),
            "parity: score, largest difference of the matched": self.score_difference,
            "parity: least IoU of the matched": self.least_iou,
            f"parity: {heads}, largest absolute difference": self.heads_difference,
        }
        note = f"{self.exempt} exempt by a threshold or a tie; tolerances of {self.tolerances.precision}"
        return tuple(
            Measurement(metric=metric, value=value, data=data, note=note)
            for metric, value in figures.items()
            if value is not None
        )

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
                f"{name}: expected the same {self.of} as its parent, got: {figures}. Nothing was written.{empty}"
            )


def _said(found: float | None, most: float | None) -> str:
    if found is None:
        return "not at hand on both sides"
    return f"{found:.2e} at most " + ("(reported, not judged)" if most is None else f"(allowed {most:.0e})")
