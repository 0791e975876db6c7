"""Which objects a network's default boxes can match, known before it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.check.data_statistics import SIZE_EDGES
from ...data.dataset import Dataset
from ...runtime.detection.boxes import iou_matrix
from .default_boxes import DefaultBoxSettings
from .options import NetworkOptions
from .registry import build_detector, network_named

MATCH_IOU = 0.5
"""The overlap from which on a default box learns an object."""


@dataclass(frozen=True, kw_only=True)
class BoxCoverage:
    """How many objects have a default box that overlaps them by IoU 0.5 or more.

    What has none is still learned by the one box that overlaps it most, but by no other.

    Args:
        network: its name.
        default_boxes: how many it has.
        objects: class -> [6] int64, objects in each group of sizes (`SIZE_EDGES`).
        matched: class -> [6] int64, those of them that a default box can match.
    """

    network: str
    default_boxes: int
    objects: dict[str, NDArray[np.int64]]
    matched: dict[str, NDArray[np.int64]]

    @property
    def share(self) -> float:
        """Of all objects, in [0, 1]; 0 if there is none."""
        return int(self.matched_by_size.sum()) / max(int(self.objects_by_size.sum()), 1)

    @property
    def objects_by_size(self) -> NDArray[np.int64]:
        """[6] int64, of all classes."""
        return _summed(self.objects)

    @property
    def matched_by_size(self) -> NDArray[np.int64]:
        """[6] int64, of all classes."""
        return _summed(self.matched)

    def to_dict(self) -> dict[str, Any]:
        """Write the counts for a machine, ready for JSON."""
        return {
            "network": self.network,
            "default_boxes": self.default_boxes,
            "iou": MATCH_IOU,
            "share": self.share,
            "size_edges": list(SIZE_EDGES),
            "objects": {name: counts.tolist() for name, counts in self.objects.items()},
            "matched": {name: counts.tolist() for name, counts in self.matched.items()},
        }


def box_coverage(
    dataset: Dataset, split: str, network: str, *, boxes: DefaultBoxSettings | None = None, seed: int = 0
) -> BoxCoverage:
    """Hold every object of a split against a network's default boxes; images are not decoded.

    Frames are stretched to the network's input, which changes no overlap: boxes are compared in shares of the image.

    Args:
        dataset: labelled images.
        split: one of its splits.
        network: name of a network.
        boxes: default boxes to look at instead of the network's own.
        seed: of a seeded split.

    Raises:
        InputError: there is no such network or split.
    """
    spec = network_named(network).input
    options = NetworkOptions(
        input_hw=(spec.height, spec.width), class_count=len(dataset.class_names), default_boxes=boxes
    )
    built = build_detector(network, options)
    cxcywh = built.default_cxcywh.numpy()  # [D, 4]
    default_xyxy = np.concatenate([cxcywh[:, :2] - cxcywh[:, 2:] / 2, cxcywh[:, :2] + cxcywh[:, 2:] / 2], axis=1)
    groups = len(SIZE_EDGES) - 1
    objects, matched = np.zeros((2, len(dataset.class_names), groups), np.int64)
    for sample in dataset.samples(split, seed=seed):
        if not len(sample):
            continue
        width, height = sample.width_px, sample.height_px
        objects_xyxy = np.divide(sample.boxes_xyxy_px, [width, height, width, height], dtype=np.float32)
        sizes = np.sqrt(np.prod(objects_xyxy[:, 2:] - objects_xyxy[:, :2], axis=1))
        group = np.clip(np.digitize(sizes, SIZE_EDGES) - 1, 0, groups - 1)
        can_match = best_overlaps(objects_xyxy, default_xyxy) >= MATCH_IOU
        np.add.at(objects, (sample.class_ids, group), 1)
        np.add.at(matched, (sample.class_ids, group), can_match)
    names = dataset.class_names
    return BoxCoverage(
        network=network,
        default_boxes=len(default_xyxy),
        objects=dict(zip(names, objects, strict=True)),
        matched=dict(zip(names, matched, strict=True)),
    )


def _summed(counts: dict[str, NDArray[np.int64]]) -> NDArray[np.int64]:
    total: NDArray[np.int64] = np.stack(list(counts.values())).sum(axis=0)
    return total


def best_overlaps(boxes_xyxy: NDArray[np.float32], default_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return [n] float32, the greatest IoU of each of [n, 4] boxes with any of [D, 4], all normalised."""
    best: NDArray[np.float32] = iou_matrix(boxes_xyxy, default_xyxy).max(axis=1)
    return best
