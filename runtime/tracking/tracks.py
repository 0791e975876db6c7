"""Which of what was found is the same object as before, and the way that it came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NOT_FOLLOWED = -1
"""In place of an id: seen for the first time, or too briefly."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tracks:
    """The objects that are followed in one frame.

    Args:
        ids: [N] int64, of what was found, in its order; from 1, never given twice in a run of a camera; `NOT_FOLLOWED`
            where it is not known yet.
        trails: by id, [k, 2] float32, (x, y) normalised to the frame, oldest first: where the middle of the box's lower
            edge was in the last seconds. Also of objects that are hidden at the moment.
    """

    ids: NDArray[np.int64]
    trails: Mapping[int, NDArray[np.float32]]
