"""Boxes and labels stay readable and inside the frame, whatever its size."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.sinks.overlay import class_colour, draw_detections, text_colour_on
from singleshot.tests.fixtures.found import detections

NAMES = ("cat", "cow", "dog", "horse", "sheep", "person")
SIZES_HW = [(64, 64), (75, 100), (1, 1), (9, 400), (360, 640), (720, 1280), (2160, 3840)]
READABLE_CONTRAST, READABLE_TEXT = 3.0, 4.5
"""WCAG's least contrast ratios: for what is no text, and for text."""


def is_colour(image: np.ndarray, class_id: int) -> np.ndarray:
    return np.asarray((image == np.array(class_colour(class_id), np.uint8)).all(axis=2))


@pytest.mark.parametrize("hw", [pytest.param(hw, id=f"{hw[1]}x{hw[0]}") for hw in SIZES_HW])
def test_every_size_shows_box_and_label(hw: tuple[int, int]) -> None:
    image = np.full((*hw, 3), 90, np.uint8)
    drawn = draw_detections(image, detections((0.9, 2, [0.25, 0.25, 0.75, 0.75])), NAMES)
    assert drawn.shape == image.shape
    assert is_colour(drawn, 2).any()
    assert (image == 90).all()  # the caller's frame is left as it is


