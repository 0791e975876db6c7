"""singleshot takes a single-shot object detector from labelled photos to a live camera."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from singleshot.runtime.card import Card as Card
    from singleshot.runtime.detection.classifications import Classification as Classification
    from singleshot.runtime.detection.detections import Detections as Detections
    from singleshot.runtime.session import classify as classify
    from singleshot.runtime.session import detect as detect
    from singleshot.runtime.session import open_session as open_session
    from singleshot.runtime.stream import stream as stream

__version__ = "0.2.0"

_PUBLIC = {
    "Card": "runtime.card",
    "Classification": "runtime.detection.classifications",
    "Detections": "runtime.detection.detections",
    "classify": "runtime.session",
    "detect": "runtime.session",
    "open_session": "runtime.session",
    "stream": "runtime.stream",
}

__all__ = ["Card", "Classification", "Detections", "__version__", "classify", "detect", "open_session", "stream"]


def __getattr__(name: str) -> object:
    """Load a public name on first use, so that `import singleshot` stays light."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'singleshot' has no attribute {name!r}")
    return getattr(importlib.import_module(f"singleshot.{_PUBLIC[name]}"), name)
