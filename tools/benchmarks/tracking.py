"""How well objects are followed, and for how much: `python -m singleshot.tools.benchmarks.tracking`.

Without files it follows scenes of `synthetic://`, whose truth is known, at several frame rates and with frames left
out: by the package `trackers` as it comes, and by `--track`. It prints the tables of docs/tracking.md. With
`--detections` it follows what was recorded.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from ...runtime.detection.detections import Detections
from ...runtime.machine import cpu_model, read_cpuinfo, usable_cores
from ...runtime.require import require
from ...runtime.tracking.tracker import Tracker
from ...runtime.tracking.tracker_names import TrackerName
from ..terminal.exits import exit_codes
from .tracking_files import load_recorded, save_mot
from .tracking_scores import Scores, scores_of
from .tracking_sequences import THRESHOLD, Circumstances, Film, Moment

Ids = Sequence[NDArray[np.int64]]
"""Of what was found in each moment; below 0 where there is none."""

_CIRCUMSTANCES = [Circumstances(rate=rate, kept=kept) for rate in (30, 10, 3) for kept in (1.0, 0.5)]
_COUNTS = (1, 5, 20, 100)


def tracking(
    seconds: Annotated[float, typer.Option(min=1, help="Of each scene.")] = 60.0,
    objects: Annotated[int, typer.Option(min=1, help="In each scene.")] = 10,
    seeds: Annotated[int, typer.Option(min=1, help="Scenes.")] = 5,
    detections: Annotated[
        Path | None, typer.Option(help="Follow these instead: JSON lines of rt-detect, or MOT's det.txt.")
    ] = None,
    truth: Annotated[Path | None, typer.Option(help="Of --detections: MOT's gt.txt.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Frames a second, where no times are recorded.")] = None,
    score: Annotated[float, typer.Option(help="Of --detections: the least score; what is lower is unsure.")] = 0.5,
    tracker: Annotated[TrackerName, typer.Option(help="Who follows --detections.")] = "bytetrack",
    mot: Annotated[Path | None, typer.Option(help="Write the ids of --detections as MOTChallenge's rows.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure how well objects are followed."""
    with exit_codes():
        if detections is None:
            films = [Film(seconds=seconds, objects=objects, seed=seed) for seed in range(seeds)]
            report = {"quality": list(_qualities(films)), "cost": list(_costs())}
            print(json.dumps(report, indent=1) if as_json else _tables(report))
            return
        recorded = load_recorded(detections, truth, rate=rate, threshold=score)
        ids = by_time(tracker)(recorded.moments)
        if mot is not None:
            save_mot(mot, recorded, ids)
        said: dict[str, object] = {
            "frames": len(recorded.moments),
            "objects": len({one for some in ids for one in some[some >= 0].tolist()}),
        }
        if truth is not None:
            said |= asdict(scores_of(recorded.moments, ids))
        if as_json:
            print(json.dumps(said, indent=1))
            return
        for key, value in said.items():
            print(f"{key}: {value:.3f}" if isinstance(value, float) else f"{key}: {value}")


def by_time(name: TrackerName) -> Callable[[Sequence[Moment]], Ids]:
    """Follow as `--track` does."""

    def follow(moments: Sequence[Moment]) -> Ids:
        tracker = Tracker(name)
        return [tracker.follow(one.found, time_s=one.time_s, unsure=one.unsure)[1].ids for one in moments]

    return follow


