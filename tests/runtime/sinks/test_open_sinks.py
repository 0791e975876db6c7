"""What is written can be read again, also after a failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.errors import InputError
from singleshot.runtime.image_files import read_image_bgr
from singleshot.runtime.loop.sink_thread import SinkThread
from singleshot.runtime.loop.stage_times import StageTimes
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sinks.image_folder import ImagesSink
from singleshot.runtime.sinks.json_lines import JsonLinesSink, json_line
from singleshot.runtime.sinks.open_sinks import open_json_lines, open_recording, open_sinks
from singleshot.runtime.sinks.outputs import Outputs
from singleshot.runtime.sinks.sink import Sink
from singleshot.runtime.sinks.video import VideoSink
from singleshot.runtime.sources.frame import Frame
from singleshot.runtime.sources.image_folder import ImagesSource
from singleshot.runtime.sources.open_source import open_source
from singleshot.tests.fixtures.found import detections

NAMES = ("cat", "cow", "dog")
UNSTEADY_S = [0.0, 0.04, 0.05, 0.3, 0.31, 1.5, 1.51, 1.55, 2.0, 2.25]


def result(
    *, index: int = 0, time_s: float = 0.0, source: str = "clip.mp4", height: int = 48, width: int = 64, value: int = 50
) -> FrameResult:
    image = np.full((height, width, 3), value, np.uint8)
    frame = Frame(image=image, index=index, time_s=time_s, source=source)
    return FrameResult(frame=frame, found=Detections.none(), drawn=image)


def times_s(path: Path) -> list[float]:
    with open_source(str(path)) as source:
        return [frame.time_s for frame in source]


def test_json_line_is_exactly_this() -> None:
    image = np.zeros((100, 300, 3), np.uint8)
    found = detections((0.97126, 2, [0.1, 0.25, 1 / 3, 0.5]), (0.5, 0, [0, 0, 1, 1]))
    frame = Frame(image=image, index=7, time_s=0.28, source="größe/clip.mp4")
    assert json_line(FrameResult(frame=frame, found=found, drawn=None, class_names=NAMES)) == (
        '{"source": "größe/clip.mp4", "frame": 7, "time_s": 0.28, "detections": ['
        '{"label": "dog", "class_id": 2, "score": 0.9713, "box_xyxy_px": [30.0, 25.0, 100.0, 50.0]}, '
        '{"label": "cat", "class_id": 0, "score": 0.5, "box_xyxy_px": [0.0, 0.0, 300.0, 100.0]}]}'
    )


def test_json_line_of_nothing() -> None:
    assert json_line(result(time_s=1 / 3)) == (
        '{"source": "clip.mp4", "frame": 0, "time_s": 0.333333, "detections": []}'
    )


def test_json_line_of_a_stream_says_when_it_came() -> None:
    came = datetime(2026, 11, 30, 9, 5, 2, 123456, tzinfo=timezone.utc)
    frame = Frame(image=np.zeros((8, 8, 3), np.uint8), index=3, time_s=1.5, source="rtsp://cam/1", captured_at=came)
    assert json_line(FrameResult(frame=frame, found=Detections.none(), drawn=None, class_names=NAMES)) == (
        '{"source": "rtsp://cam/1", "frame": 3, "time_s": 1.5, "captured_at": "2026-11-30T09:05:02.123+00:00", '
        '"detections": []}'
    )


def test_each_json_line_is_on_the_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.jsonl"
    sink = JsonLinesSink(path)
    for index in range(3):
        sink.write(result(index=index))
        lines = path.read_text().splitlines(keepends=True)
        assert [json.loads(line)["frame"] for line in lines] == list(range(index + 1))
        assert lines[-1].endswith("\n")
    sink.close()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 63), (1, 1), (75, 100)])
def test_video_keeps_times_and_any_size(tmp_path: Path, suffix: str, height: int, width: int) -> None:
    path = tmp_path / "new" / f"out{suffix}"
    sink = VideoSink(path)
    for index, time_s in enumerate(UNSTEADY_S):
        sink.write(result(index=index, time_s=time_s, height=height, width=width, value=20 * index))
    sink.close()
    with open_source(str(path)) as source:
        frames = list(source)
        assert source.warnings == ()
    assert [frame.time_s for frame in frames] == pytest.approx(UNSTEADY_S, abs=1e-3)
    assert frames[0].image.shape == (height + height % 2, width + width % 2, 3)
    assert [frame.image.mean() for frame in frames] == pytest.approx([20 * n for n in range(10)], abs=6)
    capture = cv2.VideoCapture(str(path))  # another reader than the one it was written with
    assert capture.isOpened()
    assert capture.read()[0]
    capture.release()


@pytest.mark.parametrize("height", [48, 50, 90])
@pytest.mark.parametrize("width", [64, 66])
def test_video_shows_the_picture_to_its_last_row(tmp_path: Path, height: int, width: int) -> None:
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([100 + rows, 200 - columns, 60 + columns], axis=2).astype(np.uint8)
    sink = VideoSink(tmp_path / "out.mp4")
    frame = Frame(image=image, index=0, time_s=0.0, source="x")
    sink.write(FrameResult(frame=frame, found=Detections.none(), drawn=image))
    sink.close()
    with open_source(tmp_path / "out.mp4") as source:
        (read,) = source
    assert read.image.shape == image.shape
    assert np.abs(read.image.astype(int) - image).max() <= 12


def test_video_whose_times_do_not_rise_is_still_written(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4")
    for time_s in (0.0, 0.0, 0.04, 0.03):
        sink.write(result(time_s=time_s))
    sink.close()
    assert times_s(tmp_path / "out.mp4") == pytest.approx([0, 0, 0.04, 0.04], abs=1e-3)


def test_video_whose_size_changes_goes_on_in_a_new_file(tmp_path: Path) -> None:
    (tmp_path / "out_2.mp4").write_bytes(b"somebody's")
    sink = VideoSink(tmp_path / "out.mp4")
    for index, height in enumerate((48, 48, 20, 20, 20, 48)):
        sink.write(result(index=index, time_s=index / 10, height=height))
    sink.close()
    assert sink.paths == tuple(str(tmp_path / name) for name in ("out.mp4", "out_3.mp4", "out_4.mp4"))
    assert [times_s(Path(path)) for path in sink.paths] == [
        pytest.approx(expected, abs=1e-3) for expected in ([0, 0.1], [0, 0.1, 0.2], [0])
    ]
    assert (tmp_path / "out_2.mp4").read_bytes() == b"somebody's"


def test_video_carries_its_colours_and_the_shape_of_pixels(tmp_path: Path) -> None:
    colour = np.array([200, 30, 90], np.uint8)
    image = np.broadcast_to(colour, (720, 1280, 3)).copy()  # of HD untagged colours shift
    sink = VideoSink(tmp_path / "out.mp4")
    frame = Frame(image=image, index=0, time_s=0.0, source="x", pixel_aspect=Fraction(4, 3))
    sink.write(FrameResult(frame=frame, found=Detections.none(), drawn=image))
    sink.close()
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (Colorspace.ITU601, ColorRange.MPEG)
        assert (context.color_primaries, context.color_trc) == (ColorPrimaries.BT709, ColorTrc.BT709)
    with open_source(tmp_path / "out.mp4") as source:
        (read,) = source
    assert read.pixel_aspect == Fraction(4, 3)
    assert np.abs(read.image.astype(int) - colour).max() <= 3


def test_outputs_without_a_frame_leave_no_file(tmp_path: Path) -> None:
    sinks = [VideoSink(tmp_path / "out.mp4"), JsonLinesSink(tmp_path / "out.jsonl")]
    for sink in sinks:
        sink.close()
        assert sink.paths == ()
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.errors import InputError
from singleshot.runtime.sources.frame import Frame
from singleshot.runtime.image_files import read_image_bgr
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sinks.json_lines import JsonLinesSink
from singleshot.runtime.sinks.video import VideoSink
sink = VideoSink(Path(sys.argv[1])) if sys.argv[1].endswith(".mp4") else JsonLinesSink(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
noise = np.random.default_rng(0)
try:
    for index in range(3000):
        image = noise.integers(0, 256, (96, 128, 3), np.uint8)
        frame = Frame(image=image, index=index, time_s=index / 25, source="x" * 200)
        sink.write(FrameResult(frame=frame, found=Detections.none(), drawn=image))
except InputError as error:
    print(error)
try:
    sink.close()
except InputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a limit on file sizes stands for the full disk")
@pytest.mark.parametrize("name", ["out.mp4", "out.jsonl"])
def test_full_disk_is_said_and_leaves_what_was_written_usable(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    run = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True)
    assert run.stdout.startswith(f"{path}: could not be written (File too large)")
    if name.endswith(".mp4"):
        assert len(times_s(path)) > 5
    else:
        data = path.read_bytes()
        assert data.endswith(b"\n")
        assert [json.loads(line)["frame"] for line in data.splitlines()] == list(range(data.count(b"\n")))


def test_images_keep_their_names_and_twins_get_a_number(tmp_path: Path) -> None:
    sink = ImagesSink(tmp_path / "new" / "out", ImagesSource("none", []))
    for value, source in enumerate(("a/x.png", "b/x.png", "b/X.PNG", "b/y.bmp", "c/x.png", "p/IMG_1.HEIC", "z.jfif")):
        sink.write(result(source=source, value=40 * value))
    sink.close()
    written = {path.name: int(read_image_bgr(path)[0, 0, 0]) for path in (tmp_path / "new" / "out").iterdir()}
    values = {"x.png": 0, "x_2.png": 40, "X_3.PNG": 80, "y.bmp": 120, "x_4.png": 160, "IMG_1.jpg": 200, "z.jpg": 240}
    assert written == values


def test_annotated_image_never_replaces_an_input(tmp_path: Path) -> None:
    """The first image's own place, and that of one which comes later."""
    paths = [tmp_path / "a" / "x.png", tmp_path / "b" / "x.png"]
    for path in paths:
        path.parent.mkdir()
        cv2.imwrite(str(path), np.full((8, 8, 3), 77, np.uint8))
    before = [path.read_bytes() for path in paths]
    with open_source(f"{tmp_path}/*/x.png") as source:
        for folder in ("a", "b"):
            with pytest.raises(InputError, match=r"expected another folder than the input's, got the one of x\.png"):
                ImagesSink(tmp_path / folder, source).write(result(source=str(paths[0])))
    assert [path.read_bytes() for path in paths] == before


