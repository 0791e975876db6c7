"""Recordings cut into chunks that can be looked at one by one, so that a long one keeps every worker busy."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from ..errors import InputError
from ..sources.frame import Frame, Source, SourceKind
from ..sources.prefetch import PrefetchedSource
from ..sources.video import VideoSource, open_video, pixel_aspect, upright_bgr

_BACK_S = 0.5
"""A recording whose times fall by more was joined of several; it is read from its beginning."""

_SHORTFALL_FRAMES = 3
"""One that ends earlier than it announces, by more, is damaged; who reads it as a whole says so."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """The frames of a chunk.

    Args:
        first: its first frame's number within the clip.
        frames: how many there are.
        origin: time stamp of the clip's first frame, in the stream's own unit.
        start: time stamp of the chunk's first frame, which can be decoded by itself.
        end: time stamp of the next chunk's first frame; none of the last.
    """

    first: int
    frames: int
    origin: int
    start: int
    end: int | None


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A part of a recording.

    Args:
        clip: the recording's path.
        number: of the chunk within the clip, from 0.
        of: how many chunks the clip has.
        span: which frames; none of a clip that is not cut.
    """

    clip: str
    number: int = 0
    of: int = 1
    span: Span | None = None

    def open(self) -> Source:
        """Open the frames, whose numbers and times are those of the whole clip.

        Raises:
            InputError: it cannot be decoded.
        """
        path = Path(self.clip)
        return VideoSource(path) if self.span is None else ChunkSource(path, self.span)


class ChunkSource(PrefetchedSource):
    """The frames of a part of a video, decoded in a thread of its own.

    Raises:
        InputError: the video cannot be opened. While it is read: other frames come than were counted.
    """

    kind: SourceKind = "video"

    def __init__(self, path: Path, span: Span) -> None:
        super().__init__(str(path))
        self._container = open_video(path)
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._span = span

    @property
    def length(self) -> int | None:
        """Number of frames."""
        return self._span.frames

    def reads(self, path: Path) -> bool:
        """Whether it is this file."""
        return path == Path(self.name)

    def close(self) -> None:
        """Stop decoding and close the file."""
        super().close()
        if not self.is_decoding:
            self._container.close()

    def _frames(self) -> Generator[Frame, None, None]:
        span, unit = self._span, self._stream.time_base
        reformatter = VideoReformatter()
        count = 0
        for decoded in self._decoded():
            if unit is None or decoded.pts is None or count == span.frames:
                raise UncountedError(self.name)
            yield Frame(
                image=upright_bgr(decoded, reformatter),
                index=span.first + count,
                time_s=float(decoded.pts * unit) - float(span.origin * unit),
                source=self.name,
                pixel_aspect=pixel_aspect(decoded, self._stream),
            )
            count += 1
        if count != span.frames:
            raise UncountedError(self.name)

    def _decoded(self) -> Iterator[av.VideoFrame]:
        span = self._span
        try:
            self._container.seek(span.start, stream=self._stream, backward=True)
            for decoded in self._container.decode(self._stream):
                if decoded.is_corrupt or decoded.pts is None:
                    raise UncountedError(self.name)
                if span.end is not None and decoded.pts >= span.end:
                    return
                if decoded.pts >= span.start:
                    yield decoded
        except av.FFmpegError as error:
            raise UncountedError(self.name) from error


class UncountedError(InputError):
    """A chunk has other frames than the clip's packets said; the clip is to be read as a whole."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: expected the frames that its packets announce, got others.")


def length_s(path: Path) -> float:
    """Read how long a video says it is, in seconds; 0 where it does not say.

    Raises:
        InputError: it is no video.
    """
    with open_video(path) as container:
        stream = container.streams.video[0]
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        return (container.duration or 0) / av.time_base


def cut(path: Path, seconds: float) -> list[Chunk]:
    """Cut a video at frames that can be decoded by themselves; the packets are read, not decoded.

    A video whose frames cannot be counted so (raw streams, joined recordings, damaged ones) stays whole, and its source
    says what is wrong with it.

    Args:
        path: of the video.
        seconds: the least length of a chunk.

    Raises:
        InputError: it is no video.
    """
    whole = [Chunk(clip=str(path))]
    announced_s = length_s(path)
    if announced_s < 2 * seconds:
        return whole
    packets = _Packets()
    try:
        with open_video(path) as container:
            stream = container.streams.video[0]
            are_counted = all(packets.add(packet, stream.time_base) for packet in container.demux(stream))
    except av.FFmpegError:
        return whole
    if not are_counted or packets.are_doubtful(announced_s):
        return whole
    spans = packets.spans(seconds)
    return [Chunk(clip=str(path), number=number, of=len(spans), span=span) for number, span in enumerate(spans)]


class _Packets:
    """Time stamps of a video's frames, and of those that can be decoded by themselves."""

    def __init__(self) -> None:
        self._stamps: list[int] = []
        self._keys: list[int] = []
        self._latest = 0
        self._unit = Fraction(0)

    def add(self, packet: av.Packet[av.VideoStream], unit: Fraction | None) -> bool:
        """Take the next packet; whether it can be counted."""
        if packet.pts is None or packet.is_discard:
            return not packet.size or packet.is_discard  # the last one is empty
        if unit is None or packet.is_corrupt or (not self._keys and not packet.is_keyframe):
            return False
        self._unit = unit
        if self._stamps and (self._latest - packet.pts) * unit > _BACK_S:
            return False
        self._latest = max(self._latest, packet.pts) if self._stamps else packet.pts
        self._stamps.append(packet.pts)
        if packet.is_keyframe:
            self._keys.append(packet.pts)
        return True

    def are_doubtful(self, announced_s: float) -> bool:
        """Whether their times do not tell them apart, or fewer are there than was announced."""
        stamps = sorted(set(self._stamps))
        if len(stamps) < len(self._stamps) or len(stamps) < 2 or stamps[0] != self._keys[0]:
            return True
        step_s = (stamps[-1] - stamps[0]) * self._unit / (len(stamps) - 1)
        end_s = max(stamps[-1], stamps[-1] - stamps[0]) * self._unit  # Matroska counts from 0, others from the first
        return announced_s - end_s > (_SHORTFALL_FRAMES + 1) * step_s

    def spans(self, seconds: float) -> list[Span]:
        """Cut them into spans of that length at least."""
        stamps = sorted(self._stamps)
        starts = [stamps[0]]
        for key in sorted(self._keys):
            if (key - starts[-1]) * self._unit >= seconds:
                starts.append(key)
        firsts = np.searchsorted(stamps, starts).tolist()
        ends = [*starts[1:], None]
        return [
            Span(first=first, frames=last - first, origin=stamps[0], start=start, end=end)
            for (first, last), start, end in zip(pairwise([*firsts, len(stamps)]), starts, ends, strict=True)
        ]
