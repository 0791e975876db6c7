"""Video files: true times, upright frames, and warnings only where something is missing."""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.sources.frame import Frame, Source
from singleshot.runtime.sources.open_source import open_source

WriteVideo = Callable[..., Path]
STEADY_S = [number / 25 for number in range(20)]
UNSTEADY_S = [0.0, 0.04, 0.05, 0.3, 0.31, 1.5, 1.51, 1.55, 2.0, 2.25]


def read(path: Path) -> tuple[list[Frame], Source]:
    with open_source(str(path)) as source:
        return list(source), source


def test_clip_is_read_whole(dog_clip: Path) -> None:
    frames, source = read(dog_clip)
    assert (len(frames), source.length, source.warnings, source.kind) == (282, 282, (), "video")
    assert [frame.index for frame in frames] == list(range(282))
    assert frames[-1].time_s == pytest.approx(281 / 25)
    assert {frame.image.shape for frame in frames} == {(360, 640, 3)}
    assert frames[0].source == str(dog_clip)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_frame_rate_keeps_its_times_and_raises_no_alarm(write_video: WriteVideo, suffix: str) -> None:
    frames, source = read(write_video(f"unsteady{suffix}", times_s=UNSTEADY_S))
    assert [frame.time_s for frame in frames] == pytest.approx(UNSTEADY_S, abs=1e-3)
    assert source.warnings == ()


@pytest.mark.parametrize(
    ("left_out", "missing"),
    [
        pytest.param(range(30, 44), 14, id="a hole"),
        pytest.param([*range(30, 34), *range(60, 65)], 9, id="two holes"),
        pytest.param([10, 20, 21, 50, 51], 0, id="what a phone leaves out"),
        pytest.param([], 0, id="none"),
    ],
)
def test_frames_that_are_missing_between_steady_ones_are_counted(
    write_video: WriteVideo, left_out: Sequence[int], missing: int
) -> None:
    times_s = [number / 25 for number in range(100) if number not in left_out]
    frames, source = read(write_video("hole.mkv", times_s=times_s))
    warning = (
        f"{source.name}: got {100 - missing} frames, about {missing} are missing between them. The file is damaged"
    )
    assert len(frames) == len(times_s)
    assert [text[: len(warning)] for text in source.warnings] == [warning] * (missing > 0)
    assert dict(source.drops) == ({"missing": missing} if missing else {})


def test_time_counts_from_the_first_frame(write_video: WriteVideo) -> None:
    frames, source = read(write_video("late.mkv", times_s=[5 + time_s for time_s in STEADY_S]))
    assert [frame.time_s for frame in frames] == pytest.approx(STEADY_S, abs=1e-3)
    assert source.warnings == ()


