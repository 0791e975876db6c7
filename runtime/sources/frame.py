"""What a source delivers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..closing import Closing
from .source_names import Policy

SourceKind = Literal["video", "camera", "images"]

CaptureClock = Literal["driver", "sender", "arrival"]
"""Who says when a frame was taken: the camera's driver, the sender of a stream, or nobody, so that it is the moment at
which it arrived."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One picture with its place and time.

    Args:
        image: [h, w, 3] uint8, BGR.
        index: number within the source, from 0. What a source skips (a broken image, a camera frame that came while
            the last one was still being worked on) leaves a gap.
        time_s: seconds since the source's first frame; 0 for images.
        source: what it came from: the video's path, `cam0`, the image's own path.
        pixel_aspect: width of a pixel to its height; other than 1 where a video says that it is shown wider or higher.
        captured_at: when it was taken by a camera, on the wall clock, with its zone; none of files.
        captured_s: the same moment on the scale of `time.monotonic()`, so that `now - captured_s` is the frame's age;
            none of files.
        capture_clock: which clock these two are from; none of files.
    """

    image: NDArray[np.uint8]
    index: int
    time_s: float
    source: str
    pixel_aspect: Fraction = Fraction(1)
    captured_at: datetime | None = None
    captured_s: float | None = None
    capture_clock: CaptureClock | None = None


class Source(Closing, Protocol):
    """Frames in order, once."""

    @property
    def name(self) -> str:
        """What the user called it."""

    @property
    def kind(self) -> SourceKind:
        """Video, camera or images."""

    @property
    def policy(self) -> Policy:
        """Whether all frames are delivered, or the newest where not all are taken."""

    @property
    def length(self) -> int | None:
        """Announced number of frames, for progress; it may be wrong. None where nothing is announced."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong without ending the run, one line each; complete after the last frame."""

    @property
    def drops(self) -> Mapping[str, int]:
        """Frames that do not reach the network, or not whole, by cause; causes that occurred alone.

        `replaced by a newer`, `damaged` (delivered all the same), `not decoded`, `missing`.
        """

    def reads(self, path: Path) -> bool:
        """Whether that file is among what is read."""

    def __iter__(self) -> Iterator[Frame]:
        """Deliver the frames.

        Raises:
            InputError: nothing can be decoded.
        """
