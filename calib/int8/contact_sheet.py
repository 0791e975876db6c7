"""Small pictures side by side, so that one look tells what was chosen."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime.files import whole_file

_SIDE_PX = 96
_GAP_PX = 2
_TITLE_PX = 28
_GROUND = 32
_INK = (235, 235, 235)


class ContactSheet:
    """Collects thumbnails of 96 x 96 pixels, 27 kB each; the pictures keep their shape."""

    def __init__(self) -> None:
        self._tiles: list[NDArray[np.uint8]] = []

    def add(self, image: NDArray[np.uint8]) -> None:
        """Add an image, [h, w, 3] uint8 BGR."""
        height, width = image.shape[:2]
        scale = _SIDE_PX / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        tile = np.full((_SIDE_PX, _SIDE_PX, 3), _GROUND, np.uint8)
        top, left = (_SIDE_PX - size[1]) // 2, (_SIDE_PX - size[0]) // 2
        tile[top : top + size[1], left : left + size[0]] = small
        self._tiles.append(tile)

    def save(self, path: Path, *, title: str) -> None:
        """Write the sheet, about as wide as high.

        Args:
            path: a picture.
            title: one line above; letters beyond ASCII come out as question marks.

        Raises:
            InputError: the file cannot be written.
        """
        columns = max(4, math.ceil(math.sqrt(len(self._tiles))))
        pitch = _SIDE_PX + _GAP_PX
        rows = math.ceil(len(self._tiles) / columns)
        sheet = np.full((_TITLE_PX + rows * pitch, columns * pitch, 3), _GROUND, np.uint8)
        for place, tile in enumerate(self._tiles):
            row, column = divmod(place, columns)
            top, left = _TITLE_PX + row * pitch, column * pitch
            sheet[top : top + _SIDE_PX, left : left + _SIDE_PX] = tile
        cv2.putText(sheet, title, (6, _TITLE_PX - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
        with whole_file(path) as temporary:
            cv2.imwrite(str(temporary), sheet)
