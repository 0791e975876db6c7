"""A run over one source."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..session import Session
from ..sinks.frame_result import FrameResult
from ..sinks.sink import Sink
from ..sinks.window import Window
from ..sources.frame import Source
from .camera import Camera
from .pipeline import Pipeline
from .summary import RunSummary


def run_pipeline(
    source: Source,
    session: Session,
    sinks: Sequence[Sink],
    *,
    thresholds: NDArray[np.float32],
    window: Window | None = None,
    max_frames: int | None = None,
    on_frame: Callable[[FrameResult], None] | None = None,
) -> RunSummary:
    """Run a detector or a classifier over a source; see `Pipeline`.

    Args:
        source: an open source.
        session: an open session.
        sinks: take the results, in a thread of their own.
        thresholds: [number of classes] float32, the least score to keep per class id.
        window: shows the frames; closing it ends the run.
        max_frames: ends the run after so many.
        on_frame: is called after each frame, for progress.

    Raises:
        InputError: the source decodes to nothing, or a sink cannot write.
    """
    camera = Camera(name=source.name, source=source, thresholds=[thresholds], sinks=sinks, window=window)
    return Pipeline([camera], [session], max_frames=max_frames).run(on_frame)
