"""The frames on which two artefacts differ most, drawn side by side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...export.parity.verify import ComparedFrame, Verification
from ...runtime.card import InputSpec
from ...runtime.detection.detections import Detections
from ...runtime.detection.letterbox import detections_to_frame
from ...runtime.errors import InputError
from ...runtime.files import check_can_write, whole_file
from ...runtime.sinks.overlay import draw_detections

SHOWN_FRAMES = 4
_WIDTH_PX = 640
_GAP_PX = 8
_LINE_PX = 26
_SURE = 0.3
"""Detections of a lower score are drawn only where the other side lacks them."""
_GROUND = 32
_INK = (235, 235, 235)


def save_worst_frames(verification: Verification, path: Path) -> int:
    """Draw the worst frames, the first artefact's answer at the left, the second's at the right.

    Detections of a score of at least 0.3 are drawn, and all that one side alone has.

    Args:
        verification: with frames compared.
        path: the picture, .png or .jpg.

    Returns:
        How many frames were drawn.

    Raises:
        InputError: no frame was compared, or the picture cannot be written.
    """
    check_picture_name(path)
    if not verification.compared:
        raise InputError(f"{path}: expected frames to draw, got none, because the contracts differ.")
    worst = verification.compared[:SHOWN_FRAMES]
    rows = [_row(item, verification) for item in worst]
    gap = np.full((_GAP_PX, rows[0].shape[1], 3), _GROUND, np.uint8)
    sheet = np.concatenate([part for row in rows for part in (row, gap)])
    with whole_file(path) as temporary:
        cv2.imwrite(str(temporary), sheet)
    return len(worst)


def check_picture_name(path: Path) -> None:
    """Refuse a name whose suffix is of no picture or that cannot be written, before any time is spent.

    Raises:
        InputError: it is one, is a folder, or lies where nothing can be written.
    """
    if path.suffix.lower() not in {".png", ".jpg", ".jpeg"}:
        raise InputError(f"{path}: expected a name that ends in .png or .jpg, got {path.suffix or 'none'}.")
    check_can_write(path)


def _row(item: ComparedFrame, verification: Verification) -> NDArray[np.uint8]:
    first, second = verification.first, verification.second
    left = _picture(item, item.first, item.match.expected_alone, first.card.input, first.card.class_names)
    right = _picture(item, item.second, item.match.found_alone, second.card.input, second.card.class_names)
    height = left.shape[0]
    between = np.full((height, _GAP_PX, 3), _GROUND, np.uint8)
    pictures = np.concatenate([left, between, right], axis=1)
    unmatched, difference = item.badness
    title = np.full((2 * _LINE_PX, pictures.shape[1], 3), _GROUND, np.uint8)
    name = Path(item.frame.source).name
    _write(title, f"{name}, frame {item.frame.index}: {unmatched} unmatched, differs by {difference:.1e}", 0, line=0)
    _write(title, f"{first.path.name}, {first.precision}", 0, line=1)
    _write(title, f"{second.path.name}, {second.precision}", left.shape[1] + _GAP_PX, line=1)
    return np.concatenate([title, pictures])


def _picture(
    item: ComparedFrame, found: Detections, alone: Detections, spec: InputSpec, class_names: tuple[str, ...]
) -> NDArray[np.uint8]:
    height, width = item.frame.image.shape[:2]
    chosen = found.where((found.scores >= _SURE) | np.isin(found.scores, alone.scores))
    scaled = cv2.resize(item.frame.image, (_WIDTH_PX, max(1, round(height * _WIDTH_PX / width))))
    image = np.asarray(scaled, np.uint8)
    return draw_detections(image, detections_to_frame(chosen, spec, height=height, width=width), class_names)


def _write(image: NDArray[np.uint8], text: str, left: int, *, line: int) -> None:
    origin = (left + _GAP_PX, line * _LINE_PX + _LINE_PX - _GAP_PX)
    # OpenCV's letters are ASCII; others would come out as question marks anyway.
    cv2.putText(image, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
