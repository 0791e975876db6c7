"""The box around one of COCO's masks, for objects that have a mask and no box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .box_table import finite_numbers
from .reader import Edges


def box_of_mask(segmentation: Any) -> Edges | None:  # foreign JSON
    """Give the box around a mask in continuous pixel edges; None for what is no mask, or an empty one.

    Args:
        segmentation: polygons (a list of lists `x1, y1, x2, y2, ...`), or runs (`counts` as numbers or packed into
            letters, and `size`, height and width), which go down one column after the other and begin outside.
    """
    if isinstance(segmentation, list) and segmentation:
        polygons = segmentation if isinstance(segmentation[0], list) else [segmentation]
        corners = [finite_numbers(polygon) for polygon in polygons if isinstance(polygon, list)]
        if any(numbers is None or len(numbers) < 6 or len(numbers) % 2 for numbers in corners):
            return None
        xs = [x for numbers in corners if numbers is not None for x in numbers[::2]]
        ys = [y for numbers in corners if numbers is not None for y in numbers[1::2]]
        return (min(xs), min(ys), max(xs), max(ys)) if xs else None
    if not isinstance(segmentation, dict):
        return None
    counts, size = segmentation.get("counts"), segmentation.get("size")
    is_size = isinstance(size, list) and len(size) == 2 and isinstance(size[0], int) and size[0] > 0
    if not isinstance(size, list) or not is_size:
        return None
    if isinstance(counts, str):
        counts = _unpacked(counts)
    if not isinstance(counts, list) or not all(isinstance(count, int) and count >= 0 for count in counts):
        return None
    return _box_of_runs(counts, height=size[0])


def _box_of_runs(counts: Sequence[int], *, height: int) -> Edges | None:
    columns: list[int] = []
    rows: list[int] = []
    end = 0
    for at, count in enumerate(counts):
        start, end = end, end + count
        if at % 2 and count:
            first, last = start // height, (end - 1) // height
            columns += [first, last]
            rows += [start % height, (end - 1) % height] if first == last else [0, height - 1]
    return (min(columns), min(rows), max(columns) + 1, max(rows) + 1) if columns else None


def _unpacked(letters: str) -> list[int]:
    """Read runs from letters: 5 bits each, low ones first, a sixth says that more follow; from the third run on, what
    it has more than the one before the last.

    Source: rleFrString of pycocotools' maskApi.c.
    """
    counts: list[int] = []
    value = shift = 0
    for letter in letters:
        bits = ord(letter) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    return counts
