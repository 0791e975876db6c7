"""Times of frames: they never fall, and frames without one get one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from singleshot.runtime.sources.frame_clock import FrameClock


@pytest.mark.parametrize(
    ("stamps_s", "times_s"),
    [
        pytest.param([5, 6, 7], [0, 1, 2], id="from the first frame"),
        pytest.param([1e6, 1e6 + 1, 1e6 + 2], [0, 1, 2], id="from days on"),
        pytest.param([-2, -1, 0, 1], [0, 1, 2, 3], id="from before 0"),
        pytest.param([None, None, None], [0, 1, 2], id="none has a time"),
        pytest.param([None, None, 0.5, 1.5], [0, 1, 2, 3], id="the first have none"),
        pytest.param([3, None, 5, 6], [0, 1, 2, 3], id="one between has none"),
        pytest.param([3, 4, None, None], [0, 1, 2, 3], id="the last have none"),
        pytest.param([0, 1, 2, 3, 0, 1, 2, 3, 4, 5], range(10), id="the clock starts anew"),
    ],
)
def test_seconds_since_the_first_frame(stamps_s: Sequence[float | None], times_s: Sequence[float]) -> None:
    clock = FrameClock()
    assert [clock.time_s(stamp_s, interval_s=1) for stamp_s in stamps_s] == pytest.approx(list(times_s))
