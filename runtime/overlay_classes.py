"""Writes a classifier's top classes on a frame of any size."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from .detection.classifications import Classification
from .sinks.overlay import FONT, WHITE, class_colour, style_for

_DIMMED = 0.35
"""What is left of the picture's brightness under the list, so that white letters can be read on anything."""


def draw_classes(
    image: NDArray[np.uint8], classification: Classification, class_names: Sequence[str]
) -> NDArray[np.uint8]:
    """Write the classes with their scores into the upper left corner, each over a bar as long as its score.

    Args:
        image: [h, w, 3] uint8, BGR; it is left as it is.
        classification: of that image.
        class_names: in the order of class ids.

    Returns:
        [h, w, 3] uint8, BGR, a new array.
    """
    drawn = image.copy()
    if not len(classification):
        return drawn
    height, width = image.shape[:2]
    style = style_for(height, width)
    lines = [
        f"{class_names[class_id]} {score:.2f}"
        for class_id, score in zip(classification.class_ids.tolist(), classification.scores, strict=True)
    ]
    sizes = [cv2.getTextSize(line, FONT, style.font_scale, style.font_line_px) for line in lines]
    widest = max(text_width for (text_width, _), _ in sizes)
    # A frame too small for the text gets smaller letters rather than half of them.
    shrink = min(1.0, (width - 2 * style.margin_px) / widest) if width > 2 * style.margin_px else 1.0
    row_px = max(text_height + baseline for (_, text_height), baseline in sizes) + 2 * style.margin_px
    panel_width = min(width, round(widest * shrink) + 2 * style.margin_px)
    panel = drawn[: min(height, row_px * len(lines)), :panel_width]
    panel[:] = (panel * _DIMMED).astype(np.uint8)
    for row, (line, score) in enumerate(zip(lines, classification.scores.tolist(), strict=True)):
        bottom = (row + 1) * row_px
        colour = class_colour(int(classification.class_ids[row]))
        bar_px = style.margin_px
        cv2.rectangle(drawn, (0, bottom - bar_px), (round(panel_width * score), bottom - 1), colour, cv2.FILLED)
        origin = (style.margin_px, bottom - 2 * style.margin_px)
        # No outline beneath: OpenCV 5 sets bolder letters further apart.
        cv2.putText(drawn, line, origin, FONT, style.font_scale * shrink, WHITE, style.font_line_px, cv2.LINE_AA)
    return drawn
