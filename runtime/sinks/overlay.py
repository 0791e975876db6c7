"""Draws detections readably on a frame of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ..detection.classifications import Classification
from ..detection.detections import Detections
from .lettering import FONT, shown_names

Colour = tuple[int, int, int]
"""BGR, 0 to 255."""

_PALETTE: tuple[Colour, ...] = (
    (0, 130, 255),  # orange
    (255, 191, 0),  # sky blue
    (96, 220, 60),  # green
    (200, 60, 255),  # pink
    (40, 240, 255),  # yellow
    (255, 90, 80),  # blue
    (60, 60, 240),  # red
    (210, 210, 40),  # turquoise
    (250, 150, 210),  # lilac
    (70, 140, 150),  # olive
)
"""Told apart at a glance, also on grass, sky and skin."""

_GOLDEN_RATIO = 0.618034
_FONT_PX_AT_SCALE_1 = 22.0
"""Height of a capital letter at font scale 1."""

_EQUAL_CONTRAST_LUMINANCE = 0.179
"""Where black and white have the same contrast ratio by WCAG: (L + 0.05)^2 = 1.05 x 0.05."""

_LEAST_LUMINANCE = 0.1
"""Of a line's colour: three times as bright as its black rim, as WCAG asks of what is no text."""

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)


_LEAST_PX = 7.0
"""Height of capital letters below which they cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Style:
    """Sizes in pixels that suit a frame."""

    line_px: int
    font_scale: float
    font_line_px: int
    margin_px: int


@dataclass(frozen=True, kw_only=True)
class _Label:
    """Text on a filled rectangle."""

    text: str
    left: int
    top: int
    width: int
    height: int
    baseline: int
    style: Style

    def overlaps(self, other: _Label) -> bool:
        """Whether two rectangles share a pixel."""
        return (
            self.left < other.left + other.width
            and other.left < self.left + self.width
            and self.top < other.top + other.height
            and other.top < self.top + self.height
        )


def draw_detections(
    image: NDArray[np.uint8],
    detections: Detections,
    class_names: Sequence[str],
    track_ids: Sequence[int | None] | None = None,
) -> NDArray[np.uint8]:
    """Draw boxes with names and scores; lines and letters grow with the frame.

    Args:
        image: [h, w, 3] uint8, BGR; it is left as it is.
        detections: boxes normalised to that image.
        class_names: in the order of class ids.
        track_ids: of the objects, where they are followed: `dog #3`, in the id's colour instead of the class's.

    Returns:
        [h, w, 3] uint8, BGR, a new array.
    """
    drawn = image.copy()
    height, width = image.shape[:2]
    style = style_for(height, width)
    boxes_px = np.rint(detections.boxes_xyxy_px(height=height, width=width)).astype(int)
    ids = [None] * len(detections) if track_ids is None else track_ids
    colours = [
        class_colour(class_id if track_id is None else track_id)
        for class_id, track_id in zip(detections.class_ids.tolist(), ids, strict=True)
    ]
    names = shown_names(class_names)
    rows = range(len(detections))
    for row in reversed(rows):  # the surest ends on top
        _draw_box(drawn, boxes_px[row], colours[row], style)
    labels: list[_Label] = []
    for row in rows:
        name = names[detections.class_ids[row]] + ("" if ids[row] is None else f" #{ids[row]}")
        text = (name, f"{detections.scores[row]:.2f}")
        labels.append(_place_label(text, boxes_px[row], style, labels, height=height, width=width))
    for row in reversed(rows):
        _draw_label(drawn, labels[row], colours[row])
    return drawn


def class_colour(class_id: int) -> Colour:
    """Return a class's own colour, the same in every run; also an object's that is followed."""
    if class_id < len(_PALETTE):
        return _PALETTE[class_id]
    # Steps of the golden ratio never meet again and stay far apart; brightness alternates to help.
    hue = round(180 * (class_id * _GOLDEN_RATIO % 1)) % 180
    colour = BLACK
    for saturation, value in (((200, 255), (200, 170))[class_id % 2], (200, 255), (150, 255)):
        pixel = np.array([[[hue, saturation, value]]], np.uint8)
        blue, green, red = cv2.cvtColor(pixel, cv2.COLOR_HSV2BGR)[0, 0].tolist()
        colour = (blue, green, red)
        if luminance(colour) >= _LEAST_LUMINANCE:
            break
    return colour


def text_colour_on(colour: Colour) -> Colour:
    """Return black or white, whichever is easier to read on that colour."""
    return BLACK if luminance(colour) > _EQUAL_CONTRAST_LUMINANCE else WHITE


def luminance(colour: Colour) -> float:
    """Give a colour's relative luminance by WCAG 2, from 0 to 1."""
    shares = (value / 255 for value in colour)
    blue, green, red = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.0722 * blue + 0.7152 * green + 0.2126 * red


