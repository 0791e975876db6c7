"""Pictures that files of labels name, also by a path of the machine that they were labelled on."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from urllib.parse import unquote

from ...runtime.image_files import IMAGE_SUFFIXES

FOUND_ELSEWHERE = "images named by a path that is not here (found by the end of it)"
"""A remark, for the report."""

_LOOKED_FOR = 20
"""Images looked for in a folder before it is passed over."""
_QUERY = re.compile(r"\?(?!d=).*")
"""What a web address ends in; but Label Studio writes a local path so (`/data/local-files/?d=a.jpg`)."""


_UPLOADED = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of a file that is given to it."""


class Pictures:
    """Where the pictures lie that one file of labels names."""

    def __init__(self, folders: Sequence[Path], names: Iterable[str]) -> None:
        """Look for all of them.

        Args:
            folders: that may hold them, the likeliest first; the last is around all of them.
            names: as written.
        """
        distinct = dict.fromkeys(names)
        self._folders = folders
        self._folder = _folder_of(folders, distinct)
        missing = [name for name in distinct if not (self._folder / name).is_file()]
        found = {name: path for name in missing if (path := self._end_of(name)) is not None}
        times = Counter(path.resolve() for path in found.values())
        # Two names that end alike may mean two pictures, of which one is here.
        self._elsewhere = {name: path for name, path in found.items() if times[path.resolve()] == 1}

    def path(self, name: str) -> Path:
        """Where a picture is, or should be."""
        return self._elsewhere.get(name, self._folder / name)

    def remark(self, name: str) -> str:
        """What is to be told of how it was found; nothing where it is where it should be."""
        return FOUND_ELSEWHERE if name in self._elsewhere else ""

    def _end_of(self, name: str) -> Path | None:
        local = unquote(_QUERY.sub("", name)).replace("?d=", "/")
        found = found_path(local, [self._folder, *self._folders])
        if found is not None:
            return found if found.is_file() else None
        name = local.replace("\\", "/").rpartition("/")[2]
        same = self._by_name.get(name) or self._by_name.get(_UPLOADED.sub("", name), [])
        return same[0] if len(same) == 1 else None

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        by_name: dict[str, list[Path]] = {}
        for path in pictures_below(self._folders[-1]):
            by_name.setdefault(path.name, []).append(path)
        return by_name


def is_picture(path: Path) -> bool:
    """Whether a file is named like an image and is none of those that a system or an editor hides beside it."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def pictures_below(folder: Path) -> list[Path]:
    """Every picture below a folder, but for what lies in hidden ones."""
    below = (path for path in folder.rglob("*") if is_picture(path))
    return sorted(path for path in below if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def found_path(written: str, folders: Sequence[Path]) -> Path | None:
    """Find what a path of another machine means here: its longest end that is there, below one of the folders."""
    parts = written.replace("\\", "/").split("/")
    ends = [written, *("/".join(parts[at:]) for at in range(len(parts)) if parts[at] not in ("", ".", ".."))]
    return next((folder / end for end in ends for folder in folders if end and (folder / end).exists()), None)


def images_base(root: Path) -> Path:
    """Choose the folder that image ids are relative to: `images` where there is one, else the data set's own."""
    return root / "images" if (root / "images").is_dir() else root


def id_from_path(path: Path, base: Path) -> str:
    """Write an image's path as its id: relative to the base, with slashes on every system."""
    return Path(os.path.relpath(path, base)).as_posix()


def _folder_of(folders: Sequence[Path], names: Iterable[str]) -> Path:
    """Find the folder that the first few of the named images lie in; the first that exists if none is there."""
    first_names = list(islice(names, _LOOKED_FOR))
    for folder in folders:
        if any((folder / name).is_file() for name in first_names):
            return folder
    return next((folder for folder in folders if folder.is_dir()), folders[-1])
