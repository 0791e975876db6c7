"""Encodes frames in H.264, one packet each, for a file or to be kept a while."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream
from numpy.typing import NDArray

from ..machine import usable_cores

TICKS_PER_S = 90_000
"""Resolution of timestamps, video's usual one: exact for 24, 25, 30 and 60 frames/s."""

# No frames reordered or held back: timestamps start at 0, and what was encoded is on the disk. On three clips ultrafast
# with motion to a quarter of a pixel (subq) takes 27 to 38 % less time than superfast, for files 0.8 to 1.2 times as
# large, half a decibel apart; without it they are 1.2 to 1.8 times as large.
_OPTIONS = {"preset": "ultrafast", "subq": "1", "tune": "zerolatency", "crf": "24", "g": "50"}

_ONE_THREAD_PIXELS = 1920 * 1088
"""Up to this size the encoder's own threads cost the network more than they save."""

_THREADS = 4

KEY_EVERY_S = 2.0
"""Where packets are kept, for clips that begin with one, a key frame comes at least so often."""


DRAWN = "what was found is drawn in by singleshot"
"""Stands in a file's comment, so that nobody trains on the boxes."""


@dataclass(frozen=True, kw_only=True)
class PictureShape:
    """What one encoder's frames have in common; packets of equal shapes fit into one file.

    Args:
        height: in pixels.
        width: in pixels.
        pixel_aspect: width of a pixel to its height.
    """

    height: int
    width: int
    pixel_aspect: Fraction


def shape_of(image: NDArray[np.uint8], pixel_aspect: Fraction) -> PictureShape:
    """Say what shape a picture has, [h, w, 3]."""
    return PictureShape(height=image.shape[0], width=image.shape[1], pixel_aspect=pixel_aspect)


@dataclass(frozen=True, kw_only=True)
class EncodedPacket:
    """One frame as it was encoded; the headers that a decoder needs besides follow from its shape.

    Args:
        data: H.264, as `Encoder` makes it.
        time_s: seconds since the source's first frame.
        is_key: whether it can be decoded without those before.
        shape: of the frame.
    """

    data: bytes
    time_s: float
    is_key: bool
    shape: PictureShape


class Encoder:
    """Encodes frames of one shape.

    Args:
        context: as `add_h264_stream` or `new_context` make it.
        shape: of the frames.
        start_s: the source's time at which timestamps begin.
        key_every_s: seconds after which a key frame comes at the latest; each 50th frame is one anyway.
    """

    def __init__(
        self, context: VideoCodecContext, shape: PictureShape, *, start_s: float, key_every_s: float | None
    ) -> None:
        self._context = context
        self._shape = shape
        self._start_s = start_s
        self._key_every_s = math.inf if key_every_s is None else key_every_s
        self._last_key_s = -math.inf
        self._last_s = start_s
        self._last_pts = -1

    def encode(self, image: NDArray[np.uint8], time_s: float) -> list[av.Packet[VideoStream]]:
        """Encode a frame.

        Args:
            image: [h, w, 3] uint8, BGR.
            time_s: seconds since the source's first frame.

        Raises:
            av.FFmpegError: it cannot be.
        """
        planes = cv2.cvtColor(_even(image), cv2.COLOR_BGR2YUV_I420)  # half the time of FFmpeg's own conversion
        # The one that copies nothing takes other heights for smaller ones (PyAV 18).
        make = av.VideoFrame.from_numpy_buffer if planes.shape[0] % 6 == 0 else av.VideoFrame.from_ndarray
        frame = make(np.asarray(planes, np.uint8), format="yuv420p")
        # Timestamps must rise, also where a source's do not.
        self._last_pts = max(self._last_pts + 1, round((time_s - self._start_s) * TICKS_PER_S))
        frame.pts = self._last_pts
        frame.time_base = Fraction(1, TICKS_PER_S)
        if time_s - self._last_key_s >= self._key_every_s:
            frame.pict_type = PictureType.I
        packets = self._context.encode(frame)
        if any(packet.is_keyframe for packet in packets):
            self._last_key_s = time_s
        self._last_s = time_s
        return packets

    def kept(self, packet: av.Packet[VideoStream]) -> EncodedPacket:
        """Copy the packet of the latest frame."""
        return EncodedPacket(
            data=bytes(packet), time_s=self._last_s, is_key=bool(packet.is_keyframe), shape=self._shape
        )


def add_h264_stream(container: OutputContainer, shape: PictureShape, *, is_drawn: bool = True) -> VideoStream:
    """Add a stream, whose context is an encoder's, to a file of frames of one shape; it says what is drawn in them."""
    if is_drawn:
        container.metadata["comment"] = DRAWN
    stream = container.add_stream("libx264", rate=25, options=_OPTIONS)
    stream.time_base = Fraction(1, TICKS_PER_S)
    _set_up(stream.codec_context, shape)
    return stream


def new_context(shape: PictureShape) -> VideoCodecContext:
    """Make a context that encodes as those of files do, without a file."""
    context = av.CodecContext.create("libx264", "w")
    context.framerate = Fraction(25)
    context.options = dict(_OPTIONS)
    context.flags |= Flags.global_header  # as .mp4 and .mkv want it
    _set_up(context, shape)
    return context


def _set_up(context: VideoCodecContext, shape: PictureShape) -> None:
    context.width, context.height = shape.width + shape.width % 2, shape.height + shape.height % 2
    context.pix_fmt = "yuv420p"
    is_small = shape.height * shape.width <= _ONE_THREAD_PIXELS
    context.thread_count = 1 if is_small else min(_THREADS, usable_cores())
    context.time_base = Fraction(1, TICKS_PER_S)
    context.sample_aspect_ratio = shape.pixel_aspect
    # What OpenCV's conversion makes; without the tags players take the colours of HD for BT.709's.
    context.colorspace, context.color_range = Colorspace.SMPTE170M, ColorRange.MPEG
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709


def _even(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat the last row and column of an odd size."""
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    return np.asarray(cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE), np.uint8)


def has_drawings(path: Path) -> bool:
    """Tell whether a video says that what was found is drawn in; one that cannot be read does not."""
    try:
        with av.open(f"file:{path}") as container:
            said = {key.lower(): value for key, value in container.metadata.items()}
    except (av.FFmpegError, OSError):
        return False
    return said.get("comment") == DRAWN
