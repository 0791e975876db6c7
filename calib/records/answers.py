"""What an artefact answers to frames, for comparing artefacts without labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...runtime.detection.disagreement import Answer
from ...runtime.session import Session


def answers_to(session: Session, frames: Sequence[NDArray[np.uint8]]) -> list[Answer]:
    """Ask about frames, each [1, H, W, 3] uint8 BGR of the input's size."""
    if session.card.task == "classifier":
        return [session.classify(frame)[0] for frame in frames]
    return [session.run(frame)[0] for frame in frames]
