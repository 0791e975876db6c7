"""A camera gives its newest frame, and says when it is gone. The camera here is a script."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone
from itertools import islice

import cv2
import numpy as np
import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.sources.camera import CameraFeed, set_options
from singleshot.runtime.sources.live import LiveSource, Patience
from singleshot.runtime.sources.source_events import SourceEvent


class ScriptedCamera:
    """Delivers a frame whenever `let` allows it; then is unplugged, or hangs."""

    def __init__(self, frames: int, *, hangs: bool = False) -> None:
        self.left = frames
        self.hangs = hangs
        self.let = threading.Semaphore(0)
        self.read_again = threading.Semaphore(0)
        self.unhang = threading.Event()
        self.released = False
        self.properties: dict[int, float] = {}

    def read(self) -> tuple[bool, np.ndarray]:
        self.read_again.release()
        self.let.acquire()
        if self.left == 0:
            if self.hangs:
                self.unhang.wait()
            return False, np.zeros(0)
        self.left -= 1
        return True, np.zeros((6, 8, 3), np.uint8)

    def release(self) -> None:
        self.released = True

    def get(self, number: int, /) -> float:
        return self.properties.get(number, 0)

    def set(self, number: int, value: float, /) -> bool:
        self.properties[number] = min(value, 1920)  # no camera has more
        return True

    def deliver(self, count: int) -> None:
        """Let so many reads happen and wait until the source has taken them."""
        for _ in range(count):
            self.let.release()
            assert self.read_again.acquire(timeout=5)


def camera_source(camera: ScriptedCamera, *, silence_s: float = 5.0, give_up_after_s: float | None = 0) -> LiveSource:
    patience = Patience(silence_s=silence_s, give_up_after_s=give_up_after_s)
    return LiveSource("cam0", lambda: CameraFeed(camera), patience=patience)


def test_frames_that_came_meanwhile_are_skipped() -> None:
    camera = ScriptedCamera(6)
    with camera_source(camera) as source:
        assert camera.read_again.acquire(timeout=5)
        frames = iter(source)
        camera.deliver(1)
        assert next(frames).index == 0
        camera.deliver(4)
        newest = next(frames)
        assert newest.index == 4
        assert newest.time_s > 0
        assert newest.source == "cam0"
        camera.deliver(1)
        assert next(frames).index == 5
        camera.let.release()  # unplugged
        assert list(frames) == []
    assert source.warnings == (
        "cam0: lost once.",
        "cam0: lost for 0 s (it delivers no frames; unplugged?); given up, the run ends here.",
    )
    assert source.drops == {"replaced by a newer": 3}
    assert camera.released


def test_camera_that_hangs_in_its_driver_is_left_and_opened_again() -> None:
    hanging, healthy = ScriptedCamera(1, hangs=True), ScriptedCamera(2)
    hanging.let.release(2)
    healthy.let.release(2)
    cameras, told = iter([hanging, healthy]), list[SourceEvent]()
    patience = Patience(stall_s=0.2, silence_s=0.5, first_delay_s=0.01)
    with LiveSource(
        "cam0", lambda: CameraFeed(next(cameras)), policy="all", patience=patience, on_event=told.append
    ) as source:
        assert [frame.index for frame in islice(source, 3)] == [0, 1, 2]
        hanging.unhang.set()
    assert [event.state for event in told][:5] == ["opening", "live", "stalled", "lost", "back"]
    assert told[3].line == "cam0: lost (silence)"


def test_camera_without_a_frame_is_an_error() -> None:
    camera = ScriptedCamera(0)
    camera.let.release()
    with (
        camera_source(camera) as source,
        pytest.raises(
            InputError,
            match=r"cam0: expected a source that delivers frames, got none \(it delivers no frames; unplugged\?\)\. "
            r"Is another program using it\?",
        ),
    ):
        next(iter(source))


def test_closing_is_no_fault_of_the_camera() -> None:
    camera = ScriptedCamera(5)
    camera.let.release(2)
    source = camera_source(camera)
    frames = iter(source)
    next(frames)
    camera.let.release(9)
    source.close()
    assert list(frames) == []
    assert "lost" not in str(source.warnings)


@pytest.mark.parametrize(
    ("before_s", "clock"),
    [
        pytest.param(0.02, "driver", id="stamped by the monotonic clock just before"),
        pytest.param(1e6, "arrival", id="a count from the start of the stream is no clock"),
        pytest.param(-60, "arrival", id="a moment that is still to come"),
    ],
)
def test_capture_time_is_the_drivers_where_it_has_one(before_s: float, clock: str) -> None:
    camera = ScriptedCamera(1)
    stamp_s = time.monotonic() - before_s
    camera.properties[cv2.CAP_PROP_POS_MSEC] = stamp_s * 1000
    camera.let.release(1)
    with camera_source(camera) as source:
        frame = next(iter(source))
    assert frame.capture_clock == clock
    assert frame.captured_s is not None
    assert frame.captured_at is not None
    assert (frame.captured_s == pytest.approx(stamp_s, abs=1e-6)) == (clock == "driver")
    apart_s = (datetime.now(timezone.utc) - frame.captured_at).total_seconds()
    assert apart_s == pytest.approx(time.monotonic() - frame.captured_s, abs=0.01)


def test_camera_is_asked_for_size_and_rate_and_says_what_it_does_not_have() -> None:
    camera = ScriptedCamera(0)
    set_options("cam0", camera, {"width": "1280", "fps": "30"})
    assert camera.properties == {cv2.CAP_PROP_FRAME_WIDTH: 1280, cv2.CAP_PROP_FPS: 30}
    with pytest.raises(InputError, match=r"cam0: expected a camera with width=4000, got 1920\. Leave it out, or"):
        set_options("cam0", camera, {"width": "4000"})
