"""What a worker does: opens the model once, then looks at chunk after chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from ..backends import split_option
from ..closing import Closing
from ..detection.classifications import Classification
from ..detection.thresholds import thresholds_from_options
from ..detection.tiles import Tiles
from ..errors import InputError
from ..loop.camera import Camera
from ..loop.pipeline import Pipeline
from ..session import open_session
from ..sinks.frame_result import FrameResult
from ..sinks.overlay import draw_detections
from .chunks import Chunk, UncountedError

if TYPE_CHECKING:
    import pyarrow as pa

_SIDE_PX = 240
"""Longer side of a thumbnail."""

_SURER = 0.02
"""A frame whose score is higher by less is no better thumbnail."""


COLUMNS = {
    "frame": "int64",
    "time_s": "float64",
    "label": "string",
    "class_id": "int32",
    "score": "float32",
    "left_px": "float32",
    "top_px": "float32",
    "right_px": "float32",
    "bottom_px": "float32",
    "width_px": "int32",
    "height_px": "int32",
}
"""Name and type of each column of the files; see docs/archives.md."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How recordings are looked at; with other values a scan is another.

    Args:
        backend: as `--backend` takes it.
        score: least scores, as `--score` takes them.
        tiles: overlapping parts that are looked at too, as `2x2`.
        chunk_s: least length of a chunk, in seconds; by the length of the archive if not given.
    """

    backend: str = "auto"
    score: tuple[str, ...] = ()
    tiles: str | None = None
    chunk_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """The frame of a chunk in which a class is surest.

    Args:
        label: the class.
        score: its greatest.
        time_s: of the frame.
        jpeg: the picture with what was found in it.
    """

    label: str
    score: float
    time_s: float
    jpeg: bytes


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What was found in a chunk.

    Args:
        chunk: which.
        error: why nothing can be said of it; the rest is empty then.
        is_uncounted: it has other frames than its packets say: the clip is to be read as a whole.
        table: a row an object; none after an error.
        frames: how many were looked at.
        seconds: from its first frame to its last.
        shape: height and width of its last frame.
        warnings: what went wrong without ending it.
        thumbnails: of each class that was found.
        backend: who computed.
    """

    chunk: Chunk
    error: str = ""
    is_uncounted: bool = False
    table: pa.Table | None = None
    frames: int = 0
    seconds: float = 0.0
    shape: tuple[int, int] = (0, 0)
    warnings: tuple[str, ...] = ()
    thumbnails: tuple[Thumbnail, ...] = ()
    backend: str = ""


class Looking(Closing):
    """A model that is open for one chunk after the other, on one core.

    Args:
        model: a graph or an engine.
        look: how.
        trust: run an engine that this user did not build.

    Raises:
        InputError: the model cannot be opened, or the options do not suit it.
    """

    def __init__(self, model: Path, look: Look, *, trust: bool = False) -> None:
        backend, precision = split_option(look.backend)
        threads = None if model.suffix == ".engine" else 1
        self._session = open_session(
            model, backend=backend, precision=precision, threads=threads, spins=False, trust=trust
        )
        try:
            card = self._session.card
            self._thresholds = thresholds_from_options(look.score, card)
            self._tiles = None if look.tiles is None else Tiles.from_option(look.tiles)
            if self._tiles is not None:
                self._tiles.check_suits(card)
        except InputError:
            self._session.close()
            raise

    def answer(self, chunk: Chunk) -> Answer:
        """Look at a chunk; what is wrong with it is in the answer."""
        try:
            source = chunk.open()
            camera = Camera(name=chunk.clip, source=source, thresholds=[self._thresholds], tiles=self._tiles)
            found = _Found()
            for result in Pipeline([camera], [self._session]).results():
                found.add(result)
        except UncountedError as error:
            return Answer(chunk=chunk, error=str(error), is_uncounted=True)
        except InputError as error:
            return Answer(chunk=chunk, error=str(error))
        return Answer(
            chunk=chunk,
            table=found.rows.table(),
            frames=found.frames,
            seconds=found.seconds,
            shape=found.shape,
            warnings=tuple(source.warnings),
            thumbnails=found.thumbnails(),
            backend=self._session.backend,
        )

    def close(self) -> None:
        """Close the model."""
        self._session.close()


@dataclass
class Rows:
    """What becomes a table; a list a column."""

    columns: dict[str, list[object]] = field(default_factory=lambda: {name: [] for name in COLUMNS})

    def add(self, result: FrameResult) -> None:
        """Add a row for each object, or for each class of a classifier, which has no box."""
        found = result.found
        height, width = result.frame.image.shape[:2]
        boxes: Sequence[Sequence[float | None]] = [[None] * 4] * len(found)
        if not isinstance(found, Classification):
            boxes = found.boxes_xyxy_px(height=height, width=width).tolist()
        for label, class_id, score, box in zip(
            result.labels, found.class_ids.tolist(), found.scores.tolist(), boxes, strict=True
        ):
            row = (result.frame.index, result.frame.time_s, label, class_id, score, *box, width, height)
            for column, value in zip(self.columns.values(), row, strict=True):
                column.append(value)

    def table(self) -> pa.Table:
        """Return them as Arrow's table."""
        return _arrow(self.columns)


def _arrow(columns: dict[str, list[object]]) -> pa.Table:
    import pyarrow as pa

    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in COLUMNS.items()])
    return pa.table(columns, schema=schema)


class _Found:
    def __init__(self) -> None:
        self.rows = Rows()
        self.frames = 0
        self.shape = (0, 0)
        self._first_s = self._last_s = 0.0
        self._best: dict[str, tuple[float, float, NDArray[np.uint8]]] = {}

    @property
    def seconds(self) -> float:
        return self._last_s - self._first_s

    def add(self, result: FrameResult) -> None:
        self.rows.add(result)
        if not self.frames:
            self._first_s = result.frame.time_s
        self._last_s = result.frame.time_s
        self.frames += 1
        self.shape = (result.frame.image.shape[0], result.frame.image.shape[1])
        for label, score in zip(reversed(result.labels), reversed(result.found.scores.tolist()), strict=True):
            if label not in self._best or score > self._best[label][0] + _SURER:
                self._best[label] = (score, result.frame.time_s, _small(result))

    def thumbnails(self) -> tuple[Thumbnail, ...]:
        return tuple(
            Thumbnail(label=label, score=score, time_s=time_s, jpeg=cv2.imencode(".jpg", image)[1].tobytes())
            for label, (score, time_s, image) in sorted(self._best.items())
        )


def _small(result: FrameResult) -> NDArray[np.uint8]:
    image = result.frame.image
    scale = min(1.0, _SIDE_PX / max(image.shape[:2]))
    small = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    if isinstance(result.found, Classification):
        return small
    return draw_detections(small, result.found, result.class_names)