def as_it_comes(*, stamped: bool) -> Callable[[Sequence[Moment]], Ids]:
    """Follow by the package's own ByteTrack, which takes 30 frames a second for granted, or is told the times."""
    trackers = require("trackers", extra="track", why="the comparison")
    supervision = require("supervision", extra="track", why="the comparison")

    def follow(moments: Sequence[Moment]) -> Ids:
        tracker = trackers.ByteTrackTracker(track_activation_threshold=THRESHOLD, high_conf_det_threshold=THRESHOLD)
        ids = []
        for one in moments:
            boxes = np.concatenate([one.found.boxes_xyxy, one.unsure.boxes_xyxy])
            rows = supervision.Detections(
                xyxy=boxes * np.array([640, 360, 640, 360], np.float32),
                confidence=np.concatenate([one.found.scores, one.unsure.scores]),
                class_id=np.arange(len(boxes)),
            )
            answer = tracker.update(rows, timestamp=one.time_s if stamped else None)
            of_all = np.full(len(boxes), -1, np.int64)
            if len(answer):
                of_all[answer.class_id] = answer.tracker_id
            ids.append(of_all[: len(one.found)])
        return ids

    return follow


def _qualities(films: Sequence[Film]) -> Iterator[dict[str, Any]]:
    followers = {
        "30 frames/s assumed": as_it_comes(stamped=False),
        "told the times": as_it_comes(stamped=True),
        "--track": by_time("bytetrack"),
        "--tracker ocsort": by_time("ocsort"),
    }
    for circumstances in _CIRCUMSTANCES:
        sequences = [film.seen(circumstances) for film in films]
        for name, follow in followers.items():
            scores = [scores_of(moments, follow(moments)) for moments in sequences]
            yield {**asdict(circumstances), "follower": name, **asdict(_mean(scores))}


def _mean(scores: Sequence[Scores]) -> Scores:
    means = {key: float(np.mean([getattr(one, key) for one in scores])) for key in ("mota", "idf1", "hota")}
    return Scores(**means, switches=sum(one.switches for one in scores))


def _costs(frames: int = 300) -> Iterator[dict[str, Any]]:
    """Measure the time of the thread that follows, of frames at uneven distances."""
    for name in ("bytetrack", "ocsort"):
        for count in _COUNTS:
            random = np.random.default_rng(0)
            tracker, time_s, spent_ms = Tracker(name), 0.0, []
            corners, sides = random.uniform(0, 0.9, (count, 2)), random.uniform(0.04, 0.1, (count, 2))
            speeds = random.uniform(-0.05, 0.05, (count, 2))
            for _ in range(frames):
                time_s += 1 / 30 + random.normal(0, 0.003)
                places = corners + speeds * time_s + random.normal(0, 0.001, (count, 2))
                found = Detections(
                    boxes_xyxy=np.concatenate([places, places + sides], axis=1).clip(0, 1).astype(np.float32),
                    scores=np.full(count, 0.9, np.float32),
                    class_ids=np.zeros(count, np.int32),
                )
                started_s = time.thread_time()
                tracker.follow(found, time_s=time_s)
                spent_ms.append(1e3 * (time.thread_time() - started_s))
            yield {"tracker": name, "objects": count, "median_ms": float(np.median(spent_ms))}


def _tables(report: dict[str, list[dict[str, Any]]]) -> str:
    lines: list[str] = []
    names = list(dict.fromkeys(one["follower"] for one in report["quality"]))
    lines += ["MOTA / IDF1 / id switches", "", f"| | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for circumstances in _CIRCUMSTANCES:
        of_it = [
            one for one in report["quality"] if (one["rate"], one["kept"]) == (circumstances.rate, circumstances.kept)
        ]
        title = f"{circumstances.rate} frames/s" + (", half dropped" if circumstances.kept < 1 else "")
        cells = (f"{100 * one['mota']:.1f} / {100 * one['idf1']:.1f} / {one['switches']}" for one in of_it)
        lines.append(f"| {title} | {' | '.join(cells)} |")
    lines += [
        "",
        f"CPU time, {cpu_model(read_cpuinfo())}, {usable_cores()} cores",
        "",
        "| objects | ms a frame |",
        "|---|---|",
    ]
    lines += [f"| {one['objects']}, {one['tracker']} | {one['median_ms']:.2f} |" for one in report["cost"]]
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(tracking)
