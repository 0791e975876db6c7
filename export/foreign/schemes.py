"""Cells and anchors of public detectors: where each row of an undecoded head lies, and how it is decoded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...runtime.errors import InputError
from .decoding import Array, Decoding, How

Grid = tuple[int, int]
Shape = tuple[float, float]
_SSD_VARIANCES = (0.1, 0.2)

USUAL_STRIDES = (8, 16, 32)


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The grids of a head.

    Args:
        strides: pixels per cell, by level.
        grids: rows and columns, by level.
        height: of the input, in pixels.
        width: of the input, in pixels.
    """

    strides: tuple[int, ...]
    grids: tuple[Grid, ...]
    height: int
    width: int

    @property
    def counts(self) -> tuple[int, ...]:
        """Cells, by level."""
        return tuple(rows * columns for rows, columns in self.grids)


def cells_of(strides: Sequence[int], *, height: int, width: int, partial: bool = False) -> Cells:
    """Lay grids of these strides over an input; `partial` counts the cells at the edges that reach over it."""
    round_ = math.ceil if partial else math.floor
    grids = tuple((round_(height / stride), round_(width / stride)) for stride in strides)
    return Cells(strides=tuple(strides), grids=grids, height=height, width=width)


Anchors = Callable[[Cells], list[Array]]
"""By level, [cells, anchors, 4]: centre and size in pixels."""


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """How a public family's heads are decoded.

    Args:
        how: see `Decoding`.
        strides: its usual ones, where rows of all levels are joined already.
        point: of a cell, in cells from its corner: where distances begin; None of anchors.
        in_pixels: whether distances are pixels; else cells.
        anchors: of it; None of a scheme with one box a cell.
        per_cell: how many of them.
        variances: factors of the centre's and the size's value.
        y_first: whether columns have y before x.
        has_root: whether a score is the root of its product with the objectness.
    """

    how: How
    strides: tuple[int, ...] = USUAL_STRIDES
    point: float = 0.0
    in_pixels: bool = False
    anchors: Anchors | None = None
    per_cell: int = 1
    variances: tuple[float, float] = (1.0, 1.0)
    y_first: bool = False
    has_root: bool = False


def decoding_of(
    name: str, scheme: Scheme, cells: Cells, *, bins: int = 0, has_sigmoid: bool = False, per_cell: int = 1
) -> Decoding:
    """Lay a scheme over grids: a decoding with a row per cell and anchor; `per_cell` rows where it has no anchors."""
    corners, sides = _corners_and_sides(cells)
    if scheme.anchors is None:
        origins = corners + np.float32(scheme.point) * sides
        units, sizes = np.ones_like(sides) if scheme.in_pixels else sides, sides
        origins, units, sizes = (np.repeat(part, per_cell, axis=0) for part in (origins, units, sizes))
    else:
        flat = np.concatenate([level.reshape(-1, 4) for level in scheme.anchors(cells)])
        if scheme.how in ("exp", "distances"):
            origins, sizes = flat[:, :2], flat[:, 2:]
            units = sizes * np.float32(scheme.variances[0])
        else:  # YOLO's anchors have a size alone
            sizes = flat[:, 2:]
            origins, units = (np.repeat(part, scheme.per_cell, axis=0) for part in (corners, sides))
    return Decoding(
        scheme=name,
        how=scheme.how,
        origins=np.ascontiguousarray(origins, np.float32),
        units=np.ascontiguousarray(units, np.float32),
        sizes=np.ascontiguousarray(sizes, np.float32),
        growth=scheme.variances[1],
        bins=bins,
        y_first=scheme.y_first,
        has_sigmoid=has_sigmoid,
        has_root=scheme.has_root,
    )


