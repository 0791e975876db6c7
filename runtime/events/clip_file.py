"""Puts packets into a video, without encoding anything."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import av

from ..files import whole_file
from ..sinks.encoder import TICKS_PER_S, EncodedPacket, add_h264_stream


def save_clip(path: Path, packets: Sequence[EncodedPacket], *, captured_at: datetime | None = None) -> None:
    """Write a clip, whole or not at all.

    Args:
        path: ends in .mp4.
        packets: of one shape; the first has a key frame, and the clip's times begin with it.
        captured_at: when its first frame was taken.

    Raises:
        InputError: it cannot be written.
        av.FFmpegError: it cannot be written.
    """
    with (
        whole_file(path) as temporary,
        av.open(f"file:{temporary}", mode="w", options={"movflags": "faststart"}) as file,
    ):
        if captured_at is not None:
            file.metadata["creation_time"] = captured_at.isoformat()
        stream = add_h264_stream(file, packets[0].shape)
        file.start_encoding()  # the same settings give the same headers
        pts = -1
        for kept in packets:
            packet = av.Packet(kept.data)
            pts = max(pts + 1, round((kept.time_s - packets[0].time_s) * TICKS_PER_S))
            packet.pts = packet.dts = pts
            packet.time_base = Fraction(1, TICKS_PER_S)
            packet.is_keyframe = kept.is_key
            packet.stream = stream
            file.mux(packet)
