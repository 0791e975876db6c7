"""What a run looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..detection.tiles import Tiles
from ..sinks.frame_result import FrameResult
from ..sinks.sink import Sink
from ..sinks.window import Window
from ..sources.frame import Source
from .blur import Blur


class Observer(Protocol):
    """Adds to a camera's results what only shows from one to the next: whose box is whose, what was entered."""

    def observe(self, result: FrameResult) -> FrameResult:
        """Look at a result, before it is drawn, and return it with what was seen.

        Each result comes once, in the camera's order, never two at the same time; the thread may be any.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class Camera:
    """A source with what is kept of it and where that goes; also a file or a folder is one.

    Args:
        name: in results and reports; the only one of its run.
        source: open; closed when it ends or the run does.
        thresholds: [number of classes] float32 of each graph of the run, the least score to keep per class id.
        sinks: take the results, in a thread of their own; closed with the source.
        window: shows the frames; closing it ends the run.
        tiles: look at the parts of each frame too; of a detector alone.
        skips_still: hold what was found while the scene does not move.
        blur: hides objects, before anybody else sees the picture; of a detector alone.
        observers: look at each result, one after the other.
    """

    name: str
    source: Source
    thresholds: Sequence[NDArray[np.float32]]
    sinks: Sequence[Sink] = ()
    window: Window | None = None
    tiles: Tiles | None = None
    skips_still: bool = False
    blur: Blur | None = None
    observers: Sequence[Observer] = ()

    @property
    def needs_drawing(self) -> bool:
        """Whether somebody looks at pictures at this moment."""
        return self.window is not None or any(sink.needs_drawing for sink in self.sinks)
