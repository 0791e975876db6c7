"""SSD's fixed boxes, laid out over the feature maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ...runtime.errors import InputError


@dataclass(frozen=True, kw_only=True)
class DefaultBoxSettings:
    """Sizes and shapes of the default boxes, one entry per feature map, finest map first.

    Args:
        scales: side of the square box of each map relative to the input, and one more for the extra square box of
            the last map, whose side is the geometric mean of its own scale and the next.
        aspect_ratios: per map, the ratios width / height beyond 1; each comes with its reciprocal.
    """

    scales: tuple[float, ...]
    aspect_ratios: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if len(self.scales) != len(self.aspect_ratios) + 1:
            raise InputError(
                f"default boxes: expected one scale more than maps with aspect ratios, "
                f"got {len(self.scales)} scales for {len(self.aspect_ratios)} maps."
            )

    @property
    def boxes_per_cell(self) -> tuple[int, ...]:
        """How many default boxes each cell of each map carries: 2 squares and 2 per aspect ratio."""
        return tuple(2 + 2 * len(ratios) for ratios in self.aspect_ratios)


def default_boxes(map_hws: Sequence[tuple[int, int]], settings: DefaultBoxSettings) -> NDArray[np.float32]:
    """Lay out the default boxes of all feature maps.

    Boxes are not clipped: a box that reaches over the edge matches objects cut off there.

    Args:
        map_hws: height and width of each feature map, finest first.
        settings: one entry per map.

    Returns:
        [D, 4] float32 cxcywh, normalised; ordered by map, row, column, then square, larger square, ratios.

    Raises:
        InputError: the number of maps is not that of the settings.

    Source: Liu et al. 2016, section 2.2.
    """
    if len(map_hws) != len(settings.aspect_ratios):
        raise InputError(f"default boxes: expected {len(settings.aspect_ratios)} feature maps, got {len(map_hws)}.")
    boxes = [
        _boxes_of_map(map_hw, _shapes_wh(scale, next_scale, ratios))
        for map_hw, (scale, next_scale), ratios in zip(
            map_hws, pairwise(settings.scales), settings.aspect_ratios, strict=True
        )
    ]
    return np.concatenate(boxes).astype(np.float32)


def _shapes_wh(scale: float, next_scale: float, ratios: Sequence[float]) -> list[tuple[float, float]]:
    larger = math.sqrt(scale * next_scale)
    shapes = [(scale, scale), (larger, larger)]
    for ratio in ratios:
        root = math.sqrt(ratio)
        shapes += [(scale * root, scale / root), (scale / root, scale * root)]
    return shapes


def _boxes_of_map(map_hw: tuple[int, int], shapes_wh: list[tuple[float, float]]) -> NDArray[np.float64]:
    height, width = map_hw
    cy, cx = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
    centres = np.stack([cx, cy], axis=-1)[:, :, None, :]  # [h, w, 1, 2]
    sizes = np.array(shapes_wh)[None, None]  # [1, 1, boxes per cell, 2]
    cells = np.broadcast_arrays(*np.broadcast_arrays(centres, sizes))
    return np.concatenate(cells, axis=-1).reshape(-1, 4)
