"""Several data sets as one: splits of one name together, classes by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .reader import Annotation, Layout, Place


class MergedLayout(Layout):
    """Gives each image the name of its own data set as a folder, so that images of one name stay apart."""

    kind = "merged"
    form = "several of these"

    def __init__(self, layouts: Sequence[Layout]) -> None:
        """Take two or more; classes are numbered in the order in which they come by."""
        self._layouts = dict(zip(_different_names(layouts), layouts, strict=True))
        self.name = " + ".join(self._layouts)
        self.dialect = ", ".join(layout.kind for layout in layouts)
        self.class_names = tuple(dict.fromkeys(name for layout in layouts for name in layout.class_names))
        self.lists = {split: Path(self.name) / split for layout in layouts for split in layout.official_lists}
        self.notes = tuple(self._what_is_not_labelled())

    @classmethod
    def places(cls, root: Path) -> list[Place]:  # noqa: ARG003 - it lies nowhere
        """None: who names several folders means it."""
        return []

    def listed_ids(self, split: str) -> list[str]:
        return [
            f"{name}/{image_id}"
            for name, layout in self._layouts.items()
            if split in layout.official_lists
            for image_id in layout.listed_ids(split)
        ]

    def image_path(self, image_id: str) -> Path:
        layout, own_id = self._own(image_id)
        return layout.image_path(own_id)

    def annotation(self, image_id: str) -> Annotation:
        layout, own_id = self._own(image_id)
        return layout.annotation(own_id)

    def class_names_of(self, image_id: str) -> tuple[str, ...]:
        layout, own_id = self._own(image_id)
        return layout.class_names_of(own_id)

    def _own(self, image_id: str) -> tuple[Layout, str]:
        name, _, own_id = image_id.partition("/")
        return self._layouts[name], own_id

    def _what_is_not_labelled(self) -> list[str]:
        """An object that nobody labelled teaches that it is none."""
        missing = {
            name: [item for item in self.class_names if item not in layout.class_names]
            for name, layout in self._layouts.items()
        }
        return [
            f"{name} has no class {', '.join(absent)}: its images count as showing none"
            for name, absent in missing.items()
            if absent
        ]


def _different_names(layouts: Sequence[Layout]) -> list[str]:
    seen: Counter[str] = Counter()
    names = []
    for layout in layouts:
        seen[layout.name] += 1
        names.append(layout.name if seen[layout.name] == 1 else f"{layout.name}-{seen[layout.name]}")
    return names
