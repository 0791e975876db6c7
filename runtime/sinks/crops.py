"""Keeps pieces of frames that show one object each, as images with labels to train on."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..detection.boxes import intersections_and_unions, part_around
from ..detection.detections import Detections
from ..errors import InputError
from ..files import whole_file
from ..sources.frame import Frame, SourceKind
from .frame_result import FrameResult
from .full_disk import unwritten
from .output_file import OutputFolder, open_alone
from .sink import Sink

COLUMNS = ("image", "label", "xmin", "ymin", "xmax", "ymax", "difficult", "score", "source", "frame", "track_id")
LABELS, NAMES = "labels.csv", "classes.txt"

EVERY_S = 1.0
MOST = 1000

_MARGIN = 0.1
"""Of a box's side, around it: something of the surroundings belongs to a picture to train on."""
_QUALITY = 95
_WHOLE, _SOME = 0.5, 0.1
"""Of another object in the piece, so much has to be seen to be learned, or to be set aside as difficult."""
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f]')


@dataclass(frozen=True, kw_only=True)
class CropSettings:
    """How many pieces are kept.

    Args:
        every_s: of a class at most one in so many seconds; where objects are followed one of each, the surest of its
            first so many seconds. Of images all.
        most: of each class, what is in the folder already counted.
    """

    every_s: float = EVERY_S
    most: int = MOST


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One object, cut out, with the rows of all objects in it."""

    class_id: int
    score: float
    name: str
    image: NDArray[np.uint8]
    rows: tuple[tuple[object, ...], ...]


class CropsSink(Sink):
    """A folder with a folder of JPEG pieces for each class, and their labels in `labels.csv` and `classes.txt`.

    `convert-data` and `train` read it as a data set. Later runs add to it.

    Args:
        folder: made if missing.
        settings: how many are kept.
        kind: of the source; images do not follow one another.
        tell: is given a line when a class has enough.

    Raises:
        InputError: the folder cannot be written to, or another run writes it; while writing: a file cannot be written.
    """

    def __init__(
        self, folder: Path, settings: CropSettings, kind: SourceKind, tell: Callable[[str], None] = lambda _line: None
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._choice = _All() if kind == "images" else _Spaced(settings.every_s)
        self._tell = tell
        self._lock = OutputFolder(folder)
        self._counts: Counter[str] = Counter()
        self._enough: set[str] = set()
        self._class_names: Sequence[str] = ()
        self._has_written = False

    @property
    def paths(self) -> tuple[str, ...]:
        """The folder, once there is a piece in it."""
        return (str(self._folder),) if self._has_written else ()

    def write(self, result: FrameResult) -> None:
        """Keep what is due."""
        self._class_names = result.class_names
        for piece in self._choice.take(result):
            self._keep(piece)

    def close(self) -> None:
        """Keep what waited to be surpassed, and free the folder."""
        try:
            for piece in self._choice.rest():
                self._keep(piece)
        finally:
            self._lock.close()

    def _keep(self, piece: _Piece) -> None:
        """Write a piece, then its labels: one without labels is not read."""
        label = folder_name(self._class_names[piece.class_id])
        if label not in self._counts:
            self._counts[label] = sum(1 for _ in (self._folder / label).glob("*.jpg"))
        target = self._folder / label / f"{piece.name}.jpg"
        if self._counts[label] >= self._settings.most:
            if label not in self._enough:
                self._tell(f"{self._folder / label}: {self._settings.most} crops are there, no more are kept")
            self._enough.add(label)
            return
        if target.exists():  # of an earlier run over the same file
            return
        try:
            self._write(piece, target)
        except OSError as error:
            raise unwritten(f"{target}: could not be written ({error.strerror}).", error.errno) from error
        self._counts[label] += 1
        self._has_written = True

    def _write(self, piece: _Piece, target: Path) -> None:
        target.parent.mkdir(exist_ok=True)
        _, data = cv2.imencode(".jpg", piece.image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        names = self._folder / NAMES
        if not names.exists():
            names.write_text("".join(f"{name}\n" for name in self._class_names), encoding="utf-8")
        try:
            with whole_file(target) as path:
                path.write_bytes(data.tobytes())
        except InputError as error:
            raise unwritten(str(error), getattr(error.__cause__, "errno", None)) from error
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        image = target.relative_to(self._folder).as_posix()
        with open_alone(self._folder / LABELS) as file:
            if not file.tell():
                rows.writerow(COLUMNS)
            rows.writerows([image, *row] for row in piece.rows)
            file.write(text.getvalue().encode(errors="backslashreplace"))


class _All:
    """Of images every object is taken."""

    def take(self, result: FrameResult) -> Iterator[_Piece]:
        for row in range(len(result.found)):
            yield _cut(result, row)

    def rest(self) -> Iterator[_Piece]:
        yield from ()


class _Spaced:
    """Of followed objects the surest view of the first seconds is taken, of a class else one in so many seconds."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._last_s: dict[int, float] = {}
        self._first_s: dict[int, float] = {}
        self._best: dict[int, _Piece] = {}

    def take(self, result: FrameResult) -> Iterator[_Piece]:
        if result.tracks is None:
            yield from self._by_class(result)
        else:
            yield from self._by_track(result)

    def rest(self) -> Iterator[_Piece]:
        yield from self._best.values()
        self._best = {}

    def _by_class(self, result: FrameResult) -> Iterator[_Piece]:
        time_s = result.frame.time_s
        for row, class_id in enumerate(result.found.class_ids.tolist()):  # the surest of a class comes first
            last_s = self._last_s.get(class_id)
            if last_s is None or not 0 <= time_s - last_s < self._every_s:
                self._last_s[class_id] = time_s
                yield _cut(result, row)

    def _by_track(self, result: FrameResult) -> Iterator[_Piece]:
        time_s, ids = result.frame.time_s, result.track_ids
        known = {*ids, *(result.tracks.trails if result.tracks else ())}
        for followed in [*self._best]:
            if followed not in known or not 0 <= time_s - self._first_s[followed] < self._every_s:
                yield self._best.pop(followed)
        for row, track_id in enumerate(ids):
            if track_id is None or (track_id in self._first_s and track_id not in self._best):
                continue
            self._first_s.setdefault(track_id, time_s)
            best = self._best.get(track_id)
            if best is None or float(result.found.scores[row]) > best.score:
                self._best[track_id] = _cut(result, row)
        self._first_s = {followed: first_s for followed, first_s in self._first_s.items() if followed in known}


