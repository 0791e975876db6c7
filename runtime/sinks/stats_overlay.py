"""Writes a run's figures into a picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from .lettering import FONT
from .overlay import WHITE, style_for

_DIMMED = 0.35
"""What is left of the picture's brightness beneath, so that white letters can be read on anything."""


def draw_stats(drawn: NDArray[np.uint8], lines: Sequence[str]) -> None:
    """Write lines into the lower left corner of [h, w, 3] uint8 BGR, in place."""
    if not lines:
        return
    height, width = drawn.shape[:2]
    style = style_for(height, width)
    sizes = [cv2.getTextSize(line, FONT, style.font_scale, style.font_line_px) for line in lines]
    widest = max(text_width for (text_width, _), _ in sizes)
    shrink = min(1.0, (width - 2 * style.margin_px) / widest) if width > 2 * style.margin_px else 1.0
    row_px = max(text_height + baseline for (_, text_height), baseline in sizes) + style.margin_px
    panel_height = min(height, row_px * len(lines) + style.margin_px)
    panel = drawn[height - panel_height :, : min(width, round(widest * shrink) + 2 * style.margin_px)]
    panel[:] = (panel * _DIMMED).astype(np.uint8)
    for row, line in enumerate(lines):
        bottom = height - panel_height + (row + 1) * row_px
        origin = (style.margin_px, bottom - style.margin_px)
        cv2.putText(drawn, line, origin, FONT, style.font_scale * shrink, WHITE, style.font_line_px, cv2.LINE_AA)
