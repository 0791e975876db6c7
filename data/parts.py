"""Several data sets read as one, each with classes of its own: which of them labels what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .readers.reader import Layout

_NAMED = 20
"""How many of many classes a line names."""


class Parts:
    """The data sets that were named to be read as one; none where it is one anyway."""

    def __init__(self, layout: Layout, class_names: Sequence[str], *, renamed: Mapping[str, str]) -> None:
        """Take what was found, the classes that are kept, and a class of the data -> its name here."""
        self.layouts = layout.parts
        self._class_names = class_names
        self._renamed = renamed

    def __bool__(self) -> bool:
        return bool(self.layouts)

    @cached_property
    def labelled(self) -> dict[str, NDArray[np.bool_]]:
        """Tell which classes each part labels, [classes] bool: those that it has an object of, in any of its lists.

        A list of classes says less: tools write all of COCO's eighty where people alone are labelled.
        """
        shown = {
            name: {self._renamed.get(of_data, of_data) for of_data in layout.names_of_objects()}
            for name, layout in self.layouts.items()
        }
        return {part: np.array([name in names for name in self._class_names]) for part, names in shown.items()}

    @cached_property
    def differ(self) -> bool:
        """Whether a class is labelled in one part and not in another."""
        return len({labelled.tobytes() for labelled in self.labelled.values()}) > 1

    def of(self, image_id: str) -> str:
        """Name the part that an image is of."""
        return image_id.partition("/")[0]

    def image_path(self, image_id: str) -> Path:
        """Where an image is or should be."""
        part, _, own_id = image_id.partition("/")
        return self.layouts[part].image_path(own_id)

    def labelled_in(self, image_id: str) -> NDArray[np.bool_] | None:
        """Tell which classes an image's labels speak of, [classes] bool; None: of all that any do."""
        return self.labelled[self.of(image_id)] if self.differ else None

    @property
    def not_labelled(self) -> dict[str, tuple[str, ...]]:
        """Name for each part the classes that others label and it does not; parts that lack none are left out."""
        anywhere = np.any([*self.labelled.values()], axis=0)
        missing = {
            part: tuple(name for name, lacks in zip(self._class_names, anywhere & ~labelled, strict=True) if lacks)
            for part, labelled in self.labelled.items()
        }
        return {part: names for part, names in missing.items() if names}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know, a line each."""
        return tuple(
            f"{part} does not label {listed(names)}: `train` leaves open whether its images show them; converted to "
            f"one data set, they count as showing none"
            for part, names in self.not_labelled.items()
        )


def listed(names: Sequence[str]) -> str:
    """Write the first names of many."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
