"""Frames that a graph is proved on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime.card import InputSpec
from ...runtime.detection.letterbox import fit_frame
from ...runtime.errors import InputError
from ...runtime.files import StrPath
from ...runtime.image_files import IMAGE_SUFFIXES, read_image_bgr

PROOF_FRAMES = 16
"""Images of a folder that a proof runs on, spread evenly over the sorted names."""

_GENERATED = 4
_COARSEST = 4
"""Cells of a generated frame's coarsest pattern, each way."""


def frames_of_folder(folder: StrPath, spec: InputSpec, *, most: int = PROOF_FRAMES) -> NDArray[np.uint8]:
    """Read at most `most` images spread evenly over a folder's sorted names, fitted: [n, H, W, 3] uint8 BGR.

    Raises:
        InputError: there is no such folder, or no image in it; or an image cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of images, got {'a file' if folder.exists() else 'nothing'}.")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise InputError(f"{folder}: expected images ({', '.join(IMAGE_SUFFIXES)}), got none.")
    chosen = [paths[index] for index in np.linspace(0, len(paths) - 1, min(most, len(paths)), dtype=int)]
    return np.stack([fit_frame(read_image_bgr(path), spec) for path in chosen])


def generated_frames(spec: InputSpec) -> NDArray[np.uint8]:
    """Make colourful patches of many sizes, the same ones each time: [n, H, W, 3] uint8 BGR.

    They show whether two graphs compute the same. They show no objects.
    """
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
