"""What a run writes, looked at before anything is opened."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError
from ..files import StrPath, check_can_write, file_id
from ..image_files import IMAGE_SUFFIXES
from ..sources.frame import SourceKind
from ..sources.image_folder import is_single_image
from ..sources.source_names import read_source_name
from .coco_results import images_path
from .crops import CropSettings
from .lines import STDOUT
from .output_file import OutputFile, OutputFolder
from .segment_files import list_path, longest_path
from .segments import Segments
from .video import VIDEO_SUFFIXES, check_video_name

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
"""As it looks after `Path` took one of its slashes; a drive has one letter."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Where the results of one source go.

    Args:
        json_lines: a file, a pipe or a device; `-` means stdout; none if not given.
        save: a video (.mp4, .mkv) of a video or camera, a folder of annotated images of images; none if not given.
        segments: how the video is cut; one file if not given.
        plain: nothing is drawn in the video.
        csv: a file for a row per object; none if not given.
        coco: a file for COCO's results, beside which the list of images goes; none if not given.
        mot: a file for rows in MOTChallenge's format; none if not given.
        crops: a folder for pieces of frames, a folder for each class in it; none if not given.
        crop_settings: how many of these are kept.
    """

    json_lines: StrPath | None = None
    save: StrPath | None = None
    segments: Segments | None = None
    plain: bool = False
    csv: StrPath | None = None
    coco: StrPath | None = None
    mot: StrPath | None = None
    crops: StrPath | None = None
    crop_settings: CropSettings = field(default_factory=CropSettings)

    @property
    def needs_boxes(self) -> str | None:
        """The option that asks for what a detector alone has; None if none does."""
        asked = {"--coco": self.coco, "--mot": self.mot, "--crops": self.crops}
        return next((option for option, place in asked.items() if place is not None), None)


def check_outputs(runs: Iterable[tuple[StrPath, Outputs]]) -> None:
    """Find out what could not be written, before a source is opened; nothing is made or changed.

    Args:
        runs: each source as the user named it, with what is written of it.

    Raises:
        InputError: a source's name cannot be read; an output's name does not suit its source, cannot be written to, is
            written by another run, stands twice, or is what one of the sources reads. What only an opened source shows
            (whether a folder has images or videos), `open_sinks` refuses.
    """
    named = [(os.fspath(spec), outputs) for spec, outputs in runs]
    read = {_place_id(file) for spec, _ in named for file in _files_of(spec)}
    taken: set[object] = set()
    for spec, outputs in named:
        kind = _kind(spec)
        check_save(outputs, kind)
        if outputs.save is not None and outputs.segments is not None:
            _check_place(longest_path(Path(outputs.save)), is_folder=False)
        for path, is_folder in _paths(outputs, kind):
            if url := _URL.match(str(path)):
                raise InputError(f"{url[1]}://: expected the name of a file to write, got a URL.")
            _check_place(path, is_folder=is_folder)
            if (file := _place_id(path)) in read:
                raise InputError(f"{path}: expected another place than the input, got the input itself.")
            if file in taken:
                raise InputError(f"{path}: expected a name of its own for each output, got one that stands twice.")
            if path.is_file() or path.is_dir() or not path.exists():  # pipes and devices take lines of several
                taken.add(file)


def check_save(outputs: Outputs, kind: SourceKind | None) -> None:
    """Hold the name of what is saved to the kind of source, as far as it is known.

    Raises:
        InputError: a video's name for images, or something else for a video; files to cut where there is no video.
    """
    if outputs.segments is not None and (outputs.save is None or kind == "images"):
        raise InputError("--segment: expected --save with a video's name, got none. Images and lines are not cut.")
    if outputs.plain and (outputs.save is None or kind == "images"):
        raise InputError("--plain: expected --save with a video's name, got none. Images are there without drawings.")
    if outputs.save is None:
        return
    save = Path(outputs.save)
    if kind == "images" and save.suffix.lower() in (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES):
        raise InputError(f"{save}: expected a folder for annotated images, got a file's name.")
    if kind in ("video", "camera"):
        check_video_name(save)


def _paths(outputs: Outputs, kind: SourceKind | None) -> Iterator[tuple[Path, bool]]:
    """Give each path, and whether it is a folder's."""
    if outputs.json_lines is not None and str(outputs.json_lines) != STDOUT:
        yield Path(outputs.json_lines), False
    if outputs.csv is not None:
        yield Path(outputs.csv), False
    if outputs.coco is not None:
        yield Path(outputs.coco), False
        yield images_path(Path(outputs.coco)), False
    if outputs.mot is not None:
        yield Path(outputs.mot), False
    if outputs.crops is not None:
        yield Path(outputs.crops), True
    if outputs.save is not None and outputs.segments is None:
        path = Path(outputs.save)
        yield path, kind == "images" or (kind is None and path.suffix.lower() not in VIDEO_SUFFIXES)
    elif outputs.save is not None:
        yield list_path(Path(outputs.save)), False


def _check_place(path: Path, *, is_folder: bool) -> None:
    try:
        if is_folder and path.is_dir():
            OutputFolder(path).close()
        elif is_folder and path.exists():
            raise InputError(f"{path}: expected a folder, got a file. Name another.")
        elif path.is_file():
            OutputFile(path).close()
        else:
            check_can_write(path)
    except OSError as error:
        raise InputError(f"{path}: expected a file that can be written to, got {error.strerror}.") from error


def _kind(spec: str) -> SourceKind | None:
    """Tell what a source gives; None of a folder or a pattern, which have to be opened, and of what is not there."""
    name = read_source_name(spec)
    if name.kind != "path":
        return "camera"
    if not os.path.isfile(name.target):  # noqa: PTH113 - a Path complains of a name that is too long
        return None
    return "images" if is_single_image(Path(name.target)) else "video"


def _files_of(spec: str) -> Iterator[Path]:
    name = read_source_name(spec)
    if name.kind != "path":
        return
    path = Path(name.target)
    if os.path.isfile(path):  # noqa: PTH113 - as above
        yield path
    elif os.path.isdir(path):  # noqa: PTH112 - as above
        yield from (file for file in path.iterdir() if file.is_file())
    else:
        yield from map(Path, glob.iglob(name.target, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute ones


def _place_id(path: Path) -> object:
    """Tell files apart, also those that are not there yet."""
    return file_id(path) or os.path.realpath(path)
