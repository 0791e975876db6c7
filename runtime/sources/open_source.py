"""Finds out what the user means by a source, and opens it."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from ..errors import InputError
from ..files import StrPath
from .camera import open_camera
from .frame import Source
from .image_folder import ImagesSource, images_by_glob, images_in_folder, is_image_name
from .video import VideoSource

_CAMERA = re.compile(r"(?:cam)?(\d{1,3})")


def open_source(spec: StrPath) -> Source:
    """Open a source of frames.

    Args:
        spec: a video file, a camera (`cam0` or `0`), an image, a folder of images, or a glob of images. A file whose
            name is a number is written `./0`.

    Returns:
        A source; use it as a context manager.

    Raises:
        InputError: nothing like that can be opened.
    """
    spec = os.fspath(spec)
    camera = _CAMERA.fullmatch(spec)
    if camera:
        return open_camera(int(camera[1]))
    path = Path(spec)
    try:
        is_there, is_folder = path.exists(), path.is_dir()
    except OSError as error:  # a name that is too long
        raise InputError(f"{spec}: expected a source of frames, got {error.strerror}.") from error
    if is_folder:
        return images_in_folder(path)
    if is_there:
        return ImagesSource(spec, [path]) if is_image_name(path) else VideoSource(path)
    if glob.has_magic(spec):
        return images_by_glob(spec)
    raise InputError(f"{spec}: expected a video, an image, a folder, a glob or a camera like cam0, got no such file.")
