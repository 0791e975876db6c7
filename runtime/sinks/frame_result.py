"""What the loop hands to the sinks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..detection.classifications import Classification
from ..detection.detections import Detections
from ..rules.event import Event, PlaceCount
from ..sources.frame import Frame
from ..tracking.tracks import NOT_FOLLOWED, Tracks


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameResult:
    """What was found in one frame.

    Args:
        frame: as the source delivered it, but for objects that are hidden in its image.
        found: above the thresholds; of a detector with boxes normalised to the frame.
        drawn: [h, w, 3] uint8, BGR, with what was found drawn; none if no sink asked for it.
        camera: whose it is in a run of several, or of one that has a name besides its source's; else empty.
        done_s: `time.monotonic()` when it was ready; none before.
        held: what was found is of an earlier frame, as the scene has not moved since.
        ages_ms: the frame's age by stage (`taken`, `found`, `drawn`), in milliseconds; empty of files.
        drops: frames of this camera that were not looked at so far, by cause.
        class_names: in the order of class ids.
        places: what is counted at the camera's zones and lines, this frame counted too.
        events: what happened in this frame.
        tracks: whose boxes these are, where objects are followed.
        unsure: of a detector, where somebody observes results: what has half of its score threshold or more, but not
            all. Trackers keep to an object by it; it is shown nowhere.
    """

    frame: Frame
    found: Detections | Classification
    drawn: NDArray[np.uint8] | None
    camera: str = ""
    done_s: float | None = None
    held: bool = False
    ages_ms: Mapping[str, float] = field(default_factory=dict)
    drops: Mapping[str, int] = field(default_factory=dict)
    class_names: Sequence[str] = ()
    places: Sequence[PlaceCount] = ()
    events: Sequence[Event] = ()
    tracks: Tracks | None = None
    unsure: Detections | None = None

    @property
    def labels(self) -> list[str]:
        """Name what was found, in its order."""
        return [self.class_names[class_id] for class_id in self.found.class_ids]

    @property
    def track_ids(self) -> list[int | None]:
        """Give each object's id, in the order of what was found; None where it is not followed."""
        if self.tracks is None:
            return [None] * len(self.found)
        return [None if track_id == NOT_FOLLOWED else track_id for track_id in self.tracks.ids.tolist()]

    @property
    def age_ms(self) -> float | None:
        """How old the frame was when its result was ready, in milliseconds; none of files."""
        if self.frame.captured_s is None or self.done_s is None:
            return None
        return 1e3 * (self.done_s - self.frame.captured_s)
