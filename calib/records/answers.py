"""What an artefact answers to frames, for comparing artefacts without labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...runtime.detection.detections import Detections
from ...runtime.detection.disagreement import Answer
from ...runtime.errors import NotFiniteError
from ...runtime.session import Session


def answers_to(session: Session, frames: Sequence[NDArray[np.uint8]]) -> list[Answer]:
    """Ask about frames, each [1, H, W, 3] uint8 BGR of the input's size; a detector's NaN is nothing found."""
    if session.card.task == "classifier":
        return [session.classify(frame)[0] for frame in frames]
    return [found_or_nothing(session, frame) for frame in frames]


def found_or_nothing(session: Session, frame: NDArray[np.uint8]) -> Detections:
    """Detect in a frame [1, H, W, 3]; a candidate that overflows, and so computes no numbers, has found nothing."""
    try:
        return session.run(frame)[0]
    except NotFiniteError:
        return Detections.none()
