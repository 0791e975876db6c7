"""Detections as COCO's results: one JSON list, by the ids of the data's own annotations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ...runtime.detection.detections import Detections
from ...runtime.files import StrPath, check_can_write, whole_file
from ..readers.coco import CocoIds
from ..sample import Sample


@contextmanager
def coco_results(
    path: StrPath, ids: CocoIds, class_names: Sequence[str]
) -> Iterator[Callable[[Sample, Detections], None]]:
    """Give a function that writes what was found in an image; the file is there when the block ends without an error.

    Classes that the data do not have are left out: no annotation could speak of them.

    Args:
        path: the file to write.
        ids: of the images and classes, see `Dataset.coco_ids`.
        class_names: of the detections, in the order of class ids.

    Raises:
        InputError: the file cannot be written.
    """
    check_can_write(path)
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        written = 0

        def write(sample: Sample, detections: Detections) -> None:
            nonlocal written
            boxes_px = detections.boxes_xyxy_px(height=sample.height_px, width=sample.width_px)
            rows = zip(boxes_px.tolist(), detections.class_ids.tolist(), detections.scores.tolist(), strict=True)
            for (xmin, ymin, xmax, ymax), class_id, score in rows:
                category_id = ids.categories.get(class_names[class_id])
                if category_id is not None:
                    box = [xmin, ymin, xmax - xmin, ymax - ymin]
                    entry = {
                        "image_id": ids.images[sample.image_id],
                        "category_id": category_id,
                        "bbox": box,
                        "score": score,
                    }
                    file.write((",\n" if written else "[\n") + json.dumps(entry))
                    written += 1

        yield write
        file.write("\n]\n" if written else "[]\n")
        file.flush()
