"""A full disk stops what is written there, says so once, and nothing else."""

from __future__ import annotations

import errno
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.errors import InputError
from singleshot.runtime.sinks import full_disk
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sinks.full_disk import DiskFullError, PausingSink, unwritten
from singleshot.runtime.sinks.open_sinks import open_sinks
from singleshot.runtime.sinks.outputs import Outputs
from singleshot.runtime.sinks.sink import Sink
from singleshot.runtime.sinks.video import VideoSink
from singleshot.runtime.sources.frame import Frame
from singleshot.runtime.sources.open_source import open_source

LIMIT_BYTES = 100_000


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_disk, "_FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(full_disk, "_LONGEST_WAIT_S", 0.0)


@pytest.fixture
def limited() -> Iterator[None]:
    """No file grows over a limit, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    was = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, was)


def noise(index: int, *, source: str = "x.png") -> FrameResult:
    image = np.random.default_rng(index).integers(0, 256, (96, 128, 3), np.uint8)
    frame = Frame(image=image, index=index, time_s=index / 25, source=source)
    return FrameResult(frame=frame, found=Detections.none(), drawn=image)


class SinkOnAFullDisk(Sink):
    """Has room for the results below 2 and from 6 on."""

    paths = ("out",)

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.tries = 0

    def write(self, result: FrameResult) -> None:
        self.tries += 1
        if 2 <= result.frame.index < 6:
            raise DiskFullError("out: could not be written (full).")
        self.taken.append(result.frame.index)

    def close(self) -> None:
        raise DiskFullError("out: could not be finished (full).")


@pytest.mark.usefixtures("no_waiting")
def test_a_sink_pauses_and_goes_on(tmp_path: Path) -> None:
    told: list[str] = []
    inner = SinkOnAFullDisk()
    sink = PausingSink(inner, Path("out"), tmp_path, told.append)
    assert (sink.paths, sink.needs_drawing, sink.warnings) == (("out",), False, ())
    for index in range(10):
        sink.write(noise(index))
    assert inner.taken == [0, 1, 6, 7, 8, 9]
    assert told == [
        "out: could not be written (full). The run goes on; this does when there is room again.",
        "out: there is room again; it goes on, 4 frames are missing.",
    ]
    sink.close()
    assert told[2:] == ["out: could not be finished (full). The run goes on; this does when there is room again."]
    assert sink.warnings == ("out: the disk was full, 5 of 10 frames are missing.",)


def test_a_sink_is_not_tried_at_every_frame_nor_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner, now_s = SinkOnAFullDisk(), [0.0]
    monkeypatch.setattr("singleshot.runtime.sinks.full_disk.time.monotonic", lambda: now_s[0])
    sink = PausingSink(inner, Path("out"), tmp_path, lambda _line: None)
    for index in range(6):
        sink.write(noise(index))
    assert inner.tries == 3
    now_s[0] = 11.0
    monkeypatch.setattr(full_disk, "_ROOM_BYTES", 1 << 60)
    sink.write(noise(6))
    monkeypatch.setattr(full_disk, "_ROOM_BYTES", 0)
    sink.write(noise(7))  # looked at a moment ago
    assert inner.tries == 3
    now_s[0] = 22.0
    sink.write(noise(8))
    assert inner.taken == [0, 1, 8]


@pytest.mark.parametrize(
    ("number", "is_full"),
    [
        pytest.param(errno.ENOSPC, True, id="full"),
        pytest.param(errno.EDQUOT, True, id="a quota"),
        pytest.param(errno.EFBIG, True, id="a file as large as may be"),
        pytest.param(errno.EIO, False, id="a broken disk"),
        pytest.param(None, False, id="not the system's"),
    ],
)
def test_what_is_a_full_disk(number: int | None, is_full: bool) -> None:
    assert type(unwritten("x", number)) is (DiskFullError if is_full else InputError)


@pytest.mark.usefixtures("no_waiting", "limited")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_recording_goes_on_in_a_new_file_and_the_lines_are_whole(tmp_path: Path, dog_clip: Path, suffix: str) -> None:
    told: list[str] = []
    outputs = Outputs(save=tmp_path / f"out{suffix}", json_lines=tmp_path / "out.jsonl")
    with open_source(dog_clip) as source:
        sinks = open_sinks(outputs, source=source, tell=told.append)
        for index in range(40):
            for sink in sinks:
                sink.write(noise(index))
        for sink in sinks:
            sink.close()
    lines, recording = sinks
    assert lines.warnings == ()
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 40
    assert told[0].startswith(f"{tmp_path}/out{suffix}: could not be written (File too large) after ")
    assert told[1].startswith(f"{tmp_path}/out_2{suffix}: there is room again; it goes on, ")
    assert len(recording.paths) > 1
    for path in recording.paths:
        with open_source(path) as video:
            assert len(list(video)) > 5
    assert recording.warnings[0].startswith(f"{tmp_path}/out{suffix}: the disk was full, ")


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_video_whose_index_finds_no_room_is_kept(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    sink = VideoSink(path)
    for index in range(30):
        image = np.full((96, 128, 3), 4 * index, np.uint8)
        frame = Frame(image=image, index=index, time_s=index / 10, source="x")
        sink.write(FrameResult(frame=frame, found=Detections.none(), drawn=image))
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, resource.RLIM_INFINITY))
    with pytest.raises(DiskFullError, match="could not be written"):
        sink.close()
    with open_source(path) as video:
        assert len(list(video)) >= 20


@pytest.mark.usefixtures("no_waiting", "limited")
def test_an_image_that_finds_no_room_is_missing_alone(tmp_path: Path) -> None:
    told: list[str] = []
    photo = tmp_path / "in" / "a.png"
    photo.parent.mkdir()
    cv2.imwrite(str(photo), np.zeros((8, 8, 3), np.uint8))
    with open_source(photo) as source:
        (sink,) = open_sinks(Outputs(save=tmp_path / "out"), source=source, tell=told.append)
        large = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
        frame = Frame(image=large, index=0, time_s=0.0, source="large.png")
        sink.write(FrameResult(frame=frame, found=Detections.none(), drawn=large))
        sink.write(noise(1))
        sink.close()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x.png"]
    assert told[0].startswith(f"{tmp_path}/out/large.png: could not be written (File too large); nothing was changed.")
    assert sink.warnings == (f"{tmp_path}/out: the disk was full, 1 of 2 frames are missing.",)
