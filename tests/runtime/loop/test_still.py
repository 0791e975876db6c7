"""A scene that does not move is not looked at again; one that does is, whatever the camera's noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from singleshot.runtime.loop.still import LONGEST_S, Stillness

FRAMES_PER_S = 25
SIDE = 256


def pictures(count: int, *, noise: float = 0, brighter: float = 0) -> Iterator[NDArray[np.uint8]]:
    """Give a textured scene, with a camera's noise, each picture a little brighter."""
    rng = np.random.default_rng(0)
    scene = rng.integers(40, 160, (16, 16, 3)).repeat(16, axis=0).repeat(16, axis=1)
    for number in range(count):
        noisy = scene + noise * rng.standard_normal(scene.shape) + brighter * number
        yield np.clip(noisy, 0, 255).astype(np.uint8)


def looked_at(frames: Iterator[NDArray[np.uint8]]) -> list[int]:
    """Give the numbers of the frames that the network sees."""
    stillness = Stillness()
    return [number for number, frame in enumerate(frames) if not stillness.is_still(frame, number / FRAMES_PER_S)]


@pytest.mark.parametrize(
    ("noise", "brighter"),
    [
        pytest.param(0, 0, id="no noise at all"),
        pytest.param(4, 0, id="by day"),
        pytest.param(20, 0, id="a dark room"),
        pytest.param(4, 0.2, id="a cloud goes away"),
    ],
)
def test_a_still_scene_is_looked_at_once_in_two_seconds(noise: float, brighter: float) -> None:
    seen = looked_at(pictures(210, noise=noise, brighter=brighter))
    assert seen[:8] == list(range(8)), "at first nothing is known of the noise"
    assert np.diff(seen[7:]).tolist() == [LONGEST_S * FRAMES_PER_S] * 4


@pytest.mark.parametrize("noise", [0, 4, 20])
def test_what_comes_is_seen_at_once_and_so_is_that_it_went(noise: float) -> None:
    """A bright object of a sixteenth of the width stands there from frame 120 to 140."""
    frames = list(pictures(200, noise=noise))
    for frame in frames[120:140]:
        frame[100:116, 50:66] = 255
    assert {120, 140} <= set(looked_at(iter(frames)))


def test_what_moves_slowly_is_not_missed() -> None:
    """A pixel of 256 in every third frame."""
    frames = list(pictures(300, noise=3))
    for number, frame in enumerate(frames[100:]):
        frame[100:132, 20 + number // 3 : 52 + number // 3] = 250
    seen = [number for number in looked_at(iter(frames)) if number >= 100]
    assert max(np.diff(seen)) <= 12, "it has moved by at most 4 pixels unseen"


def test_a_camera_that_always_moves_does_not_pass_for_noise() -> None:
    frames = [np.roll(frame, 5 * number, axis=1) for number, frame in enumerate(pictures(200, noise=3))]
    assert looked_at(iter(frames)) == list(range(200))


def test_a_clock_that_goes_back_is_looked_at() -> None:
    (frame,) = pictures(1)
    stillness = Stillness()
    assert [stillness.is_still(frame, 10 + number / 25) for number in range(12)] == [False] * 8 + [True] * 4
    assert not stillness.is_still(frame, 0.0)
    assert stillness.is_still(frame, 0.1)
