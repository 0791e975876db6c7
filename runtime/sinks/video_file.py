"""Writes H.264 into one file that stays playable however the run ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from .encoder import KEY_EVERY_S, EncodedPacket, Encoder, PictureShape, add_h264_stream

_CONTAINER_OPTIONS = {
    # Half-second fragments, each complete in itself: kill -9 costs the last one. A clean end rewrites the index, so
    # that the finished file is an ordinary MP4. Matroska ignores what is meant for MP4.
    ".mp4": {"movflags": "hybrid_fragmented+frag_keyframe", "frag_duration": "500000", "flush_packets": "1"},
    ".mkv": {"flush_packets": "1", "cluster_time_limit": "500"},
}

OnPacket = Callable[[EncodedPacket], None]


class VideoFile:
    """An open file with its encoder, for frames of one size and pixel shape.

    Args:
        path: is written anew.
        shape: of the frames.
        start_s: the source's time at which the file's begins.
        captured_at: when the first frame was taken; none of files.
        on_packet: is given each frame as it was encoded; a key frame comes in time for whoever keeps them.
        is_drawn: what was found is in the pictures, which the file says.

    Raises:
        av.FFmpegError: it cannot be written; so in all methods.
    """

    def __init__(
        self,
        path: Path,
        *,
        shape: PictureShape,
        start_s: float,
        captured_at: datetime | None,
        on_packet: OnPacket | None = None,
        is_drawn: bool = True,
    ) -> None:
        self.path = str(path)
        self.shape = shape
        self.start_s = start_s
        self.frames = 0
        self._on_packet = on_packet
        options = _CONTAINER_OPTIONS[path.suffix.lower()]
        self._container = av.open(f"file:{path}", mode="w", options=options)  # `12:30.mp4` is no protocol
        if captured_at is not None:
            self._container.metadata["creation_time"] = captured_at.isoformat()
        self._stream = add_h264_stream(self._container, shape, is_drawn=is_drawn)
        key_every_s = None if on_packet is None else KEY_EVERY_S
        self._encoder = Encoder(self._stream.codec_context, shape, start_s=start_s, key_every_s=key_every_s)

    def add(self, image: NDArray[np.uint8], time_s: float) -> None:
        """Encode a frame and put it on the disk."""
        for packet in self._encoder.encode(image, time_s):
            if self._on_packet is not None:
                self._on_packet(self._encoder.kept(packet))
            packet.stream = self._stream
            self._container.mux(packet)
        self.frames += 1

    def finish(self) -> None:
        """Flush the encoder, write the index, close the file."""
        try:
            self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()
