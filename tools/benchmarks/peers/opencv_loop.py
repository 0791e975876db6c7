"""What one writes first: OpenCV reads, resizes, and ONNX Runtime computes a graph of singleshot's."""

from __future__ import annotations

import time
from typing import Any

from .timed import answering

_SCORE = 0.5


def main() -> None:
    """Measure it."""
    with answering() as (job, answer):
        started_s = time.perf_counter()
        import cv2
        import numpy as np
        import onnxruntime as ort

        from .clip import measure

        session = ort.InferenceSession(job["artefact"], providers=["CPUExecutionProvider"])
        answer["load_ms"] = 1e3 * (time.perf_counter() - started_s)
        _, height, width, _ = session.get_inputs()[0].shape

        def look(image: Any) -> Any:
            fitted = cv2.resize(image, (width, height))
            _, boxes, scores, classes = session.run(
                ["num_dets", "det_boxes", "det_scores", "det_classes"], {"frames": fitted[np.newaxis]}
            )
            keep = scores[0] >= _SCORE
            return boxes[0][keep] * np.array(image.shape)[[1, 0, 1, 0]], scores[0][keep], classes[0][keep]

        answer["runs_on"] = f"cv2 {cv2.__version__}, onnxruntime {ort.__version__}"
        measure(job, answer, look, lambda found: len(found[1]))


if __name__ == "__main__":
    main()
