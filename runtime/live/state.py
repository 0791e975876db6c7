"""What the page is told of a run, as plain values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..loop.run_state import CameraSnapshot, RunState
from .controls import Controls
from .history import KEPT, STEP_S, Point
from .hub import Hub


@dataclass(frozen=True, kw_only=True, eq=False)
class LiveState:
    """Puts together what is shown.

    Args:
        run: how the run is doing.
        hub: what its cameras see.
        controls: what viewers have set.
    """

    run: RunState
    hub: Hub
    controls: Controls

    def history(self) -> str:
        """Write what a new viewer is told once: the classes and the charts of the last minutes."""
        return _as_json(
            {
                "classes": list(self.controls.class_names),
                "floor": self.controls.floor,
                "step_s": STEP_S,
                "steps": KEPT,
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
            }
        )

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
            "step": sink.step,
            "last": _rows(seen.points[-1:]),
        }


def _rows(points: Sequence[Point]) -> list[list[float | None]]:
    return [[point.step, point.frames_per_s, _rounded(point.p50_ms), _rounded(point.p95_ms)] for point in points]


def _rounded(value_ms: float | None) -> float | None:
    return None if value_ms is None else round(value_ms, 1)


def _as_json(values: dict[str, Any]) -> str:
    return json.dumps(values, separators=(",", ":"), allow_nan=False)
