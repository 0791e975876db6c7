"""What watching costs a frame: 20 objects at five places by ten rules, and drawing the places.

    python -m singleshot.tools.benchmarks.watching

Processor time of the thread, medians of rounds; no network and no tracker.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import datetime, timezone

import cv2
import numpy as np

from ...runtime.rules.event import PlaceCount
from ...runtime.rules.followed import Seen
from ...runtime.rules.hours import Hours
from ...runtime.rules.places import Line, Place, Zone
from ...runtime.rules.rule import Rule
from ...runtime.rules.watch import Watch
from ...runtime.sinks.places_overlay import draw_places, write_counts

_OBJECTS, _FRAMES, _ROUNDS = 20, 600, 7
_SIZES = ((360, 640), (1080, 1920))


def places() -> list[Place]:
    """Give three zones of five corners and two lines."""
    zones = [
        Zone(name=f"zone{n}", corners=((x, 0.1), (x + 0.2, 0.1), (x + 0.2, 0.9), (x + 0.1, 0.95), (x, 0.9)))
        for n, x in enumerate((0.1, 0.3, 0.5))
    ]
    return [*zones, *(Line(name=f"line{n}", start=(x, 0), end=(x, 1)) for n, x in enumerate((0.3, 0.6)))]


def rules() -> list[Rule]:
    """Give ten of all kinds."""
    return [
        *(Rule(name=f"enters{n}", kind="enters", place=f"zone{n}", what=("person",)) for n in range(3)),
        *(Rule(name=f"stays{n}", kind="stays", place=f"zone{n}", for_s=10, cool_down_s=60) for n in range(3)),
        *(Rule(name=f"crosses{n}", kind="crosses", place=f"line{n}") for n in range(2)),
        Rule(name="absent", kind="absent", what=("dog",), for_s=60),
        Rule(name="crowd", kind="enters", at_least=3, place="zone0", hours=Hours.read("22:00-06:00")),
    ]


def frames() -> list[list[Seen]]:
    """Let the objects walk about, and turn at the edges of the picture."""
    random = np.random.default_rng(0)
    feet, speeds = random.random((_OBJECTS, 2)), random.normal(0, 0.1, (_OBJECTS, 2))
    found = []
    for _ in range(_FRAMES):
        feet = feet + speeds / 30
        speeds = np.where((feet < 0) | (feet > 1), -speeds, speeds)
        found.append(
            [
                Seen(label=("dog", "person")[n % 2], score=0.9, box_xyxy=(x - 0.03, y - 0.1, x + 0.03, y), track_id=n)
                for n, (x, y) in enumerate(feet.clip(0, 1).tolist())
            ]
        )
    return found


def main() -> None:
    """Measure and print."""
    cv2.setNumThreads(1)
    walk, at = frames(), datetime.now(timezone.utc)
    counts: tuple[PlaceCount, ...] = ()

    def watch() -> None:
        nonlocal counts
        watching = Watch("camera", places(), rules())
        for number, seen in enumerate(walk):
            counts = watching.look(seen, time_s=number / 30, at=at).places

    print(f"watching {_OBJECTS} objects: {_median_ms(watch) / _FRAMES:.3f} ms a frame")
    for height, width in _SIZES:
        image = np.full((height, width, 3), 128, np.uint8)

        def draw(image: np.ndarray = image) -> None:
            for _ in range(20):
                write_counts(draw_places(image, counts), counts)

        print(f"drawing {len(counts)} places, {width} x {height}: {_median_ms(draw) / 20:.3f} ms a frame")


def _median_ms(work: Callable[[], None]) -> float:
    times = []
    for _ in range(_ROUNDS):
        started_s = time.thread_time()
        work()
        times.append(1e3 * (time.thread_time() - started_s))
    return statistics.median(times)


if __name__ == "__main__":
    main()
