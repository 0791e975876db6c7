"""Recognises boxes that a head left undecoded, and the scheme that decodes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...runtime.errors import InputError
from .checks import WELL_FORMED
from .decoding import Array, Decoding
from .graph import ForeignGraph
from .heads import Heads
from .reading import ROUNDING, Columns
from .schemes import (
    PYRAMID,
    SCHEMES,
    SSD_GRIDS,
    Cells,
    cells_of,
    cells_of_scheme,
    decoding_of,
    decoding_of_file,
    row_count,
)
from .told import Told

FOLLOWS_GRID = 0.8
"""Correlation with their cells' places that decoded centres surpass by far and undecoded ones never reach."""
_MOST_CELLS = 20
"""Offsets from a cell are a few cells, and a size of exp(20) cells is none."""
_FINE = (8, 16, 32, 64)
_NONE = "none"


def guess_decoding(
    graph: ForeignGraph,
    boxes: Columns,
    values: Array,
    told: Told,
    guesses: list[str],
    *,
    heads: Heads | None,
    has_objectness: bool,
) -> Decoding | None:
    """Say how boxes are decoded; None where they are.

    Args:
        graph: the detector.
        boxes: the columns.
        values: in them, [N, D, columns].
        told: `--decode`, `--strides`, `--layout` and `--normalised` are law.
        guesses: a line is added.
        heads: by level, where there are any.
        has_objectness: whether a column multiplies the scores.

    Raises:
        InputError: what is told does not fit the rows.
    """
    if told.decode == _NONE or (told.strides == () and told.decode is None):
        return None
    bins = 0 if len(boxes) == 4 else len(boxes) // 4
    scheme = told.decode
    if scheme is not None and scheme not in SCHEMES:
        return _checked(decoding_of_file(Path(scheme)), values)
    _check_told(told)
    if scheme is None and told.strides is not None:
        scheme = "distances-centre" if bins else "yolox"
    if scheme is not None:
        cells = _told_cells(graph, scheme, told, heads, values.shape[1])
        return _laid(scheme, cells, values, bins, 1 if heads is None else heads.anchors[0])
    if heads is not None:
        scheme, ground = _scheme_of_heads(heads, values, has_objectness=has_objectness)
        guesses.append(f"--decode {scheme}: {ground}")
        return _laid(scheme, heads.cells, values, bins, heads.anchors[0])
    return _of_rows(graph, boxes, values, told, guesses, bins)


def rows_by_scheme(graph: ForeignGraph, count: int) -> list[tuple[str, Cells]]:
    """Name the schemes that have so many rows over the input, the commonest first."""
    size = {"height": graph.height, "width": graph.width}
    found = [
        ("yolox", cells_of(strides, partial=partial, **size))
        for partial in (False, True)
        for strides in ((8, 16, 32), _FINE, PYRAMID)
    ]
    found += [(name, cells_of_scheme(name, **size)) for name in ("retinanet", "retinaface", *SSD_GRIDS)]
    return [(name, cells) for name, cells in found if row_count(name, cells) == count]


def _of_rows(
    graph: ForeignGraph,
    boxes: Columns,
    values: Array,
    told: Told,
    guesses: list[str],
    bins: int,
) -> Decoding | None:
    """Recognise rows of all levels, joined already: as many as a scheme has, and they do not follow its places."""
    if told.layout is not None or told.normalised is not None:
        return None
    for name, cells in rows_by_scheme(graph, values.shape[1]):
        decoding = decoding_of(name, SCHEMES[name], cells, bins=bins)
        count = f"{values.shape[1]} rows of strides {', '.join(map(str, cells.strides))}"
        if bins:
            scheme = "distances" if boxes.start else "distances-centre"
            guesses.append(f"--decode {scheme}: {count}, distributions of {bins} bins, as {_of_bins(boxes)} has them")
            return decoding_of(scheme, SCHEMES[scheme], cells, bins=bins)
        follows = follows_places(values, decoding.origins)
        if follows > FOLLOWS_GRID or (not boxes.is_whole and are_pixels(values)):
            return None
        scheme = name
        if name == "yolox" and boxes.is_whole:  # beside columns of another meaning they are YOLOX's
            scheme = _distances(values, cells, (1,) * len(cells.strides), point="")
            if scheme == "distances" and cells.strides == PYRAMID:
                scheme = "fcos-torchvision"
        elif name == "retinanet":
            scheme = _of_nine(boxes.output)
        guesses.append(
            f"--decode {scheme}: {count}, and the boxes' centres do not follow them (correlation {follows:.2f}), so "
            "they are not decoded"
        )
        return _laid(scheme, cells, values, bins)
    return None


def _of_bins(boxes: Columns) -> str:
    return "NanoDet-Plus" if boxes.start else "YOLOv8"


def _scheme_of_heads(heads: Heads, values: Array, *, has_objectness: bool) -> tuple[str, str]:
    """Name the scheme of heads by level, and what it is known by."""
    if heads.bins and heads.class_first:
        return "distances", "NanoDet's order, whose cells are counted from their corners"
    if heads.bins:
        return "distances-centre", f"distributions of {heads.bins} bins, as YOLOv8 and PicoDet have them"
    found = None
    each = set(heads.anchors)
    if each == {1}:
        found = _of_one(heads, values, has_objectness=has_objectness)
    elif each == {2}:
        found = _of_two(values)
    elif each == {3} and has_objectness:
        is_tiny = heads.cells.strides == SCHEMES["yolov3-tiny"].strides
        found = "yolov3-tiny" if is_tiny else "yolov5", "three boxes a cell with objectness"
    elif each == {9}:
        found = _of_nine(heads.boxes), "nine boxes a cell"
    found = found or _of_ssd(heads, values.shape[1])
    if found is None:
        raise InputError(
            f"--decode: expected a scheme ({', '.join(SCHEMES)}) or a file of anchors, got nothing; "
            f"{', '.join(map(str, heads.anchors))} boxes a cell of strides {', '.join(map(str, heads.cells.strides))} "
            "tell none."
        )
    return found


