"""OpenCV alone: its network module computes a graph of singleshot's that has the `cluster` tail."""

from __future__ import annotations

import time
from typing import Any

from .timed import answering

_OUTPUTS = ["num_dets", "det_boxes", "det_scores", "det_classes", "exact"]
_SCORE = 0.5


def main() -> None:
    """Measure it."""
    with answering() as (job, answer):
        started_s = time.perf_counter()
        import cv2
        import numpy as np

        from .clip import measure

        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        network = cv2.dnn.readNetFromONNX(job["artefact"])
        answer["load_ms"] = 1e3 * (time.perf_counter() - started_s)
        height, width = map(int, job["backend"].split("x"))  # of the input

        def look(image: Any) -> Any:
            fitted = cv2.resize(image, (width, height))
            network.setInput(fitted[np.newaxis], "frames")
            _, boxes, scores, classes, _ = network.forward(_OUTPUTS)
            keep = np.asarray(scores)[0] >= _SCORE
            scale = np.array(image.shape)[[1, 0, 1, 0]]
            return np.asarray(boxes)[0][keep] * scale, np.asarray(scores)[0][keep], np.asarray(classes)[0][keep]

        answer["runs_on"] = f"cv2 {cv2.__version__}"
        measure(job, answer, look, lambda found: len(found[1]))


if __name__ == "__main__":
    main()
