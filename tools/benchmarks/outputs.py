"""What each output costs, in processor time a frame: `python -m singleshot.tools.benchmarks.outputs`.

On generated frames with five objects whose boxes are known, so that no network runs. Takes a minute.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ...calib.harvest.sightings import sightings
from ...runtime.detection.detections import Detections
from ...runtime.loop.blur import Blur
from ...runtime.loop.pipeline import one_thread_for_opencv
from ...runtime.sinks.coco_results import CocoSink
from ...runtime.sinks.crops import CropSettings, CropsSink
from ...runtime.sinks.csv_rows import CsvSink
from ...runtime.sinks.frame_result import FrameResult
from ...runtime.sinks.json_lines import JsonLinesSink
from ...runtime.sinks.mot_rows import MotSink
from ...runtime.sinks.overlay import draw_detections
from ...runtime.sinks.sink import Sink
from ...runtime.sinks.video import VideoSink
from ...runtime.sources.frame import Frame
from ...runtime.sources.synthetic import Scene

SIZES_HW = ((360, 640), (1080, 1920))
FRAMES, FPS, OBJECTS = 100, 25, 5
NAMES = ("cat", "dog", "person")


def main() -> None:
    """Print a table in Markdown: milliseconds of one core a frame, by output and size of the frame."""
    with one_thread_for_opencv(), tempfile.TemporaryDirectory() as folder:
        columns = [_costs_ms(_results(height, width), Path(folder) / f"{width}") for height, width in SIZES_HW]
    print("| output | " + " | ".join(f"{width} x {height}" for height, width in SIZES_HW) + " |")
    print("|---|" + "---|" * len(columns))
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(f"{column[name]:.2f}" for column in columns) + " |")


def _results(height: int, width: int) -> list[FrameResult]:
    scene = Scene(width=width, height=height, fps=FPS, objects=OBJECTS)
    results = []
    for index in range(FRAMES):
        picture, truth = scene.picture(index), scene.truth(index)
        boxes = truth.boxes_px / np.array([width, height, width, height], np.float32)
        count = len(boxes)
        found = Detections(
            boxes_xyxy=boxes.astype(np.float32),
            scores=np.linspace(0.95, 0.55, count, dtype=np.float32),
            class_ids=(truth.ids % len(NAMES)).astype(np.int32),
        )
        frame = Frame(image=picture, index=index, time_s=index / FPS, source="synthetic://")
        drawn = draw_detections(picture, found, NAMES)
        results.append(FrameResult(frame=frame, found=found, drawn=drawn, class_names=NAMES))
    return results


def _costs_ms(results: Sequence[FrameResult], folder: Path) -> dict[str, float]:
    folder.mkdir()
    thresholds = np.full(len(NAMES), 0.5, np.float32)
    blur = Blur(range(len(NAMES)), holds=True)
    sinks: dict[str, Callable[[], Sink]] = {
        "`--json`": lambda: JsonLinesSink(folder / "found.jsonl"),
        "`--csv`": lambda: CsvSink(folder / "found.csv"),
        "`--mot`": lambda: MotSink(folder / "found.txt"),
        "`--coco`": lambda: CocoSink(folder / "found.json"),
        "`--crops`, one a second of each class": lambda: CropsSink(folder / "crops", CropSettings(), "video"),
        "`--crops --crops-every 0`, all objects": lambda: CropsSink(
            folder / "all-crops", CropSettings(every_s=0), "video"
        ),
        "`--save`, without drawing": lambda: VideoSink(folder / "found.mp4"),
    }
    costs = {name: _written_ms(open_sink(), results) for name, open_sink in sinks.items()}
    costs["drawing, for `--save`, `--show`, `--live`"] = _each_ms(
        lambda result: draw_detections(result.frame.image, _found(result), NAMES), results
    )
    costs["`--blur`, all five objects"] = _each_ms(
        lambda result: blur.hide(result.frame, _found(result), thresholds), results
    )
    started_s = time.process_time()
    list(sightings(iter(results), thresholds, source=0, is_video=True))
    costs["`harvest`, besides the network"] = 1e3 * (time.process_time() - started_s) / len(results)
    return costs


def _written_ms(sink: Sink, results: Sequence[FrameResult]) -> float:
    started_s = time.process_time()
    for result in results:
        sink.write(result)
    sink.close()
    return 1e3 * (time.process_time() - started_s) / len(results)


def _each_ms(work: Callable[[FrameResult], object], results: Sequence[FrameResult]) -> float:
    started_s = time.process_time()
    for result in results:
        work(result)
    return 1e3 * (time.process_time() - started_s) / len(results)


def _found(result: FrameResult) -> Detections:
    if not isinstance(result.found, Detections):
        raise TypeError("made of detections")
    return result.found


if __name__ == "__main__":
    main()
