"""What is usual of detectors of one kind, which their files show."""

from __future__ import annotations

from .graph import ForeignGraph
from .inputs import ForeignInput


def usual_input(foreign: ForeignGraph) -> tuple[ForeignInput, str]:
    """Say what detectors of this kind expect of frames, and what shows the kind."""
    if foreign.declared.is_ultralytics:
        return ForeignInput(resize="letterbox"), "the metadata are Ultralytics', whose way it is"
    return ForeignInput(), ""
