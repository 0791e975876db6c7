"""Images that grow while a classifier trains: small ones teach it most of what it learns, at a fraction of the cost."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

_SMALL_UNTIL = 0.5
_WHOLE_FROM = 0.8
"""Shares of a training, as Composer's progressive resizing has them by default."""
_MULTIPLE = 8


def share_of_side(start: float, progress: float) -> float:
    """Give the side that images have, as a share of the input's.

    `start` through the first half of the training, then rising to 1, which the last fifth has.

    Args:
        start: 0 to 1.
        progress: share of the training that is over, 0 to 1.
    """
    risen = (progress - _SMALL_UNTIL) / (_WHOLE_FROM - _SMALL_UNTIL)
    return start + (1 - start) * min(max(risen, 0.0), 1.0)


def shrunk(images: Tensor, share: float, *, least_side: int) -> Tensor:
    """Shrink [N, 3, H, W] images to a share of their side, in whole steps of 8 pixels.

    Args:
        images: float32.
        share: of height and width, above 0; 1 gives the images themselves.
        least_side: no smaller than this.
    """
    height, width = (
        min(side, max(least_side, _MULTIPLE * round(side * share / _MULTIPLE))) for side in images.shape[2:]
    )
    if share >= 1 or (height, width) == tuple(images.shape[2:]):
        return images
    return functional.interpolate(images, (height, width), mode="bilinear", antialias=True)
