"""Writes what was found as COCO's results, beside them the list of images that they speak of."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from ..detection.detections import Detections
from .frame_result import FrameResult
from .full_disk import unwritten
from .output_file import OutputFile
from .sink import Sink


def images_path(path: Path) -> Path:
    """Name the list of images of a file of results: `found.images.json` of `found.json`."""
    return path.with_name(f"{path.stem}.images{path.suffix}")


class CocoSink(Sink):
    """Two files of JSON that are whole after each frame.

    An image's id is the frame's number in its source, from 1 on, whatever frames are left out: another run over the
    same source gives the same frame the same id. A category's id is the class's number in the model, from 1 on.

    Args:
        path: of the results; `images_path` is the other's.

    Raises:
        InputError: one of them cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._results = _GrowingList(path)
        try:
            self._images = _GrowingList(images_path(path))
        except BaseException:
            self._results.close()
            raise

    @property
    def paths(self) -> tuple[str, ...]:
        """Both, once a frame is in them."""
        return (*self._results.paths, *self._images.paths)

    def write(self, result: FrameResult) -> None:
        """Add a frame, the image first: no result speaks of an image that is not listed."""
        categories = json.dumps(_categories(result.class_names), ensure_ascii=False)
        self._images.begin(f'{{"categories": {categories},\n"annotations": [],\n"images": ', end="}")
        self._results.begin("")
        self._images.add([_image(result)])
        self._results.add(_results(result))

    def close(self) -> None:
        """Close both."""
        self._results.close()
        self._images.close()


class _GrowingList:
    """A JSON list in a file, closed anew behind each entry; of a pipe or a device at the end."""

    def __init__(self, path: Path) -> None:
        self._output = OutputFile(path)
        self._end = b""
        self._size = 0
        self._separator = "\n"

    @property
    def paths(self) -> tuple[str, ...]:
        return (str(self._output.path),) if self._output.has_begun else ()

    def begin(self, head: str, *, end: str = "") -> None:
        """Write what stands before the list, the first time."""
        if not self._size:
            self._output.begin()
            self._end = f"\n]{end}\n".encode()
            self._append(f"{head}[")

    def add(self, entries: Sequence[Mapping[str, object]]) -> None:
        if entries:
            self._append(self._separator + ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries))
            self._separator = ",\n"

    def close(self) -> None:
        if self._output.has_begun and not self._output.is_regular:
            with suppress(OSError):  # whoever read may have left
                _write_all(self._output.file, self._end)
        self._output.close()

    def _append(self, text: str) -> None:
        """Write in the place of the end, and the end anew; what does not fit is taken back."""
        data, file = text.encode(errors="backslashreplace"), self._output.file
        try:
            if self._output.is_regular:
                os.ftruncate(file.fileno(), self._size)
            _write_all(file, data + self._end if self._output.is_regular else data)
        except OSError as error:
            if self._output.is_regular:
                with suppress(OSError):  # somebody else took the room
                    os.ftruncate(file.fileno(), self._size)
                    _write_all(file, self._end)
            raise unwritten(
                f"{self._output.path}: could not be written ({error.strerror}); it ends with the last whole frame.",
                error.errno,
            ) from error
        self._size += len(data)


def _write_all(file: IO[bytes], data: bytes) -> None:
    written = 0
    while written < len(data):  # a full disk takes a part, and refuses the next
        written += file.write(data[written:])


def _categories(class_names: Sequence[str]) -> list[dict[str, object]]:
    return [{"id": number, "name": name} for number, name in enumerate(class_names, 1)]


def _image(result: FrameResult) -> dict[str, object]:
    frame = result.frame
    height, width = frame.image.shape[:2]
    image: dict[str, object] = {
        "id": frame.index + 1,
        "file_name": frame.source,
        "width": width,
        "height": height,
        "frame": frame.index,
        "time_s": round(frame.time_s, 6),
    }
    if frame.captured_at is not None:
        image["captured_at"] = frame.captured_at.isoformat(timespec="milliseconds")
    return image


def _results(result: FrameResult) -> list[Mapping[str, object]]:
    found = result.found
    if not isinstance(found, Detections):
        raise TypeError("COCO's results need detections")
    height, width = result.frame.image.shape[:2]
    boxes_px = found.boxes_xyxy_px(height=height, width=width).tolist()
    return [
        {
            "image_id": result.frame.index + 1,
            "category_id": class_id + 1,
            "bbox": [round(xmin, 2), round(ymin, 2), round(xmax - xmin, 2), round(ymax - ymin, 2)],
            "score": round(score, 4),
            **({} if track_id is None else {"track_id": track_id}),
        }
        for class_id, score, (xmin, ymin, xmax, ymax), track_id in zip(
            found.class_ids.tolist(), found.scores.tolist(), boxes_px, result.track_ids, strict=True
        )
    ]
