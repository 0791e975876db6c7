"""Where images are augmented: in the processes that read them, or on the device that trains."""

from __future__ import annotations

from typing import Literal

import torch

from ..data.cache.image_cache import ImageCache

Drawing = Literal["workers", "device", "resident"]
"""`workers`: image by image; `device`: whole batches, their pixels sent along; `resident`: likewise, of pixels that the
device holds from the start."""

_SHARE = 0.3
"""Of a GPU's free memory that images may take."""


def chosen_drawing(cache: ImageCache) -> Drawing:
    """Choose for this machine: a CUDA GPU draws by itself, and holds all images where they fit beside the network."""
    if not torch.cuda.is_available():
        return "workers"
    free, _ = torch.cuda.mem_get_info()
    return "resident" if cache.pixels.nbytes <= _SHARE * free else "device"
