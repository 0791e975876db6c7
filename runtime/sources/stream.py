"""Streams of the network and of standard input."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import cast
from urllib.parse import urlsplit

import av
from av.codec.hwaccel import HWAccel
from av.video.reformatter import VideoReformatter

from ..errors import InputError
from .decoder import Decoding, acceleration
from .feed import Feed, FeedLostError, Picture
from .picture_parts import SLICES, PictureParts, WholePicture
from .source_names import Decoder, SourceName
from .video import open_waiting, pixel_aspect, upright_bgr

_OPEN_S = 10.0
_ANALYZED_US = "500000"
"""By itself FFmpeg looks at a stream for up to 5 s before it gives a frame; most say at once what they are."""

_STDIN_HINT = (
    "Standard input takes JPEG pictures, one after the other: `ffmpeg -i ... -f mjpeg - | rt-detect --video -`."
)

_APART_S = Fraction(1, 200)
"""Pictures of a stream are further apart."""

_READ_S = 8.0
"""FFmpeg ends a read by itself after so long: later than a silent source is left, whose thread ends by it."""


class StreamFeed(Feed):
    """One connection to a stream.

    Args:
        name: what is opened.
        decoder: from `find_decoder`.

    Raises:
        InputError: it cannot be opened, or has no picture.
    """

    def __init__(self, name: SourceName, *, decoder: Decoder = "cpu") -> None:
        self._container, self._parts = _open_in_parts(name, acceleration(decoder))
        # A recording is told by its length, which RTMP and RTSP give for live streams, too; live ones have 0 in FLV.
        is_live = not name.target.startswith("http") or not self._container.duration
        self.is_recorded = name.kind == "stream" and not is_live
        self.comes_back = name.kind == "stream" and is_live
        self._stream = self._container.streams.video[0]
        self._decoding = Decoding(self._stream, decoder)
        self._sender_offset_s: float | None = None
        self._has_stamps = False
        self._failed = 0
        self.hint = _STDIN_HINT if name.kind == "stdin" else "Is it a stream of pictures?"

    def __iter__(self) -> Iterator[Picture]:
        reformatter = VideoReformatter()
        for packet, arrived_s in self._packets():
            try:
                decoded = self._decoding.decode(packet)
            except av.FFmpegError:
                self._failed += 1
                continue
            finally:
                self.undecoded = self._failed + (self._parts.cut_short if self._parts is not None else 0)
            for picture in decoded:
                stamp_s = None if picture.time is None else float(picture.time)
                offset_s = self._sender_offset_s
                yield Picture(
                    image=upright_bgr(picture, reformatter),
                    pixel_aspect=pixel_aspect(picture, self._stream),
                    is_damaged=picture.is_corrupt,
                    arrived_s=arrived_s,
                    sender_s=None if offset_s is None or stamp_s is None else stamp_s + offset_s,
                    stamp_s=stamp_s,
                )

    def _packets(self) -> Iterator[tuple[av.Packet[av.VideoStream], float]]:
        """Read what the decoder takes, and when it was there."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.FFmpegError, OSError) as error:
                raise FeedLostError(reason_of(error)) from None
            arrived_s = time.monotonic()
            self._hear_sender(packet)
            if self._parts is not None:
                whole = self._parts.add(bytes(packet), packet.pts, arrived_s) if packet.size else self._parts.end()
                for picture in whole:
                    yield self._packet(picture), picture.arrived_s
            if self._parts is None or not packet.size:  # an empty one asks the decoder for what it holds back
                yield packet, arrived_s

    def _packet(self, picture: WholePicture) -> av.Packet[av.VideoStream]:
        packet = cast("av.Packet[av.VideoStream]", av.Packet(picture.data))
        packet.pts, packet.time_base = picture.pts, self._stream.time_base or Fraction(1)
        return packet

    def close(self) -> None:
        """Leave the stream."""
        self._container.close()

    def _hear_sender(self, packet: av.Packet[av.VideoStream]) -> None:
        """Take the sender's clock from RTCP's reports, by which FFmpeg stamps each packet after the first report.

        The first packet that is stamped has the stamp of the one behind it, which completed it.
        """
        if packet.pts is None or packet.time_base is None or not packet.has_sidedata("prft"):
            return
        microseconds = struct.unpack_from("<q", bytes(packet.get_sidedata("prft")))[0]  # AVProducerReferenceTime
        self._sender_offset_s = microseconds / 1e6 - float(packet.pts * packet.time_base) if self._has_stamps else None
        self._has_stamps = True


def _open_in_parts(
    name: SourceName, hwaccel: HWAccel | None
) -> tuple[av.container.InputContainer, PictureParts | None]:
    """Open a stream, one by RTSP unparsed where its pictures can be put together here."""
    if name.target.startswith("rtsp"):
        container = _open(name, hwaccel, fflags="noparse")
        stream = container.streams.video[0]
        if (is_slice := SLICES.get(stream.codec_context.name)) is not None:
            return container, PictureParts(is_slice, apart=round(_APART_S / (stream.time_base or Fraction(1))))
        container.close()
    return _open(name, hwaccel), None


def _open(name: SourceName, hwaccel: HWAccel | None, **more: str) -> av.container.InputContainer:
    options = {**name.options, **more}
    if name.kind == "stream" and not name.target.startswith("http"):
        options["analyzeduration"] = _ANALYZED_US
    try:
        container = open_waiting(
            name.target,
            form="mjpeg" if name.kind == "stdin" else None,
            options=options,
            timeout_s=(_OPEN_S, _READ_S),
            hwaccel=hwaccel,
        )
    except av.error.ProtocolNotFoundError:
        raise InputError(
            f"{name.shown}: expected a protocol that PyAV {av.__version__} has, got {urlsplit(name.target).scheme}. "
            f"One built with a system's FFmpeg may have it: `pip install --no-binary av av`."
        ) from None
    except (av.FFmpegError, OSError) as error:
        question = (
            "Are user name and password" if isinstance(error, av.error.HTTPUnauthorizedError) else "Is the address"
        )
        raise InputError(
            f"{name.shown}: expected a stream that can be opened, got {reason_of(error)}. {question} right?"
        ) from None  # FFmpeg's own text has the URL with its password
    if not container.streams.video:
        container.close()
        raise InputError(f"{name.shown}: expected a stream with pictures, got one without.")
    return container


def reason_of(error: Exception) -> str:
    """Say what FFmpeg says, without the URL that its errors carry."""
    if isinstance(error, av.ExitError):
        return "silence"
    return str(getattr(error, "strerror", None) or type(error).__name__)
