"""What a split holds in numbers: objects per class and image, sizes and shapes of boxes, what looks suspicious."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.detection.boxes import iou_matrix
from ..sample import Sample

SIZE_EDGES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
"""Edges of the size groups: square root of the share of the image that a box covers."""
ASPECT_EDGES = (0.0, 0.25, 0.5, 0.8, 1.25, 2.0, 4.0, float("inf"))
"""Edges of the groups of width / height in pixels."""
MOST_COUNTED = 10
"""Images with this many objects or more are counted together."""
THIN_PX = 2.0
FILLS = 0.98
SAME_BOX_IOU = 0.95
EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class Suspicion:
    """Something that may be right and often is not."""

    what: str
    count: int
    examples: tuple[str, ...]


class SplitStatistics:
    """Collects one split's numbers; keeps 16 bytes an object."""

    def __init__(self, class_names: tuple[str, ...]) -> None:
        self.class_names = class_names
        self.images = 0
        self.objects_per_image: Counter[int] = Counter()
        self.image_sizes: Counter[tuple[int, int]] = Counter()
        """(height, width) -> images."""
        self.images_with: Counter[str] = Counter()
        self._classes = array("i")
        self._sizes = array("f")
        self._aspects = array("f")
        self._suspicious: dict[str, list[str]] = {}
        self._suspicions: Counter[str] = Counter()

    def add(self, sample: Sample) -> None:
        """Count one image."""
        self.images += 1
        self.objects_per_image[min(len(sample), MOST_COUNTED)] += 1
        self.image_sizes[sample.height_px, sample.width_px] += 1
        self.images_with.update({self.class_names[class_id] for class_id in sample.class_ids})
        widths, heights = (sample.boxes_xyxy_px[:, 2:] - sample.boxes_xyxy_px[:, :2]).T
        shares = widths * heights / (sample.height_px * sample.width_px)
        self._classes.extend(int(class_id) for class_id in sample.class_ids)
        self._sizes.extend(np.sqrt(shares).tolist())
        self._aspects.extend((widths / heights).tolist())
        self._suspect(sample, np.minimum(widths, heights), shares)

    @property
    def objects(self) -> dict[str, int]:
        """Class -> objects, difficult ones among them."""
        counts = np.bincount(np.asarray(self._classes, np.int64), minlength=len(self.class_names))
        return dict(zip(self.class_names, counts.tolist(), strict=True))

    def sizes(self, name: str | None = None) -> NDArray[np.int64]:
        """[6] int64, objects (of a class) in each group of sizes; groups are half open, the last one closed."""
        return np.histogram(self._of(self._sizes, name), SIZE_EDGES)[0]

    def aspects(self, name: str | None = None) -> NDArray[np.int64]:
        """[7] int64, objects (of a class) in each group of width / height."""
        return np.histogram(self._of(self._aspects, name), ASPECT_EDGES)[0]

    @property
    def suspicions(self) -> tuple[Suspicion, ...]:
        """What looks wrong, most frequent first."""
        return tuple(
            Suspicion(what=what, count=count, examples=tuple(self._suspicious[what]))
            for what, count in self._suspicions.most_common()
        )

    def to_dict(self) -> dict[str, Any]:
        """Write the numbers for a machine, ready for JSON."""
        return {
            "images": self.images,
            "objects": self.objects,
            "images_with": {name: self.images_with[name] for name in self.class_names},
            "objects_per_image": {str(count): images for count, images in sorted(self.objects_per_image.items())},
            "image_sizes_hw": [[*hw, count] for hw, count in self.image_sizes.most_common()],
            "size_edges": list(SIZE_EDGES),
            "sizes": {name: self.sizes(name).tolist() for name in self.class_names},
            "aspect_edges": [*ASPECT_EDGES[:-1], None],
            "aspects": {name: self.aspects(name).tolist() for name in self.class_names},
            "suspicious": {item.what: {"count": item.count, "examples": item.examples} for item in self.suspicions},
        }

    def _of(self, values: array[float], name: str | None) -> NDArray[np.float32]:
        every = np.asarray(values, np.float32)
        if name is not None:
            every = every[np.asarray(self._classes, np.int64) == self.class_names.index(name)]
        return every

    def _suspect(self, sample: Sample, sides: NDArray[np.float32], shares: NDArray[np.float32]) -> None:
        self._note(f"boxes less than {THIN_PX:g} pixels thin", int((sides < THIN_PX).sum()), sample)
        self._note(f"boxes over {FILLS:.0%} or more of their image", int((shares >= FILLS).sum()), sample)
        self._note("objects labelled twice: same class, nearly the same box", _labelled_twice(sample), sample)

    def _note(self, what: str, count: int, sample: Sample) -> None:
        if count:
            self._suspicions[what] += count
            examples = self._suspicious.setdefault(what, [])
            if len(examples) < EXAMPLES:
                examples.append(sample.image_id)


def _labelled_twice(sample: Sample) -> int:
    if len(sample) < 2:
        return 0
    same = iou_matrix(sample.boxes_xyxy_px, sample.boxes_xyxy_px) >= SAME_BOX_IOU
    same &= sample.class_ids[:, None] == sample.class_ids[None, :]
    return int(np.triu(same, 1).any(axis=0).sum())
