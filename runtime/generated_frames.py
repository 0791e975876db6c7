"""Frames that show whether two graphs compute the same, and no objects."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .card import InputSpec

_GENERATED = 4
_COARSEST = 4
"""Cells of a generated frame's coarsest pattern, each way."""


def generated_frames(spec: InputSpec) -> NDArray[np.uint8]:
    """Make colourful patches of many sizes, the same ones each time: [n, H, W, 3] uint8 BGR."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(_GENERATED):
        frame = np.zeros((spec.height, spec.width, 3), np.float32)
        cells, weight = _COARSEST, 0.5
        while cells <= min(spec.height, spec.width):
            pattern = rng.uniform(0, 255, (cells, cells, 3)).astype(np.float32)
            enlarged = cv2.resize(pattern, (spec.width, spec.height), interpolation=cv2.INTER_NEAREST)
            frame += weight * enlarged
            cells, weight = cells * 2, weight / 2
        frames.append(frame.clip(0, 255).astype(np.uint8))
    return np.stack(frames)
