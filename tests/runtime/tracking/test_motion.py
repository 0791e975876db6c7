"""A box moves on by seconds, whatever steps they come in."""

from __future__ import annotations

import numpy as np
import pytest

from singleshot.runtime.tracking.motion import BoxMotion


def seen(steps_s: list[float], speed: float) -> BoxMotion:
    """Show a box that moves to the right."""
    box = np.array([100.0, 100, 140, 180])
    motion, time_s = BoxMotion(box), 0.0
    for step_s in steps_s:
        time_s += step_s
        motion.predict(step_s)
        motion.update(box + speed * time_s * np.array([1, 0, 1, 0]))
    return motion


def test_ten_steps_are_one_of_ten_times_the_length() -> None:
    apart, together = seen([0.1] * 5, 30.0), seen([0.1] * 5, 30.0)
    for _ in range(10):
        apart.predict(0.05)
    together.predict(0.5)
    np.testing.assert_allclose(apart.state_to_bbox(), together.state_to_bbox())
    for motion in (apart, together):
        motion.update(np.array([90.0, 90, 130, 170]))
        motion.predict(1.0)
    np.testing.assert_allclose(apart.state_to_bbox(), together.state_to_bbox())


@pytest.mark.parametrize(
    "steps_s",
    [
        pytest.param([1 / 30] * 60, id="30 frames a second"),
        pytest.param([1 / 3] * 6, id="3 frames a second"),
        pytest.param([1 / 30, 0.5, 1 / 30, 0.2, 0.9, 1 / 30, 0.3], id="gaps"),
    ],
)
def test_speed_is_per_second(steps_s: list[float]) -> None:
    motion = seen(steps_s, 30.0)
    before = motion.state_to_bbox()
    motion.predict(1.0)
    np.testing.assert_allclose(motion.state_to_bbox() - before, [30, 0, 30, 0], atol=2)


def test_no_box_changes_nothing() -> None:
    motion = seen([0.1] * 5, 30.0)
    before = motion.state_to_bbox()
    motion.update(None)
    assert motion.state_to_bbox() is before
