"""Records H.264 video that stays playable however the run ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import av

from ..errors import InputError
from ..sources.frame import Frame
from .encoder import PictureShape, shape_of
from .frame_result import FrameResult
from .full_disk import unwritten
from .output_file import OutputFile
from .segment_files import SegmentFiles
from .segments import Segments
from .sink import Sink
from .video_file import OnPacket, VideoFile

VIDEO_SUFFIXES = (".mp4", ".mkv")

_GAP_S = 5.0
_GAP_STEPS = 10
"""A camera was lost where no frame came for that long and for so many times as long as before."""


class VideoSink(Sink):
    """An annotated video with the source's own timestamps, H.264 in .mp4 or .mkv.

    H.264's usual pixel format holds even sizes only: an odd frame's last row or column is repeated once. Where the size
    or the shape of the pixels changes, or a camera or stream was lost for seconds, or the disk was full, the video goes
    on in `NAME_2.mp4`, whose times begin with its first frame.

    Args:
        path: where to; missing folders are made. A file that is there is replaced when the first frame comes.
        segments: how the video is cut; its files' names are `SegmentFiles`'s then, and none is replaced.
        tell: is given a line where a file cannot be deleted.
        on_packet: is given each frame as it was encoded; a key frame comes in time for whoever keeps them.
        is_plain: nothing is drawn in.

    Raises:
        InputError: the suffix is another, or the place cannot be written to.
    """

    def __init__(
        self,
        path: Path,
        *,
        segments: Segments | None = None,
        tell: Callable[[str], None] = lambda _line: None,
        on_packet: OnPacket | None = None,
        is_plain: bool = False,
    ) -> None:
        check_video_name(path)
        self._is_plain = is_plain
        self._first = path
        self._on_packet = on_packet
        self._length_s = None if segments is None else segments.length_s
        self._segments = None if segments is None else SegmentFiles(path, segments, tell)
        self._output = OutputFile(path) if segments is None else None
        self._paths: list[str] = []
        self._video: VideoFile | None = None
        self._last_s = 0.0
        self._step_s = math.inf  # not known before the second frame
        self._frames = 0

    @property
    def needs_drawing(self) -> bool:
        """Unless it is plain."""
        return not self._is_plain

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that have been begun; of a video that is cut what matches them all."""
        return tuple(self._paths)

    def write(self, result: FrameResult) -> None:
        """Encode one frame."""
        frame, image = result.frame, result.frame.image if self._is_plain else result.drawn
        if image is None:
            raise ValueError("a video needs drawn frames")
        shape = shape_of(image, frame.pixel_aspect)
        try:
            if self._video is not None and self._is_over(frame, self._video, shape):
                self._finish()
            if self._video is None:
                self._video = self._begin(frame, shape)
            self._video.add(image, frame.time_s)
            if self._video.frames == 1:
                self._paths = [*self._paths, self._video.path] if self._segments is None else [self._segments.pattern]
            if self._segments is not None:
                self._segments.prune()
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        if self._frames:
            self._step_s = frame.time_s - self._last_s
        self._last_s = frame.time_s
        self._frames += 1

    def close(self) -> None:
        """Write what the encoder holds, and the index."""
        try:
            self._finish()
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        finally:
            if self._output is not None:
                self._output.close()
            if self._segments is not None:
                self._segments.close()

    def _is_over(self, frame: Frame, video: VideoFile, shape: PictureShape) -> bool:
        step_s = frame.time_s - self._last_s
        is_gap = frame.captured_at is not None and step_s > max(_GAP_S, _GAP_STEPS * self._step_s)
        is_long = self._length_s is not None and frame.time_s - video.start_s >= self._length_s
        return shape != video.shape or is_gap or is_long

    def _begin(self, frame: Frame, shape: PictureShape) -> VideoFile:
        if self._output is None:
            segments = self._segments
            self._output = OutputFile(segments.next_path(frame.captured_at) if segments else self._next_path())
        self._output.begin()
        is_first = self._output.path == self._first  # whose times are the source's
        return VideoFile(
            self._output.path,
            shape=shape,
            start_s=0.0 if is_first else frame.time_s,
            captured_at=frame.captured_at,
            on_packet=self._on_packet,
            is_drawn=not self._is_plain,
        )

    def _next_path(self) -> Path:
        """Find a name that is free: what nobody named replaces nothing."""
        numbered = (self._first.with_stem(f"{self._first.stem}_{number}") for number in count(2))
        return next(path for path in numbered if not path.exists())

    def _finish(self) -> None:
        """End the file, if there is one with frames; the next frame begins another."""
        if self._video is not None and self._output is not None:
            self._video.finish()
            self._output.close()
            self._video = self._output = None

    def _failure(self, error: av.FFmpegError | OSError) -> InputError:
        path = self._first if self._output is None else self._output.path
        video, self._video = self._video, None
        if video is not None:
            with suppress(av.FFmpegError, OSError):  # a disk that is full refuses the index, too
                video.finish()
        if self._output is not None:
            self._output.close(is_empty=video is None or not video.frames)
            self._output = None
        return unwritten(
            f"{path}: could not be written ({error.strerror}) after {self._frames} frames. "
            f"What was written until then plays.",
            error.errno,
        )


def check_video_name(path: Path) -> None:
    """Make sure that it is the name of a video that can be written.

    Raises:
        InputError: it ends otherwise.
    """
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise InputError(f"{path}: expected a video's name ending in .mp4 or .mkv, got {path.suffix or 'no suffix'!r}.")
