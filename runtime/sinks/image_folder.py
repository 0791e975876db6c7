"""Writes annotated images into a folder."""

from __future__ import annotations

from pathlib import Path

import cv2

from ..errors import InputError
from ..files import whole_file
from ..image_files import WRITTEN_SUFFIXES
from ..sources.frame import Source
from .frame_result import FrameResult
from .full_disk import unwritten
from .output_file import OutputFolder
from .sink import Sink


class ImagesSink(Sink):
    """A folder of annotated images under their own names.

    Where two images of a run bear the same name (a glob over several folders), the second becomes `NAME_2.jpg`.

    Args:
        folder: made if missing. Files of the same name that are there are replaced.
        source: what is read, none of which is ever replaced.

    Raises:
        InputError: the folder cannot be made or is written by another run; while writing: a file cannot be written, or
            it is the input itself.
    """

    needs_drawing = True

    def __init__(self, folder: Path, source: Source) -> None:
        self._folder = folder
        self._source = source
        self._taken: set[str] = set()
        self._lock = OutputFolder(folder)

    @property
    def paths(self) -> tuple[str, ...]:
        """The folder."""
        return (str(self._folder),)

    def write(self, result: FrameResult) -> None:
        """Write one image, whole or not at all."""
        if result.drawn is None:
            raise ValueError("an annotated image needs a drawn frame")
        source = Path(result.frame.source)
        target = self._folder / self._free_name(source)
        if self._source.reads(target):
            raise InputError(f"{self._folder}: expected another folder than the input's, got the one of {target.name}.")
        _, data = cv2.imencode(target.suffix.lower(), result.drawn)
        try:
            with whole_file(target) as path:
                path.write_bytes(data.tobytes())
        except InputError as error:
            raise unwritten(str(error), getattr(error.__cause__, "errno", None)) from error

    def close(self) -> None:
        """Free the folder."""
        self._lock.close()

    def _free_name(self, source: Path) -> str:
        suffix = source.suffix if source.suffix.lower() in WRITTEN_SUFFIXES else ".jpg"
        name, number = f"{source.stem}{suffix}", 1
        while name.lower() in self._taken:  # lower case: some file systems do not tell x.jpg from X.jpg
            number += 1
            name = f"{source.stem}_{number}{suffix}"
        self._taken.add(name.lower())
        return name