@pytest.mark.parametrize("hw", [pytest.param(hw, id=f"{hw[1]}x{hw[0]}") for hw in SIZES_HW if min(hw) > 9])
def test_lines_and_letters_grow_with_the_frame(hw: tuple[int, int]) -> None:
    height, width = hw
    drawn = draw_detections(np.zeros((*hw, 3), np.uint8), detections((0.9, 2, [0.4, 0.5, 0.9, 0.9])), NAMES)
    coloured = is_colour(drawn, 2)
    line_px = int(coloured[height * 7 // 10, : width * 6 // 10].sum())  # across the box's left side
    label_px = int(coloured[: height // 2 - 1].any(axis=1).sum())  # rows above the box
    assert 1 <= line_px <= max(2, 0.01 * np.hypot(*hw))
    assert 9 <= label_px <= max(16, 0.08 * height)


@pytest.mark.parametrize(
    "box",
    [
        pytest.param([0.0, 0.0, 1.0, 1.0], id="the whole frame"),
        pytest.param([0.9, 0.0, 1.0, 0.1], id="upper right corner"),
        pytest.param([0.0, 0.9, 0.1, 1.0], id="lower left corner"),
        pytest.param([0.5, 0.5, 0.5, 0.5], id="a point"),
    ],
)
def test_label_at_an_edge_is_whole(box: list[float]) -> None:
    """As many rows as in the middle of the frame hold the label's whole width without a gap."""
    image = np.zeros((360, 640, 3), np.uint8)
    middle = longest_runs(draw_detections(image, detections((0.88, 3, [0.5, 0.5, 0.501, 0.501])), NAMES))
    at_edge = longest_runs(draw_detections(image, detections((0.88, 3, box)), NAMES))
    assert (at_edge >= middle.max()).sum() >= (middle == middle.max()).sum() >= 4


def longest_runs(drawn: np.ndarray) -> np.ndarray:
    """Give per row the longest run of class 3's colour."""
    edges = np.diff(np.pad(is_colour(drawn, 3).astype(int), ((0, 0), (1, 1))), axis=1)
    runs = [np.flatnonzero(row == -1) - np.flatnonzero(row == 1) for row in edges]
    return np.array([run.max(initial=0) for run in runs])


def test_labels_of_overlapping_boxes_do_not_cover_each_other() -> None:
    image = np.zeros((360, 640, 3), np.uint8)
    alone = [
        is_colour(draw_detections(image, detections((0.9, class_id, [0.3, 0.3, 0.7, 0.7])), NAMES), class_id).sum()
        for class_id in (0, 1)
    ]
    both = draw_detections(image, detections((0.9, 0, [0.3, 0.3, 0.7, 0.7]), (0.8, 1, [0.3, 0.3, 0.7, 0.7])), NAMES)
    assert is_colour(both, 0).sum() >= 0.9 * alone[0]
    # The second box lies under the first; its label, which has most of the colour, is all there.
    assert is_colour(both, 1).sum() >= 0.3 * alone[1]


def test_nothing_found_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    np.testing.assert_array_equal(draw_detections(image, Detections.none(), NAMES), image)


def test_class_colours_are_distinct_and_steady() -> None:
    colours = [class_colour(class_id) for class_id in range(80)]
    assert len(set(colours)) == 80
    assert colours == [class_colour(class_id) for class_id in range(80)]
    apart = [np.abs(np.subtract(a, b)).sum() for n, a in enumerate(colours[:10]) for b in colours[:n]]
    assert min(apart) >= 100


def relative_luminance(colour: np.ndarray | tuple[int, int, int]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
    return float(0.0722 * linear[0] + 0.7152 * linear[1] + 0.2126 * linear[2])


def contrast(first: np.ndarray | tuple[int, int, int], second: np.ndarray | tuple[int, int, int]) -> float:
    dark, light = sorted((relative_luminance(first), relative_luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def test_text_and_lines_stand_out_for_every_class_and_track() -> None:
    colours = [class_colour(number) for number in range(1000)]
    assert min(contrast(colour, text_colour_on(colour)) for colour in colours) >= READABLE_TEXT
    assert min(contrast(colour, (0, 0, 0)) for colour in colours) >= READABLE_CONTRAST  # the rim of its line


@functools.cache
def background_of(kind: str, hw: tuple[int, int]) -> np.ndarray:
    if kind == "noise":
        return np.random.default_rng(0).integers(0, 256, (*hw, 3), np.uint8)
    return np.full((*hw, 3), 255 if kind == "white" else 0, np.uint8)


@pytest.mark.parametrize("background", ["white", "black", "noise"])
@pytest.mark.parametrize("hw", [pytest.param(hw, id=f"{hw[1]}x{hw[0]}") for hw in SIZES_HW if min(hw) > 9])
@pytest.mark.parametrize("class_id", [5, 41])
def test_line_has_a_rim_and_letters_are_solid_on_any_background(
    hw: tuple[int, int], background: str, class_id: int
) -> None:
    height, width = hw
    drawn = draw_detections(
        background_of(background, hw), detections((0.88, class_id, [0.3, 0.4, 0.9, 0.9])), [f"c{n}" for n in range(80)]
    )
    coloured = (drawn == np.array(class_colour(class_id), np.uint8)).all(axis=2)
    row = height * 7 // 10
    line = np.flatnonzero(coloured[row, : width // 2])
    line = line[line < width * 0.3 + 20]
    assert (drawn[row, [line.min() - 1, line.max() + 1]] == 0).all()
    label = coloured[: height * 4 // 10 - 1]
    rows, columns = (np.flatnonzero(label.sum(axis=axis) > 5) for axis in (1, 0))  # noise has the colour here and there
    inside = drawn[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].reshape(-1, 3)
    letters = max(np.unique(inside, axis=0), key=lambda pixel: contrast(pixel, class_colour(class_id)))
    assert contrast(letters, class_colour(class_id)) >= (READABLE_TEXT if width >= 320 else READABLE_CONTRAST)


def test_a_name_wider_than_the_frame_is_cut_where_it_can_be_read() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    long, short = (
        is_colour(draw_detections(image, detections((0.9, 2, [0.2, 0.6, 0.9, 0.9])), ("a", "b", name)), 2)
        for name in ("a very long name of a class, longer than most", "ape")
    )
    assert long[:36].any(axis=1).sum() == pytest.approx(short[:36].any(axis=1).sum(), abs=3)  # as high
    assert long[:36].any(axis=0).sum() <= 64


@settings(max_examples=50)
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    rows=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 5), st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4)),
        max_size=12,
    ),
)
def test_anything_can_be_drawn(height: int, width: int, rows: list[tuple[float, int, list[float]]]) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    assert draw_detections(image, detections(*rows), NAMES).shape == image.shape
