"""Draws the way that each object came."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from ..tracking.tracks import Tracks
from .overlay import BLACK, Colour, class_colour, style_for

_BANDS = 6
"""A trail fades in so many steps."""

_POINTS = 25
"""More of a trail would not be seen; lines take time."""


def draw_trails(image: NDArray[np.uint8], tracks: Tracks) -> NDArray[np.uint8]:
    """Draw trails in the colours of their ids; the older, the thinner and the more of the picture shines through.

    Args:
        image: [h, w, 3] uint8, BGR; it is left as it is.
        tracks: of that image.

    Returns:
        [h, w, 3] uint8, BGR, a new array.
    """
    drawn = image.copy()
    height, width = image.shape[:2]
    line_px = style_for(height, width).line_px
    limits = np.array([width - 1, height - 1])
    for track_id, trail in tracks.trails.items():
        some = trail[:: -max(1, -(-len(trail) // _POINTS))][::-1]  # the newest among them
        points = np.rint(some * np.array([width, height])).astype(np.int32).clip(0, limits)
        for band, (begin, end) in enumerate(_bands(len(points)), start=1):
            piece, share = points[begin:end], band / _BANDS
            x, y = piece[len(piece) // 2].tolist()
            thickness = max(1, round(share * line_px))
            rim = ((BLACK, thickness + 2),) if line_px > 1 else ()
            for colour, px in (*rim, (class_colour(track_id), thickness)):
                mixed = _mixed(colour, image[y, x].tolist(), share)
                cv2.polylines(drawn, [piece], isClosed=False, color=mixed, thickness=px, lineType=cv2.LINE_AA)
    return drawn


def _bands(count: int) -> list[tuple[int, int]]:
    """Cut a trail of so many points into pieces, of which each begins where the one before ends; oldest first."""
    edges = np.linspace(0, count - 1, _BANDS + 1).round().astype(int).tolist()
    return [(begin, end + 1) for begin, end in pairwise(edges)]


def _mixed(colour: Colour, beneath: list[int], share: float) -> Colour:
    blue, green, red = (round(share * own + (1 - share) * other) for own, other in zip(colour, beneath, strict=True))
    return blue, green, red
