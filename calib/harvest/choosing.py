"""Which of the frames of doubt are worth a person's time: the most doubtful ones, no picture twice, spread out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...data.check.duplicates import distinct
from ..int8.choose_images import LOOKED_AT, farthest_first, standardised
from .sightings import Sighting

_CONSIDERED = 5
"""For each one of the short list, so many of the most doubtful are held against each other."""


def short_list(seen: Sequence[Sighting], count: int) -> tuple[list[Sighting], int]:
    """Take the most doubtful pictures that differ from one another, twice as many as are wanted.

    Returns:
        The list, the most doubtful first, and how many were left out as nearly the same as one of it.
    """
    wanted = LOOKED_AT * count
    considered = sorted(seen, key=lambda each: -each.unsureness.total)[: _CONSIDERED * wanted]
    kept = distinct([each.look for each in considered])[:wanted]
    last = kept[-1] + 1 if kept else 0
    return [considered[index] for index in kept], last - len(kept)


def spread(embeddings: Sequence[NDArray[np.float32]], count: int) -> list[int]:
    """Choose by what the network makes of the pictures, as calibration does: each the farthest from all before it.

    Args:
        embeddings: [e] float32 of each picture.
        count: wanted.

    Returns:
        Indices, in ascending order.
    """
    if not embeddings:
        return []
    return sorted(farthest_first(standardised(np.stack(embeddings)), count))
