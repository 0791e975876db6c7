"""Images to choose from: a folder with all its sub-folders, or the frames of a video."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Generator, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...data.readers.pictures import pictures_below
from ...runtime.errors import InputError
from ...runtime.image_files import IMAGE_SUFFIXES, read_image_bgr
from ...runtime.sources.image_folder import is_image_name
from ...runtime.sources.prefetch import Prefetch
from ...runtime.sources.video import VideoSource

Named = tuple[str, NDArray[np.uint8]]
_DEPTH = 8
"""Decoded images that may wait."""


class ImagePool:
    """Images by name; they are read when they are asked for, and no more than a few are held.

    Args:
        path: a folder, searched with its sub-folders, or a video.
        names: of images below the folder, in place of all.

    Raises:
        InputError: there is nothing like that, or no image in it.
    """

    def __init__(self, path: Path, names: Collection[str] | None = None) -> None:
        self.path = path
        self.problems: list[str] = []
        """Images that could not be read, each once, in one sentence."""
        if names is not None:
            self.names = tuple(sorted(set(names)))
        elif path.is_dir():
            self.names = _images_below(path)
        elif path.is_file() and not is_image_name(path):
            self.names = _frames_of(path)
        else:
            found = "one image" if path.is_file() else "nothing"
            raise InputError(f"{path}: expected a folder of images or a video, got {found}. Check --images.")

    @property
    def listed_sha256(self) -> str:
        """Fingerprint of the names."""
        return hashlib.sha256("\n".join(self.names).encode()).hexdigest()

    def images(self, names: Collection[str]) -> Iterator[Named]:
        """Read images, [h, w, 3] uint8 BGR, in the pool's order, one thread ahead; what is broken is left out.

        Args:
            names: of the pool; others are not found and left out as well.
        """
        wanted = frozenset(names)
        read = self._files(wanted) if self.path.is_dir() else self._frames(wanted)
        with closing(Prefetch(read, depth=_DEPTH, name="decode")) as ahead:
            yield from ahead

    def _files(self, wanted: frozenset[str]) -> Generator[Named, None, None]:
        for name in self.names:
            if name in wanted:
                try:
                    yield name, read_image_bgr(self.path / name)
                except InputError as error:
                    self._note(str(error))

    def _frames(self, wanted: frozenset[str]) -> Generator[Named, None, None]:
        with VideoSource(self.path) as video:
            for frame in video:
                name = _frame_name(frame.index)
                if name in wanted:
                    yield name, frame.image
            for warning in video.warnings:
                self._note(warning)

    def _note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def sha256_of_pixels(image: NDArray[np.uint8]) -> str:
    """Fingerprint an image as it was decoded, shape included."""
    return hashlib.sha256(str(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def _images_below(folder: Path) -> tuple[str, ...]:
    names = sorted(path.relative_to(folder).as_posix() for path in pictures_below(folder) if path.is_file())
    if not names:
        raise InputError(
            f"{folder}: expected images ({', '.join(IMAGE_SUFFIXES)}), got none, in its sub-folders neither. "
            f"Name a folder of photos like those that the camera will see."
        )
    return tuple(names)


def _frames_of(path: Path) -> tuple[str, ...]:
    with VideoSource(path) as video:
        length = video.length or sum(1 for _ in video)
    return tuple(map(_frame_name, range(length)))


def _frame_name(index: int) -> str:
    return f"frame {index:06d}"
