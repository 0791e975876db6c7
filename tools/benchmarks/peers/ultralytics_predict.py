"""`predict` of Ultralytics, which is licensed under AGPL-3.0: installed and run apart, and imported by nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from typing import Any

from .timed import answering

_SIDE_PX = 320


def main() -> None:
    """Measure it."""
    os.environ |= {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}
    with answering() as (job, answer):
        started_s = time.perf_counter()
        import torch
        import ultralytics

        from .clip import measure

        model = ultralytics.YOLO(job["artefact"] or "yolov8n.yaml")
        answer["load_ms"] = 1e3 * (time.perf_counter() - started_s)
        if not job["artefact"]:
            answer["notes"] = ["random weights that find nothing: suppression has next to nothing to do"]

        def look(image: Any) -> Any:
            return model.predict(image, imgsz=_SIDE_PX, verbose=False)[0]

        def loop(clip: str) -> Generator[Any, None, None]:
            yield from model.predict(clip, imgsz=_SIDE_PX, verbose=False, stream=True)

        answer["runs_on"] = f"ultralytics {ultralytics.__version__}, torch {torch.__version__}"
        measure(job, answer, look, lambda found: len(found.boxes), loop=loop)


if __name__ == "__main__":
    main()