def test_lines_never_replace_an_image_of_the_folder(tmp_path: Path) -> None:
    photo = tmp_path / "photos" / "x.png"
    photo.parent.mkdir()
    cv2.imwrite(str(photo), np.full((8, 8, 3), 77, np.uint8))
    before = photo.read_bytes()
    (tmp_path / "link.jsonl").symlink_to(photo)
    for spec in (tmp_path / "photos", photo, f"{tmp_path}/photos/*.png"):
        for path in (photo, tmp_path / "link.jsonl"):
            with open_source(spec) as source, pytest.raises(InputError, match="expected another place than the input"):
                open_json_lines(path, source)
    assert photo.read_bytes() == before


def test_one_file_is_not_written_twice(tmp_path: Path, dog_clip: Path) -> None:
    """Not by two outputs of a run, nor by two runs; who is refused changes nothing."""
    path = tmp_path / "out.mp4"
    message = "expected a file that nothing else writes, got one that this or another run is writing"
    with open_source(dog_clip) as source:
        with pytest.raises(InputError, match=message):
            open_sinks(Outputs(json_lines=path, save=path), source=source)
        assert list(tmp_path.iterdir()) == []
        first = open_json_lines(path, source)
        first.write(result())
        with pytest.raises(InputError, match=message):
            open_recording(path, source)
        assert len(path.read_bytes().splitlines()) == 1
        first.close()
        open_recording(path, source).close()


