"""One connection to a camera or stream: what a source of one's own has to give."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A picture as it comes.

    Args:
        image: [h, w, 3] uint8, BGR.
        pixel_aspect: width of a pixel to its height.
        is_damaged: it was decoded with faults.
        arrived_s: when its bytes were there, on the scale of `time.monotonic()`; now where not given.
        driver_s: when it was taken, by the camera's driver, on the same scale.
        sender_s: when it was taken, by the clock of the sender, in seconds since 1970.
        stamp_s: its place in a recording.
    """

    image: NDArray[np.uint8]
    pixel_aspect: Fraction = Fraction(1)
    is_damaged: bool = False
    arrived_s: float | None = None
    driver_s: float | None = None
    sender_s: float | None = None
    stamp_s: float | None = None


class FeedLostError(Exception):
    """The connection is gone; its text says why and shows no secret."""


class Feed:
    """Pictures of one connection, in order. A `LiveSource` opens the next one when this one ends."""

    comes_back = True
    """Whether it is opened again when it ends; a pipe or a recording is not."""

    is_recorded = False
    """Whether it is a recording, whose times are its own."""

    hint = "Is another program using it?"
    """What may be wrong if nothing ever comes."""

    undecoded = 0
    """Parts that could not be decoded."""

    @abstractmethod
    def __iter__(self) -> Iterator[Picture]:
        """Deliver what comes.

        Raises:
            FeedLostError, InputError, OSError: the connection is gone.
        """

    def close(self) -> None:
        """Free what it holds; is called from the thread that iterates."""
