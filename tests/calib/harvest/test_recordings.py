"""What can be harvested, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from singleshot.calib.harvest.recordings import find_recordings
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.errors import InputError
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sinks.video import VideoSink
from singleshot.runtime.sources.frame import Frame
from singleshot.tests.places import CLIP, PHOTOS

WriteVideo = Callable[..., Path]


def test_a_video_is_read_again_frame_by_frame() -> None:
    (recording,) = find_recordings([CLIP])
    frames = list(recording.frames([3, 8], ["", ""]))
    assert [frame.index for frame in frames] == [3, 8]


def test_images_are_read_again_by_their_names() -> None:
    (recording,) = find_recordings([PHOTOS])
    paths = sorted(map(str, PHOTOS.glob("*.jpg")))
    assert [frame.source for frame in recording.frames([0, 2], [paths[0], paths[2]])] == [paths[0], paths[2]]


def test_a_folder_of_recordings_is_all_of_them(write_video: WriteVideo, tmp_path: Path) -> None:
    for name in ("b.mkv", "a.mp4"):
        write_video(name, times_s=[0, 0.1])
    (tmp_path / "b.mkv.segments").write_text("a list")
    assert [Path(each.name).name for each in find_recordings([tmp_path])] == ["a.mp4", "b.mkv"]


def test_of_a_folder_of_events_the_whole_pictures_count(tmp_path: Path) -> None:
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "events.jsonl").write_text("")
    with pytest.raises(InputError, match=r"expected snapshots of events, got none\. Their rules need snapshot = true"):
        find_recordings([tmp_path])
    photo = next(iter(sorted(PHOTOS.glob("*.jpg"))))
    for name in ("1.jpg", "1_crop.jpg", "2.jpg"):
        shutil.copy(photo, tmp_path / "snapshots" / name)
    (recording,) = find_recordings([tmp_path])
    with recording.open() as source:
        assert [Path(frame.source).name for frame in source] == ["1.jpg", "2.jpg"]


def test_a_recording_with_boxes_drawn_in_is_refused(tmp_path: Path) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    sink = VideoSink(tmp_path / "out.mp4")
    frame = Frame(image=image, index=0, time_s=0.0, source="cam0")
    sink.write(FrameResult(frame=frame, found=Detections.none(), drawn=image))
    sink.close()
    with pytest.raises(InputError, match=r"out\.mp4: expected pictures as the camera gave them, got a recording of"):
        find_recordings([tmp_path / "out.mp4"])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param("cam0", "cam0: expected a recording, a folder or events, got a camera or stream", id="camera"),
        pytest.param("none.mp4", "none.mp4: expected a video, an image, a folder", id="nothing there"),
    ],
)
def test_what_is_no_recording(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_recordings([spec])
