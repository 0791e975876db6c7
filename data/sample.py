"""One labelled image, whatever layout it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A labelled image.

    Args:
        image_id: unique within a data set, as its lists write it: `2008_000008`, `n01770393/n01770393_0`.
        image_path: the image file.
        boxes_xyxy_px: [n, 4] float32, in continuous pixel edges of the upright picture: 0 is the left edge of the
            first pixel, `xmax - xmin` is the width, boxes lie within [0, width] x [0, height].
        class_ids: [n] int64, index into the data set's class names; background is not counted.
        difficult: [n] bool, what is neither learned nor held against a detector; crowds among them.
        height_px: of the upright picture.
        width_px: of the upright picture.
        crowd: [n] bool, regions of many objects, as COCO has them; None where there are none.
        areas_px: [n] float64, of the objects themselves, as COCO measures them by its masks; None: of their boxes.
        labelled: [classes] bool, of which of the data set's classes its labels speak; of others objects may be in it
            that nobody labelled. None: of all.
    """

    image_id: str
    image_path: Path
    boxes_xyxy_px: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    difficult: NDArray[np.bool_]
    height_px: int
    width_px: int
    crowd: NDArray[np.bool_] | None = None
    areas_px: NDArray[np.float64] | None = None
    labelled: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        count = len(self.class_ids)
        if self.boxes_xyxy_px.shape != (count, 4) or self.difficult.shape != (count,):
            raise ValueError(
                f"expected boxes [n, 4], class_ids [n], difficult [n], got "
                f"{self.boxes_xyxy_px.shape}, {self.class_ids.shape}, {self.difficult.shape}"
            )
        if self.crowd is not None and (self.crowd.shape != (count,) or (self.crowd & ~self.difficult).any()):
            raise ValueError(f"crowd: expected [n], difficult each, got {self.crowd} of {self.difficult}")
        if self.areas_px is not None and self.areas_px.shape != (count,):
            raise ValueError(f"areas_px: expected [n], got {self.areas_px.shape}")
        if self.labelled is not None and not self.labelled[self.class_ids].all():
            raise ValueError(f"labelled: expected the classes {self.class_ids} among them, got {self.labelled}")

    def __len__(self) -> int:
        return len(self.class_ids)


def data_sha256(samples: Iterable[Sample]) -> str:
    """Fingerprint labelled data for the card: sha256 over image ids, boxes, classes, difficult objects, crowds.

    Where labels do not speak of every class, which ones they do is part of it.

    The order of the samples does not matter; pixels are not read. Streams: 32 bytes a sample are kept.
    """
    digests = sorted(sample_digest(sample) for sample in samples)
    return hashlib.sha256(b"".join(digests)).hexdigest()


def sample_digest(sample: Sample) -> bytes:
    """Fingerprint one sample: 32 bytes over its id, size, boxes, classes, difficult objects, crowds, labelled ones."""
    # Fixed little-endian types, so that the fingerprint is the same on every machine.
    parts = [
        sample.image_id.encode(),
        np.asarray([sample.height_px, sample.width_px], "<i8").tobytes(),
        np.asarray(sample.boxes_xyxy_px, "<f4").tobytes(),
        np.asarray(sample.class_ids, "<i8").tobytes(),
        np.asarray(sample.difficult, "u1").tobytes(),
    ]
    if sample.crowd is not None:
        parts.append(np.asarray(sample.crowd, "u1").tobytes())
    if sample.labelled is not None:
        parts.append(b"labelled" + np.asarray(sample.labelled, "u1").tobytes())
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()
