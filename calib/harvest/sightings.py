"""What is remembered of frames while a detector looks through recordings: of each second the frame of most doubt."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.check.duplicates import Fingerprint, fingerprint
from ...runtime.detection.detections import Detections
from ...runtime.sinks.frame_result import FrameResult
from .unsureness import LEAST, Unsureness, flickers, score_doubt

NEIGHBOURS_S = 0.2
"""Frames that are further apart are no neighbours: what moves in between is no flicker."""

_SLOT_S = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Sighting:
    """A frame that may be chosen.

    Args:
        source: its number among the sources.
        frame: its number in the source.
        time_s: since the source's first frame.
        name: the frame's, as the source calls it.
        found: all that the detector sees in it.
        unsureness: how much it doubts.
        look: what tells it from other pictures.
    """

    source: int
    frame: int
    time_s: float
    name: str
    found: Detections
    unsureness: Unsureness
    look: Fingerprint


def sightings(
    results: Iterable[FrameResult], thresholds: NDArray[np.float32], *, source: int, is_video: bool
) -> Iterator[Sighting]:
    """Give of each second of a video the frame of most doubt, of images each; none without a doubt or a contrast.

    Args:
        results: of one source in its order, with all that the detector sees.
        thresholds: [number of classes] float32, from which on an object is shown.
        source: its number.
        is_video: frames follow one another.
    """
    best: Sighting | None = None
    for before, result, after in _with_neighbours(results):
        unsureness = _unsureness(before, result, after, thresholds, is_video=is_video)
        if best is not None and (not is_video or int(best.time_s / _SLOT_S) != int(result.frame.time_s / _SLOT_S)):
            yield best
            best = None
        if unsureness.total < LEAST or (best is not None and unsureness.total <= best.unsureness.total):
            continue
        look = fingerprint(f"{source} {result.frame.index}".encode(), result.frame.image)
        if look.has_contrast:
            best = Sighting(
                source=source,
                frame=result.frame.index,
                time_s=result.frame.time_s,
                name=result.frame.source,
                found=_detections(result),
                unsureness=unsureness,
                look=look,
            )
    if best is not None:
        yield best


def _with_neighbours(
    results: Iterable[FrameResult],
) -> Iterator[tuple[FrameResult | None, FrameResult, FrameResult | None]]:
    kept: deque[FrameResult | None] = deque([None], maxlen=3)
    for result in results:
        kept.append(result)
        if len(kept) == 3 and kept[1] is not None:
            yield kept[0], kept[1], kept[2]
    if kept[-1] is not None:
        yield kept[-2], kept[-1], None


def _unsureness(
    before: FrameResult | None,
    result: FrameResult,
    after: FrameResult | None,
    thresholds: NDArray[np.float32],
    *,
    is_video: bool,
) -> Unsureness:
    found = _detections(result)
    scores = score_doubt(found, thresholds)
    if not is_video or before is None or after is None or after.frame.time_s - before.frame.time_s > 2 * NEIGHBOURS_S:
        return Unsureness(scores=scores)
    return Unsureness(scores=scores, flickers=flickers(_detections(before), found, _detections(after), thresholds))


def _detections(result: FrameResult) -> Detections:
    if not isinstance(result.found, Detections):
        raise TypeError("a harvest needs detections")
    return result.found
