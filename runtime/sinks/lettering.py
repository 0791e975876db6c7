"""Which letters OpenCV can draw, and what stands for a name whose letters it cannot."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

FONT = cv2.FONT_HERSHEY_SIMPLEX

_PLAIN = dict(zip("ßæÆœøØłŁđĐðþ", ("ss", "ae", "AE", "oe", "o", "O", "l", "L", "d", "D", "d", "th"), strict=True))
"""Letters that are no other letter with a mark."""

_CANVAS_PX = (60, 160)


def shown_names(class_names: Sequence[str]) -> tuple[str, ...]:
    """Give the names as they can be drawn: without marks where need be, as `Grosse` for `Größe`, else `class 3`.

    OpenCV 5 draws Latin, Greek, Cyrillic, Chinese and Japanese letters, OpenCV 4 none but ASCII's; for others both draw
    question marks, so that all such names would look the same.
    """
    return _shown_names(tuple(class_names))


@lru_cache(maxsize=64)
def _shown_names(class_names: tuple[str, ...]) -> tuple[str, ...]:
    drawn = [drawable(name) for name in class_names]
    return tuple(name if name and drawn.count(name) == 1 else f"class {at}" for at, name in enumerate(drawn))


@lru_cache(maxsize=4096)
def drawable(text: str) -> str:
    """Give a text in letters that can be drawn; nothing if one of them has no such form."""
    letters = [_plain(letter) for letter in unicodedata.normalize("NFC", text)]
    return "" if None in letters else "".join(letter for letter in letters if letter is not None)


def _plain(letter: str) -> str | None:
    if letter.isspace() or not letter.isprintable():
        return " "
    if _can_draw(letter):
        return letter
    plain = _PLAIN.get(letter) or unicodedata.normalize("NFKD", letter)
    plain = "".join(part for part in plain if not unicodedata.combining(part))
    return plain if plain and all(map(_can_draw, plain)) else None


@lru_cache(maxsize=4096)
def _can_draw(letter: str) -> bool:
    """Tell by drawing it: what is missing in the font becomes question marks, one for each byte in OpenCV 4."""
    if letter.isascii():
        return True
    if unicodedata.bidirectional(letter) in ("R", "AL"):  # drawn unjoined and in the wrong order
        return False
    missing = ("?" * count for count in (1, len(letter.encode())))
    return not any(np.array_equal(_drawn(letter), _drawn(marks)) for marks in missing)


def _drawn(text: str) -> NDArray[np.uint8]:
    canvas = np.zeros(_CANVAS_PX, np.uint8)
    cv2.putText(canvas, text, (10, 45), FONT, 1, 255, 1, cv2.LINE_AA)
    return canvas
