"""A recording that is cut: where, by which names, and what is deleted of it."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.errors import InputError
from singleshot.runtime.sinks import segment_files
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sinks.outputs import Outputs, check_outputs
from singleshot.runtime.sinks.segments import Segments, segments_from_options
from singleshot.runtime.sinks.video import VideoSink
from singleshot.runtime.sources.frame import Frame
from singleshot.runtime.sources.open_source import open_source

NOON = datetime(2026, 11, 30, 12, 0, 0, tzinfo=timezone.utc)


def live(time_s: float, *, height: int = 16) -> FrameResult:
    """A camera's frame; the recording's first is taken at noon."""
    return result(time_s, height=height, captured_at=NOON + timedelta(seconds=time_s))


def result(time_s: float, *, height: int = 16, captured_at: datetime | None = None) -> FrameResult:
    image = np.full((height, 16, 3), 90, np.uint8)
    frame = Frame(image=image, index=0, time_s=time_s, source="x", captured_at=captured_at)
    return FrameResult(frame=frame, found=Detections.none(), drawn=image)


def times_s(folder: Path) -> dict[str, list[float]]:
    found = {}
    for path in sorted(folder.glob("*.mp4")):
        with open_source(path) as source:
            found[path.name] = [round(frame.time_s, 3) for frame in source]
    return found


@pytest.fixture
def always_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_files, "_CHECK_S", 0.0)


@pytest.mark.parametrize(
    ("segment", "keep", "expected"),
    [
        pytest.param(None, None, None, id="nothing is cut"),
        pytest.param("90s", None, Segments(length_s=90), id="seconds"),
        pytest.param("1.5h", "7d", Segments(length_s=5400, keep_s=604800), id="an age"),
        pytest.param("10m", "20GiB", Segments(length_s=600, keep_bytes=20 << 30), id="a size"),
        pytest.param("10m", "500 MB", Segments(length_s=600, keep_bytes=500_000_000), id="with a space"),
    ],
)
def test_options_that_are_read(segment: str | None, keep: str | None, expected: Segments | None) -> None:
    assert segments_from_options(segment, keep) == expected


@pytest.mark.parametrize(
    ("segment", "keep", "message"),
    [
        pytest.param("10", None, "--segment: expected a time of 1s or more, like 90s, 10m or 1h, got '10'.", id="unit"),
        pytest.param("0m", None, "--segment: expected a time of 1s or more, like", id="nought"),
        pytest.param("-5m", None, "--segment: expected a time of 1s or more, like", id="negative"),
        pytest.param(
            "10m", "7", "--keep: expected an age like 7d or 12h, or a size like 20GiB or 500MB, got '7'", id="7"
        ),
        pytest.param("10m", "20G", "--keep: expected an age like 7d or 12h, or a size like 20GiB or", id="not a unit"),
        pytest.param("1h", "10m", "--keep: expected no less than --segment 1h, got 10m.", id="less than a file"),
        pytest.param(None, "7d", "--keep 7d: expected --segment as well, got none. Only whole", id="not cut"),
    ],
)
def test_options_that_are_refused(segment: str | None, keep: str | None, message: str) -> None:
    with pytest.raises(InputError) as caught:
        segments_from_options(segment, keep)
    assert str(caught.value).startswith(message)


def test_a_camera_is_cut_by_time_and_named_by_it(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "cam" / "out.mp4", segments=Segments(length_s=60))
    for time_s in (0, 20, 40, 60, 80, 121, 122):
        sink.write(live(time_s))
    sink.close()
    assert times_s(tmp_path / "cam") == {
        "out_20261130T120000Z.mp4": [0, 20, 40],
        "out_20261130T120100Z.mp4": [0, 20],
        "out_20261130T120201Z.mp4": [0, 1],
    }
    assert sink.paths == (str(tmp_path / "cam" / "out_*.mp4"),)
    with av.open(str(tmp_path / "cam" / "out_20261130T120201Z.mp4")) as container:
        assert container.metadata["creation_time"] == "2026-11-30T12:02:01.000000Z"


def test_a_file_is_cut_by_time_and_numbered_and_nothing_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "out_0002.mp4").write_bytes(b"somebody's")
    sink = VideoSink(tmp_path / "out.mp4", segments=Segments(length_s=10))
    for time_s in (0, 9, 10, 25):
        sink.write(result(time_s))
    sink.close()
    assert (tmp_path / "out_0002.mp4").read_bytes() == b"somebody's"
    (tmp_path / "out_0002.mp4").unlink()
    assert times_s(tmp_path) == {"out_0001.mp4": [0, 9], "out_0003.mp4": [0], "out_0004.mp4": [0]}


def test_a_size_that_changes_within_a_second_gets_a_name_too(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4", segments=Segments(length_s=60))
    for time_s, height in ((0, 16), (0.1, 32), (0.2, 16)):
        sink.write(live(time_s, height=height))
    sink.close()
    assert list(times_s(tmp_path)) == [f"out_20261130T120000Z{end}.mp4" for end in ("", "_2", "_3")]


@pytest.mark.parametrize(
    ("steps_s", "files"),
    [
        pytest.param([0, 0.04, 0.08, 8, 8.04], [[0, 0.04, 0.08], [0, 0.04]], id="a camera that was lost"),
        pytest.param([0, 0.04, 0.08, 4, 4.04], [[0, 0.04, 0.08, 4, 4.04]], id="one that stalled for a moment"),
        pytest.param([0, 10, 20, 31], [[0, 10, 20, 31]], id="a picture every ten seconds"),
    ],
)
def test_a_camera_that_was_lost_goes_on_in_a_new_file(
    tmp_path: Path, steps_s: list[float], files: list[list[float]]
) -> None:
    sink = VideoSink(tmp_path / "out.mp4")
    for time_s in steps_s:
        sink.write(live(time_s))
    sink.close()
    assert list(times_s(tmp_path).values()) == files
    assert sink.paths == tuple(str(tmp_path / name) for name in ("out.mp4", "out_2.mp4")[: len(files)])


def test_a_video_with_a_long_still_is_one_file(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4")
    for time_s in (0, 0.04, 60):
        sink.write(result(time_s))
    sink.close()
    assert times_s(tmp_path) == {"out.mp4": [0, 0.04, 60]}


@pytest.mark.usefixtures("always_checked")
def test_the_oldest_files_of_this_recording_go_and_no_others(tmp_path: Path) -> None:
    """Over several runs; what was renamed, what others made and what bears a name like it stays."""
    others = ["out_20261129T120000Z.mp4", "out_20261130T115900Z.mkv", "other_20261130T115900Z.mp4", "out.mp4", "a.txt"]
    for name in others:
        (tmp_path / name).write_bytes(b"x" * 5000)
    for start_s in (0, 600):
        sink = VideoSink(tmp_path / "out.mp4", segments=Segments(length_s=60, keep_bytes=3000))
        for time_s in range(start_s, start_s + 200, 10):
            sink.write(live(time_s))
        sink.close()
        if not start_s:
            made = sorted(path.name for path in tmp_path.glob("out_20261130*.mp4"))
            (tmp_path / made[0]).rename(tmp_path / "out_kept.mp4")
    made_s = list(tmp_path.glob("out_20261130*.mp4"))
    assert sum(path.stat().st_size for path in made_s) <= 3000
    assert (tmp_path / "out_20261130T121300Z.mp4") in made_s
    assert len(made_s) < 8
    assert (tmp_path / "out_kept.mp4").exists()
    assert all((tmp_path / name).stat().st_size == 5000 for name in others)


@pytest.mark.usefixtures("always_checked")
def test_files_go_by_age(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4", segments=Segments(length_s=60, keep_s=86400))
    sink.write(live(0))
    sink.write(live(60))
    first, second = (tmp_path / f"out_20261130T120{minute}00Z.mp4" for minute in "01")
    os.utime(first, (time.time() - 90000,) * 2)
    os.utime(tmp_path / "out.mp4.segments", (time.time() - 90000,) * 2)
    sink.close()
    sink = VideoSink(tmp_path / "out.mp4", segments=Segments(length_s=60, keep_s=86400))
    sink.write(live(120))
    assert not first.exists()
    assert second.exists()
    sink.close()


@pytest.mark.usefixtures("always_checked")
def test_a_clock_that_is_set_deletes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = VideoSink(tmp_path / "out.mp4", segments=Segments(length_s=60, keep_s=86400))
    sink.write(live(0))
    monkeypatch.setattr("singleshot.runtime.sinks.segment_files.time.time", lambda: NOON.timestamp() + 1e9)
    for time_s in (60, 120):
        sink.write(live(time_s))
    sink.close()
    assert len(list(tmp_path.glob("*.mp4"))) == 3


@pytest.mark.usefixtures("always_checked")
def test_a_list_that_somebody_wrote_deletes_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "cam"
    folder.mkdir()
    (tmp_path / "out_20261130T120000Z.mp4").write_bytes(b"elsewhere")
    (folder / "notes.txt").write_text("mine")
    (folder / "out.mp4.segments").write_text("../out_20261130T120000Z.mp4\nnotes.txt\n\nout_20200101T000000Z.mp4\n")
    sink = VideoSink(folder / "out.mp4", segments=Segments(length_s=60, keep_bytes=1))
    sink.write(live(0))
    sink.close()
    assert (tmp_path / "out_20261130T120000Z.mp4").exists()
    assert (folder / "notes.txt").exists()


@pytest.mark.usefixtures("always_checked")
def test_a_file_that_cannot_be_deleted_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path, *, missing_ok: bool) -> None:
        raise PermissionError(1, "Operation not permitted")

    told: list[str] = []
    sink = VideoSink(tmp_path / "out.mp4", segments=Segments(length_s=60, keep_bytes=1), tell=told.append)
    monkeypatch.setattr(Path, "unlink", refuse)
    for time_s in (0, 60, 61):
        sink.write(live(time_s))
    sink.close()
    assert told == [f"{tmp_path}/out_20261130T120000Z.mp4: could not be deleted (Operation not permitted); it is left."]


def test_one_recording_belongs_to_one_run(tmp_path: Path) -> None:
    outputs = Outputs(save=tmp_path / "out.mp4", segments=Segments(length_s=60))
    message = r"out\.mp4\.segments: expected a file that nothing else writes"
    sink = VideoSink(tmp_path / "out.mp4", segments=Segments(length_s=60))
    with pytest.raises(InputError, match=message):
        VideoSink(tmp_path / "out.mp4", segments=Segments(length_s=60))
    with pytest.raises(InputError, match=message):
        check_outputs([("cam0", outputs)])
    sink.close()
    check_outputs([("cam0", outputs)])
    assert list(tmp_path.iterdir()) == []


def test_names_are_not_longer_than_they_may_be(tmp_path: Path) -> None:
    outputs = Outputs(save=tmp_path / ("m" * 245 + ".mp4"), segments=Segments(length_s=60))
    with pytest.raises(InputError, match="File name too long"):
        check_outputs([("cam0", outputs)])


def test_a_list_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match=r"out\.mp4\.segments: expected a list of files, got Input/output error\."):
        VideoSink(tmp_path / "out.mp4", segments=Segments(length_s=60))


def test_the_shape_of_pixels_begins_a_new_file(tmp_path: Path) -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    sink = VideoSink(tmp_path / "out.mp4")
    for aspect in (Fraction(1), Fraction(4, 3)):
        frame = Frame(image=image, index=0, time_s=0.0, source="x", pixel_aspect=aspect)
        sink.write(FrameResult(frame=frame, found=Detections.none(), drawn=image))
    sink.close()
    assert [Path(path).name for path in sink.paths] == ["out.mp4", "out_2.mp4"]
