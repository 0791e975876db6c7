"""What a score threshold gives, and which threshold gives another artefact the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .records import Answers


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """What is reported at a score threshold.

    Args:
        threshold: the least score that is reported.
        precision: share of the reported that is right; 1 where nothing is reported.
        recall: share of what there was to find that is reported.
    """

    threshold: float
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def point_at(answers: Answers, threshold: float) -> OperatingPoint:
    """Measure at one threshold."""
    count = int(np.searchsorted(-answers.scores, -threshold, side="right"))
    right, wrong = int(answers.is_right[:count].sum()), int(answers.is_wrong[:count].sum())
    return OperatingPoint(
        threshold=threshold,
        precision=right / (right + wrong) if right + wrong else 1.0,
        recall=right / max(1, answers.wanted),
    )


def best_f1(answers: Answers) -> OperatingPoint | None:
    """Find the threshold of the greatest F1, of several the highest; None if nothing is right."""
    right, wrong = np.cumsum(answers.is_right), np.cumsum(answers.is_wrong)
    if not answers.is_right.any():
        return None
    f1 = 2 * right / np.maximum(right + wrong + answers.wanted, 1)
    f1[~_is_last_of_its_score(answers)] = 0
    return point_at(answers, float(answers.scores[int(f1.argmax())]))


def point_of_precision(answers: Answers, precision: float) -> OperatingPoint | None:
    """Find the lowest threshold whose precision is at least that much; None if there is none."""
    right, wrong = np.cumsum(answers.is_right), np.cumsum(answers.is_wrong)
    rows = np.flatnonzero(_is_last_of_its_score(answers) & (right >= precision * (right + wrong)) & (right > 0))
    return point_at(answers, float(answers.scores[rows[-1]])) if len(rows) else None


def _is_last_of_its_score(answers: Answers) -> NDArray[np.bool_]:
    """Mark the rows that a threshold can end at: it takes all answers of a score."""
    return np.append(answers.scores[1:] != answers.scores[:-1], True)[: len(answers.scores)]


@dataclass(frozen=True, kw_only=True)
class Rederived:
    """A score threshold of the parent, and the one that gives the candidate the same precision.

    Args:
        parent: the parent at its threshold.
        unchanged: the candidate at the same threshold.
        rederived: the candidate at its own; None where no threshold reaches that precision.
    """

    parent: OperatingPoint
    unchanged: OperatingPoint
    rederived: OperatingPoint | None


def rederive(threshold: float, *, chosen_by: tuple[Answers, Answers], judged_by: tuple[Answers, Answers]) -> Rederived:
    """Find the candidate's threshold on one set of images and say what it gives on another.

    Args:
        threshold: the parent's.
        chosen_by: answers of parent and candidate to the images that the threshold is found on.
        judged_by: likewise to those that the figures come from.
    """
    wanted = point_of_precision(chosen_by[1], point_at(chosen_by[0], threshold).precision)
    return Rederived(
        parent=point_at(judged_by[0], threshold),
        unchanged=point_at(judged_by[1], threshold),
        rederived=None if wanted is None else point_at(judged_by[1], wanted.threshold),
    )
