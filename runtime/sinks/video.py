"""Records H.264 video that stays playable however the run ends."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .frame_result import FrameResult

VIDEO_SUFFIXES = (".mp4", ".mkv")

_TICKS_PER_S = 90_000
"""Resolution of timestamps, video's usual one: exact for 24, 25, 30 and 60 frames/s."""

_CONTAINER_OPTIONS = {
    # Half-second fragments, each complete in itself: kill -9 costs the last one. A clean end rewrites the index, so
    # that the finished file is an ordinary MP4. Matroska ignores what is meant for MP4.
    ".mp4": {"movflags": "hybrid_fragmented+frag_keyframe", "frag_duration": "500000", "flush_packets": "1"},
    ".mkv": {"flush_packets": "1", "cluster_time_limit": "500"},
}
# No frames reordered or held back: timestamps start at 0, and what was encoded is on the disk. At 640x360 superfast
# costs half of veryfast's time for files 1.5 times the size; ultrafast saves little more and doubles the size.
_ENCODER_OPTIONS = {"preset": "superfast", "tune": "zerolatency", "crf": "23", "g": "50"}

_ONE_THREAD_PIXELS = 1280 * 720
"""Up to this size the encoder's own threads cost the network more than they save."""


class VideoSink:
    """An annotated video with the source's own timestamps, H.264 in .mp4 or .mkv.

    H.264's usual pixel format holds even sizes only: an odd frame's last row or column is repeated once.

    Args:
        path: where to; missing folders are made. A file that is there is replaced when the first frame comes.

    Raises:
        InputError: the suffix is another, or the place cannot be written to.
    """

    needs_drawing = True

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            raise InputError(
                f"{path}: expected a video's name ending in .mp4 or .mkv, got {path.suffix or 'no suffix'!r}."
            )
        if path.is_dir():
            raise InputError(f"{path}: expected a video's name, got a folder.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path}: expected a place that can be written to, got {error.strerror}.") from error
        self._recording: _Recording | None = None
        self._frames = 0

    def write(self, result: FrameResult) -> None:
        """Encode one frame."""
        if result.drawn is None:
            raise ValueError("a video needs drawn frames")
        height, width = result.drawn.shape[:2]
        try:
            if self._recording is None:
                self._recording = _Recording(self._path, height=height, width=width)
            if (height, width) != self._recording.hw:
                was_height, was_width = self._recording.hw
                raise InputError(
                    f"{self.name}: expected frames of {was_width}x{was_height}, got {width}x{height}. "
                    f"A video cannot change its size."
                )
            self._recording.add(result.drawn, result.frame.time_s)
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        self._frames += 1

    def close(self) -> None:
        """Write what the encoder holds, and the index."""
        recording, self._recording = self._recording, None
        if recording is None:
            return
        try:
            recording.finish()
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def _failure(self, error: av.FFmpegError | OSError) -> InputError:
        return InputError(
            f"{self.name}: could not be written ({error.strerror}) after {self._frames} frames. "
            f"What was written until then plays."
        )


class _Recording:
    """An open file with its encoder, for frames of one size."""

    def __init__(self, path: Path, *, height: int, width: int) -> None:
        self.hw = (height, width)
        self._last_pts = -1
        self._container = av.open(str(path), mode="w", options=_CONTAINER_OPTIONS[path.suffix.lower()])
        self._stream = self._container.add_stream("libx264", rate=25, options=_ENCODER_OPTIONS)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.thread_count = 1 if height * width <= _ONE_THREAD_PIXELS else 0
        self._stream.codec_context.time_base = self._stream.time_base = Fraction(1, _TICKS_PER_S)

    def add(self, image: NDArray[np.uint8], time_s: float) -> None:
        """Encode a frame and put it on the disk."""
        planes = cv2.cvtColor(_even(image), cv2.COLOR_BGR2YUV_I420)  # half the time of FFmpeg's own conversion
        frame = av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")
        # Timestamps must rise, also where a source's do not.
        self._last_pts = max(self._last_pts + 1, round(time_s * _TICKS_PER_S))
        frame.pts = self._last_pts
        frame.time_base = Fraction(1, _TICKS_PER_S)
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Flush the encoder, write the index, close the file."""
        try:
            self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()


def _even(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat the last row and column of an odd size."""
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    return np.asarray(cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE), np.uint8)