def _cut(result: FrameResult, row: int) -> _Piece:
    frame, found = result.frame, result.found
    if not isinstance(found, Detections):
        raise TypeError("crops need detections")
    height, width = frame.image.shape[:2]
    boxes_px = found.boxes_xyxy_px(height=height, width=width)
    left, top, right, bottom = part_around(found.boxes_xyxy[row], _MARGIN, height=height, width=width)
    left, top = min(left, width - 1), min(top, height - 1)  # of a box without area a pixel is left
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    area = np.array([[left, top, right, bottom]], np.float32)
    class_id = int(found.class_ids[row])
    return _Piece(
        class_id=class_id,
        score=float(found.scores[row]),
        name=f"{_moment(frame)}_{row + 1}",
        image=frame.image[top:bottom, left:right].copy(),
        rows=tuple(_rows(result, boxes_px, area, row)),
    )


def _rows(
    result: FrameResult, boxes_px: NDArray[np.float32], area: NDArray[np.float32], own: int
) -> Iterator[tuple[object, ...]]:
    """Give the columns behind the image's name, of every object that is seen in an area [1, 4]."""
    seen, _ = intersections_and_unions(boxes_px, area)
    sizes, _ = intersections_and_unions(boxes_px, boxes_px)
    shares = np.divide(seen[:, 0], np.diagonal(sizes), out=np.zeros(len(boxes_px), np.float32), where=seen[:, 0] > 0)
    inside = np.clip(boxes_px, np.tile(area[0, :2], 2), np.tile(area[0, 2:], 2)) - np.tile(area[0, :2], 2)
    order = [own, *(row for row in range(len(boxes_px)) if row != own)]
    for row in order:
        if row != own and shares[row] < _SOME:
            continue
        xmin, ymin, xmax, ymax = (round(edge, 2) for edge in inside[row].tolist())
        is_difficult = row != own and shares[row] < _WHOLE
        track_id = result.track_ids[row]
        yield (
            result.labels[row],
            xmin,
            ymin,
            round(xmax - 1, 2),  # 0-based, both corners inside the box, as `convert-data` reads it
            round(ymax - 1, 2),
            int(is_difficult),
            round(float(result.found.scores[row]), 4),
            result.frame.source,
            result.frame.index,
            "" if track_id is None else track_id,
        )


def _moment(frame: Frame) -> str:
    """Name a frame so that names sort as frames came."""
    number = f"{frame.index:08}"
    if frame.captured_at is None:
        return f"{_NOT_IN_NAMES.sub('-', Path(frame.source).stem)}_{number}"
    at = frame.captured_at
    return f"{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03}Z_{number}"


def folder_name(class_name: str) -> str:
    """Name a class's folder."""
    name = _NOT_IN_NAMES.sub("-", class_name).strip(" .")
    return name or "-"


def check_same_classes(folder: Path, class_names: Sequence[str]) -> None:
    """Refuse to add to crops of other classes.

    Raises:
        InputError: the folder has such.
    """
    names = folder / NAMES
    there = names.read_text(encoding="utf-8").splitlines() if names.is_file() else list(class_names)
    if there != list(class_names):
        raise InputError(
            f"{folder}: expected crops of the classes {', '.join(class_names)}, got those of {', '.join(there)}. "
            f"Name another folder by --crops."
        )
