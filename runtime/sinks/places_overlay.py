"""Draws zones, lines and their counts readably on a frame of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..rules.event import PlaceCount
from .lettering import FONT, drawable
from .overlay import BLACK, WHITE, Colour, Style, style_for

_FREE: Colour = (255, 220, 120)
_TAKEN: Colour = (80, 100, 255)
"""Of a place where nothing is, and of a zone in which something is or a line that is being crossed."""

_DIMMED = 0.35
"""What is left of the picture's brightness beneath, so that white letters can be read on anything."""


@dataclass(frozen=True, kw_only=True)
class _Panel:
    """Where lines of text stand, in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    def overlaps(self, other: _Panel) -> bool:
        """Whether two share a pixel."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def draw_places(image: NDArray[np.uint8], places: Sequence[PlaceCount]) -> NDArray[np.uint8]:
    """Draw outlines, and an arrow from each line to the side that is in.

    Args:
        image: [h, w, 3] uint8, BGR; it is left as it is.
        places: in the order in which they are drawn.

    Returns:
        [h, w, 3] uint8, BGR, a new array.
    """
    drawn = image.copy()
    style = style_for(*image.shape[:2])
    for place in places:
        points = _in_pixels(place, image)
        colour = _TAKEN if place.inside or place.moves else _FREE
        outline = np.rint(points).astype(np.int32)
        for paint, thickness in ((BLACK, style.line_px + 2), (colour, style.line_px)):
            cv2.polylines(drawn, [outline], place.kind == "zone", paint, thickness, cv2.LINE_AA)
            if place.kind == "line":
                cv2.polylines(drawn, _arrow(points, style), False, paint, thickness, cv2.LINE_AA)
    return drawn


def write_counts(drawn: NDArray[np.uint8], places: Sequence[PlaceCount]) -> None:
    """Write what is counted at each place beside it, into [h, w, 3] uint8 BGR, in place."""
    style = style_for(*drawn.shape[:2])
    panels: list[_Panel] = []
    for place in places:
        _write(drawn, count_lines(place), _in_pixels(place, drawn), style, panels)


def count_lines(place: PlaceCount) -> list[str]:
    """Put what is counted at a place into two short lines."""
    came_in, went_out = sum(place.came_in.values()), sum(place.went_out.values())
    if place.kind == "line":
        return [place.name, f"{came_in} in, {went_out} out"]
    inside = ", ".join(f"{count} {label}" for label, count in sorted(place.inside.items()))
    longest = f", longest {place.longest_s:.0f} s" if place.longest_s >= 1 else ""
    return [f"{place.name}: {inside or 0}", f"{came_in} in, {went_out} out{longest}"]


def _in_pixels(place: PlaceCount, image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Give the points of a place in an image: [n, 2]."""
    height, width = image.shape[:2]
    return np.asarray(place.points, np.float64) * np.array([width - 1, height - 1], np.float64)


def _arrow(points: NDArray[np.float64], style: Style) -> list[NDArray[np.int32]]:
    """Give the shaft and the head of an arrow from a line's middle to its right hand: open polylines."""
    start, end = points
    along = (end - start) / max(1.0, float(np.hypot(*(end - start))))
    right = np.array([-along[1], along[0]])
    length = style.font_scale * 40
    middle = (start + end) / 2
    tip = middle + right * length
    head = [tip + (side * along - right) * length * 0.35 for side in (-1, 1)]
    return [np.rint(shape).astype(np.int32) for shape in ([middle, tip], [head[0], tip, head[1]])]


def _write(
    drawn: NDArray[np.uint8], lines: list[str], points: NDArray[np.float64], style: Style, panels: list[_Panel]
) -> None:
    """Write lines where there is room: at the points of the place, from the upper left on."""
    lines = [drawable(line) or line for line in lines]
    height, width = drawn.shape[:2]
    sizes = [cv2.getTextSize(line, FONT, style.font_scale, style.font_line_px) for line in lines]
    widest = max(text_width for (text_width, _), _ in sizes)
    shrink = min(1.0, (width - 2 * style.margin_px) / widest) if width > 2 * style.margin_px else 1.0
    row_px = max(text_height + baseline for (_, text_height), baseline in sizes) + style.margin_px
    panel_width, panel_height = round(widest * shrink) + 2 * style.margin_px, row_px * len(lines) + style.margin_px
    rim = style.line_px + 1
    panel = None
    for x, y in sorted(points.tolist(), key=sum):
        left = int(np.clip(round(x) + rim, 0, max(0, width - panel_width)))
        top = int(np.clip(round(y) + rim, 0, max(0, height - panel_height)))
        panel = _Panel(left=left, top=top, right=left + panel_width, bottom=top + panel_height)
        if not any(panel.overlaps(other) for other in panels):
            break
    if panel is None:
        return
    panels.append(panel)
    beneath = drawn[panel.top : panel.bottom, panel.left : panel.right]
    beneath[:] = (beneath * _DIMMED).astype(np.uint8)
    for row, line in enumerate(lines):
        origin = (panel.left + style.margin_px, panel.top + (row + 1) * row_px - style.margin_px // 2)
        cv2.putText(drawn, line, origin, FONT, style.font_scale * shrink, WHITE, style.font_line_px, cv2.LINE_AA)
