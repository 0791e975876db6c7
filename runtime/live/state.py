"""What the page is told of a run, as plain values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..loop.run_state import CameraSnapshot, RunState
from ..rules.event import PlaceCount
from ..rules.places import Zone
from .controls import Controls
from .history import KEPT, STEP_S, Point
from .hub import Hub
from .place_editor import PlaceEditor, points_of


@dataclass(frozen=True, kw_only=True, eq=False)
class LiveState:
    """Puts together what is shown.

    Args:
        run: how the run is doing.
        hub: what its cameras see.
        controls: what viewers have set.
        editor: takes what they draw.
    """

    run: RunState
    hub: Hub
    controls: Controls
    editor: PlaceEditor

    def history(self) -> str:
        """Write what a new viewer is told once: the classes and the charts of the last minutes."""
        return _as_json(
            {
                "classes": list(self.controls.class_names),
                "floor": self.controls.floor,
                "step_s": STEP_S,
                "steps": KEPT,
                "places_in": self.editor.kept_in,
                "history": {name: _rows(sink.seen().points) for name, sink in self.hub.sinks.items()},
            }
        )

    def now(self) -> str:
        """Write what changes."""
        snapshot = self.run.snapshot()
        return _as_json(
            {
                "promise_ms": snapshot.promise_ms,
                "shedding": snapshot.shedding,
                "cameras": [self._camera(camera) for camera in snapshot.cameras],
                "deliveries": [asdict(counts) for counts in snapshot.deliveries],
            }
        )

    def _places(self, camera: str, counts: Sequence[PlaceCount]) -> list[dict[str, Any]] | None:
        """Put together what holds now with what was counted up to the last frame."""
        places = self.editor.places(camera)
        if places is None:
            return None
        by_name = {count.name: count for count in counts}
        return [
            {
                "name": place.name,
                "kind": "zone" if isinstance(place, Zone) else "line",
                "points": points_of(place),
                **_counted(by_name.get(place.name)),
            }
            for place in places
        ]

    def _camera(self, camera: CameraSnapshot) -> dict[str, Any]:
        sink = self.hub.sinks[camera.name]
        seen, scores = sink.seen(), self.controls.scores(camera.name)
        return {
            "name": camera.name,
            "state": camera.state,
            "reason": camera.reason,
            "frames": camera.frames,
            "frames_per_s": round(camera.frames_per_s, 1),
            "quiet_s": round(camera.quiet_s, 1),
            "drops": dict(camera.drops),
            "ages": {stage: [round(age.p50_ms), round(age.p95_ms)] for stage, age in camera.ages.items()},
            "keeps_promise": camera.keeps_promise,
            "size": seen.size,
            "now": seen.now,
            "in_frames": seen.frames,
            "score": round(self.controls.shown_score(camera.name), 3),
            "is_set": scores.score is not None,
            "hidden": sorted(scores.hidden),
            "places": self._places(camera.name, seen.places),
            "step": sink.step,
            "last": _rows(seen.points[-1:]),
        }


def _counted(count: PlaceCount | None) -> dict[str, Any]:
    if count is None:
        return {"inside": {}, "came_in": {}, "went_out": {}, "longest_s": 0}
    return {
        "inside": dict(count.inside),
        "came_in": dict(count.came_in),
        "went_out": dict(count.went_out),
        "longest_s": round(count.longest_s, 1),
    }


def _rows(points: Sequence[Point]) -> list[list[float | None]]:
    return [[point.step, point.frames_per_s, _rounded(point.p50_ms), _rounded(point.p95_ms)] for point in points]


def _rounded(value_ms: float | None) -> float | None:
    return None if value_ms is None else round(value_ms, 1)


def _as_json(values: dict[str, Any]) -> str:
    return json.dumps(values, separators=(",", ":"), allow_nan=False)
