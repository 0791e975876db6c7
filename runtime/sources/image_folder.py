"""Image files as a source: one, a folder of them, or what a glob matches."""

from __future__ import annotations

import glob
from collections.abc import Generator, Iterator
from pathlib import Path

from ..closing import Closing
from ..errors import InputError
from ..image_files import IMAGE_SUFFIXES, read_image_bgr
from .frame import Frame, SourceKind
from .prefetch import Prefetch

_DEPTH = 4


class ImagesSource(Closing):
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
        self.name = name
        self._paths = paths
        self._warnings = list(warnings)
        self._prefetch: Prefetch[Frame] | None = None

    @property
    def length(self) -> int | None:
        """Number of image files."""
        return len(self._paths)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The broken images."""
        return tuple(self._warnings)

    def __iter__(self) -> Iterator[Frame]:
        if self._prefetch is None:
            self._prefetch = Prefetch(self._frames(), depth=_DEPTH, name="decode")
        return self._prefetch

    def close(self) -> None:
        """Stop decoding."""
        if self._prefetch is not None:
            self._prefetch.close()

    def _frames(self) -> Generator[Frame, None, None]:
        broken: list[str] = []
        for index, path in enumerate(self._paths):
            try:
                image = read_image_bgr(path)
            except InputError as error:
                if len(self._paths) == 1:
                    raise
                broken.append(str(error))
                self._warnings.append(f"skipped {error}")
                continue
            yield Frame(image=image, index=index, time_s=0.0, source=str(path))
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
        paths = sorted(path for path in folder.iterdir() if _is_image(path))
    except OSError as error:
        raise InputError(f"{folder}: expected a folder of images, got {error.strerror}.") from error
    if not paths:
        raise InputError(f"{folder}: expected a folder of images, got none ({', '.join(IMAGE_SUFFIXES)}).")
    return ImagesSource(str(folder), paths)


def images_by_glob(pattern: str) -> ImagesSource:
    """Open the images that a pattern matches, by name; `**` searches sub-folders.

    Raises:
        InputError: there is none.
    """
    found = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute patterns
    matches = sorted(path for path in map(Path, found) if path.is_file())
    if not matches:
        raise InputError(f"{pattern}: expected a pattern that matches images, got no match.")
    paths = [path for path in matches if _is_image(path)]
    if not paths:
        raise InputError(
            f"{pattern}: expected images, got {len(matches)} files that are none (first: {matches[0]}). "
            f"Videos are given one at a time."
        )
    others = len(matches) - len(paths)
    warnings = (f"{pattern}: {others} of {len(matches)} matches are no images and were left out.",) if others else ()
    return ImagesSource(pattern, paths, warnings=warnings)


def is_image_name(path: Path) -> bool:
    """Tell an image by its suffix."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def _is_image(path: Path) -> bool:
    return is_image_name(path) and not path.name.startswith(".") and path.is_file()
