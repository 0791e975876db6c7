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
    def name(self) -> str:
        """The file or folder."""

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
        if save.suffix.lower() in (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES) or save.is_file():
            raise InputError(f"{save}: expected a folder for annotated images, got a file's name.")
        return ImagesSink(save)
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
    if path.exists() and Path(source.name).exists() and path.samefile(source.name):
        raise InputError(f"{path}: expected another place than the input, got the input itself.")
