"""Columns that show what a model gives, where its metadata do not say so."""

from __future__ import annotations

import numpy as np

from .checks import FAR_OUTSIDE
from .reading import ROUNDING, Array

_ANGLE_TIMES = 10
"""Of a typical score, from which on a typical value of the last column is none."""
_POINT_COLUMNS = 2
"""Of a keypoint, at least: x and y, mostly with how sure it is of it."""
_QUIET, _MOSTLY = 0.1, 0.98
"""A score that is next to nothing, and the share of boxes that is nearly all of them."""


def has_angle(values: Array) -> bool:
    """Tell from [N, 4 + C + 1, D] an angle behind the classes: most boxes have one, and next to nothing of a class."""
    middles = np.median(np.abs(values[:, 4:]), axis=(0, 2))
    return len(middles) > 1 and bool(middles[-1] > _ANGLE_TIMES * middles[:-1].max())


def has_points(values: Array) -> bool:
    """Tell from [N, 4 + 1 + more, D] keypoints: behind a score within 0 to 1 there are columns as far as the boxes."""
    boxes, score, others = values[:, :4], values[:, 4:5], values[:, 5:]
    if not others.size or score.min() < -ROUNDING or score.max() > 1 + ROUNDING:
        return False
    reach = float(np.quantile(np.abs(boxes), 0.99))
    far = np.quantile(np.abs(others), 0.99, axis=(0, 2)) > max(FAR_OUTSIDE, reach / 4)
    return int(far.sum()) >= _POINT_COLUMNS


def is_quiet(values: Array) -> bool:
    """Tell whether scores [N, C, D] are next to nothing nearly everywhere; behind an objectness they are anything."""
    best = values.max(axis=1, initial=-np.inf)
    return bool(values.size and values.min() >= -ROUNDING and (best <= _QUIET).mean() >= _MOSTLY)
