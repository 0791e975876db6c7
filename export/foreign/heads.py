"""Which outputs of a pyramid are boxes, scores and objectness, and how many boxes a cell has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from ...runtime.errors import InputError
from .graph import ForeignGraph, Outputs, output_shapes_text
from .levels import Joined, Level, Pyramid, pyramid_of
from .reading import ROUNDING
from .schemes import Cells
from .told import Told

USUAL_BINS = (8, 16, 17, 32, 33)
"""Of NanoDet and PicoDet, YOLOv8, GFL and PP-YOLOE."""
COCO_CLASSES = 80
BOX_NAME = re.compile(r"box|reg|loc|dis|delta|ltrb", re.IGNORECASE)
SCORE_NAME = re.compile(r"cls|score|class|conf|logit", re.IGNORECASE)
POINT_NAME = re.compile(r"kps|kpt|keypoint|landm|lmk", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Heads:
    """Heads by level, joined.

    Args:
        boxes: as `--boxes` takes it.
        scores: as `--scores` takes it.
        objectness: as `--objectness` takes it; None where there is none.
        joined: what of the outputs is joined.
        cells: of the levels.
        anchors: boxes per cell, by level.
        bins: of the distribution that each distance is the mean of; 0 where there is none.
        class_first: whether one output has the scores before the boxes.
    """

    boxes: str
    scores: str
    objectness: str | None
    joined: tuple[Joined, ...]
    cells: Cells
    anchors: tuple[int, ...]
    bins: int
    class_first: bool = False

    def told(self, told: Told) -> Told:
        """Say so, where nothing else is said."""
        return replace(told, boxes=self.boxes, scores=self.scores, objectness=told.objectness or self.objectness)

    def of(self, outputs: Outputs) -> Outputs:
        """Add what is joined to outputs."""
        return {**outputs, **{item.name: item.of(outputs) for item in self.joined}}


@dataclass(frozen=True, kw_only=True)
class _Roles:
    boxes: int
    scores: int
    anchors: tuple[int, ...]
    bins: int
    width: int
    """Columns of scores per box."""


def heads_by_level(
    graph: ForeignGraph, outputs: Outputs, told: Told, guesses: list[str], class_count: int | None
) -> Heads | None:
    """Recognise heads of which each level is an output of its own; None where there are none.

    Args:
        graph: the detector.
        outputs: of a run over some frames.
        told: may name outputs, those of all levels with commas between.
        guesses: lines are added.
        class_count: of the names, where there are any.

    Raises:
        InputError: the levels show what they are only where the count of classes is known.
    """
    names = [text.split(",") for text in (told.boxes, told.scores, told.objectness) if text is not None]
    if told.class_ids is not None or (names and any(len(levels) < 2 for levels in names)):
        return None
    chosen = [name for levels in names for name in levels] if told.boxes and told.scores else list(outputs)
    shapes = {name: outputs[name].shape for name in chosen if name in outputs}
    pyramid = pyramid_of(shapes, height=graph.height, width=graph.width)
    if pyramid is None:
        return None
    cells = Cells(strides=pyramid.strides, grids=pyramid.grids, height=graph.height, width=graph.width)
    if len(pyramid.tracks) == 1:
        heads = _one_track(outputs, pyramid.tracks[0], cells, class_count)
    else:
        heads = _tracks(outputs, pyramid, cells, class_count)
    if heads is None:
        raise InputError(
            f"{graph.path}: expected levels that are boxes and scores of as many classes as there are names, got "
            f"{output_shapes_text(outputs)}. Give --names FILE with all classes, or name the levels, as in --boxes "
            "A,B,C --scores D,E,F."
        )
    if not names:
        each = f"{heads.anchors[0]} a cell" if len(set(heads.anchors)) == 1 else f"{heads.anchors} a cell"
        guesses.append(
            f"--boxes {heads.boxes} --scores {heads.scores}: levels of strides {', '.join(map(str, cells.strides))}, "
            f"{each}"
        )
        if heads.objectness is not None and told.objectness is None:
            guesses.append(f"--objectness {heads.objectness}: one column a box")
    return heads


def _one_track(outputs: Outputs, track: tuple[Level, ...], cells: Cells, class_count: int | None) -> Heads | None:
    """Divide levels that hold all of a box: distances' bins and scores, or box, objectness and scores per anchor."""
    values = {level.values for level in track}
    if len(values) > 1:
        return None
    (total,) = values
    first = outputs[track[0].output]
    classes, anchors, bins = class_count, 1, 0
    if first.ndim == 5:
        anchors = first.shape[3] if track[0].form == "columns last" else first.shape[1]
        classes = total // anchors - 5
    else:
        known = COCO_CLASSES if classes is None else classes
        bins = next((count for count in USUAL_BINS if total == 4 * count + known), 0)
        if not bins and (total % (5 + known) or total // (5 + known) > 9):
            return None
        anchors = 1 if bins else total // (5 + known)
        classes = known
    joined = Joined(levels=track, anchors=(anchors,) * len(track))
    name = joined.name
    if not bins:
        return Heads(
            boxes=f"{name}[0:4]",
            scores=f"{name}[5:{5 + classes}]",
            objectness=f"{name}[4:5]",
            joined=(joined,),
            cells=cells,
            anchors=joined.anchors,
            bins=0,
        )
    class_first = is_class_first(joined.of(outputs), classes)
    start = classes if class_first else 0
    scores = 0 if class_first else 4 * bins
    return Heads(
        boxes=f"{name}[{start}:{start + 4 * bins}]",
        scores=f"{name}[{scores}:{scores + classes}]",
        objectness=None,
        joined=(joined,),
        cells=cells,
        anchors=joined.anchors,
        bins=bins,
        class_first=class_first,
    )


def is_class_first(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]], classes: int) -> bool:
    """Say whether the first columns of [N, D, columns] are scores within [0, 1], as NanoDet has them, and not boxes."""

    def are_shares(part: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bool:
        return bool(float(part.min()) >= -ROUNDING and float(part.max()) <= 1 + ROUNDING)

    return are_shares(values[..., :classes]) and not are_shares(values[..., -classes:])


def _tracks(outputs: Outputs, pyramid: Pyramid, cells: Cells, class_count: int | None) -> Heads | None:
    ranked = sorted(_roles(pyramid, class_count), key=lambda found: found[0], reverse=True)
    if not ranked:
        return None
    roles = ranked[0][1]
    joined = [Joined(levels=track, anchors=roles.anchors) for track in pyramid.tracks]
    rest = [
        place
        for place, track in enumerate(pyramid.tracks)
        if place not in (roles.boxes, roles.scores)
        and tuple(level.values for level in track) == roles.anchors
        and not _is_sum(joined[place].of(outputs), joined[roles.scores].of(outputs))
    ]
    objectness = joined[rest[0]] if rest else None
    used = [joined[roles.boxes], joined[roles.scores], *([objectness] if objectness else [])]
    return Heads(
        boxes=joined[roles.boxes].name,
        scores=joined[roles.scores].name,
        objectness=objectness.name if objectness else None,
        joined=tuple(used),
        cells=cells,
        anchors=roles.anchors,
        bins=roles.bins,
    )


def _roles(pyramid: Pyramid, class_count: int | None) -> Iterator[tuple[tuple[int, ...], _Roles]]:
    """Go through what the tracks may be, each with how much speaks for it."""
    tracks = pyramid.tracks
    for boxes, scores in permutations(range(len(tracks)), 2):
        box_values, score_values = ([level.values for level in tracks[place]] for place in (boxes, scores))
        is_named = sum(
            bool(pattern.search(tracks[place][0].output.rsplit("/", 1)[-1]))
            for pattern, place in ((BOX_NAME, boxes), (SCORE_NAME, scores))
        )
        if any(POINT_NAME.search(tracks[place][0].output) for place in (boxes, scores)):
            continue
        for bins in (0, *USUAL_BINS) if class_count is None else (0, *range(5, 34)):
            each = 4 * max(1, bins)
            anchors = tuple(1 if bins else value // each for value in box_values)
            if any(value != each * count for value, count in zip(box_values, anchors, strict=True)):
                continue
            widths = {value / count for value, count in zip(score_values, anchors, strict=True) if count}
            width = next(iter(widths), 0.5)
            if len(widths) != 1 or width != int(width) or width < 1:
                continue
            if class_count is not None and width not in (class_count, class_count + 1):
                continue
            found = _Roles(boxes=boxes, scores=scores, anchors=anchors, bins=bins, width=int(width))
            yield (is_named, int(width != 1), bins in USUAL_BINS, -scores), found


def _is_sum(
    column: np.ndarray[tuple[int, ...], np.dtype[np.generic]], scores: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
) -> bool:
    """Say whether a column [N, D, 1] is the sum of scores, cut at 1, by which RKNN's heads skip cells."""
    total = np.asarray(scores, np.float32).sum(axis=2, keepdims=True).clip(0, 1)
    return column.shape == total.shape and bool(np.abs(np.asarray(column, np.float32) - total).max() <= ROUNDING * 4)
