"""The least score to keep, for all classes or one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..card import Card
from ..errors import InputError

DEFAULT_SCORE = 0.5


def thresholds_from_options(options: Sequence[str], card: Card) -> NDArray[np.float32]:
    """Turn score options into one threshold per class.

    Args:
        options: `0.4` for all classes, `dog=0.4` for one class; of several for the same the last counts, and a class's
            own goes before the one for all. None given means 0.5.
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
    thresholds = np.full(len(card.class_names), for_all, np.float32)
    for class_id, score in for_class.items():
        thresholds[class_id] = score
    return thresholds


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
