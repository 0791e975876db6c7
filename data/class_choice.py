"""Which classes of a data set are learned: named, listed in a file, or sampled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..runtime.errors import InputError
from ..runtime.files import StrPath
from .readers.find_reader import find_layout
from .readers.reader import Layout
from .readers.text_lines import filled_lines


def chosen_classes(text: str, *roots: StrPath, seed: int = 0) -> list[str]:
    """Read what a person wrote for classes.

    Args:
        text: `cat,dog` names them in the order of class ids; `25` samples so many; else the path of a text file with
            one name a line.
        roots: the labelled images, as `open_dataset` takes them.
        seed: of the sample.

    Raises:
        InputError: the file names none, or there are fewer classes than are to be taken.
    """
    text = text.strip()
    if text.isdecimal():
        return sampled_classes(find_layout(*roots), int(text), seed=seed)
    path = Path(text)
    if path.is_file():
        names = filled_lines(path)
        if not names:
            raise InputError(f"{path}: expected a class a line, got an empty file. Write at least one.")
        return names
    return [name.strip() for name in text.split(",")]


def sampled_classes(layout: Layout, count: int, *, seed: int) -> list[str]:
    """Sample classes among those that the data's images show; fewer classes of the same seed are among more of it.

    Args:
        layout: the data.
        count: how many.
        seed: the sample depends on it and on the names alone.

    Returns:
        Names, in the layout's own order.

    Raises:
        InputError: there are fewer, or none are asked for.
    """
    images = dict.fromkeys(image_id for name in layout.seeded_lists for image_id in layout.listed_ids(name))
    shown = {name for image_id in images for name in layout.class_names_of(image_id)}
    candidates = [name for name in layout.class_names if name in shown]
    if not 1 <= count <= len(candidates):
        raise InputError(
            f"classes: expected a number from 1 to {len(candidates)}, of classes that {layout.name} has images of, "
            f"got {count}. Ask for fewer, or name them."
        )
    return sampled_names(candidates, count, seed=seed)


def spelled_alike(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Group the names that differ by capital letters alone; names without such a twin are left out."""
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name.casefold(), []).append(name)
    return [tuple(group) for group in alike.values() if len(group) > 1]


def sampled_names(names: Sequence[str], count: int, *, seed: int) -> list[str]:
    """Sample some of the names and keep their order; fewer of the same seed are among more of it."""
    sampled = set(np.random.default_rng(seed).permutation(sorted(names))[:count].tolist())
    return [name for name in names if name in sampled]
