"""What viewers set while a run goes on: the least score and the classes to hide, for each camera."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..card import Card
from ..errors import InputError

_HIDDEN = np.float32(2)
"""No score reaches it."""

Thresholds = Mapping[str, Sequence[NDArray[np.float32]]]
"""[number of classes] float32 by camera, for each session."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What holds for a camera.

    Args:
        score: the least, for every class; none where the run's own hold, which may differ by class.
        hidden: classes that are left out.
    """

    score: float | None = None
    hidden: frozenset[str] = frozenset()


class Controls:
    """Keeps what was set and applies it; each method may be called from any thread.

    Args:
        card: of the best graph, whose classes all have.
        told: gives the thresholds that the run is told; asked at first and by `forget`.
        for_score: gives the thresholds of each session for one score.
        apply: hands thresholds to the pipeline.
    """

    def __init__(
        self,
        card: Card,
        *,
        told: Callable[[], Thresholds],
        for_score: Callable[[float], Sequence[NDArray[np.float32]]],
        apply: Callable[[Thresholds], None],
    ) -> None:
        self.class_names = card.class_names
        self.floor = card.postprocess.score_floor if card.task == "detector" else 0.0
        self._ask_told = told
        self._told = told()
        self._for_score = for_score
        self._apply = apply
        self._lock = threading.Lock()
        self._set: dict[str, Scores] = {}

    def scores(self, camera: str) -> Scores:
        """Return what was set for a camera."""
        return self._set.get(camera, Scores())

    def shown_score(self, camera: str) -> float:
        """Return the least score of most classes."""
        score = self.scores(camera).score
        if score is not None:
            return score
        values, counts = np.unique(self._told[camera][0], return_counts=True)
        return float(values[np.argmax(counts)])

    def set_scores(self, camera: str, score: float | None, hidden: Collection[str]) -> None:
        """Take the least score and the hidden classes of a camera from its next frame on.

        Raises:
            InputError: there is no such camera, class or score.
        """
        check_camera(camera, self._told)
        if unknown := set(hidden) - set(self.class_names):
            raise InputError(f"hidden: expected classes of this model, got {min(unknown)!r}.")
        if score is not None and not self.floor <= score <= 1:
            raise InputError(f"score: expected a number from {self.floor:g} to 1, got {score:g}.")
        with self._lock:
            self._set[camera] = Scores(score=score, hidden=frozenset(hidden))
            self._apply_all()

    def forget(self) -> None:
        """Go back to what the run is told now."""
        with self._lock:
            self._told = self._ask_told()
            self._set.clear()
            self._apply_all()

    def _apply_all(self) -> None:
        self._apply({name: self._thresholds(told, self.scores(name)) for name, told in self._told.items()})

    def _thresholds(self, told: Sequence[NDArray[np.float32]], scores: Scores) -> list[NDArray[np.float32]]:
        hides = np.array([name in scores.hidden for name in self.class_names])
        shown = told if scores.score is None else self._for_score(scores.score)
        return [np.where(hides, _HIDDEN, of_session) for of_session in shown]


def check_camera(name: str, names: Collection[str]) -> None:
    """Refuse a camera that the run does not have.

    Raises:
        InputError: it has none of this name.
    """
    if name not in names:
        raise InputError(f"camera: expected one of this run, got {name!r}.")