def decoding_of_file(path: Path) -> Decoding:
    """Read anchors, one a line: centre x, centre y, width, height in pixels, in the order of the rows; SSD's variances.

    Raises:
        InputError: it cannot be read so.
    """
    try:
        boxes = np.loadtxt(path, np.float32, delimiter="," if "," in path.read_text() else None, ndmin=2)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "another text"
        raise InputError(
            f"--decode: expected a scheme ({', '.join(SCHEMES)}) or a file of anchors, four numbers a line, got "
            f"{path}: {reason}."
        ) from error
    if boxes.shape[1] != 4 or not (boxes[:, 2:] > 0).all():
        raise InputError(
            f"--decode: expected centre x, centre y, width and height above 0 in each line of {path}, got "
            f"{boxes.shape[1]} columns."
        )
    return Decoding(
        scheme=path.name,
        how="exp",
        origins=boxes[:, :2],
        units=boxes[:, 2:] * np.float32(_SSD_VARIANCES[0]),
        sizes=boxes[:, 2:],
        growth=_SSD_VARIANCES[1],
    )


def _corners_and_sides(cells: Cells) -> tuple[Array, Array]:
    """Give each cell's top left corner and its sides, row by row: two [D, 2] (x, y) pixels."""
    corners = np.concatenate([_places(cells, level, 0.0)[:, 0] for level in range(len(cells.strides))])
    sides = np.repeat(np.asarray(cells.strides, np.float32), cells.counts)
    return corners, np.stack([sides, sides], axis=1)


def _places(cells: Cells, level: int, point: float) -> Array:
    """Give points of a level's cells: [cells, 1, 2] (x, y) pixels."""
    return _points(cells.grids[level], (cells.strides[level],) * 2, point)