def test_lines_of_before_stay_until_there_is_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("of before\n")
    JsonLinesSink(path).close()
    assert path.read_text() == "of before\n"
    sink = JsonLinesSink(path)
    sink.write(result())
    sink.close()
    assert path.read_text().startswith('{"source": "clip.mp4"')


@pytest.mark.skipif(sys.platform == "win32", reason="open files are not moved there")
def test_lines_that_are_moved_or_deleted_go_on_in_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "out.jsonl"
    sink = JsonLinesSink(path)
    sink.write(result(index=0))
    path.rename(tmp_path / "out.jsonl.1")
    sink.write(result(index=1))
    path.unlink()
    path.parent.rmdir()
    sink.write(result(index=2))
    sink.close()
    assert [json.loads(line)["frame"] for line in (tmp_path / "out.jsonl.1").read_text().splitlines()] == [0]
    assert [json.loads(line)["frame"] for line in path.read_text().splitlines()] == [2]


def test_name_that_is_not_utf8_is_read_back_from_the_line(tmp_path: Path) -> None:
    name = os.fsdecode(b"l\xe4rm.mp4")
    sink = JsonLinesSink(tmp_path / "out.jsonl")
    sink.write(result(source=name))
    sink.close()
    assert json.loads((tmp_path / "out.jsonl").read_bytes())["source"] == name


