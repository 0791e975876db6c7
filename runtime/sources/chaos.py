"""Faults on purpose: another source that drops, stalls, breaks pictures, changes its size, is lost, jumps in time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .clock import Clock, MachineClock, SimulatedClock
from .feed import Feed, FeedLostError, Picture
from .frame import Frame, Source
from .live import LiveSource, Patience
from .source_events import OnEvent
from .source_names import CHAOS_FAULTS, Policy, SourceName

_STALL_S = 2.0
"""Longer than a stall is not noticed, shorter than a loss."""

_SCALES = (0.5, 0.75, 1.0, 1.25)
_MOST_REFUSALS = 2
_JUMP_S = (60.0, 86_400.0)


class _Faults:
    """What goes wrong over all connections, chosen by a seed: at most one fault a frame.

    The first frame of a connection is whole, so that each fault shows by itself.
    """

    def __init__(self, source: Source, options: Mapping[str, str], clock: Clock) -> None:
        self.injected: Counter[str] = Counter()
        self.scale = 1.0
        self.jump_s = 0.0
        self.refusals = 0
        self.clock = clock
        self.left = threading.Event()
        self.random = np.random.default_rng(int(options.get("seed", 0)))
        self.frames = iter(source)
        self._shares = np.cumsum([float(options.get(fault, 0)) for fault in CHAOS_FAULTS])
        self._start_s = clock.now_s()
        self._is_paced = source.kind == "camera"

    def next_frame(self) -> Frame | None:
        """Wait until the next frame is due; None at the end."""
        frame = next(self.frames, None)
        if frame is not None and not self._is_paced:
            self.clock.wait(max(0.0, self._start_s + frame.time_s - self.clock.now_s()), self.left)
        return frame

    def draw_fault(self) -> str | None:
        """Choose what happens to a frame."""
        place = int(np.searchsorted(self._shares, self.random.random(), side="right"))
        if place == len(CHAOS_FAULTS):
            return None
        self.injected[CHAOS_FAULTS[place]] += 1
        return CHAOS_FAULTS[place]

    def connect(self) -> Feed:
        """Open the next connection, which may be refused for a while after a loss."""
        if self.refusals:
            self.refusals -= 1
            raise InputError("expected a connection, got none for a while, by chaos.")
        return _ChaosFeed(self)


class _ChaosFeed(Feed):
    def __init__(self, faults: _Faults) -> None:
        self._faults = faults

    def __iter__(self) -> Iterator[Picture]:
        faults, is_first = self._faults, True
        while (frame := faults.next_frame()) is not None:
            fault = None if is_first else faults.draw_fault()
            is_first = False
            if fault == "drop":
                continue
            if fault == "stall":
                faults.clock.wait(_STALL_S, faults.left)
            elif fault == "resize":
                faults.scale = float(faults.random.choice([scale for scale in _SCALES if scale != faults.scale]))
            elif fault == "disconnect":
                faults.refusals = int(faults.random.integers(0, _MOST_REFUSALS, endpoint=True))
                raise FeedLostError("by chaos")
            elif fault == "jump":  # there, and back at the next one
                far_s = faults.random.uniform(*_JUMP_S) * faults.random.choice([-1, 1])
                faults.jump_s = 0.0 if faults.jump_s else float(far_s)
            image = _scaled(frame.image, faults.scale)
            yield Picture(
                image=_broken(image, faults.random) if fault == "corrupt" else image,
                pixel_aspect=frame.pixel_aspect,
                is_damaged=fault == "corrupt",
                sender_s=faults.clock.wall().timestamp() + faults.jump_s,
            )
        self.comes_back = False


class ChaosSource(LiveSource):
    """A source with faults.

    Args:
        name: as `read_source_name` read it.
        source: is wrapped, and belongs to this one from here on. What is no camera is paced by its own times.
        policy: of frames that nobody took; on a simulated clock all are waited for.
        patience: how long is waited.
        on_event: is given each change of its state.

    Raises:
        InputError: a camera cannot follow a simulated clock.
    """

    def __init__(
        self,
        name: SourceName,
        source: Source,
        *,
        policy: Policy | None,
        patience: Patience,
        on_event: OnEvent,
    ) -> None:
        is_simulated = name.options.get("clock") == "simulated"
        if is_simulated and source.kind == "camera":
            source.close()
            raise InputError(
                f"{name.shown}: expected a source that is not paced on a simulated clock, got {source.name}."
            )
        clock: Clock = SimulatedClock() if is_simulated else MachineClock()
        self._source = source
        self._faults = _Faults(source, name.options, clock)
        super().__init__(
            name.shown, self._faults.connect, policy=policy, patience=patience, on_event=on_event, clock=clock
        )

    @property
    def injected(self) -> Mapping[str, int]:
        """Faults so far, by kind."""
        return dict(self._faults.injected)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was injected, and what came of it."""
        counts = ", ".join(f"{kind} {count}" for kind, count in sorted(self.injected.items())) or "nothing"
        return (f"{self.name}: injected {counts}.", *super().warnings, *self._source.warnings)

    def close(self) -> None:
        """Stop, and close what is wrapped."""
        self._faults.left.set()
        super().close()
        self._source.close()


def _scaled(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if scale == 1:
        return image
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height)), np.uint8)


def _broken(image: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Fill a band with noise, as a lost packet leaves it."""
    image = image.copy()
    top = int(random.integers(0, image.shape[0]))
    band = image[top : top + max(1, image.shape[0] // 4)]
    band[:] = random.integers(0, 256, band.shape, np.uint8)
    return image
