"""Image files as a source: one, a folder of them, or what a glob matches."""

from __future__ import annotations

import glob
import mimetypes
from collections.abc import Generator, Mapping
from pathlib import Path

from ..errors import InputError
from ..files import file_id
from ..image_files import ANIMATION_SUFFIX, IMAGE_SUFFIXES, is_phone_picture, read_first_picture
from ..many_pictures import pictures_in
from .frame import Frame, SourceKind
from .prefetch import PrefetchedSource

_PLAYED = (".png", ".avif")
"""Those of several pictures are played."""

_VIDEOS = "Each video is given by its own name."


class ImagesSource(PrefetchedSource):
    """Images in sorted order, decoded in a thread of their own; one that is broken is named, skipped and counted.

    Args:
        name: what the user called it.
        paths: the images, in order.
        warnings: what was found wrong while the paths were collected.

    Raises:
        InputError: at the end of the iteration, if no image could be decoded.
    """

    kind: SourceKind = "images"

    def __init__(self, name: str, paths: list[Path], *, warnings: tuple[str, ...] = ()) -> None:
        super().__init__(name, warnings=warnings)
        self._paths = paths
        self._broken = 0
        self._files: frozenset[tuple[int, int]] | None = None

    @property
    def length(self) -> int | None:
        """Number of image files."""
        return len(self._paths)

    @property
    def drops(self) -> Mapping[str, int]:
        """Images that cannot be decoded."""
        return {"not decoded": self._broken} if self._broken else {}

    def reads(self, path: Path) -> bool:
        """Whether that file is one of the images, under whatever name."""
        if self._files is None:
            self._files = frozenset(filter(None, map(file_id, self._paths)))
        return file_id(path) in self._files

    def _frames(self) -> Generator[Frame, None, None]:
        broken: list[str] = []
        passed_over: list[str] = []
        for index, path in enumerate(self._paths):
            try:
                image, pictures = read_first_picture(path)
            except InputError as error:
                if len(self._paths) == 1:
                    raise
                broken.append(str(error))
                self._broken += 1
                self._warnings.append(f"skipped {error}")
                continue
            if pictures > 1:
                passed_over.append(f"{path} has {pictures}")
            yield Frame(image=image, index=index, time_s=0.0, source=str(path))
        if passed_over:
            more = "" if len(passed_over) == 1 else f", and {len(passed_over) - 1} other files have several"
            self._warnings.append(f"{passed_over[0]} pictures{more}; the first one was looked at.")
        if broken and len(broken) == len(self._paths):
            raise InputError(f"{self.name}: expected images, got {len(broken)} that cannot be decoded. {broken[0]}")
        if broken:
            self._warnings.append(f"{self.name}: skipped {len(broken)} of {len(self._paths)} images as unreadable.")


def images_in_folder(folder: Path) -> ImagesSource:
    """Open the images that lie in a folder, by name; sub-folders are not searched.

    Raises:
        InputError: there is none.
    """
    try:
        files = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())
    except OSError as error:
        raise InputError(f"{folder}: expected a folder of images, got {error.strerror}.") from error
    paths = [path for path in files if is_image_name(path)]
    if not paths:
        videos = [path for path in files if _is_media(path)]
        got = (
            f"{len(videos)} videos (first: {videos[0].name}). {_VIDEOS}"
            if videos
            else f"none ({', '.join(IMAGE_SUFFIXES)})."
        )
        raise InputError(f"{folder}: expected a folder of images, got {got}")
    pictures = [path for path in files if is_image_name(path) or _is_media(path)]  # lists and labels are no loss
    return ImagesSource(str(folder), paths, warnings=_left_out(str(folder), pictures))


def images_by_glob(pattern: str) -> ImagesSource:
    """Open the images that a pattern matches, by name; `**` searches sub-folders.

    Raises:
        InputError: there is none.
    """
    found = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute patterns
    matches = sorted(path for path in map(Path, found) if path.is_file())
    if not matches:
        raise InputError(f"{pattern}: expected a pattern that matches images, got no match. Check the path.")
    paths = [path for path in matches if _is_image(path)]
    if not paths:
        raise InputError(
            f"{pattern}: expected images, got {len(matches)} files that are none (first: {matches[0]}). {_VIDEOS}"
        )
    return ImagesSource(pattern, paths, warnings=_left_out(pattern, matches))


def is_image_name(path: Path) -> bool:
    """Tell an image by its suffix."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def is_single_image(path: Path) -> bool:
    """Tell a file that is read as an image from one that is read as a video, as animations are."""
    if not is_image_name(path):
        return is_phone_picture(path)
    if path.suffix.lower() == ANIMATION_SUFFIX:
        return False
    return path.suffix.lower() not in _PLAYED or pictures_in(path.read_bytes()) == 1


def _is_image(path: Path) -> bool:
    return is_image_name(path) and not path.name.startswith(".") and path.is_file()


def _is_media(path: Path) -> bool:
    return (mimetypes.guess_type(path.name)[0] or "").startswith(("video/", "image/"))


def _left_out(name: str, files: list[Path]) -> tuple[str, ...]:
    """Say what lies beside the images."""
    others = [path for path in files if not _is_image(path)]
    if not others:
        return ()
    warning = f"{name}: {len(others)} of {len(files)} files are no images and were left out (first: {others[0].name})."
    return (f"{warning} {_VIDEOS}",)