@pytest.mark.skipif(sys.platform == "win32", reason="pipes with a name and /dev/full are POSIX")
def test_lines_go_into_pipes_and_devices(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    sink = JsonLinesSink(pipe)
    sink.write(result())
    assert json.loads(os.read(reader, 1000))["frame"] == 0
    os.close(reader)
    with pytest.raises(InputError, match=r"pipe: could not be written \(Broken pipe\)"):
        sink.write(result())
    sink.close()
    full = JsonLinesSink(Path("/dev/full"))
    with pytest.raises(InputError, match=r"/dev/full: could not be written \(No space left on device\)"):
        full.write(result())
    full.close()


@pytest.mark.parametrize(
    ("save", "video", "message"),
    [
        pytest.param("out.avi", "clip.mp4", "expected a video's name ending in .mp4 or .mkv, got '.avi'", id="suffix"),
        pytest.param("out", "clip.mp4", "expected a video's name ending in .mp4 or .mkv, got 'no suffix'", id="folder"),
        pytest.param(
            "taken.mp4",
            "clip.mp4",
            "expected a file that can be written to, got Is a directory",
            id="a folder is there",
        ),
        pytest.param("clip.mp4", "clip.mp4", "expected another place than the input, got the input", id="input"),
        pytest.param("clip.mp4/x.mp4", "clip.mp4", "expected a file that can be written to, got", id="no folder"),
        pytest.param("out.mp4", "photos", "expected a folder for annotated images, got a file's name", id="images"),
        pytest.param("clip.mp4/x", "photos", "expected a folder that can be written to, got", id="images, no folder"),
    ],
)
def test_recording_that_cannot_be(tmp_path: Path, dog_clip: Path, save: str, video: str, message: str) -> None:
    (tmp_path / "clip.mp4").write_bytes(dog_clip.read_bytes())
    (tmp_path / "taken.mp4").mkdir()
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "x.png"), np.zeros((8, 8, 3), np.uint8))
    with open_source(str(tmp_path / video)) as source, pytest.raises(InputError) as caught:
        open_recording(tmp_path / save, source)
    assert str(caught.value).startswith(f"{tmp_path / save}: {message}")
    assert (tmp_path / "clip.mp4").read_bytes() == dog_clip.read_bytes()


def test_json_lines_that_cannot_be(tmp_path: Path, dog_clip: Path) -> None:
    with open_source(str(dog_clip)) as source:
        with pytest.raises(InputError, match="expected another place than the input"):
            open_json_lines(dog_clip, source)
        with pytest.raises(InputError, match="expected a file that can be written to, got Is a directory"):
            open_json_lines(tmp_path, source)
        with pytest.raises(InputError, match="expected a file that can be written to, got File name too long"):
            open_json_lines(tmp_path / ("m" * 300), source)
        with pytest.raises(InputError, match="expected a file that can be written to, got File name too long"):
            open_recording(tmp_path / ("m" * 300 + ".mp4"), source)


class FailingSink(Sink):
    """Fails from the third result on."""

    def __init__(self) -> None:
        self.taken = 0
        self.closed = False

    def write(self, _result: FrameResult) -> None:
        if self.taken == 2:
            raise InputError("failing: could not be written")
        self.taken += 1

    def close(self) -> None:
        self.closed = True


def put_all(writer: SinkThread, count: int, *, then: type[BaseException] | None = None) -> None:
    with writer:
        for index in range(count):
            writer.put(result(index=index, time_s=index / 25))
        if then is not None:
            raise then


def test_failure_in_the_writing_thread_surfaces_and_files_are_closed() -> None:
    sink = FailingSink()
    with pytest.raises(InputError, match="failing: could not be written"):
        put_all(SinkThread([sink], StageTimes()), 1000)
    assert (sink.taken, sink.closed) == (2, True)


def test_interruption_finishes_what_was_handed_over(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with pytest.raises(KeyboardInterrupt):
        put_all(SinkThread([VideoSink(path)], StageTimes()), 7, then=KeyboardInterrupt)
    assert len(times_s(path)) == 7


def test_finished_mp4_is_an_ordinary_one(tmp_path: Path) -> None:
    """Fragments are for accidents; a clean end leaves an index with the number of frames, which players seek by."""
    sink = VideoSink(tmp_path / "out.mp4")
    for index in range(40):
        sink.write(result(time_s=index / 25))
    sink.close()
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.frames == 40
        assert stream.average_rate == Fraction(25)
        assert stream.codec_context.name == "h264"
