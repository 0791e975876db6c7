"""How far two runs over the same frames are apart, and whether that is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import isinf
from pathlib import Path
from typing import Any, Literal

from ...calib.records.bootstrap import Interval, wilson_interval
from ...runtime.card import Measurement
from ...runtime.errors import CheckError, NotFiniteError
from .rounding import RoundingVerdict
from .tail_check import TailCheck
from .tolerances import FP32, Tolerances

ROUNDING_CHANGES = 0.01
"""Share of detections that rounding may change in any precision where no labels say what that costs; a policy, not a
measurement. Held against the lower end of the interval: few detections prove nothing, either way."""


_KEEP_WHAT_OVERFLOWS = "`singleshot quantize --fp16 --data DIR` keeps in float32 what overflows."


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
        tolerances: what may differ where the answers of both networks are not at hand.
        rounding: how much less exact the second network is than rounding explains; None where that is not known.
        lineage: weights and operators of a converted graph that rounding does not explain, one line each.
        tail: the second's post-processing against the rule; None where it was not run by itself.
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
    rounding: RoundingVerdict | None = None
    lineage: tuple[str, ...] = ()
    tail: TailCheck | None = None

    @property
    def judged(self) -> int:
        """Matched and unmatched."""
        return self.matched + len(self.unmatched)

    @property
    def unmatched_share(self) -> float:
        """Unmatched among all that were judged."""
        return len(self.unmatched) / max(1, self.judged)

    @property
    def changed_interval(self) -> Interval:
        """Interval of the share of detections that changed, 95 % (Wilson), as few frames say little of many."""
        return wilson_interval(len(self.unmatched), self.judged)

    @property
    def holds(self) -> bool:
        """Whether the second says the same: see docs/parity.md."""
        return not self.faults

    @property
    def faults(self) -> tuple[str, ...]:
        """What speaks against it, a sentence each, with what would pass."""
        if self.rounding is None:
            if not self.judged:
                return ("nothing was found on either side, so nothing was compared",)
            return () if self._within_tolerances else (f"more than the tolerances allow: {self.changed_text}",)
        most = max(ROUNDING_CHANGES, self.tolerances.unmatched_share)
        cost = () if self.changed_interval.low <= most else (f"{self.changed_text}, {most:.0%} allowed",)
        return (*self.faults_beside_changes, *cost)

    @property
    def faults_beside_changes(self) -> tuple[str, ...]:
        """What speaks against it whatever the changed detections cost: that something beside rounding changed."""
        faults = []
        if self.rounding is not None and not self.rounding.holds:
            faults.append(f"no rounding explains the difference: {self.rounding.line()}")
        faults += [f"not what it was made of: {line}" for line in self.lineage]
        if self.tail is not None and not self.tail.holds:
            faults.append(f"post-processing differs from the rule: {self.tail.line()}")
        return tuple(faults)

    @property
    def changed_text(self) -> str:
        """Say how many changed, with the interval."""
        share = self.changed_interval
        of_all = f"{share.low:.1%} to {share.high:.1%} of all such"
        return f"{len(self.unmatched)} of {self.judged} {self.of} changed ({of_all})"

    @property
    def _within_tolerances(self) -> bool:
        allowed = self.tolerances
        differences = (
            (self.heads_difference, allowed.heads),
            (self.score_difference, allowed.score),
            (self.box_difference, allowed.box),
        )
        return (
            # A difference that is no number is not within.
            all(found is None or most is None or found <= most for found, most in differences)
            and self.changed_interval.low <= allowed.unmatched_share
        )

    def lines(self) -> list[str]:
        """Say the figures, each with what it is held against."""
        allowed = self.tolerances
        judges = self.rounding is None
        lines = [f"frames compared        {self.frames}"]
        if self.rounding is not None:
            lines.append(f"rounding               {self.rounding.line()}")
        if self.tail is not None:
            lines.append(f"post-processing        {self.tail.line()}")
        lines += [f"not its parent's       {line}" for line in self.lineage[:5]]
        lines += [
            f"raw heads differ by    {_said(self.heads_difference, allowed.heads, judges=judges)}",
            f"{self.of} matched".ljust(23) + str(self.matched),
            f"their scores differ by {_said(self.score_difference, allowed.score, judges=judges)}",
        ]
        if self.box_difference is not None:
            lines.append(f"their boxes differ by  {_said(self.box_difference, allowed.box, judges=judges)}")
        if self.least_iou is not None:
            lines.append(f"their least overlap    {self.least_iou:.4f} IoU")
        return [
            *lines,
            f"exempt (threshold, tie within {allowed.tie:.0e}) {self.exempt}",
            f"unmatched              {len(self.unmatched)}: {self.changed_text}",
            *self.unmatched[:5],
        ]

    def measurements(self, *, data: str, heads: str = "raw heads") -> tuple[Measurement, ...]:
        """Write for the card.

        Args:
            data: the frames, and what was held against what.
            heads: what the networks emit.
        """
        bits = None if self.rounding is None else self.rounding.bits
        figures: dict[str, float | None] = {
            "parity: bits less exact than rounding each tensor once": bits,
            f"parity: {self.of} matched one to one": self.matched,
            f"parity: {self.of} of one side alone": len(self.unmatched),
            "parity: score, largest difference of the matched": self.score_difference,
            "parity: least IoU of the matched": self.least_iou,
            f"parity: {heads}, largest absolute difference": self.heads_difference,
        }
        note = f"{self.exempt} exempt by a threshold or a tie; computed in {self.tolerances.precision}"
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
            empty = "" if self.judged else " Train longer, or name pictures of its objects."
            raise CheckError(
                f"{name}: expected the same {self.of} as its parent, got: {'; '.join(self.faults)}. Nothing was "
                f"written.{empty} All figures: {figures}."
            )

    def check_conversion(self, name: str, *, frames: str, labels_judge: bool, option: str = "") -> str:
        """Raise unless a conversion is proved; where labels judge what it costs, say that they do.

        Args:
            name: the converted artefact's, for the error.
            frames: what was compared, as `16 frames of dog.mp4`.
            labels_judge: labelled images say what changed detections cost, so these are no reason to refuse.
            option: of the command that names other frames, where there is one.

        Raises:
            CheckError: it is not; the text says what would pass.
        """
        if self.holds:
            return ""
        if labels_judge and self.rounding is not None and not self.faults_beside_changes:
            return f"{self.changed_text} on {frames}; what that costs is judged by --data"
        raise CheckError(
            f"{name}: expected the same {self.of} as its graph, got {'; '.join(self.faults)}. Measured on {frames}; "
            f"nothing was written. {self._remedy(option)}"
        )

    def _remedy(self, option: str) -> str:
        if self.rounding is not None and isinf(self.rounding.bits):
            return f"It does not fit. {_KEEP_WHAT_OVERFLOWS}"
        if self.faults_beside_changes:
            return (
                "No labels can overrule that, as it is no rounding; of int8, calibrate anew on pictures of its kind "
                "(`singleshot quantize --images`)."
            )
        frames = f"{option} names other pictures of its kind, and " if option else ""
        return f"{frames}--data DIR lets average precision on labelled images decide what rounding costs."


@contextmanager
def overflow_told(out: Path, frames: str) -> Iterator[None]:
    """Say of a float16 network that computes no numbers what keeps it from that.

    Args:
        out: the artefact's name, for the error.
        frames: what it was run on, as `16 frames of dog.mp4`.

    Raises:
        CheckError: it computed NaN or infinity.
    """
    try:
        yield
    except NotFiniteError as error:
        raise CheckError(
            f"{out}: expected scores and boxes, got NaN or infinity on {frames}: a value goes beyond 65504, float16's "
            f"largest. Nothing was written. {_KEEP_WHAT_OVERFLOWS}"
        ) from error


def _said(found: float | None, most: float | None, *, judges: bool) -> str:
    if found is None:
        return "not at hand on both sides"
    return f"{found:.2e} at most " + (
        f"(allowed {most:.0e})" if judges and most is not None else "(reported, not judged)"
    )
