"""What was found in labelled images, as one page that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ...data.check.data_statistics import ASPECT_EDGES, MOST_COUNTED, SIZE_EDGES
from .data_tables import duplicate_lines, fitted_lines, interval_names, part_lines
from .figure import bars
from .page import Picture, picture, save_page, shrunk

if TYPE_CHECKING:
    import numpy as np
    from markupsafe import Markup
    from numpy.typing import NDArray

    from ...data.check.data_check import DataCheck, DuplicateGroup
    from ...data.check.data_statistics import SplitStatistics
    from ...data.dataset import Dataset
    from ...data.sample import Sample
    from ...train.networks.box_coverage import BoxCoverage
    from ...train.networks.box_fitting import FittedBoxes

_PICTURES = 12
_GROUPS = 12
_SIDE_PX = 200


def save_data_page(
    dataset: Dataset,
    check: DataCheck,
    coverages: dict[str, BoxCoverage],
    path: Path,
    *,
    fitted: FittedBoxes | None = None,
    augmented: NDArray[np.uint8] | None = None,
) -> None:
    """Write the page.

    Args:
        dataset: the images, for pictures.
        check: what was found in them.
        coverages: split -> what default boxes can match; may be empty.
        path: where the page is written.
        fitted: default boxes fitted to the objects, if that was asked for.
        augmented: a picture of augmented images, [h, w, 3] BGR, if that was asked for.

    Raises:
        InputError: the name is not a page's, or the file cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    groups = sorted((*check.exact, *check.near), key=lambda group: not group.spans_splits)[:_GROUPS]
    caption = "Each row: an image only resized, then as six epochs see it. Difficult objects are grey."
    save_page(
        path,
        "data",
        title=check.name,
        check=check,
        part_lines=[*check.notes, *part_lines(check.parts)] if check.parts else [],
        coverages=coverages,
        plots={name: _plots(statistics, coverages.get(name)) for name, statistics in check.splits.items()},
        pictures={name: _pictures(dataset, name, check) for name in check.splits},
        fitted_lines=[] if fitted is None else fitted_lines(fitted, coverages),
        augmented=None if augmented is None else picture(augmented, caption),
        duplicate_lines=duplicate_lines(check),
        duplicates=[_group(dataset, group) for group in groups],
    )


def _pictures(dataset: Dataset, name: str, check: DataCheck) -> list[Picture]:
    """Show a split's first images, then suspicious ones."""
    ids = [image_id for suspicion in check.splits[name].suspicions for image_id in suspicion.examples]
    samples = (
        *islice(dataset.samples(name, seed=check.seed), _PICTURES),
        *(dataset.sample(image_id) for image_id in dict.fromkeys(ids)),
    )
    return [_picture(sample, dataset.class_names) for sample in samples]


def _plots(statistics: SplitStatistics, coverage: BoxCoverage | None) -> tuple[Markup, ...]:
    present = {class_name: count for class_name, count in statistics.objects.items() if count}
    matched = None if coverage is None else [int(coverage.matched[class_name].sum()) for class_name in present]
    by_size = None if coverage is None else coverage.matched_by_size.tolist()
    sizes = interval_names(SIZE_EDGES, percent=True)
    per_image = {
        f"{count} or more" if count == MOST_COUNTED else str(count): images
        for count, images in sorted(statistics.objects_per_image.items())
    }
    return (
        bars("objects", list(present), list(present.values()), parts=matched),
        bars("box sizes: square root of share of image", sizes, statistics.sizes().tolist(), parts=by_size),
        bars("width / height", interval_names(ASPECT_EDGES, percent=False), statistics.aspects().tolist()),
        bars("objects per image", list(per_image), list(per_image.values())),
    )


def _group(dataset: Dataset, group: DuplicateGroup) -> list[Picture]:
    """Show images that are the same, with the splits that they are in."""
    members = list(zip(group.image_ids, group.splits, strict=True))[:_PICTURES]
    return [
        _picture(dataset.sample(image_id), dataset.class_names, note=f" ({', '.join(splits)})")
        for image_id, splits in members
    ]


def _picture(sample: Sample, class_names: Sequence[str], *, note: str = "") -> Picture:
    """Show an image with its boxes."""
    import cv2

    from ...runtime.image_files import read_image_bgr

    small, scale = shrunk(read_image_bgr(sample.image_path), _SIDE_PX)
    for box, difficult in zip(sample.boxes_xyxy_px, sample.difficult, strict=True):
        left, top, right, bottom = (round(float(corner) * scale) for corner in box)
        colour = (160, 160, 160) if difficult else (0, 140, 255)
        cv2.rectangle(small, (left, top), (right - 1, bottom - 1), colour, 2)
    named = ", ".join(sorted({class_names[class_id] for class_id in sample.class_ids})) or "no objects"
    return picture(small, f"{sample.image_id}{note}: {named}")
