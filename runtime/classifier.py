"""From a frame of any size to the classes that it most likely shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .detection.classifications import Classification
from .detection.letterbox import fit_frame
from .session import Session


def classify(session: Session, frame: NDArray[np.uint8]) -> Classification:
    """Name the likeliest classes of one frame.

    Args:
        session: an open session of a classifier.
        frame: [h, w, 3] uint8, BGR, any size.

    Raises:
        InputError: the frame has another type or shape, or the session is no classifier's.
    """
    return session.classify(fit_frame(frame, session.card.input)[np.newaxis])[0]