def _of_one(heads: Heads, values: Array, *, has_objectness: bool) -> tuple[str, str]:
    if _share_positive(values) < WELL_FORMED:
        return "yolox", "one box a cell, its columns of either sign"
    scheme = _distances(values, heads.cells, heads.anchors, point="-centre" if has_objectness else "")
    return scheme, f"one box a cell, its columns above 0, as {'FCOS' if has_objectness else 'RTMDet'} has them"


def _of_two(values: Array) -> tuple[str, str]:
    if _share_positive(values) >= WELL_FORMED:
        return "distances", "two boxes a cell, their columns above 0, as SCRFD has them"
    return "retinaface", "two boxes a cell"


def _of_nine(boxes: str) -> str:
    is_efficient = "box_net" in boxes or ("regression" in boxes and "bbox" not in boxes and "head" not in boxes)
    return "efficientdet" if is_efficient else "retinanet"


def _of_ssd(heads: Heads, rows: int) -> tuple[str, str] | None:
    for name in SSD_GRIDS:
        cells = cells_of_scheme(name, height=heads.cells.height, width=heads.cells.width)
        if cells.grids == heads.cells.grids and row_count(name, cells) == rows:
            return name, f"{rows} rows at {cells.height}x{cells.width}"
    return None


def _distances(values: Array, cells: Cells, anchors: tuple[int, ...], *, point: str) -> str:
    """Tell pixels, whose distances grow with the cells, from cells."""
    if _share_positive(values) < WELL_FORMED:
        return "yolox"
    ends = np.cumsum([count * each for count, each in zip(cells.counts, anchors, strict=True)])
    reach = [float(np.median(part)) for part in np.split(values, ends[:-1], axis=1)]
    grown, strides = reach[-1] / max(reach[0], 1e-6), cells.strides[-1] / cells.strides[0]
    return f"{'pixels' if grown > strides**0.5 else 'distances'}{point}"


def are_pixels(values: Array) -> bool:
    """Say whether values reach farther than offsets in cells and logarithms of sizes do."""
    return float(np.quantile(np.abs(values), 0.99)) > _MOST_CELLS


def _share_positive(values: Array) -> float:
    return float((values >= 0).mean())


def follows_places(values: Array, origins: Array) -> float:
    """Correlate the first two columns with places, x first or y first."""
    x, y = (_correlation(values[..., 0], origins[:, axis]) for axis in (0, 1))
    across, down = (_correlation(values[..., 1], origins[:, axis]) for axis in (0, 1))
    return max(min(x, down), min(y, across))


def _correlation(values: Array, positions: Array) -> float:
    """Correlate [N, D] values with [D] positions; 0 where values do not vary."""
    spread = values.std() * positions.std()
    return float(((values - values.mean()) * (positions - positions.mean())).mean() / spread) if spread > 0 else 0.0


def _told_cells(graph: ForeignGraph, scheme: str, told: Told, heads: Heads | None, rows: int) -> Cells:
    if heads is not None and not told.strides:
        return heads.cells
    size = {"height": graph.height, "width": graph.width}
    if told.strides:
        tried = [cells_of(told.strides, partial=partial, **size) for partial in (False, True)]
    else:
        usual = {SCHEMES[scheme].strides: None, _FINE: None, PYRAMID: None}
        tried = [cells_of_scheme(scheme, **size)]
        tried += [cells_of(strides, partial=partial, **size) for strides in usual for partial in (False, True)]
    for cells in tried:
        if row_count(scheme, cells) == rows:
            return cells
    counts = " + ".join(str(count * max(1, SCHEMES[scheme].per_cell)) for count in tried[0].counts)
    flag = "--strides" if told.strides else f"--decode {scheme}"
    raise InputError(
        f"{flag}: expected as many grid cells as boxes, {rows}, got {counts} at {graph.height}x{graph.width}."
    )


def _laid(name: str, cells: Cells, values: Array, bins: int, per_cell: int = 1) -> Decoding:
    scheme = SCHEMES[name]
    active = {"yolov3": values[..., :2], "yolov5": values}.get(scheme.how)
    has_sigmoid = active is not None and bool(active.min() >= -ROUNDING and active.max() <= 1 + ROUNDING)
    decoding = decoding_of(name, scheme, cells, bins=bins, has_sigmoid=has_sigmoid, per_cell=per_cell)
    return _checked(decoding, values)


def _checked(decoding: Decoding, values: Array) -> Decoding:
    if len(decoding.origins) != values.shape[1]:
        raise InputError(
            f"--decode: expected a place for each of {values.shape[1]} rows, got {len(decoding.origins)} of "
            f"{decoding.scheme}."
        )
    if decoding.columns != values.shape[2]:
        raise InputError(f"--boxes: expected four columns, got {values.shape[2]}.")
    return decoding


def _check_told(told: Told) -> None:
    if (told.decode or told.strides) and (told.layout not in (None, "cxcywh") or told.normalised):
        flag = "--decode" if told.decode else "--strides"
        raise InputError(
            f"{flag}: expected without --layout and --normalised, as decoded boxes are pixels, got --layout "
            f"{told.layout or 'nothing'} --normalised {'yes' if told.normalised else 'nothing'}."
        )