@pytest.mark.parametrize(
    ("rotation", "corner"),
    [
        pytest.param(0, (0, 0), id="upright"),
        pytest.param(90, (1, 0), id="a quarter counter-clockwise: the upper left is now the lower left"),
        pytest.param(180, (1, 1), id="upside down"),
        pytest.param(-90, (0, 1), id="a quarter clockwise"),
    ],
)
def test_phone_video_stands_upright(write_video: WriteVideo, rotation: int, corner: tuple[int, int]) -> None:
    frames, _ = read(write_video(times_s=STEADY_S[:3], height=48, width=64, rotation=rotation))
    image = frames[0].image
    assert image.shape == ((48, 64, 3) if rotation in (0, 180) else (64, 48, 3))
    height, width = image.shape[:2]
    quarters = image.reshape(2, height // 2, 2, width // 2, 3).mean(axis=(1, 3, 4))  # [2, 2]
    assert divmod(int(quarters.argmax()), 2) == corner


@pytest.mark.parametrize("part", [0.3, 0.5, 0.9])
def test_truncated_clip_warns_with_both_counts(dog_clip: Path, tmp_path: Path, part: float) -> None:
    path = tmp_path / "cut.mp4"
    data = dog_clip.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    frames, source = read(path)
    assert 0 < len(frames) < 282
    (warning,) = source.warnings
    assert warning.startswith(f"{path}: expected 282 frames as announced, got {len(frames)}.")


def test_clip_damaged_in_the_middle_goes_on_and_warns(dog_clip: Path, tmp_path: Path) -> None:
    data = bytearray(dog_clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20_000] = bytes(20_000)
    (tmp_path / "damaged.mp4").write_bytes(data)
    frames, source = read(tmp_path / "damaged.mp4")
    assert frames[-1].time_s > 10
    assert len(source.warnings) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "got an empty file.", id="empty"),
        pytest.param(b"no video at all\n" * 100, "got a file that cannot be decoded", id="text"),
    ],
)
def test_file_that_is_no_video(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_source(str(path))
    assert str(caught.value).startswith(f"{path}: expected a video, {message}")


def test_file_that_cannot_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with socket.socket(socket.AF_UNIX) as pretender:
        pretender.bind(str(path))
        with pytest.raises(InputError) as caught:
            open_source(path)
    assert str(caught.value) == f"{path}: expected a video, got No such device or address."


def test_video_cut_before_its_first_picture_decodes_to_nothing(dog_clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(dog_clip.read_bytes()[:5000])  # the index is whole, the pictures are not
    with pytest.raises(InputError, match=r"expected a video, got a file that decodes to no frame\."):
        read(path)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    header = b"RIFF" + (36 + 800).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    path.write_bytes(
        header + bytes.fromhex("01000100401f0000803e000002001000") + b"data" + (800).to_bytes(4, "little") + bytes(800)
    )
    with pytest.raises(InputError, match="expected a video, got a file without a video stream"):
        open_source(str(path))


def test_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    cover = bytes(cv2.imencode(".png", np.zeros((16, 16, 3), np.uint8))[1])
    picture = b"\x00image/png\x00\x03\x00" + cover  # ID3's APIC: Latin-1, the kind, the front, no description
    frame = b"APIC" + len(picture).to_bytes(4, "big") + b"\x00\x00" + picture
    size = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    silence = b"\xff\xfb\x90\x64" + bytes(413)
    path.write_bytes(b"ID3\x03\x00\x00" + size + frame + 20 * silence)
    with pytest.raises(InputError, match=r"song\.mp3: expected a video, got a file of sound with a cover\."):
        open_source(path)


def write_noise(path: Path, codec: str, pixels: str) -> bytes:
    """Write 20 pictures of noise at 25 a second, each about as large as the others."""
    dice = np.random.default_rng(0)
    with av.open(str(path), mode="w") as container:
        stream = cast(av.VideoStream, container.add_stream(codec, rate=25))
        stream.width, stream.height, stream.pix_fmt = 32, 32, pixels
        for _ in range(20):
            noise = dice.integers(0, 255, (32, 32, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(noise, format="bgr24").reformat(format=pixels)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "message"),
    [
        pytest.param("a.avi", "mjpeg", "yuvj420p", "expected 20 frames as announced, got", id="AVI without its index"),
        pytest.param("a.gif", "gif", "rgb8", "The file ends early or is damaged", id="GIF"),
        pytest.param("a.mkv", "ffv1", "bgr0", "expected 20 frames as announced, got", id="Matroska"),
    ],
)
def test_files_that_were_cut_say_so(tmp_path: Path, name: str, codec: str, pixels: str, message: str) -> None:
    data = write_noise(tmp_path / name, codec, pixels)
    frames, source = read(tmp_path / name)
    assert (len(frames), source.warnings) == (20, ())
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    frames, source = read(tmp_path / name)
    assert 3 < len(frames) < 15
    (warning,) = source.warnings
    assert message in warning


def test_gif_whose_pictures_have_no_times(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    noise = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), np.uint8)
    first, *others = map(pillow.fromarray, noise)
    first.save(tmp_path / "a.gif", save_all=True, append_images=others)
    frames, source = read(tmp_path / "a.gif")
    (warning,) = source.warnings
    assert warning.startswith(f"{tmp_path / 'a.gif'}: expected 3 frames, got {len(frames)}. Pictures without times")


def write_stream(write_video: WriteVideo, name: str, *, frames: int, width: int = 64) -> bytes:
    """Write an MPEG transport stream of 25 frames a second, which can be joined and damaged anywhere."""
    return write_video(name, times_s=[number / 25 for number in range(frames)], width=width).read_bytes()


def test_clock_that_starts_anew_goes_on(write_video: WriteVideo, tmp_path: Path) -> None:
    part = write_stream(write_video, "part.ts", frames=50)
    (tmp_path / "joined.ts").write_bytes(part + part)
    frames, source = read(tmp_path / "joined.ts")
    assert [frame.time_s for frame in frames] == pytest.approx([number / 25 for number in range(100)], abs=1e-3)
    (warning,) = source.warnings
    assert warning.startswith(f"{tmp_path / 'joined.ts'}: its clock starts anew once")


def test_damaged_and_lost_frames_are_counted(write_video: WriteVideo, tmp_path: Path) -> None:
    packet = 188
    data = write_stream(write_video, "whole.ts", frames=100)
    assert read(tmp_path / "whole.ts")[1].warnings == ()
    dice = random.Random(1)
    kept = (data[at : at + packet] for at in range(0, len(data), packet) if at < 5000 or dice.random() > 0.05)
    (tmp_path / "lossy.ts").write_bytes(b"".join(kept))
    frames, source = read(tmp_path / "lossy.ts")
    (warning,) = source.warnings
    counts = re.search(r"got (\d+)(?: frames)?, (\d+) of them with faults", warning)
    assert counts is not None
    assert (int(counts[1]), int(counts[2]) > 0) == (len(frames), True)


def test_leaving_early_stops_the_decoder(dog_clip: Path) -> None:
    with open_source(str(dog_clip)) as source:
        assert next(iter(source)).index == 0
    assert source.warnings == ()  # nobody saw the end, so nothing is said of it
