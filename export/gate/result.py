"""What an accuracy gate found: for people, machines and the card."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...calib.records.compare import Changed
from ...calib.records.labelled_images import LabelledImages
from ...runtime.card import Measurement
from ...runtime.errors import CheckError
from ...runtime.files import StrPath
from .judge import GateSettings, Judged
from .search import Search

_LISTED = 50
"""Lost and gained objects that the JSON names one by one."""


@dataclass(frozen=True, kw_only=True)
class GateData:
    """The labelled images behind a gate.

    Args:
        name: of the data set.
        layout: of the data set.
        split: of the data set.
        seed: of the sample.
        choosing: images that candidates were chosen by; 0 where there was nothing to choose.
        judging: other images, which every reported figure comes from.
        judging_sha256: fingerprint of their labels.
        parts: in which each image was judged by what the other parts chose; 0 where halves or none chose.
    """

    name: str
    layout: str
    split: str
    seed: int
    choosing: int
    judging: int
    judging_sha256: str
    parts: int = 0

    @property
    def text(self) -> str:
        """For the card: data, split and rule."""
        half = "a half that nothing was chosen by" if self.choosing else "sampled"
        if self.parts:
            half = f"each of {self.parts} parts judged by what the others chose"
        return f"{self.name} {self.split}, {self.judging} images, {half}, seed {self.seed}"


@dataclass(frozen=True, kw_only=True, eq=False)
class GateResult:
    """What was tried, what it lost, and what was accepted.

    Args:
        parent: the graph that candidates were held against.
        settings: of the gate.
        data: the labelled images, in words.
        images: those that judged, for pictures.
        backend: who computed, parent and candidates alike.
        metric: what the headline is.
        averaged: names of the classes that the headline is the mean of; empty of a classifier.
        parent_figure: the parent's headline, in points.
        parent_latency_ms: of a frame, measured here.
        judged: candidates, the cheapest first.
        accepted: the first that lost no more than allowed.
        search: how candidates were chosen; None where they were given.
        trainable: name of the parent's network where it can be trained for int8 and was not.
    """

    parent: Path
    settings: GateSettings
    data: GateData
    images: LabelledImages
    backend: str
    metric: str
    averaged: tuple[str, ...]
    parent_figure: float
    parent_latency_ms: float
    judged: tuple[Judged, ...]
    accepted: Judged | None
    search: Search | None = None
    trainable: str | None = None

    @property
    def shown(self) -> Judged | None:
        """The candidate that details are shown of: what was accepted, else the one that lost least."""
        ran = [item for item in self.judged if item.failure is None]
        return self.accepted or min(ran, key=lambda item: item.deltas[0].drop, default=None)

    @property
    def front(self) -> tuple[str, ...]:
        """Names of the graphs, parent included, than which no other is both faster and better."""
        points = self.points
        return tuple(
            name
            for name, latency_ms, figure in points
            if not any(
                other_ms <= latency_ms and other >= figure and (other_ms, other) != (latency_ms, figure)
                for _, other_ms, other in points
            )
        )

    @property
    def points(self) -> list[tuple[str, float, float]]:
        """Name, latency in milliseconds and headline in points of every graph that ran; the parent first."""
        ran = [(item, item.latency_ms) for item in self.judged if item.latency_ms is not None]
        found = [(item.candidate.name, latency_ms, item.deltas[0].candidate) for item, latency_ms in ran]
        return [("parent", self.parent_latency_ms, self.parent_figure), *found]

    def lines(self) -> list[str]:
        """Say what was found, the accepted candidate last."""
        lines = [
            f"{self.metric} on {self.data.text}; {self.backend}; allowed drop {self.settings.max_drop:g} points",
            *(item.summary for item in self.judged),
        ]
        if self.accepted is None:
            return [*lines, "nothing is within the allowed drop", *self._advice()]
        first = self.accepted.deltas[0]
        interval = f"95 % interval of the drop {first.interval_text}"
        lines.append(f"accepted: {self.accepted.candidate.name}: {first.verdict} ({interval})")
        if not self.accepted.can_tell:
            lines.append(self.limits(self.accepted))
        elif first.drop_interval is not None and first.drop_interval.high > self.settings.max_drop:
            lines.append(
                f"these images cannot exclude a drop of {first.drop_interval.high:.2f} points; more of them would tell"
            )
        if self.speed_up(self.accepted) < 1:
            lines.append(
                f"it is no faster here: {self.speed_up(self.accepted):.2f} times the parent's rate in {self.backend}"
            )
        return [*lines, *self._advice()]

    def _advice(self) -> Iterator[str]:
        """Say what may win back a loss that was measured."""
        first = [item.deltas[0] for item in self.judged if item.failure is None]
        if self.trainable and any(item.is_measurable and item.drop > 0 for item in first):
            yield (
                f"`singleshot train {self.trainable} --data DIR --from CHECKPOINT --quantization-aware` may win back "
                f"what int8 measurably loses"
            )

    def check(self, out: StrPath) -> Judged:
        """Return the accepted candidate.

        Args:
            out: what would have been written, for the error.

        Raises:
            CheckError: nothing is within the allowed drop; the text holds the figures.
        """
        out = Path(out)
        if self.accepted is None:
            figures = "; ".join(item.summary for item in self.judged)
            untold = next((item for item in self.judged if item.failure is None and not item.can_tell), None)
            limits = f"{self.limits(untold)}: --strict refuses that. " if self.settings.is_strict and untold else ""
            raise CheckError(
                f"{out}: expected a graph within {self.settings.max_drop:g} points of {self.metric} of {self.parent}, "
                f"got {figures} on {self.data.text}. No graph was written. {limits}"
                f"Allow more by --max-drop, or calibrate on other images."
            )
        return self.accepted

    def measurements(self) -> tuple[Measurement, ...]:
        """Write the accepted candidate's figures for its card; empty where nothing was accepted."""
        judged = self.accepted
        if judged is None or judged.latency_ms is None:
            return ()
        first = judged.deltas[0]
        over = f", mean over {', '.join(self.averaged)}" if self.averaged else ""
        data, note = self.data.text, self.backend
        allowed = f"{self.settings.max_drop:g}" + ("" if judged.can_tell else f"; {self.limits(judged)}")
        machine = f"{self.backend}, {platform.machine()}, {os.cpu_count()} cores"
        return (
            Measurement(metric=f"{self.metric}{over}", value=first.candidate / 100, data=data, note=note),
            Measurement(metric=f"{self.metric}{over}, of the parent", value=first.parent / 100, data=data, note=note),
            Measurement(
                metric=f"drop of {self.metric} against the parent, points",
                value=first.drop,
                data=data,
                note=f"95 % interval {first.interval_text}: {first.verdict}; allowed {allowed}",
            ),
            Measurement(metric="latency, parent's divided by own", value=self.speed_up(judged), data=machine),
        )

    def limits(self, judged: Judged) -> str:
        """Say what these images cannot tell."""
        first = judged.deltas[0]
        if first.parent <= 0:
            return f"the parent gets nothing right in these {self.data.judging} images, so no loss could show in them"
        could = "nothing at all" if math.isinf(first.resolution) else f"{first.resolution:.2g}"
        unable = f"these {self.data.judging} images cannot tell {self.settings.max_drop:g} points apart"
        return f"{unable}, they could tell {could}"

    def speed_up(self, judged: Judged) -> float:
        """Return the parent's latency divided by a candidate's; 0 where it did not run."""
        return self.parent_latency_ms / judged.latency_ms if judged.latency_ms else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return {
            "parent": str(self.parent),
            "settings": asdict(self.settings),
            "data": asdict(self.data),
            "backend": self.backend,
            "metric": self.metric,
            "averaged": list(self.averaged),
            "parent_figure": self.parent_figure,
            "parent_latency_ms": self.parent_latency_ms,
            "judged": [_judged_dict(item) for item in self.judged],
            "front": list(self.front),
            "accepted": None if self.accepted is None else self.accepted.candidate.name,
            "search": None if self.search is None else self.search.to_dict(),
        }


def _judged_dict(judged: Judged) -> dict[str, Any]:
    return {
        "name": judged.candidate.name,
        "kept_float": list(judged.candidate.kept_float),
        "is_eligible": judged.candidate.is_eligible,
        "passes": judged.passes,
        "failure": judged.failure,
        "latency_ms": judged.latency_ms,
        "deltas": [item.to_dict() for item in judged.deltas],
        "lost": len(judged.lost),
        "gained": len(judged.gained),
        "clearest_lost": _listed(judged.lost),
        "clearest_gained": _listed(judged.gained),
        "score_shift": None if judged.shift is None else asdict(judged.shift),
        "thresholds": [asdict(item) for item in judged.thresholds],
    }


def _listed(changes: Sequence[Changed]) -> list[dict[str, Any]]:
    return [asdict(item) for item in changes[:_LISTED]]