def _torchvision_places(cells: Cells, level: int) -> Array:
    """Give corners of a level's cells at torchvision's strides: whole pixels of the input over a grid's sides."""
    rows, columns = cells.grids[level]
    return _points((rows, columns), (cells.width // columns, cells.height // rows), 0.0)


def _points(grid: Grid, strides: Shape, point: float) -> Array:
    """Give a point of each cell of a grid: [cells, 1, 2] (x, y) pixels; strides are x's and y's."""
    at_row, at_column = np.mgrid[: grid[0], : grid[1]]
    return ((np.stack([at_column.ravel(), at_row.ravel()], axis=1) + point) * strides).astype(np.float32)[:, None]


def _around(points: Array, shapes: Sequence[Shape]) -> Array:
    """Put boxes of these widths and heights on each of [cells, 1, 2] points: [cells, anchors, 4]."""
    sizes = np.broadcast_to(np.asarray(shapes, np.float32)[None], (len(points), len(shapes), 2))
    centres = np.broadcast_to(points, sizes.shape)
    return np.concatenate([centres, sizes], axis=2).astype(np.float32)


def _retina(*, size_first: bool, rounded: bool) -> Anchors:
    def anchors(cells: Cells) -> list[Array]:
        levels = []
        for level, stride in enumerate(cells.strides):
            scales = [4 * stride * 2 ** (octave / 3) for octave in range(3)]
            if rounded:  # torchvision's are whole pixels
                scales = [float(int(scale)) for scale in scales]
            ratios = [math.sqrt(ratio) for ratio in (0.5, 1, 2)]
            pairs = (
                [(scale, ratio) for scale in scales for ratio in ratios]
                if size_first
                else [(scale, ratio) for ratio in ratios for scale in scales]
            )
            shapes = [(scale / ratio, scale * ratio) for scale, ratio in pairs]
            if rounded:
                shapes = [(2 * np.round(wide / 2), 2 * np.round(high / 2)) for wide, high in shapes]
            points = _torchvision_places(cells, level) if rounded else _places(cells, level, 0.0)
            levels.append(_around(points, shapes))
        return levels

    return anchors


def _fcos(cells: Cells) -> list[Array]:
    return [
        _around(_torchvision_places(cells, level), [(stride, stride)]) for level, stride in enumerate(cells.strides)
    ]


def _efficientdet(cells: Cells) -> list[Array]:
    aspects = [(1.0, 1.0), (1.4, 0.7), (0.7, 1.4)]
    return [
        _around(
            _places(cells, level, 0.5),
            [
                (4 * stride * 2 ** (octave / 3) * wide, 4 * stride * 2 ** (octave / 3) * high)
                for octave in range(3)
                for wide, high in aspects
            ],
        )
        for level, stride in enumerate(cells.strides)
    ]


def _retinaface(cells: Cells) -> list[Array]:
    sizes = {8: (16, 32), 16: (64, 128), 32: (256, 512)}
    return [
        _around(_places(cells, level, 0.5), [(side, side) for side in sizes.get(stride, (2 * stride, 4 * stride))])
        for level, stride in enumerate(cells.strides)
    ]


def _yolo(shapes: Mapping[int, Sequence[Shape]]) -> Anchors:
    def anchors(cells: Cells) -> list[Array]:
        missing = [stride for stride in cells.strides if stride not in shapes]
        if missing:
            raise InputError(
                f"--decode: expected levels of strides {', '.join(map(str, shapes))} as the anchors have them, got "
                f"{', '.join(map(str, cells.strides))}. Name another scheme or a file of anchors."
            )
        return [_around(_places(cells, level, 0.5), shapes[stride]) for level, stride in enumerate(cells.strides)]

    return anchors


def _ssd(scales: Sequence[float], ratios: Sequence[Sequence[float]], steps: Sequence[int] | None = None) -> Anchors:
    """Make torchvision's default boxes: a square, one between the scales, and a pair of each ratio."""

    def anchors(cells: Cells) -> list[Array]:
        levels = []
        for level, (rows, columns) in enumerate(cells.grids):
            strides = (steps[level],) * 2 if steps else (cells.width / columns, cells.height / rows)
            between = math.sqrt(scales[level] * scales[level + 1])
            shapes: list[Shape] = [(scales[level], scales[level]), (between, between)]
            for ratio in ratios[level]:
                wide, high = scales[level] * math.sqrt(ratio), scales[level] / math.sqrt(ratio)
                shapes += [(wide, high), (high, wide)]
            shapes = [(min(wide, 1.0) * cells.width, min(high, 1.0) * cells.height) for wide, high in shapes]
            levels.append(_around(_points((rows, columns), strides, 0.5), shapes))
        return levels

    return anchors


def _ssd_mobilenet(cells: Cells) -> list[Array]:
    """Make the anchors of TensorFlow's detection API: three on the finest level, six on each other."""
    count = len(cells.grids)
    scales = [0.2 + 0.75 * place / (count - 1) for place in range(count)] + [1.0]
    levels = []
    for level, (rows, columns) in enumerate(cells.grids):
        pairs = [(0.1, 1.0), (0.2, 2.0), (0.2, 0.5)]
        if level:
            pairs = [(scales[level], ratio) for ratio in (1.0, 2.0, 0.5, 3.0, 1 / 3)]
            pairs.append((math.sqrt(scales[level] * scales[level + 1]), 1.0))
        shapes = [
            (scale * math.sqrt(ratio) * cells.width, scale / math.sqrt(ratio) * cells.height) for scale, ratio in pairs
        ]
        levels.append(_around(_points((rows, columns), (cells.width / columns, cells.height / rows), 0.5), shapes))
    return levels


_V3 = {8: [(10, 13), (16, 30), (33, 23)], 16: [(30, 61), (62, 45), (59, 119)], 32: [(116, 90), (156, 198), (373, 326)]}
_V4 = {8: [(12, 16), (19, 36), (40, 28)], 16: [(36, 75), (76, 55), (72, 146)], 32: [(142, 110), (192, 243), (459, 401)]}
_TINY = {16: [(10, 14), (23, 27), (37, 58)], 32: [(81, 82), (135, 169), (344, 319)]}
PYRAMID = (8, 16, 32, 64, 128)
_SSD300 = _ssd(
    [0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05], [[2], [2, 3], [2, 3], [2, 3], [2], [2]], [8, 16, 32, 64, 100, 300]
)
_SSDLITE = _ssd([0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0], [[2, 3]] * 6)

SCHEMES = {
    "yolox": Scheme(how="exp"),
    "distances": Scheme(how="distances"),
    "distances-centre": Scheme(how="distances", point=0.5),
    "pixels": Scheme(how="distances", in_pixels=True),
    "pixels-centre": Scheme(how="distances", in_pixels=True, point=0.5),
    "fcos-torchvision": Scheme(how="distances", anchors=_fcos, strides=PYRAMID, has_root=True),
    "yolov3": Scheme(how="yolov3", anchors=_yolo(_V3), per_cell=3),
    "yolov3-tiny": Scheme(how="yolov3", anchors=_yolo(_TINY), per_cell=3, strides=(16, 32)),
    "yolov4": Scheme(how="yolov3", anchors=_yolo(_V4), per_cell=3),
    "yolov5": Scheme(how="yolov5", anchors=_yolo(_V3), per_cell=3),
    "yolov7": Scheme(how="yolov5", anchors=_yolo(_V4), per_cell=3),
    "retinanet": Scheme(how="exp", anchors=_retina(size_first=False, rounded=True), per_cell=9, strides=PYRAMID),
    "retinanet-mmdet": Scheme(how="exp", anchors=_retina(size_first=False, rounded=False), per_cell=9, strides=PYRAMID),
    "retinanet-detectron2": Scheme(
        how="exp", anchors=_retina(size_first=True, rounded=False), per_cell=9, strides=PYRAMID
    ),
    "efficientdet": Scheme(how="exp", anchors=_efficientdet, per_cell=9, strides=PYRAMID, y_first=True),
    "ssd300": Scheme(how="exp", anchors=_SSD300, per_cell=0, variances=_SSD_VARIANCES),
    "ssdlite320": Scheme(how="exp", anchors=_SSDLITE, per_cell=6, variances=_SSD_VARIANCES),
    "ssd-mobilenet": Scheme(how="exp", anchors=_ssd_mobilenet, per_cell=0, variances=_SSD_VARIANCES, y_first=True),
    "retinaface": Scheme(how="exp", anchors=_retinaface, per_cell=2, variances=_SSD_VARIANCES),
}
"""By name, as `--decode` takes it; `per_cell` 0 differs by level."""

SSD_GRIDS: dict[str, tuple[int, tuple[Grid, ...]]] = {
    "ssd300": (300, tuple((side, side) for side in (38, 19, 10, 5, 3, 1))),
    "ssdlite320": (320, tuple((side, side) for side in (20, 10, 5, 3, 2, 1))),
    "ssd-mobilenet": (300, tuple((side, side) for side in (19, 10, 5, 3, 2, 1))),
}
"""Side of the input, and grids of the schemes whose levels are no powers of two."""


def cells_of_scheme(name: str, *, height: int, width: int) -> Cells:
    """Lay the grids of a scheme's usual levels over an input."""
    if name in SSD_GRIDS and (height, width) == (SSD_GRIDS[name][0],) * 2:
        grids = SSD_GRIDS[name][1]
        return Cells(strides=tuple(height // rows for rows, _ in grids), grids=grids, height=height, width=width)
    return cells_of(SCHEMES[name].strides, height=height, width=width, partial=SCHEMES[name].per_cell > 1)


def row_count(name: str, cells: Cells) -> int:
    """Count the rows that a scheme has over these cells."""
    scheme = SCHEMES[name]
    if scheme.anchors is None or scheme.per_cell:
        return sum(cells.counts) * max(1, scheme.per_cell)
    return sum(len(level.reshape(-1, 4)) for level in scheme.anchors(cells))
