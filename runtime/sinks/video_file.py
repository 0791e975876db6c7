"""Encodes H.264 into one file that stays playable however the run ends."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from numpy.typing import NDArray

from ..machine import usable_cores

_TICKS_PER_S = 90_000
"""Resolution of timestamps, video's usual one: exact for 24, 25, 30 and 60 frames/s."""

_CONTAINER_OPTIONS = {
    # Half-second fragments, each complete in itself: kill -9 costs the last one. A clean end rewrites the index, so
    # that the finished file is an ordinary MP4. Matroska ignores what is meant for MP4.
    ".mp4": {"movflags": "hybrid_fragmented+frag_keyframe", "frag_duration": "500000", "flush_packets": "1"},
    ".mkv": {"flush_packets": "1", "cluster_time_limit": "500"},
}
# No frames reordered or held back: timestamps start at 0, and what was encoded is on the disk. On three clips ultrafast
# with motion to a quarter of a pixel (subq) takes 27 to 38 % less time than superfast, for files 0.8 to 1.2 times as
# large, half a decibel apart; without it they are 1.2 to 1.8 times as large.
_ENCODER_OPTIONS = {"preset": "ultrafast", "subq": "1", "tune": "zerolatency", "crf": "24", "g": "50"}

_ONE_THREAD_PIXELS = 1920 * 1088
"""Up to this size the encoder's own threads cost the network more than they save."""

_THREADS = 4


class VideoFile:
    """An open file with its encoder, for frames of one size and pixel shape.

    Args:
        path: is written anew.
        height: of the frames in pixels.
        width: of the frames in pixels.
        pixel_aspect: width of a pixel to its height.
        start_s: the source's time at which the file's begins.
        captured_at: when the first frame was taken; none of files.

    Raises:
        av.FFmpegError: it cannot be written; so in all methods.
    """

    def __init__(
        self,
        path: Path,
        *,
        height: int,
        width: int,
        pixel_aspect: Fraction,
        start_s: float,
        captured_at: datetime | None,
    ) -> None:
        self.path = str(path)
        self.shape = (height, width, pixel_aspect)
        self.start_s = start_s
        self.frames = 0
        self._last_pts = -1
        options = _CONTAINER_OPTIONS[path.suffix.lower()]
        self._container = av.open(f"file:{path}", mode="w", options=options)  # `12:30.mp4` is no protocol
        if captured_at is not None:
            self._container.metadata["creation_time"] = captured_at.isoformat()
        self._stream = self._container.add_stream("libx264", rate=25, options=_ENCODER_OPTIONS)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.thread_count = 1 if height * width <= _ONE_THREAD_PIXELS else min(_THREADS, usable_cores())
        context.time_base = self._stream.time_base = Fraction(1, _TICKS_PER_S)
        context.sample_aspect_ratio = pixel_aspect
        # What OpenCV's conversion makes; without the tags players take the colours of HD for BT.709's.
        context.colorspace, context.color_range = Colorspace.SMPTE170M, ColorRange.MPEG
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709

    def add(self, image: NDArray[np.uint8], time_s: float) -> None:
        """Encode a frame and put it on the disk."""
        planes = cv2.cvtColor(_even(image), cv2.COLOR_BGR2YUV_I420)  # half the time of FFmpeg's own conversion
        # The one that copies nothing takes other heights for smaller ones (PyAV 18).
        make = av.VideoFrame.from_numpy_buffer if planes.shape[0] % 6 == 0 else av.VideoFrame.from_ndarray
        frame = make(np.asarray(planes, np.uint8), format="yuv420p")
        # Timestamps must rise, also where a source's do not.
        self._last_pts = max(self._last_pts + 1, round((time_s - self.start_s) * _TICKS_PER_S))
        frame.pts = self._last_pts
        frame.time_base = Fraction(1, _TICKS_PER_S)
        self._container.mux(self._stream.encode(frame))
        self.frames += 1

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
