"""COCO's own tools load what is written, whenever they look."""

from __future__ import annotations

import errno
import json
import os
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from singleshot.runtime.detection.classifications import Classification
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.sinks.coco_results import CocoSink, images_path
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sinks.full_disk import DiskFullError
from singleshot.runtime.sources.frame import Frame
from singleshot.tests.fixtures.found import detections

coco = pytest.importorskip("pycocotools.coco")

NAMES = ("cat", "Kuh")
BOX = (0.9, 1, [0.1, 0.25, 0.5, 0.75])


def result(index: int, found: Detections | Classification | None = None) -> FrameResult:
    frame = Frame(image=np.zeros((40, 100, 3), np.uint8), index=index, time_s=index / 25, source="größe.mp4")
    return FrameResult(frame=frame, found=detections(BOX) if found is None else found, drawn=None, class_names=NAMES)


def loaded(path: Path) -> Any:
    with redirect_stdout(StringIO()):
        return coco.COCO(str(images_path(path))).loadRes(str(path))


def test_pycocotools_loads_it_after_each_frame(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.json"
    sink = CocoSink(path)
    for number, index in enumerate((0, 3, 4), 1):  # a live camera's frames have gaps
        sink.write(result(index))
        coco = loaded(path)
        assert len(coco.anns) == len(coco.imgs) == number
    sink.close()
    assert sorted(coco.imgs) == [1, 4, 5]
    assert coco.imgs[4] == {
        "id": 4, "file_name": "größe.mp4", "width": 100, "height": 40, "frame": 3, "time_s": 0.12,
    }  # fmt: skip
    assert [coco.cats[number]["name"] for number in (1, 2)] == ["cat", "Kuh"]
    (annotation,) = coco.imgToAnns[4]
    assert annotation["bbox"] == [10.0, 10.0, 40.0, 20.0]
    assert (annotation["category_id"], annotation["score"]) == (2, 0.9)


def test_frames_without_objects_are_listed_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    sink = CocoSink(path)
    sink.write(result(0, Detections.none()))
    sink.close()
    assert json.loads(path.read_text(encoding="utf-8")) == []
    assert [image["id"] for image in json.loads(images_path(path).read_text(encoding="utf-8"))["images"]] == [1]
    assert sink.paths == (str(path), str(images_path(path)))


def test_a_full_disk_leaves_the_frames_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.json"
    sink = CocoSink(path)
    sink.write(result(0))
    calls = []

    def full(file: object, data: bytes) -> None:
        calls.append(data)
        if len(calls) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        os.write(file.fileno(), data)  # type: ignore[attr-defined]

    with monkeypatch.context() as patch:
        patch.setattr("singleshot.runtime.sinks.coco_results._write_all", full)
        with pytest.raises(DiskFullError, match=r"could not be written .* it ends with the last whole frame"):
            sink.write(result(1))
    assert len(loaded(path).anns) == 1
    sink.write(result(2))
    sink.close()
    assert sorted(loaded(path).imgs) == [1, 3]


def test_what_was_there_stays_until_the_first_frame(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("of before")
    CocoSink(path).close()
    assert path.read_text() == "of before"
    assert not images_path(path).exists()
