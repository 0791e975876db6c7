"""Who decodes: the processor, or hardware where FFmpeg reaches it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import takewhile
from typing import cast

import av
from av.codec.hwaccel import HWAccel

from .source_names import Decoder

_HARDWARE: tuple[Decoder, ...] = ("cuda", "vaapi", "v4l2m2m")
_MEMORY_TO_MEMORY = "_v4l2m2m"
"""Behind a codec's name, FFmpeg's name of the codec of V4L2's memory-to-memory devices."""

_PROBE = "h264"
"""Whoever decodes anything decodes this."""


def find_decoder(wanted: Decoder) -> Decoder:
    """Choose what there is: never `auto`, and the processor where the hardware is missing."""
    candidates = _HARDWARE if wanted == "auto" else (wanted,)
    return next((kind for kind in candidates if kind == "cpu" or not _fault(kind)), "cpu")


def decoder_line(wanted: Decoder) -> str:
    """Say who decodes, and why it is not who was asked for."""
    found = find_decoder(wanted)
    if wanted == found:
        return f"decoder: {found}"
    tried = _HARDWARE if wanted == "auto" else (wanted,)
    missing = [f"{kind}: {_fault(kind)}" for kind in takewhile(lambda kind: kind != found, tried)]
    return f"decoder: {found}" + (f" ({', '.join(missing)})" if missing else "")


def acceleration(decoder: Decoder) -> HWAccel | None:
    """Give what `av.open` takes; a stream that the hardware cannot decode is decoded by the processor."""
    return HWAccel(decoder, allow_software_fallback=True) if decoder in ("cuda", "vaapi") else None


class Decoding:
    """Decodes the packets of a stream.

    Args:
        stream: of a container that was opened with `acceleration(decoder)`.
        decoder: from `find_decoder`.
    """

    def __init__(self, stream: av.VideoStream, decoder: Decoder) -> None:
        self.used: Decoder = "cpu"
        self._context = stream.codec_context
        if decoder == "v4l2m2m":
            self._context = _memory_to_memory(stream) or stream.codec_context
            self.used = "cpu" if self._context is stream.codec_context else decoder
        elif decoder != "cpu" and self._context.is_hwaccel:
            self.used = decoder

    def decode(self, packet: av.Packet[av.VideoStream]) -> Sequence[av.VideoFrame]:
        """Decode what a packet completes.

        Raises:
            FFmpegError: it cannot be decoded.
        """
        return self._context.decode(packet)


def _memory_to_memory(stream: av.VideoStream) -> av.VideoCodecContext | None:
    """Open the codec of V4L2's memory-to-memory devices; None where there is none for this stream."""
    own = stream.codec_context
    try:
        context = cast(av.VideoCodecContext, av.CodecContext.create(f"{own.name}{_MEMORY_TO_MEMORY}", "r"))
        context.extradata = own.extradata
        context.width, context.height = own.width, own.height
        context.open()
    except (av.FFmpegError, ValueError):
        return None
    return context


@lru_cache
def _fault(kind: Decoder) -> str:
    """Say why that hardware cannot be used; nothing where it can."""
    try:
        if kind == "v4l2m2m":
            av.CodecContext.create(f"{_PROBE}{_MEMORY_TO_MEMORY}", "r").open()
        else:
            HWAccel(kind, allow_software_fallback=True).create(av.Codec(_PROBE, "r"))
    except av.FFmpegError:
        return "no such device"
    except (NotImplementedError, ValueError):
        return "not in this PyAV"
    return ""
