"""Records H.264 video that stays playable however the run ends."""

from __future__ import annotations

from fractions import Fraction
from itertools import count
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from numpy.typing import NDArray

from ..errors import InputError
from .frame_result import FrameResult
from .output_file import OutputFile
from .sink import Sink

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


class VideoSink(Sink):
    """An annotated video with the source's own timestamps, H.264 in .mp4 or .mkv.

    H.264's usual pixel format holds even sizes only: an odd frame's last row or column is repeated once. Where the size
    or the shape of the pixels changes, the video goes on in `NAME_2.mp4`, whose times begin with its first frame.

    Args:
        path: where to; missing folders are made. A file that is there is replaced when the first frame comes.

    Raises:
        InputError: the suffix is another, or the place cannot be written to.
    """

    needs_drawing = True

    def __init__(self, path: Path) -> None:
        check_video_name(path)
        self._first = path
        self._outputs = [OutputFile(path)]
        self._recording: _Recording | None = None
        self._frames = 0

    @property
    def paths(self) -> tuple[str, ...]:
        """The file, and those that it goes on in."""
        return tuple(str(output.path) for output in self._outputs)

    def write(self, result: FrameResult) -> None:
        """Encode one frame."""
        if result.drawn is None:
            raise ValueError("a video needs drawn frames")
        height, width = result.drawn.shape[:2]
        shape = (height, width, result.frame.pixel_aspect)
        try:
            if self._recording is not None and shape != self._recording.shape:
                self._finish()
                self._outputs.append(OutputFile(self._next_path()))
            if self._recording is None:
                self._outputs[-1].begin()
                self._recording = _Recording(
                    self._outputs[-1].path,
                    height=height,
                    width=width,
                    pixel_aspect=result.frame.pixel_aspect,
                    start_s=result.frame.time_s if len(self._outputs) > 1 else 0.0,
                )
            self._recording.add(result.drawn, result.frame.time_s)
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        self._frames += 1

    def close(self) -> None:
        """Write what the encoder holds, and the index."""
        try:
            self._finish()
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        finally:
            for output in self._outputs:
                output.close()

    def _next_path(self) -> Path:
        """Find a name that is free: what nobody named replaces nothing."""
        numbered = (self._first.with_stem(f"{self._first.stem}_{number}") for number in count(2))
        return next(path for path in numbered if not path.exists())

    def _finish(self) -> None:
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.finish()

    def _failure(self, error: av.FFmpegError | OSError) -> InputError:
        return InputError(
            f"{self._outputs[-1].path}: could not be written ({error.strerror}) after {self._frames} frames. "
            f"What was written until then plays."
        )


def check_video_name(path: Path) -> None:
    """Make sure that it is the name of a video that can be written.

    Raises:
        InputError: it ends otherwise.
    """
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise InputError(f"{path}: expected a video's name ending in .mp4 or .mkv, got {path.suffix or 'no suffix'!r}.")


class _Recording:
    """An open file with its encoder, for frames of one size and pixel shape, whose times begin at `start_s`."""

    def __init__(self, path: Path, *, height: int, width: int, pixel_aspect: Fraction, start_s: float) -> None:
        self.shape = (height, width, pixel_aspect)
        self._start_s = start_s
        self._last_pts = -1
        options = _CONTAINER_OPTIONS[path.suffix.lower()]
        self._container = av.open(f"file:{path}", mode="w", options=options)  # `12:30.mp4` is no protocol
        self._stream = self._container.add_stream("libx264", rate=25, options=_ENCODER_OPTIONS)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.thread_count = 1 if height * width <= _ONE_THREAD_PIXELS else 0
        context.time_base = self._stream.time_base = Fraction(1, _TICKS_PER_S)
        context.sample_aspect_ratio = pixel_aspect
        # What OpenCV's conversion makes; without the tags players take the colours of HD for BT.709's.
        context.colorspace, context.color_range = Colorspace.SMPTE170M, ColorRange.MPEG
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709

    def add(self, image: NDArray[np.uint8], time_s: float) -> None:
        """Encode a frame and put it on the disk."""
        planes = cv2.cvtColor(_even(image), cv2.COLOR_BGR2YUV_I420)  # half the time of FFmpeg's own conversion
        frame = av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")
        # Timestamps must rise, also where a source's do not.
        self._last_pts = max(self._last_pts + 1, round((time_s - self._start_s) * _TICKS_PER_S))
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
