"""Pictures that files of labels name, also by a path of the machine that they were labelled on."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
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
        there = [self._folder / name for name in distinct.keys() - set(missing)] if found else []
        times = Counter(path.resolve() for path in (*found.values(), *there))
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
        stem = _without_suffix(name)
        wanted = (name, _UPLOADED.sub("", name), stem, _UPLOADED.sub("", stem))
        same = next((paths for each in wanted if (paths := self._by_name.get(_folded(each)))), [])
        return same[0] if len(same) == 1 else None

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        """By name, and by name without suffix, both as they are in all systems alike."""
        by_name: dict[str, list[Path]] = {}
        for path in pictures_below(self._folders[-1]):
            for name in (path.name, path.stem):
                by_name.setdefault(_folded(name), []).append(path)
        return by_name


def is_picture(path: Path) -> bool:
    """Whether a file is named like an image and is none of those that a system or an editor hides beside it."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def pictures_below(folder: Path) -> list[Path]:
    """Every picture below a folder, but for what lies in hidden ones."""
    return sorted(filter(is_picture, files_below(folder)))


def files_below(folder: Path) -> Iterator[Path]:
    """Go through all files below a folder, also behind links, but for hidden ones and what lies in hidden folders."""
    around: dict[Path, tuple[str, ...]] = {}
    for place, folders, names in os.walk(folder, followlinks=True):
        here, real = Path(place), os.path.realpath(place)
        outer = around.get(here.parent, ())
        # A link to a folder around it would go round for ever.
        folders[:] = [] if real in outer else [name for name in folders if not name.startswith(".")]
        around[here] = (*outer, real)
        yield from (here / name for name in names if real not in outer and not name.startswith("."))


def alike(path: Path) -> Path:
    """Give a file, or where it is not there the one beside it that another system would call by the same name.

    Archives change capital letters and the way in which accents are written.
    """
    if path.exists() or not path.parent.is_dir():
        return path
    same = _names_in(path.parent, path.parent.stat().st_mtime_ns).get(_folded(path.name), [])
    return path.with_name(same[0]) if len(same) == 1 else path


def any_case(suffix: str) -> str:
    """Write a pattern of files with a suffix in small or capital letters."""
    return "*" + "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else letter for letter in suffix)


@lru_cache(maxsize=32)
def _names_in(folder: Path, _changed: int) -> dict[str, list[str]]:
    """Give a folder's names by `_folded`; when it was changed tells one state of it from another."""
    names: dict[str, list[str]] = {}
    for path in folder.iterdir():
        names.setdefault(_folded(path.name), []).append(path.name)
    return names


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _without_suffix(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return stem if f"{dot}{suffix}".lower() in IMAGE_SUFFIXES else name


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
    """Find the folder that the first few of the named images lie in; if none is there, the first with pictures."""
    first_names = list(islice(names, _LOOKED_FOR))
    for folder in folders:
        if any((folder / name).is_file() for name in first_names):
            return folder
    return next(
        (folder for folder in folders if folder.is_dir() and any(map(is_picture, folder.iterdir()))), folders[-1]
    )
