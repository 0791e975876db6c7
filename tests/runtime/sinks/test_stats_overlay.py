"""A run's figures can be read on any picture."""

from __future__ import annotations

import numpy as np
import pytest

from singleshot.runtime.sinks.stats_overlay import draw_stats

LINES = ["29.8 frames/s", "written 31 / 40 / 52 ms old", "12 replaced by a newer"]


@pytest.mark.parametrize(("height", "width"), [(120, 160), (240, 320), (360, 640), (1080, 1920)])
@pytest.mark.parametrize("brightness", [0, 128, 255])
def test_letters_are_bright_on_a_darker_panel(height: int, width: int, brightness: int) -> None:
    image = np.full((height, width, 3), brightness, np.uint8)
    draw_stats(image, LINES)
    panel = image[height - height // 20 :, : width // 4]  # in the lower left corner
    assert panel.max() > 150
    assert np.median(panel) <= 0.4 * brightness
    assert (image[: height // 3] == brightness).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 200), (200, 3)])
def test_pictures_too_small_for_letters(height: int, width: int) -> None:
    draw_stats(np.zeros((height, width, 3), np.uint8), LINES)


def test_nothing_to_say_leaves_the_picture() -> None:
    image = np.full((48, 64, 3), 200, np.uint8)
    draw_stats(image, [])
    assert (image == 200).all()
