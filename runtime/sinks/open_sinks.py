"""Where results go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..errors import InputError
from ..files import StrPath
from ..image_files import IMAGE_SUFFIXES
from ..sources.frame import Source
from .frame_result import FrameResult
from .image_folder import ImagesSink
from .json_lines import STDOUT, JsonLinesSink
from .video import VIDEO_SUFFIXES, VideoSink


class Sink(Protocol):
    """Takes results in order."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The files or the folder, as far as they are known; none of stdout."""

    @property
    def needs_drawing(self) -> bool:
        """Whether `FrameResult.drawn` must be there."""

    def write(self, result: FrameResult) -> None:
        """Take one result.

        Raises:
            InputError: it cannot be written; what was written before stays usable.
        """

    def close(self) -> None:
        """Finish what was written, so that it can be used."""


def open_sinks(
    *, json_lines: StrPath | None, save: StrPath | None, source: Source, class_names: Sequence[str]
) -> list[Sink]:
    """Open what a run writes; the lines come first, as a video's frames take longer.

    Args:
        json_lines: as `open_json_lines`; none if not given.
        save: as `open_recording`; none if not given.
        source: what is read.
        class_names: in the order of class ids.

    Raises:
        InputError: one of them cannot be written to; the other is left as it was.
    """
    sinks: list[Sink] = []
    try:
        if json_lines is not None:
            sinks.append(open_json_lines(json_lines, source, class_names))
        if save is not None:
            sinks.append(open_recording(save, source))
    except InputError:
        for sink in sinks:
            sink.close()
        raise
    return sinks


def open_recording(save: StrPath, source: Source) -> Sink:
    """Open what pictures are saved to: a video of a video or camera, a folder of annotated images of images.

    Args:
        save: a video file (.mp4, .mkv), or a folder.
        source: what will be recorded.

    Raises:
        InputError: the place does not suit the source or cannot be written to.
    """
    save = Path(save)
    if source.kind == "images":
        if save.suffix.lower() in (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES):
            raise InputError(f"{save}: expected a folder for annotated images, got a file's name.")
        return ImagesSink(save, source)
    _check_is_not_input(save, source)
    return VideoSink(save)


def open_json_lines(path: StrPath, source: Source, class_names: Sequence[str]) -> Sink:
    """Open a file for JSON lines; `-` means stdout.

    Raises:
        InputError: the place cannot be written to.
    """
    path = Path(path)
    if str(path) != STDOUT:
        _check_is_not_input(path, source)
    return JsonLinesSink(path, class_names)


def _check_is_not_input(path: Path, source: Source) -> None:
    if source.reads(path):
        raise InputError(f"{path}: expected another place than the input, got the input itself.")
