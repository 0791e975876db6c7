"""What a score threshold gives, and which threshold gives another artefact the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .records import Answers

_SCORES = tuple(tenth / 10 for tenth in range(1, 10))
"""The parent's thresholds that the candidate's are found for; between them the shift is interpolated."""
_LEAST_RIGHT = 30
"""Right answers at a threshold without which its precision is too uncertain to be kept."""


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


def moved_thresholds(parent: Answers, candidate: Answers) -> tuple[tuple[float, float], ...]:
    """Find the candidate's thresholds that keep the parent's precision and are nearest to its recall.

    Returns:
        Pairs of the parent's threshold and the candidate's, both ascending; none where there are too few right answers,
        or where no threshold has that precision. The same answers give the same thresholds.
    """
    found, least = [], 0.0
    for score in _SCORES:
        wanted = point_at(parent, score)
        own = _threshold_like(candidate, wanted) if wanted.recall * parent.wanted >= _LEAST_RIGHT else None
        if own is not None:
            least = max(least, own)
            found.append((score, round(least, 4)))
    return tuple(found)


def _threshold_like(answers: Answers, wanted: OperatingPoint) -> float | None:
    """Of the cuts of at least that precision take the nearest recall, and in it the threshold nearest to the wanted."""
    right, wrong = np.cumsum(answers.is_right), np.cumsum(answers.is_wrong)
    rows = np.flatnonzero(
        _is_last_of_its_score(answers) & (right >= wanted.precision * (right + wrong) - 1e-9) & (right > 0)
    )
    if not len(rows):
        return None
    apart = np.abs(right[rows] / max(1, answers.wanted) - wanted.recall)
    nearest = rows[apart <= apart.min() + 1e-9]
    row = nearest[int(np.abs(answers.scores[nearest] - wanted.threshold).argmin())]
    upper = float(answers.scores[row])
    lower = float(answers.scores[row + 1]) if row + 1 < len(answers.scores) else 0.0
    return wanted.threshold if lower < wanted.threshold <= upper else upper
