"""What a score threshold gives, and which threshold gives another artefact the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .records import Answers

_SCORES = tuple(tenth / 10 for tenth in range(1, 10))
"""The parent's thresholds that the candidate's are found for; between them the shift is interpolated."""
_DEVIATIONS = 2.77
"""Of a normal variable: beyond these lies 5 % / 9, as there are nine thresholds."""
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


def scores_that_moved(parent: NDArray[np.float64], candidate: NDArray[np.float64]) -> tuple[float, ...]:
    """Name those of the parent's thresholds at which more objects leave than come, or the other way round, than chance.

    Args:
        parent: [objects] scores with which it found each; below all thresholds where it did not.
        candidate: likewise of the same objects.

    Source: McNemar 1947; 95 % for all thresholds together (Bonferroni).
    """
    found = []
    for score in _SCORES:
        left = int(((parent >= score) & (candidate < score)).sum())
        came = int(((candidate >= score) & (parent < score)).sum())
        if abs(left - came) > _DEVIATIONS * np.sqrt(left + came):
            found.append(score)
    return tuple(found)


def moved_thresholds(
    parent: Answers, candidate: Answers, at: Collection[float] = _SCORES
) -> tuple[tuple[float, float], ...]:
    """Find the candidate's thresholds that report as many answers as the parent's do.

    Both are asked about the same images, so the count moves with the scores alone. Precision, which is to be kept, is
    too noisy to be searched for: on other images a threshold of the same precision on some hundred is further from it
    than the one that was not moved at all (docs/quantization.md).

    Args:
        parent: answers to some images.
        candidate: to the same images.
        at: of the parent's thresholds those that move; the others stay as they are.

    Returns:
        Pairs of the parent's threshold and the candidate's, both ascending; none where too few are right. The same
        answers give the same thresholds.
    """
    found, least = [], 0.0
    for score in _SCORES:
        if point_at(parent, score).recall * parent.wanted >= _LEAST_RIGHT:
            own = _threshold_of(candidate, _reported(parent, score), score) if score in at else score
            least = max(least, own)
            found.append((score, round(least, 4)))
    return tuple(found)


def _reported(answers: Answers, threshold: float) -> int:
    """Count the answers at a threshold, those left out that are neither right nor wrong."""
    count = int(np.searchsorted(-answers.scores, -threshold, side="right"))
    return int((answers.is_right | answers.is_wrong)[:count].sum())


def _threshold_of(answers: Answers, count: int, wanted: float) -> float:
    """Cut after as nearly so many answers as can be, as near to the wanted threshold as that allows."""
    reported = np.cumsum(answers.is_right | answers.is_wrong)
    rows = np.flatnonzero(_is_last_of_its_score(answers))
    if not len(rows):
        return wanted
    apart = np.abs(reported[rows] - count)
    rows = rows[apart == apart.min()]
    upper = answers.scores[rows].astype(np.float64)
    lower = np.append(answers.scores, 0.0)[rows + 1]
    thresholds = np.where(wanted > upper, upper, np.where(wanted <= lower, (lower + upper) / 2, wanted))
    return float(thresholds[int(np.abs(thresholds - wanted).argmin())])
