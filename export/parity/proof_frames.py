"""Frames that a graph is proved on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...data.readers.pictures import pictures_below
from ...runtime.card import InputSpec
from ...runtime.detection.letterbox import fit_frame
from ...runtime.errors import InputError
from ...runtime.files import StrPath
from ...runtime.image_files import IMAGE_SUFFIXES, read_image_bgr

PROOF_FRAMES = 16
"""Images of a folder that a proof runs on, spread evenly over the sorted names."""


def frames_of_folder(folder: StrPath, spec: InputSpec, *, most: int = PROOF_FRAMES) -> NDArray[np.uint8]:
    """Read at most `most` images spread evenly over a folder and those in it, fitted: [n, H, W, 3] uint8 BGR.

    Raises:
        InputError: there is no such folder, or no image in it; or an image cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of images, got {'a file' if folder.exists() else 'nothing'}.")
    paths = pictures_below(folder)
    if not paths:
        raise InputError(f"{folder}: expected images ({', '.join(IMAGE_SUFFIXES)}), got none.")
    chosen = [paths[index] for index in np.linspace(0, len(paths) - 1, min(most, len(paths)), dtype=int)]
    return np.stack([fit_frame(read_image_bgr(path), spec) for path in chosen])
