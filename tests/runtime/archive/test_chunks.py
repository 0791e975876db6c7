"""The frames of all chunks are those of the clip, with its numbers and times; what cannot be cut so stays whole."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from singleshot.runtime.archive.chunks import Chunk, UncountedError, cut
from singleshot.runtime.errors import InputError
from singleshot.runtime.sources.video import VideoSource

FRAMES = 60
Seen = list[tuple[int, float, int]]


def write(path: Path, codec: str = "libx264", options: dict[str, str] | None = None, *, first: int = 0) -> Path:
    """Write 60 frames, 25 a second, each of its own brightness."""
    with av.open(str(path), mode="w") as container:
        stream = container.add_stream(codec, rate=25, options={"g": "10", "bf": "2", **(options or {})})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(FRAMES):
            image = np.full((48, 64, 3), 20 + 3 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = first + number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def seen(chunks: list[Chunk]) -> Seen:
    frames: Seen = []
    for chunk in chunks:
        with chunk.open() as source:
            frames += [(frame.index, round(frame.time_s, 6), int(frame.image.sum())) for frame in source]
    return frames


def seen_whole(path: Path) -> Seen:
    with VideoSource(path) as source:
        return [(frame.index, round(frame.time_s, 6), int(frame.image.sum())) for frame in source]


@pytest.mark.parametrize(
    ("name", "codec", "options", "first"),
    [
        pytest.param("a.mp4", "libx264", {}, 0, id="mp4 with frames out of order"),
        pytest.param(
            "a.mkv", "libx264", {"x264-params": "open-gop=1"}, 0, id="groups of pictures that lean on the next"
        ),
        pytest.param("a.avi", "mpeg4", {"bf": "0"}, 0, id="avi"),
        pytest.param("a.webm", "libvpx-vp9", {"deadline": "realtime"}, 0, id="webm"),
        pytest.param("late.mkv", "libx264", {}, 100, id="a clock that does not begin at 0"),
    ],
)
def test_chunks_together_are_the_clip(
    name: str, codec: str, options: dict[str, str], first: int, tmp_path: Path
) -> None:
    path = write(tmp_path / name, codec, options, first=first)
    chunks = cut(path, 0.5)
    assert [(chunk.number, chunk.of) for chunk in chunks] == [(number, len(chunks)) for number in range(len(chunks))]
    assert len(chunks) > 1
    assert seen(chunks) == seen_whole(path)


@pytest.mark.parametrize("kind", ["short", "raw", "joined", "cut off"])
def test_what_cannot_be_counted_stays_whole(kind: str, tmp_path: Path) -> None:
    path = write(tmp_path / {"raw": "a.h264", "joined": "a.ts"}.get(kind, "a.mkv"))
    data = path.read_bytes()
    path.write_bytes({"joined": data + data, "cut off": data[: len(data) // 2]}.get(kind, data))
    (chunk,) = cut(path, 1.3 if kind == "short" else 0.5)
    assert chunk == Chunk(clip=str(path))
    assert seen([chunk]) == seen_whole(path)


def test_chunk_whose_frames_are_others_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv")
    chunks = cut(path, 0.5)
    write(path, first=10)  # replaced while a scan runs
    with pytest.raises(UncountedError, match=r"a\.mkv: expected the frames that its packets announce, got others"):
        seen(chunks[1:])


def test_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"a\.mp4: expected a video, got a file that cannot be decoded"):
        cut(tmp_path / "a.mp4", 60)
