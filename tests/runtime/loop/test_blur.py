"""What may not be seen is in no picture that leaves the loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from singleshot.runtime.image_files import read_image_bgr
from singleshot.runtime.loop.blur import CELLS, HOLD_S, Blur, pixelated
from singleshot.runtime.loop.camera import Camera
from singleshot.runtime.loop.pipeline import Pipeline
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sources.frame import Frame
from singleshot.tests.fixtures.cameras import GivenSession, GivenSource, KeptResults
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.fixtures.found import Found, detections
from singleshot.tests.places import PHOTOS

BOX = [0.25, 0.25, 0.5, 0.75]
HALF = np.array([0.5, 0.5], np.float32)
"""Thresholds of two classes, of which the second is hidden."""


def frame(time_s: float = 0.0) -> Frame:
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    return Frame(image=noise, index=0, time_s=time_s, source="x")


def hidden(before: Frame, after: Frame) -> NDArray[np.bool_]:
    return np.asarray((before.image != after.image).any(axis=2))


@pytest.mark.parametrize(
    ("found", "thresholds", "is_hidden"),
    [
        pytest.param((0.9, 1, BOX), HALF, True, id="sure"),
        pytest.param((0.11, 1, BOX), HALF, True, id="too unsure to be shown"),
        pytest.param((0.09, 1, BOX), HALF, False, id="not even a fifth as sure"),
        pytest.param((0.11, 1, BOX), np.array([0.5, 1.1], np.float32), True, id="of a class that is not shown"),
        pytest.param((0.03, 1, BOX), np.array([0.5, 0.1], np.float32), True, id="where less is enough to be shown"),
        pytest.param((0.9, 0, BOX), HALF, False, id="another class"),
    ],
)
def test_what_is_hidden(found: Found, thresholds: NDArray[np.float32], is_hidden: bool) -> None:
    before = frame()
    after = Blur([1], holds=True).hide(before, detections(found), thresholds)
    changed = hidden(before, after)
    if not is_hidden:
        assert after is before
        return
    assert changed[24:96, 34:86].mean() > 0.99  # the box and 15 % of its sides around it
    outside = changed.copy()
    outside[10:110, 33:87] = False
    assert not outside.any()
    np.testing.assert_array_equal(before.image, frame().image)


@pytest.mark.parametrize("scale", [1, 8], ids=["small", "large"])
def test_squares_grow_with_the_box(scale: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (120 * scale, 160 * scale, 3), np.uint8)
    part = pixelated(image, np.array([[0.25, 0.25, 0.75, 0.75]], np.float32))[30 * scale : 90 * scale]
    colours = {tuple(pixel) for pixel in part[:, 40 * scale : 120 * scale].reshape(-1, 3).tolist()}
    assert len(colours) <= CELLS * CELLS


def test_what_is_missed_for_a_moment_stays_hidden_where_it_was() -> None:
    blur, seen, nothing = Blur([1], holds=True), detections((0.9, 1, BOX)), detections()
    areas = []
    for time_s, found in ((0.0, seen), (0.1, nothing), (HOLD_S, nothing), (HOLD_S + 0.1, nothing)):
        before = frame(time_s)
        areas.append(int(hidden(before, blur.hide(before, found, HALF)).sum()))
    assert 0 < areas[0] < areas[1] < areas[2]
    assert areas[3] == 0


def test_what_moved_on_is_not_hidden_where_it_was() -> None:
    blur = Blur([1], holds=True)
    blur.hide(frame(), detections((0.9, 1, BOX)), HALF)
    moved = [edge + 0.05 for edge in BOX]
    before = frame(0.1)
    expected = Blur([1], holds=True).hide(before, detections((0.9, 1, moved)), HALF)
    np.testing.assert_array_equal(blur.hide(before, detections((0.9, 1, moved)), HALF).image, expected.image)


def test_images_have_nothing_to_do_with_one_another() -> None:
    blur, before = Blur([1], holds=False), frame()
    blur.hide(frame(), detections((0.9, 1, BOX)), HALF)
    assert blur.hide(before, detections(), HALF) is before


@pytest.mark.parametrize("streams", [1, 3], ids=["one after the other", "several at the same time"])
def test_nobody_behind_the_network_sees_the_picture(streams: int) -> None:
    seen_by_observers = []

    class Looks:
        def observe(self, result: FrameResult) -> FrameResult:
            seen_by_observers.append(result.frame.image)
            return result

    class Drawn(KeptResults):
        needs_drawing = True

    kept = Drawn()
    thresholds = [np.zeros(4, np.float32)]
    source = GivenSource("a", 20)
    camera = Camera(
        name="a",
        source=source,
        thresholds=thresholds,
        sinks=[kept],
        blur=Blur(range(4), holds=True),
        observers=[Looks()],
    )
    originals = [given.image for given in GivenSource("a", 20)]
    Pipeline([camera], [GivenSession(streams=streams)]).run()
    assert len(kept.results) == len(seen_by_observers) == 20
    for result, observed in zip(kept.results, seen_by_observers, strict=True):
        assert result.frame.image is observed
        assert result.frame.image is not originals[result.frame.index]


def test_folder_of_images_is_hidden_too_and_its_boxes_drawn(tmp_path: Path) -> None:
    options = ("--blur", "dog", "--blur", "person")
    result = run_verb("rt-detect", "--video", PHOTOS, "--save", tmp_path / "out", *options)
    assert result.exit_code == 0, result.stderr
    photo = "2010_000276.jpg"
    plain = run_verb("rt-detect", "--video", PHOTOS / photo, "--save", tmp_path / "plain")
    assert plain.exit_code == 0, plain.stderr
    drawn, unhidden = (read_image_bgr(tmp_path / folder / photo) for folder in ("out", "plain"))
    assert np.abs(drawn.astype(int) - unhidden).mean() > 5


def test_an_unknown_class_is_refused_before_a_camera_opens(tmp_path: Path) -> None:
    result = run_verb("rt-detect", "--video", "cam99", "--blur", "mouse", "--save", tmp_path / "x.mp4")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        "error: --blur mouse: expected one of the model's classes, cat, cow, dog, horse, sheep, person, got another."
    )