def style_for(height: int, width: int) -> Style:
    """Grow slower than the frame: large frames are looked at larger, and hold more."""
    relative = float(np.hypot(height, width)) / 734  # 640 x 360 is 1
    font_px = max(_LEAST_PX, 12 * relative**0.65)
    return Style(
        line_px=max(1, round(2 * relative**0.65)),
        font_scale=font_px / _FONT_PX_AT_SCALE_1,
        font_line_px=max(1, round(font_px / 9)),
        margin_px=max(1, round(font_px / 4)),
    )


def _draw_box(drawn: NDArray[np.uint8], box: NDArray[np.int_], colour: Colour, style: Style) -> None:
    height, width = drawn.shape[:2]
    # Half a line inside the frame, so that a box at the edge stays visible.
    inset = style.line_px // 2
    left, right = np.clip([box[0], box[2]], inset, max(inset, width - 1 - inset)).tolist()
    top, bottom = np.clip([box[1], box[3]], inset, max(inset, height - 1 - inset)).tolist()
    # A dark rim keeps the line visible on its own colour.
    if style.line_px > 1:
        cv2.rectangle(drawn, (left, top), (right, bottom), BLACK, style.line_px + 2)
    else:  # a line of three pixels would be drawn five wide
        cv2.rectangle(drawn, (left - 1, top - 1), (right + 1, bottom + 1), BLACK, 1)
        cv2.rectangle(drawn, (left + 1, top + 1), (max(left + 1, right - 1), max(top + 1, bottom - 1)), BLACK, 1)
    cv2.rectangle(drawn, (left, top), (right, bottom), colour, style.line_px)


def _place_label(
    text: tuple[str, str], box: NDArray[np.int_], style: Style, placed: list[_Label], *, height: int, width: int
) -> _Label:
    """Try above the box, inside its top, below it, inside its bottom; take the first place that is free."""
    label = _measured(text, style, width)
    left, top, _, bottom = box.tolist()
    rim = style.line_px // 2 + 1
    tops = (top - label.height - rim, top + rim, bottom + rim, bottom - label.height - rim)
    choices = []
    for choice_top in tops:
        inside_left = int(np.clip(left - rim, 0, max(0, width - label.width)))
        inside_top = int(np.clip(choice_top, 0, max(0, height - label.height)))
        choice = replace(label, left=inside_left, top=inside_top)
        choices.append(choice)
        if inside_top == choice_top and not any(choice.overlaps(other) for other in placed):
            return choice
    free = [choice for choice in choices if not any(choice.overlaps(other) for other in placed)]
    return free[0] if free else choices[0]


def _measured(text: tuple[str, str], style: Style, width: int) -> _Label:
    """Measure a label; on a frame too narrow for it the score goes first, then letters shrink, then the last go."""
    name, score = text
    label = _measure(f"{name} {score}", style)
    if label.width > width:
        label = _measure(name, style)
    if label.width > width:
        scale = max(_LEAST_PX / _FONT_PX_AT_SCALE_1, style.font_scale * width / label.width)
        style = replace(style, font_scale=scale, font_line_px=1, margin_px=1)
        label = _measure(name, style)
    while label.width > width and len(name) > 1:
        name = name[:-1]
        label = _measure(f"{name}..", style)
    return label


def _measure(text: str, style: Style) -> _Label:
    (text_width, text_height), baseline = cv2.getTextSize(text, FONT, style.font_scale, style.font_line_px)
    return _Label(
        text=text,
        left=0,
        top=0,
        width=text_width + 2 * style.margin_px,
        height=text_height + baseline + 2 * style.margin_px,
        baseline=baseline,
        style=style,
    )


def _draw_label(drawn: NDArray[np.uint8], label: _Label, colour: Colour) -> None:
    style = label.style
    right, bottom = label.left + label.width - 1, label.top + label.height - 1
    cv2.rectangle(drawn, (label.left, label.top), (right, bottom), colour, cv2.FILLED)
    origin = (label.left + style.margin_px, bottom - style.margin_px - label.baseline + 1)
    cv2.putText(
        drawn, label.text, origin, FONT, style.font_scale, text_colour_on(colour), style.font_line_px, cv2.LINE_AA
    )


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
    names = shown_names(class_names)
    lines = [
        f"{names[class_id]} {score:.2f}"
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
