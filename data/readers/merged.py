"""Several data sets as one: splits of one name together, classes by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .reader import Annotation, Layout, Place, with_usual_names


class MergedLayout(Layout):
    """Gives each image the name of its own data set as a folder, so that images of one name stay apart."""

    kind = "merged"
    form = "several of these"

    def __init__(self, layouts: Sequence[Layout], *, split_folders: Path | None = None) -> None:
        """Take two or more; classes are numbered in the order in which they come by.

        Args:
            layouts: each data set.
            split_folders: what holds them, where each is one split that is called like its folder.
        """
        self._layouts = dict(zip(_different_names(layouts), layouts, strict=True))
        self.class_names = tuple(dict.fromkeys(name for layout in layouts for name in layout.class_names))
        kinds = ", ".join(layout.kind for layout in layouts)
        self._is_one = split_folders is not None
        if split_folders is None:
            self._splits = {name: layout.official_lists for name, layout in self._layouts.items()}
            self.name, self.dialect = " + ".join(self._layouts), kinds
            self.notes = tuple(f"{name}: {note}" for name, layout in self._layouts.items() for note in layout.notes)
        else:
            self._splits = {name: (name,) for name in self._layouts}
            self.name, self.dialect = split_folders.resolve().name, f"{kinds}; a folder for each split"
        names = dict.fromkeys(split for splits in self._splits.values() for split in splits)
        self.lists = with_usual_names({split: Path(self.name) / split for split in names})

    @classmethod
    def places(cls, root: Path) -> list[Place]:  # noqa: ARG003 - it lies nowhere
        """None: who names several folders means it."""
        return []

    @property
    def parts(self) -> dict[str, Layout]:
        return {} if self._is_one else self._layouts

    @property
    def common_lists(self) -> tuple[str, ...]:
        parts = [set(self._splits[name]) for name in self.parts]
        return tuple(name for name, path in self.lists.items() if all(path.name in splits for splits in parts))

    def listed_ids(self, split: str) -> list[str]:
        meant = self.lists[split].name
        return [
            f"{name}/{image_id}"
            for name, layout in self._layouts.items()
            if meant in self._splits[name]
            for own in ([meant] if meant in layout.lists else layout.official_lists)
            for image_id in layout.listed_ids(own)
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

    def speaks_of_others(self, image_id: str) -> bool:
        layout, own_id = self._own(image_id)
        return layout.speaks_of_others(own_id)

    def _own(self, image_id: str) -> tuple[Layout, str]:
        name, _, own_id = image_id.partition("/")
        return self._layouts[name], own_id


def _different_names(layouts: Sequence[Layout]) -> list[str]:
    seen: Counter[str] = Counter()
    names = []
    for layout in layouts:
        seen[layout.name] += 1
        names.append(layout.name if seen[layout.name] == 1 else f"{layout.name}-{seen[layout.name]}")
    return names
