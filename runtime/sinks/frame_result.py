"""What the loop hands to the sinks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..detection.classifications import Classification
from ..detection.detections import Detections
from ..sources.frame import Frame


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameResult:
    """What was found in one frame.

    Args:
        frame: as the source delivered it.
        found: above the thresholds; of a detector with boxes normalised to the frame.
        drawn: [h, w, 3] uint8, BGR, with what was found drawn; none if no sink asked for it.
    """

    frame: Frame
    found: Detections | Classification
    drawn: NDArray[np.uint8] | None
