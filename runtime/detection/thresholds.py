"""The least score to keep, for all classes or one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..card import Card
from ..errors import InputError

DEFAULT_SCORE = 0.5
_SHOWN = 0.005
"""A threshold that moved by less is not worth a word."""


def thresholds_from_options(options: Sequence[str], card: Card) -> NDArray[np.float32]:
    """Turn score options into one threshold per class.

    Args:
        options: `0.4` for all classes, `dog=0.4` for one class; of several for the same the last counts, and a class's
            own goes before the one for all. None given means 0.5. What is for all is a score of the float graph: where
            the card says that scores moved since, thresholds move with them. A class's own is taken as it is.
        card: names the classes and the floor below which the graph finds nothing.

    Returns:
        [number of classes] float32.

    A classifier's classes are ranked among themselves, so without an option all of its top ones are kept.

    Raises:
        InputError: no number from the floor to 1, or no such class.
    """
    is_detector = card.task == "detector"
    floor = card.postprocess.score_floor if is_detector else 0.0
    for_all = max(DEFAULT_SCORE, floor) if is_detector else 0.0
    for_class: dict[int, float] = {}
    for option in options:
        name, separator, value = option.rpartition("=")
        score = _score(option, value, floor)
        if separator:
            for_class[card.class_id(name)] = score
        else:
            for_all = score
    meant = [moved_score(card, name, for_all) if is_detector else for_all for name in card.class_names]
    thresholds = np.array(meant, np.float32)
    for class_id, score in for_class.items():
        thresholds[class_id] = score
    return thresholds


def moved_score(card: Card, class_name: str, score: float) -> float:
    """Give the score of this artefact that means what a score means of the graph that it was made from."""
    moved = {item.class_name: item for item in card.moved_scores}
    found = moved.get(class_name) or moved.get(None)
    if found is None:
        return score
    shift = np.interp(score, found.parent, np.subtract(found.own, found.parent))
    return min(1.0, max(card.postprocess.score_floor, score + float(shift)))


def moved_line(options: Sequence[str], card: Card) -> str | None:
    """Say which thresholds moved; None where none did."""
    asked = thresholds_from_options(options, card.model_copy(update={"moved_scores": ()}))
    meant = thresholds_from_options(options, card)
    moved = [
        f"{name} {before:.2f} is {after:.2f}"
        for name, before, after in zip(card.class_names, asked, meant, strict=True)
        if abs(after - before) >= _SHOWN
    ]
    if not moved:
        return None
    more = f" and {len(moved) - 5} more" if len(moved) > 5 else ""
    return f"scores moved since the float32 graph: {', '.join(moved[:5])}{more} here; --score CLASS=NUMBER is as given"


def _score(option: str, value: str, floor: float) -> float:
    try:
        score = float(value)
    except ValueError:
        score = math.nan
    if not score <= 1 or score < 0:
        raise InputError(f"--score {option}: expected a number from {floor:g} to 1, or CLASS=NUMBER.")
    if score < floor:
        raise InputError(
            f"--score {option}: expected at least {floor:g}, the floor below which this graph finds nothing. "
            f"Export it again with a lower floor."
        )
    return score
